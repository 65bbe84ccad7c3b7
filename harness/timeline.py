"""When each transfer of a cell happens in a deployment: order and work from the ledger, pace from the assumptions.

A round starts when the slowest client of the round before is done, plus a pause. Every client goes through downlink,
decode, local training, encode and uplink, one after the other. What the server does takes no time here. What clients
were given before round 1 happens before the timeline begins.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.protocols import RadioModel
from harness.core.types import Direction, RadioTransfer
from harness.core.units import BITS_PER_BYTE
from harness.devices import Device
from harness.ledger import Ledger

Floats = NDArray[np.float64]

CLIENT_PHASES = ("decode", "local_training", "encode")
"""Phases that a client's device goes through; encode and decode of the server belong to client -1."""

_NEEDED: dict[str, tuple[str, ...]] = {"downlink": ("decode",), "uplink": ("local_training", "encode")}


def device_seconds(ledger: Ledger, device: Device) -> pd.DataFrame:
    """Seconds that each client's device computes in each round.

    Returns:
        Float frame with a row per (round, client) and a column per phase of `CLIENT_PHASES`; NaN where the ledger has
        no window.

    Raises:
        ValueError: the host's matrix rate or the CPU seconds of a window are not known.
    """
    windows = ledger.windows
    at_client = windows[(windows["round"] > 0) & (windows["client"] >= 0) & windows["phase"].isin(CLIENT_PHASES)]
    if not np.isfinite(at_client["cpu_seconds"]).all():
        raise ValueError(f"cell {ledger.cell_id}: a compute window has no CPU seconds")
    cpu_s = at_client.pivot_table(index=["round", "client"], columns="phase", values="cpu_seconds", aggfunc="sum")
    return cpu_s.reindex(columns=list(CLIENT_PHASES)) * device.seconds(1.0, ledger.host.gemm_gflops)


def timeline(ledger: Ledger, device: Device, radio: RadioModel, pause_s: float = 0.0) -> list[RadioTransfer]:
    """All transfers of the rounds of a cell in time; those of round 0 are in `provisioning`.

    Args:
        ledger: a finished cell. Payloads of one client, round and direction count as one transfer.
        device: what the clients compute on.
        radio: what the clients send and receive with.
        pause_s: seconds between the end of a round and the start of the next, at least 0.

    Returns:
        One transfer per client, round and direction that occurs: downlinks first, each kind by round and client.

    Raises:
        ValueError: a payload is addressed to no client, or a client moved a payload without the computing that belongs
            to it: its time is then unknown, not zero.
    """
    bits = _bits(ledger)
    compute_s = device_seconds(ledger, device).reindex(bits.index)
    _check_complete(bits, compute_s)
    down_s, up_s = _seconds(bits["downlink"], radio, "downlink"), _seconds(bits["uplink"], radio, "uplink")
    before_up_s = np.nan_to_num(down_s) + compute_s.sum(axis=1).to_numpy()
    start_s = _round_starts(bits.index, before_up_s + np.nan_to_num(up_s), pause_s)
    return [
        *_transfers(bits["downlink"], "downlink", start_s, down_s),
        *_transfers(bits["uplink"], "uplink", start_s + before_up_s, up_s),
    ]


def provisioning(ledger: Ledger, radio: RadioModel) -> list[RadioTransfer]:
    """What clients were given before round 1, as if each had fetched it over the air in a session of its own.

    Args:
        ledger: a finished cell.
        radio: what the clients receive with.

    Returns:
        One downlink transfer of round 0 per client that was given something, each at 0 s; apart from the timeline.
    """
    given = ledger.transfers[ledger.transfers["round"] == 0]
    bits = BITS_PER_BYTE * given.groupby("client")["payload_bytes"].sum()
    seconds = {size: radio.transfer_s(int(size), "downlink") for size in bits.unique()}
    return [
        RadioTransfer(client, 0, "downlink", 0.0, seconds[size], size)
        for client, size in zip(bits.index.tolist(), bits.tolist(), strict=True)
    ]


def _bits(ledger: Ledger) -> pd.DataFrame:
    """Bits per (round, client) and direction; NaN where nothing was sent."""
    if (ledger.transfers["client"] < 0).any():
        raise ValueError(f"cell {ledger.cell_id}: a transfer names no client; the ledger has a row per receiver")
    sent = ledger.transfers[ledger.transfers["round"] > 0]
    n_bytes = sent.pivot_table(index=["round", "client"], columns="direction", values="payload_bytes", aggfunc="sum")
    return BITS_PER_BYTE * n_bytes.reindex(columns=["downlink", "uplink"]).astype(float)


def _check_complete(bits: pd.DataFrame, compute_s: pd.DataFrame) -> None:
    for direction, phases in _NEEDED.items():
        for phase in phases:
            lacking = bits[direction].notna() & compute_s[phase].isna()
            if lacking.any():
                number, client = bits.index[int(np.argmax(lacking.to_numpy()))]
                raise ValueError(
                    f"client {client} has a {direction} in round {number} but no {phase} window: "
                    "what its device did is unknown"
                )


def _seconds(bits: pd.Series, radio: RadioModel, direction: Direction) -> Floats:
    """Seconds on the air, NaN where nothing was sent; payloads of equal size are asked for once."""
    sizes = bits.dropna().unique()
    return bits.map({size: radio.transfer_s(int(size), direction) for size in sizes}).to_numpy(dtype=np.float64)


def _round_starts(index: pd.Index, busy_s: Floats, pause_s: float) -> Floats:
    """Start of its round, for each (round, client)."""
    numbers, place = np.unique(index.get_level_values("round").to_numpy(), return_inverse=True)
    slowest_s = np.zeros(len(numbers))
    np.maximum.at(slowest_s, place, busy_s)
    starts = np.concatenate([[0.0], np.cumsum(slowest_s + pause_s)[:-1]])
    return np.asarray(starts[place], dtype=np.float64)


def _transfers(bits: pd.Series, direction: Direction, start_s: Floats, seconds: Floats) -> list[RadioTransfer]:
    sent = bits.notna().to_numpy()
    return [
        RadioTransfer(client, number, direction, start, duration, size)
        for (number, client), start, duration, size in zip(
            bits.index[sent].tolist(),
            start_s[sent].tolist(),
            seconds[sent].tolist(),
            bits[sent].astype(int).tolist(),
            strict=True,
        )
    ]
