"""Price finished runs: facts and assumptions in, tables out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError
from harness.ledger.ledger import Ledger
from harness.ledger.store import Attempt
from harness.price.accounting.account import account
from harness.price.accounting.assumptions import assumptions_of
from harness.price.assumptions.scenarios import Scenarios
from harness.results.comparison import Study, compared_with, study_of

if TYPE_CHECKING:
    import pandas as pd

    from harness.price.accounting.pooled_compute import ComputeCosts
from harness.results.runs import open_results


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
        source: a results folder, a folder of open ledgers (see `harness.ledger.external_logger`), or a published table
            (see `harness.ledger.published_table`).
        change: gives the scenarios to price with, from those of the definition; from the default where there is none.
        reference: the method that others are compared with; None takes that of the definition, or the first.

    Raises:
        UsageError: `source` is none of these, has no finished run, or no method of that name.
    """
    from harness.results.runs import is_open_source

    if is_open_source(source):
        return _price_open(source, change, reference)
    from harness.price.accounting.pooled_compute import pool
    from harness.run.engines import repeatability

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
    calibrations = [found for found in repeatability.kept(source) if found["kind"] == spec.meter]
    beside = _Beside(unfinished, tries, store.pretraining(), calibrations)
    return _priced(study, runs, spec.scenarios, change(spec.scenarios), costs, beside)


def _price_open(source: Path, change: Callable[[Scenarios], Scenarios], reference: str | None) -> Priced:
    """Price runs that were not ours; see `price`."""
    from harness.results.runs import default_scenarios, read_runs, study_of_runs, to_be_priced

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
    """What is known beside the finished runs, see `harness.results.context.describe`, and of the machines."""

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
    from harness.results import context
    from harness.tables.build import tabulate
    from harness.tables.priced_cell import PricedCell
    from harness.tables.what_if import what_if

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
