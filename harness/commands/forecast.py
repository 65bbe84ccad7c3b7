"""Forecasts cells, time and memory of a benchmark before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ledger.store import Store
from harness.run.engines.cost_probe import available_bytes
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec

_MEMORY_SHARE = 0.9
"""Share of the available memory that cells may plan with."""


@dataclass(frozen=True)
class ForecastRow:
    """One cell of a plan.

    Attributes:
        method: display name.
        seed: evaluation seed.
        cell_id: content address.
        state: ``finished``, ``missing``, or how its last try ended.
        seconds: expected wall time; None if it is finished or its probe failed.
    """

    method: str
    seed: int
    cell_id: str
    state: str
    seconds: float | None


@dataclass(frozen=True)
class Forecast:
    """What running a benchmark will take.

    Attributes:
        folder: where the results are or will be.
        rows: the cells.
        jobs: cells at a time, at most as many as requested and as fit into memory.
        seconds: expected wall time of the whole run, without starting workers.
        peak_bytes: expected peak memory of all workers together.
        notes: what else there is to know, a line each.
    """

    folder: Path
    rows: Sequence[ForecastRow]
    jobs: int
    seconds: float
    peak_bytes: int
    notes: Sequence[str]

    @property
    def n_missing(self) -> int:
        """Cells to run."""
        return sum(row.state != "finished" for row in self.rows)


def forecast(spec: BenchmarkSpec, folder: Path, jobs: int) -> Forecast:
    """What is done of `spec`, and what the rest will take, from a few real rounds of each method."""
    from harness.run.engines import local
    from harness.run.engines.worker import Failure

    jobs = local.effective_jobs(spec.meter, jobs)
    store = Store(folder)
    planned = plan_cells(spec)
    missing = [cell for cell in planned if not store.is_finished(cell.cell_id)]
    first = {cell.method: cell.cell for cell in reversed(missing)}
    probes = dict(zip(first, local.probe(list(first.values()), spec.meter, jobs), strict=True))
    notes = [f"{name}: {found.error}" for name, found in probes.items() if isinstance(found, Failure)]
    known = {name: found for name, found in probes.items() if not isinstance(found, Failure)}
    each = max((found.peak_bytes + found.residual_bytes for found in known.values()), default=0)
    fitting = jobs if not each else max(1, min(jobs, int(available_bytes() * _MEMORY_SHARE) // each))
    if fitting < jobs:
        notes.append(f"{jobs} cells at a time would not fit into memory; use --jobs {fitting}")
    rows = [
        ForecastRow(
            cell.method,
            cell.cell.seed,
            cell.cell_id,
            _state(store, cell.cell_id),
            None if cell not in missing or cell.method not in known else known[cell.method].seconds,
        )
        for cell in planned
    ]
    distinct = {row.cell_id: row.seconds or 0.0 for row in rows}
    longest = max(distinct.values(), default=0.0)
    seconds = max(longest, sum(distinct.values()) / fitting)
    return Forecast(folder, rows, fitting, seconds, each * min(fitting, max(1, len(missing))), notes)


def _state(store: Store, cell_id: str) -> str:
    if store.is_finished(cell_id):
        return "finished"
    tries = store.attempts(cell_id)
    if not tries:
        return "missing"
    return f"missing; last try {tries[-1].ending}"
