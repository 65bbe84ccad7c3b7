"""What the commands do, one function each: the arrows from a spec to a report, in order."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import part_files, registry
from harness.accounting import account
from harness.assumed import assumptions_of
from harness.core.errors import UsageError
from harness.ledger import Ledger, write_json, write_text
from harness.open_folder import OPEN_FILE, is_open
from harness.plan import Cell, cell_id, named_cells
from harness.scenarios import CustomGrid, Scenarios
from harness.spec import BenchmarkSpec
from harness.specfile import load_spec
from harness.store import Attempt, IndexEntry, Store
from harness.study import Study, compared_with, study_of
from harness.values import slug
from harness.yaml12 import dump_yaml

if TYPE_CHECKING:
    import pandas as pd

    from harness.cell import Failure
    from harness.pooling import ComputeCosts
    from harness.runner import Engine, Event


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
    return [PlannedCell(name, cell, cell_id(cell)) for name, cell in named_cells(spec)]


def run(
    spec: BenchmarkSpec, folder: Path, engine: "Engine", on_event: "Callable[[Event], None]"
) -> "dict[str, Failure]":
    """Run the cells of `spec` that `folder` does not have yet.

    Args:
        spec: what to run.
        folder: the results folder.
        engine: where cells run.
        on_event: told what happens.

    Returns:
        The failures by cell id; empty when all cells are finished.

    Raises:
        UsageError: the data cannot be partitioned as asked, or `folder` is somebody else's.
        EnvironmentLacksError: the data, the cache or the disk is not usable, so no cell can run.
    """
    from harness import calibration, runner

    store = Store(folder)
    store.check_folder()
    if is_open(folder):
        raise UsageError(f"{folder}: holds runs that were not ours (it has {OPEN_FILE}); name another with --out")
    planned = plan_cells(spec)
    with store.lock():
        missing = {cell.cell_id: cell.cell for cell in planned if not store.is_finished(cell.cell_id)}
        # A definition that cannot run must not replace the index of one that did.
        on_event(runner.Event("preparing"))
        runner.prepare(missing.values())
        write_text(folder / "spec.yaml", own_definition(spec, folder))
        store.write_index([IndexEntry(cell.method, cell.cell.seed, cell.cell_id) for cell in planned])
        try:
            return engine(missing, store, spec.meter, on_event)
        finally:
            store.write_pretraining(_pretraining_records(planned))
            calibration.copy_from_cache(store.machines(), spec.meter, folder)


def own_definition(spec: BenchmarkSpec, folder: Path) -> str:
    """The resolved definition, with copies in a results folder of all files that it names."""
    return dump_yaml(part_files.with_copies(_with_own_series(spec, folder).resolved(), folder))


def _with_own_series(spec: BenchmarkSpec, folder: Path) -> BenchmarkSpec:
    """The spec with its time series of grids copied into a results folder, so that it can be priced anywhere."""
    scenarios = spec.scenarios
    own = tuple(_copied(entry, folder) for entry in scenarios.grids)
    operator = None if scenarios.operator_grid is None else _copied(scenarios.operator_grid, folder)
    fleets = tuple(
        fleet.model_copy(
            update={
                "groups": tuple(
                    group if group.grid is None else group.model_copy(update={"grid": _copied(group.grid, folder)})
                    for group in fleet.groups
                )
            }
        )
        for fleet in scenarios.fleets
    )
    changed = scenarios.model_copy(update={"grids": own, "operator_grid": operator, "fleets": fleets})
    return spec.model_copy(update={"scenarios": changed})


def _copied(entry: str | CustomGrid, folder: Path) -> str | CustomGrid:
    if isinstance(entry, str) or entry.series is None:
        return entry
    relative = Path("grids") / f"{slug(entry.name)}.csv"
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (target.exists() and target.samefile(entry.series)):
        shutil.copyfile(entry.series, target)
    return entry.model_copy(update={"series": relative.as_posix()})


def _pretraining_records(planned: Sequence[PlannedCell]) -> dict[str, dict[str, Any] | None]:
    """The records of the pre-trained models that the cells start from, by name; None where the cache has none."""
    from harness.tasks.prepared import read_record

    tasks = {str(cell.cell.task): cell.cell.task for cell in planned}
    folders = {registry.build("task", task).pretraining_folder() for task in tasks.values()}
    return {folder.name: read_record(folder) if folder.is_dir() else None for folder in folders if folder is not None}


@dataclass(frozen=True)
class Priced:
    """A priced results folder: what reports are made from.

    Attributes:
        frames: the tables, by name.
        context: everything that is not in a table.
        what_if: computes what a page needs to price the runs anew; only a report asks for it.
    """

    frames: "Mapping[str, pd.DataFrame]"
    context: Mapping[str, Any]
    what_if: Callable[[], dict[str, Any]]


def price(
    source: Path,
    change: Callable[[Scenarios], Scenarios] = lambda scenarios: scenarios,
    reference: str | None = None,
) -> Priced:
    """Price finished runs. Trains nothing and writes nothing.

    Args:
        source: a results folder, a folder of open ledgers (see `harness.open_ledger`), or a published table (see
            `harness.published_table`).
        change: gives the scenarios to price with, from those of the definition; from the default where there is none.
        reference: the method that others are compared with; None takes that of the definition, or the first.

    Raises:
        UsageError: `source` is none of these, has no finished run, or no method of that name.
    """
    from harness.open_runs import is_open_source

    if is_open_source(source):
        return _price_open(source, change, reference)
    from harness import calibration
    from harness.pooling import pool

    spec, store = open_results(source)
    study = study_of(spec) if reference is None else compared_with(study_of(spec), reference)
    index = store.index()
    # In the order of the index: sums over cells must not depend on the order of a set.
    keys = dict.fromkeys(entry.cell_id for entry in index)
    ledgers = {key: store.ledger(key) for key in keys if store.is_finished(key)}
    if not ledgers:
        raise UsageError(f"{source}: no cell is finished yet; run `harness compare` first")
    # While a run holds the folder, a try without an end is a running cell.
    is_busy = store.is_busy()
    attempts = {entry.cell_id: store.attempts(entry.cell_id, with_unended=not is_busy) for entry in index}
    unfinished = {
        (entry.method, entry.seed): tries[-1].ending if (tries := attempts[entry.cell_id]) else ""
        for entry in index
        if entry.cell_id not in ledgers
    }
    runs = [_Run(entry.method, ledgers[entry.cell_id]) for entry in index if entry.cell_id in ledgers]
    tries = [attempt for of_cell in attempts.values() for attempt in of_cell]
    costs = pool(list(ledgers.values()))
    # What another meter scatters by says nothing of this one.
    calibrations = [found for found in calibration.kept(source) if found["kind"] == spec.meter]
    beside = _Beside(unfinished, tries, store.pretraining(), calibrations)
    return _priced(study, runs, spec.scenarios, change(spec.scenarios), costs, beside)


def _price_open(source: Path, change: Callable[[Scenarios], Scenarios], reference: str | None) -> Priced:
    """Price runs that were not ours; see `price`."""
    from harness.open_runs import default_scenarios, read_runs, study_of_runs, to_be_priced

    found = read_runs(source)
    written = default_scenarios()
    scenarios = change(written)
    ready, notes = to_be_priced(found.ledgers)
    study = study_of_runs(found, scenarios, notes)
    if reference is not None:
        study = compared_with(study, reference)
    runs = [_Run(method, own, facts) for (method, facts), own in zip(found.ledgers, ready, strict=True)]
    return _priced(study, runs, written, scenarios, None, _Beside(found.unfinished))


@dataclass(frozen=True, eq=False)
class _Run:
    """A finished run: its method, what of it is priced, and all that is known where that is more."""

    method: str
    ledger: Ledger
    facts: Ledger | None = None


@dataclass(frozen=True)
class _Beside:
    """What stands beside the finished runs: see `harness.context.describe`; and calibrations of the machines."""

    unfinished: Mapping[tuple[str, int], str]
    attempts: Sequence[Attempt] = ()
    pretraining: Sequence[Mapping[str, Any]] = ()
    calibrations: Sequence[Mapping[str, Any]] = ()


def _priced(
    study: Study,
    runs: Sequence[_Run],
    written: Scenarios,
    scenarios: Scenarios,
    costs: "ComputeCosts | None",
    beside: _Beside,
) -> Priced:
    from harness import context
    from harness.tables import PricedCell, tabulate
    from harness.what_if import what_if

    pricing = assumptions_of(scenarios)
    # Methods with equal settings share a cell, which is priced once.
    results = {
        key: account(ledger, pricing, costs) for key, ledger in {r.ledger.cell_id: r.ledger for r in runs}.items()
    }
    priced = [PricedCell(run.method, results[run.ledger.cell_id], run.facts) for run in runs]
    described = context.describe(study, pricing, priced, beside.unfinished, beside.attempts, beside.pretraining)
    frames = tabulate(priced, study.references, costs, study.reference, study.contrasts, beside.calibrations)
    described |= {"calibrations": [dict(each) for each in beside.calibrations]}
    return Priced(frames, described, lambda: what_if(priced, written, scenarios, study.references, costs))


def report_folder(source: Path, out: Path | None) -> Path:
    """Where the reports of a priced source go: `out`, or the folder itself, or ``results/<stem>`` of a table.

    Raises:
        UsageError: it is a table, and other runs lie in that folder.
    """
    from harness.open_runs import is_table

    if not is_table(source):
        return out or source
    folder = out or Path("results") / source.stem
    if is_open(folder) or (folder / "spec.yaml").exists():
        raise UsageError(f"{folder}: holds results of other runs than {source}; name another folder with --out")
    return folder


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
    write_text(draft / "what_if.json", json.dumps(priced.what_if(), ensure_ascii=False, separators=(",", ":")) + "\n")
    shutil.rmtree(tables, ignore_errors=True)
    draft.rename(tables)
    return tables


def render(tables: Path, folder: Path, venue_name: str = "ieee") -> list[Path]:
    """Write the reports of a tables folder into `folder`. Returns what was written: files, and the figures' folder.

    Args:
        tables: a folder of tables.
        folder: where reports go.
        venue_name: whose columns figures are as wide as, see `reports.venues`.

    Raises:
        UsageError: there is no such venue.
    """
    from harness.extra_sections import extra_sections
    from reports.bibliography import write_bibtex
    from reports.build import report_of
    from reports.figure_files import write_figures
    from reports.html import write_html
    from reports.latex import write_latex
    from reports.macros import write_macros
    from reports.markdown import write_markdown
    from reports.paper import build_paper
    from reports.schema import read_tables
    from reports.statement_files import write_statements
    from reports.venues import venue

    chosen = venue(venue_name)
    read = read_tables(tables)
    report = report_of(read, extra_sections(read.context))
    names = ("report.md", "report.html", "report.tex", "numbers.tex", "references.bib")
    sheet, page, paper, numbers, sources = (folder / name for name in names)
    write_markdown(report, sheet)
    write_html(report, page)
    write_latex(build_paper(read), paper, chosen)
    write_macros(read, numbers)
    write_bibtex(read, sources)
    stated = write_statements(read, folder)
    return [page, sheet, paper, numbers, sources, *stated, write_figures(report, folder, chosen)]


def open_results(folder: Path) -> tuple[BenchmarkSpec, Store]:
    """The spec and the store of a results folder.

    Raises:
        UsageError: `folder` is no results folder.
    """
    if not (folder / "spec.yaml").is_file():
        raise UsageError(
            f"{folder}: no results folder (it has neither spec.yaml nor {OPEN_FILE}); `harness compare` makes one"
        )
    return load_spec(folder / "spec.yaml"), Store(folder)
