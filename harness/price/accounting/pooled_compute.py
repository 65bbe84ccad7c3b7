"""Estimates what computing costs a client from all cells together.

Local training is the same work under every codec, yet its CPU time scatters by several percent from cell to cell, far
more than a codec costs. Comparing raw totals would compare that scatter. So the CPU time of one optimiser step is
pooled over all cells that train the same model in the same way on the same machine, and the CPU time of one codec
operation is taken from repeat-and-divide. Raw totals of cells stay what they are: diagnostics of the testbed.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.ledger.ledger import Ledger

_NOT_IN_A_STEP = ("init", "pretraining", "partition", "clients")
"""Task settings that leave the work of an optimiser step as it is."""

_OF_A_STEP = ("batch_size", "momentum", "weight_decay", "proximal", "augment")
"""Settings of the federation that do not."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one operation.

    Attributes:
        n_cells: cells that it was pooled over.
        cpu_s: CPU seconds, total over all of them divided by the number of operations.
        spread: standard deviation between cells divided by the mean; 0 for one cell.
    """

    n_cells: int
    cpu_s: float
    spread: float


@dataclass(frozen=True)
class ComputeCosts:
    """Pooled costs of a set of cells.

    Attributes:
        training: cost of one optimiser step, by the key of the work.
        codec: cost of one call, by the key of the codec and (direction, operation).
        gemm_gflops: matrix rate of one thread by machine, 1e9 flop/s: the median over its cells. Each worker measures
            its own, and they scatter as training does.
        copy_gb_per_s: rate of copying of one thread by machine, 1e9 B/s, likewise; None where none was measured.
    """

    training: Mapping[str, Cost]
    codec: Mapping[tuple[str, str, str], Cost]
    gemm_gflops: Mapping[str, float]
    copy_gb_per_s: Mapping[str, float | None]

    def step(self, ledger: Ledger) -> Cost:
        """Cost of one optimiser step in this cell."""
        return self.training[_work_key(ledger)]

    def call(self, ledger: Ledger, direction: str, operation: str) -> Cost:
        """Cost of one codec operation in this cell."""
        return self.codec[_codec_key(ledger, direction), direction, operation]

    def pooled(self, ledger: Ledger) -> Ledger:
        """A cell with pooled CPU seconds in its client windows and the pooled rates of its machine, to be priced."""
        machine = _machine(ledger)
        rates = {"gemm_gflops": self.gemm_gflops[machine], "copy_gb_per_s": self.copy_gb_per_s[machine]}
        host = replace(ledger.host, **rates)  # type: ignore[arg-type]
        return replace(ledger, windows=self._windows(ledger), host=host)

    def _windows(self, ledger: Ledger) -> pd.DataFrame:
        windows = ledger.windows.copy()
        phase, is_client = windows["phase"], windows["client"] >= 0
        training = phase == "local_training"
        windows.loc[training, "cpu_seconds"] = windows.loc[training, "n_steps"] * self.step(ledger).cpu_s
        windows.loc[is_client & (phase == "encode"), "cpu_seconds"] = self.call(ledger, "uplink", "encode").cpu_s
        decode, call_s = is_client & (phase == "decode"), self.call(ledger, "downlink", "decode").cpu_s
        windows.loc[decode, "cpu_seconds"] = call_s * _payloads(windows[decode], ledger.transfers)
        return windows


def pool(ledgers: Sequence[Ledger]) -> ComputeCosts:
    """Pool the costs of cells; cells of different machines are never pooled.

    Raises:
        ValueError: a cell trained without a step, or its codecs were not timed.
    """
    training: dict[str, list[tuple[float, float]]] = defaultdict(list)
    codec: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    copies: dict[str, list[float]] = defaultdict(list)
    for ledger in {ledger.cell_id: ledger for ledger in ledgers}.values():
        rates[_machine(ledger)].append(ledger.host.gemm_gflops)
        if ledger.host.copy_gb_per_s is not None:
            copies[_machine(ledger)].append(ledger.host.copy_gb_per_s)
        trained = ledger.windows[ledger.windows["phase"] == "local_training"]
        training[_work_key(ledger)].append((float(trained["cpu_seconds"].sum()), float(trained["n_steps"].sum())))
        for timing in ledger.codec_timings:
            key = (_codec_key(ledger, timing.direction), timing.direction, timing.operation)
            codec[key].append((timing.cpu_seconds, timing.calls))
    return ComputeCosts(
        {key: _cost(samples) for key, samples in training.items()},
        {key: _cost(samples) for key, samples in codec.items()},
        {machine: statistics.median(found) for machine, found in rates.items()},
        {machine: statistics.median(copies[machine]) if copies[machine] else None for machine in rates},
    )


def _payloads(windows: pd.DataFrame, transfers: pd.DataFrame) -> NDArray[np.float64]:
    """Payloads per decode window: a client that sat out decodes each difference that it missed.

    A whole model that stands in for many differences counts as one call of the downlink's codec.
    """
    key = ["round", "client"]
    received = transfers[transfers["direction"] == "downlink"].groupby(key).size()
    each = (received / windows.groupby(key).size()).reindex(pd.MultiIndex.from_frame(windows[key]))
    return np.asarray(each.fillna(1.0), dtype=np.float64)


def _cost(samples: Sequence[tuple[float, float]]) -> Cost:
    seconds, counts = np.array(samples, dtype=np.float64).T
    if not (counts > 0).all():
        raise ValueError("a cell has no optimiser step or no timed codec call: what its computing costs is unknown")
    each = seconds / counts
    spread = float(each.std(ddof=1) / each.mean()) if len(each) > 1 and each.mean() > 0 else 0.0
    return Cost(len(each), float(seconds.sum() / counts.sum()), spread)


def _work_key(ledger: Ledger) -> str:
    task = {key: value for key, value in ledger.cell["task"].items() if key not in _NOT_IN_A_STEP}
    federation = ledger.cell["federation"]
    return _key(ledger, {"task": task, **{key: federation.get(key) for key in _OF_A_STEP}})


def _codec_key(ledger: Ledger, direction: str) -> str:
    method = ledger.cell["method"]
    codec = method["uplink"] if direction == "uplink" else method["downlink"]["codec"]
    return _key(ledger, {"codec": codec, "reference_bytes": ledger.model_bytes})


def _key(ledger: Ledger, work: Mapping[str, Any]) -> str:
    return json.dumps({"machine": _machine(ledger), **work}, sort_keys=True)


def _machine(ledger: Ledger) -> str:
    # Host names repeat between machines; CPU and size distinguish most of those.
    host = ledger.host
    return f"{host.machine} {host.cpu_model} {host.n_threads}" + (f" {host.accelerator}" if host.accelerator else "")
