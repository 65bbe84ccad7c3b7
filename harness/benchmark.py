"""What the commands do, one function each: the arrows from a spec to a report, in order."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.accounting import Assumptions, account
from harness.carbon import grid
from harness.core.errors import UsageError
from harness.devices import device
from harness.ledger import write_json, write_text
from harness.plan import Cell, cell_id, expand
from harness.spec import BenchmarkSpec
from harness.specfile import dump_spec, load_spec
from harness.store import IndexEntry, Store

_MEMORY_SHARE = 0.9
"""Share of the available memory that cells may plan with."""

if TYPE_CHECKING:
    import pandas as pd

    from harness.cell import Failure
    from harness.runner import Event


@dataclass(frozen=True)
class PlannedCell:
    """A cell under the name of its method.

    Attributes:
        method: display name.
        cell: what is run.
        cell_id: its content address.
    """

    method: str
    cell: Cell
    cell_id: str


def plan_cells(spec: BenchmarkSpec) -> list[PlannedCell]:
    """The cells of a spec under the names of their methods, in the order in which they are run."""
    names = [method.name for method in spec.methods]
    return [PlannedCell(names[number % len(names)], cell, cell_id(cell)) for number, cell in enumerate(expand(spec))]


def run(spec: BenchmarkSpec, folder: Path, jobs: int, on_event: "Callable[[Event], None]") -> "dict[str, Failure]":
    """Run the cells of `spec` that `folder` does not have yet; see `harness.runner.run_missing`."""
    from harness.runner import run_missing

    store = Store(folder)
    planned = plan_cells(spec)
    with store.lock():
        write_text(folder / "spec.yaml", dump_spec(spec))
        store.write_index([IndexEntry(cell.method, cell.cell.seed, cell.cell_id) for cell in planned])
        try:
            return run_missing([cell.cell for cell in planned], store, spec.meter, jobs, on_event)
        finally:
            store.write_pretraining(_pretraining_records(planned))


def _pretraining_records(planned: Sequence[PlannedCell]) -> dict[str, dict[str, Any] | None]:
    """The records of the pre-trained models that the cells start from, by name; None where the cache has none."""
    from harness.tasks.prepared import read_record

    tasks = {str(cell.cell.task): cell.cell.task for cell in planned}
    folders = {registry.build("task", task).pretraining_folder() for task in tasks.values()}
    return {folder.name: read_record(folder) if folder.is_dir() else None for folder in folders if folder is not None}


def assumptions_of(
    spec: BenchmarkSpec, radios: Sequence[str] = (), grids: Sequence[str] = (), device_name: str | None = None
) -> Assumptions:
    """The assumptions of a spec, or others in their place.

    Raises:
        UsageError: an unknown radio, country or device.
    """
    resolved = spec.resolved()["scenarios"]
    return Assumptions(
        radios=tuple(registry.build("radio", name) for name in radios) or spec.scenarios.radios,
        grids=tuple(grid(entry) for entry in (grids or resolved["grids"])),
        device=device(device_name or spec.scenarios.device),
        pause_s=spec.scenarios.pause_s,
    )


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
        jobs: cells at a time, at most as many as asked for and as fit into memory.
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
    from harness.cell import Failure
    from harness.runner import forecast as probe

    store = Store(folder)
    planned = plan_cells(spec)
    missing = [cell for cell in planned if not store.is_finished(cell.cell_id)]
    first = {cell.method: cell.cell for cell in reversed(missing)}
    probes = dict(zip(first, probe(list(first.values()), spec.meter, jobs), strict=True))
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


def available_bytes() -> int:
    """Memory that new processes can take without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def _state(store: Store, cell_id: str) -> str:
    if store.is_finished(cell_id):
        return "finished"
    tries = store.attempts(cell_id)
    if not tries:
        return "missing"
    return f"{tries[-1].state} in round {tries[-1].rounds}" + (f": {tries[-1].error}" if tries[-1].error else "")


@dataclass(frozen=True)
class Priced:
    """A priced results folder: what reports are made from.

    Attributes:
        frames: the tables, by name.
        context: everything that is not in a table.
    """

    frames: "Mapping[str, pd.DataFrame]"
    context: Mapping[str, Any]


def price(folder: Path, assumptions: Callable[[BenchmarkSpec], Assumptions]) -> Priced:
    """Price the finished cells of a results folder. Trains nothing and writes nothing.

    Args:
        folder: a results folder.
        assumptions: what to price with, given the spec of the folder.

    Raises:
        UsageError: `folder` is no results folder, or has no finished cell.
    """
    from harness import context
    from harness.pooling import pool
    from harness.tables import PricedCell, tabulate

    spec, store = open_results(folder)
    pricing = assumptions(spec)
    index = store.index()
    ledgers = {key: store.ledger(key) for key in {entry.cell_id for entry in index} if store.is_finished(key)}
    if not ledgers:
        raise UsageError(f"{folder}: no cell is finished yet; run `harness compare` first")
    costs = pool(list(ledgers.values()))
    results = {key: account(ledger, pricing, costs) for key, ledger in ledgers.items()}
    attempts = {entry.cell_id: store.attempts(entry.cell_id) for entry in index}
    priced = [PricedCell(entry.method, results[entry.cell_id]) for entry in index if entry.cell_id in results]
    unfinished = {
        (entry.method, entry.seed): tries[-1].error if (tries := attempts[entry.cell_id]) else ""
        for entry in index
        if entry.cell_id not in results
    }
    tries = [attempt for of_cell in attempts.values() for attempt in of_cell]
    described = context.describe(spec, pricing, priced, unfinished, tries, store.pretraining())
    return Priced(tabulate(priced, spec.reference), described)


def write_tables(priced: Priced, folder: Path) -> Path:
    """Write ``tables/`` into `folder`, in place of what was there. Returns the tables folder."""
    tables, draft = folder / "tables", folder / ".tables"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, frame in priced.frames.items():
        frame.to_csv(draft / f"{name}.csv", index=False)
    write_json(draft / "context.json", priced.context)
    shutil.rmtree(tables, ignore_errors=True)
    draft.rename(tables)
    return tables


def render(tables: Path, folder: Path) -> list[Path]:
    """Write the reports of a tables folder into `folder`. Returns what was written."""
    from reports.build import build_report
    from reports.html import write_html
    from reports.markdown import write_markdown

    report = build_report(tables)
    written = [folder / "report.md", folder / "report.html"]
    write_markdown(report, written[0])
    write_html(report, written[1])
    return written


def open_results(folder: Path) -> tuple[BenchmarkSpec, Store]:
    """The spec and the store of a results folder.

    Raises:
        UsageError: `folder` is no results folder.
    """
    if not (folder / "spec.yaml").is_file():
        raise UsageError(f"{folder}: no results folder (it has no spec.yaml); `harness compare` makes one")
    return load_spec(folder / "spec.yaml"), Store(folder)
