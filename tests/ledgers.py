"""Ledgers of invented cells, as functions: seconds and bytes are such that results can be worked out by hand."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pandas as pd

from harness.core.facts import ComputeWindow, EnergyReading, Score, Shadow, Transfer, UpdateStatistic
from harness.core.types import SERVER, Direction, Phase
from harness.ledger.ledger import Host, Ledger

HOST_GFLOPS = 23.778
"""Twice the matrix rate of a Raspberry Pi 4: a CPU second here is two device seconds there."""

_WAYS: tuple[Direction, Direction] = ("downlink", "uplink")


def make_ledger(
    rounds: int = 2,
    clients: int = 2,
    n_bytes: tuple[int, int] = (1_000_000, 500_000),
    cpu_s: tuple[float, float, float] = (0.1, 1.0, 0.2),
    windows: Iterable[ComputeWindow] | None = None,
    transfers: Iterable[Transfer] | None = None,
    gemm_gflops: float = HOST_GFLOPS,
    shadows: Iterable[Shadow] = (),
    statistics: Iterable[UpdateStatistic] = (),
) -> Ledger:
    """A cell in which every client takes part in every round.

    Args:
        rounds: number of rounds.
        clients: number of clients.
        n_bytes: payload bytes down and up.
        cpu_s: CPU seconds of decode, local training and encode; client c takes c + 1 times as long.
        windows: replaces all compute windows.
        transfers: replaces all transfers.
        gemm_gflops: matrix rate of the host.
        shadows: lengths of payloads with another coding.
        statistics: what was recorded of the updates.
    """
    pairs = [(number, client) for number in range(1, rounds + 1) for client in range(clients)]
    if transfers is None:
        transfers = [
            Transfer(number, client, way, size, 12, "0" * 16, 4_000_000)
            for number, client in pairs
            for way, size in zip(_WAYS, n_bytes, strict=True)
        ]
    if windows is None:
        windows = [window for number, client in pairs for window in _client_windows(number, client, cpu_s)]
    return Ledger(
        cell_id="0123456789abcdef",
        cell={"task": {}, "federation": {}, "method": {}, "seed": 0},
        facts_digest="0" * 64,
        reading=EnergyReading(1.0, 1.0, 4.0, None, "estimated", "this process", "E2", 1.0, 4.0, "constant"),
        host=Host(
            machine="0" * 8,
            cpu_model="invented",
            n_threads=2,
            is_virtual=False,
            gemm_gflops=gemm_gflops,
            platform="linux",
            versions={},
        ),
        code={},
        codec_timings=(),
        transfers=_frame(Transfer, transfers),
        windows=_frame(ComputeWindow, windows),
        scores=_frame(Score, [Score(0, "validation", "accuracy", 0.5)]),
        shadows=_frame(Shadow, shadows),
        statistics=_frame(UpdateStatistic, statistics),
    )


def provisioned(clients: int = 2, n_bytes: int = 1_000_000) -> list[Transfer]:
    """What every client is given before round 1."""
    return [Transfer(0, client, "downlink", n_bytes, 12, "f" * 16, 4_000_000) for client in range(clients)]


def recorded_transfers(ledger: Ledger) -> list[Transfer]:
    """The transfers of a ledger, as records."""
    rows: Any = ledger.transfers.to_dict("records")
    return [Transfer(**row) for row in rows]


def server_windows(seconds: float) -> list[ComputeWindow]:
    """Work that is no client's: it must never reach a device."""
    phases: tuple[Phase, ...] = ("setup", "encode", "decode", "aggregate", "evaluate")
    return [ComputeWindow(1, phase, SERVER, seconds, seconds) for phase in phases]


def _client_windows(number: int, client: int, cpu_s: tuple[float, float, float]) -> list[ComputeWindow]:
    decode_s, train_s, encode_s = (seconds * (client + 1) for seconds in cpu_s)
    return [
        # Wall seconds are a hundred times the CPU seconds: whoever uses them by mistake is far off.
        ComputeWindow(number, "decode", client, 100 * decode_s, decode_s),
        ComputeWindow(number, "local_training", client, 100 * train_s, train_s, n_steps=5),
        ComputeWindow(number, "encode", client, 100 * encode_s, encode_s),
    ]


def _frame(kind: type[Any], rows: Iterable[Any]) -> pd.DataFrame:
    return pd.DataFrame([vars(row) for row in rows], columns=[field.name for field in fields(kind)])
