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
    """Run the cells of `spec` that `folder` does not have yet.

    Returns:
        The failures by cell id; empty when all cells are finished.

    Raises:
        UsageError: the data cannot be partitioned as asked, or `folder` is somebody else's.
        EnvironmentLacksError: the data, the cache or the disk is not usable, so no cell can run.
    """
    from harness import runner

    store = Store(folder)
    store.check_folder()
    planned = plan_cells(spec)
    with store.lock():
        missing = {cell.cell_id: cell.cell for cell in planned if not store.is_finished(cell.cell_id)}
        # A definition that cannot run must not replace the index of one that did.
        on_event(runner.Event("preparing"))
        runner.prepare(missing.values())
        write_text(folder / "spec.yaml", dump_spec(spec))
        store.write_index([IndexEntry(cell.method, cell.cell.seed, cell.cell_id) for cell in planned])
        try:
            return runner.run_missing(missing, store, spec.meter, jobs, on_event)
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

    Args:
        spec: the benchmark; a radio or grid of its own that is named below keeps its settings.
        radios: names of radios; empty takes the spec's.
        grids: country codes, or names of the spec's own grids; empty takes the spec's.
        device_name: name of a device; None takes the spec's.

    Raises:
        UsageError: an unknown radio, country or device.
    """
    own_radios = {radio.kind: radio for radio in spec.scenarios.radios}
    own_grids = {place.name: place for place in map(grid, spec.resolved()["scenarios"]["grids"])}
    places = [own_grids.get(name) or grid(name) for name in grids] or list(own_grids.values())
    return Assumptions(
        radios=tuple(own_radios.get(name) or registry.build("radio", name) for name in dict.fromkeys(radios))
        or spec.scenarios.radios,
        grids=tuple({place.iso3 or place.name: place for place in places}.values()),
        device=device(device_name or spec.scenarios.device),
        pause_s=spec.scenarios.pause_s,
        provisioning=spec.scenarios.provisioning,
    )


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
    # In the order of the index: sums over cells must not depend on the order of a set.
    keys = dict.fromkeys(entry.cell_id for entry in index)
    ledgers = {key: store.ledger(key) for key in keys if store.is_finished(key)}
    if not ledgers:
        raise UsageError(f"{folder}: no cell is finished yet; run `harness compare` first")
    costs = pool(list(ledgers.values()))
    results = {key: account(ledger, pricing, costs) for key, ledger in ledgers.items()}
    # While a run holds the folder, a try without an end is a running cell.
    is_busy = store.is_busy()
    attempts = {entry.cell_id: store.attempts(entry.cell_id, with_unended=not is_busy) for entry in index}
    priced = [PricedCell(entry.method, results[entry.cell_id]) for entry in index if entry.cell_id in results]
    unfinished = {
        (entry.method, entry.seed): tries[-1].ending if (tries := attempts[entry.cell_id]) else ""
        for entry in index
        if entry.cell_id not in results
    }
    tries = [attempt for of_cell in attempts.values() for attempt in of_cell]
    described = context.describe(spec, pricing, priced, unfinished, tries, store.pretraining())
    frames = tabulate(priced, spec.references(), costs, spec.reference, spec.contrasts)
    return Priced(frames, described)


def write_tables(priced: Priced, folder: Path) -> Path:
    """Write ``tables/`` into `folder`, in place of what an earlier call wrote. Returns the tables folder.

    Raises:
        UsageError: `folder` holds something that is not ours.
    """
    Store(folder).check_folder()
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
    """Write the reports of a tables folder into `folder`. Returns what was written: files, and the figures' folder."""
    from reports.bibliography import write_bibtex
    from reports.build import report_of
    from reports.figure_files import write_figures
    from reports.html import write_html
    from reports.latex import write_latex
    from reports.macros import write_macros
    from reports.markdown import write_markdown
    from reports.paper import build_paper
    from reports.schema import read_tables

    read = read_tables(tables)
    report = report_of(read)
    names = ("report.md", "report.html", "report.tex", "numbers.tex", "references.bib")
    sheet, page, paper, numbers, sources = (folder / name for name in names)
    write_markdown(report, sheet)
    write_html(report, page)
    write_latex(build_paper(read), paper)
    write_macros(read, numbers)
    write_bibtex(read, sources)
    return [page, sheet, paper, numbers, sources, write_figures(report, folder)]


def open_results(folder: Path) -> tuple[BenchmarkSpec, Store]:
    """The spec and the store of a results folder.

    Raises:
        UsageError: `folder` is no results folder.
    """
    if not (folder / "spec.yaml").is_file():
        raise UsageError(f"{folder}: no results folder (it has no spec.yaml); `harness compare` makes one")
    return load_spec(folder / "spec.yaml"), Store(folder)
