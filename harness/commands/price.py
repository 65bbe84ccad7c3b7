"""Prices finished runs: facts and assumptions in, tables out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError
from harness.ledger.store import Attempt, Store
from harness.price.accounting.account import account
from harness.price.accounting.assumptions import assumptions_of
from harness.price.assumptions.scenarios import Scenarios
from harness.results.comparison import Study, compared_with
from harness.results.runs import Runs, open_source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Priced:
    """A priced results folder: what reports are made from.

    Attributes:
        frames: the tables, by name.
        context: everything that is not in a table.
        what_if: computes what a page needs to price the runs anew; only a report needs it.
    """

    frames: "Mapping[str, pd.DataFrame]"
    context: Mapping[str, Any]
    what_if: Callable[[], dict[str, Any]]


def price(
    source: Path,
    change: Callable[[Scenarios], Scenarios] = lambda scenarios: scenarios,
    reference: str | None = None,
    *,
    trusts_ledgers: bool = False,
) -> Priced:
    """Price finished runs. Trains nothing and writes nothing.

    Args:
        source: a results folder, a folder of open ledgers (see `harness.ledger.external_logger`), or a published table
            (see `harness.ledger.published_table`).
        change: gives the scenarios to price with, from those of the definition; from the default where there is none.
        reference: the method that others are compared with; None takes that of the definition, or the first.
        trusts_ledgers: whether ledgers that are not what their digests state are priced, with a warning.

    Raises:
        UsageError: `source` is none of these, has no finished run, or no method of that name.
        LedgerError: a ledger is damaged, or not what its digests state.
    """
    runs = open_source(source, change, trusts_ledgers=trusts_ledgers)
    folder_facts = _FolderFacts(runs.unfinished) if runs.store is None else _folder_facts(source, runs, runs.store)
    if not runs.ledgers:
        raise UsageError(f"{source}: no cell is finished yet; run `harness compare` first")
    study = runs.study if reference is None else compared_with(runs.study, reference)
    return _priced(study, runs, folder_facts)


@dataclass(frozen=True)
class _FolderFacts:
    """Facts of a folder besides its finished runs, see `harness.results.context.describe`, and of its machines."""

    unfinished: Mapping[tuple[str, int], str]
    attempts: Sequence[Attempt] = ()
    pretraining: Sequence[Mapping[str, Any]] = ()
    calibrations: Sequence[Mapping[str, Any]] = ()


def _folder_facts(source: Path, runs: Runs, store: Store) -> _FolderFacts:
    """Read the facts of a results folder besides its finished runs."""
    from harness.run.engines import repeatability

    index = store.index()
    finished = {ledger.cell_id for _, ledger in runs.ledgers}
    # While a run holds the folder, a try without an end is a running cell.
    is_busy = store.is_busy()
    attempts = {entry.cell_id: store.attempts(entry.cell_id, with_unended=not is_busy) for entry in index}
    unfinished = {
        (entry.method, entry.seed): tries[-1].ending if (tries := attempts[entry.cell_id]) else ""
        for entry in index
        if entry.cell_id not in finished
    }
    tries = [attempt for of_cell in attempts.values() for attempt in of_cell]
    # The scatter of another meter is no evidence for this one.
    meter = runs.study.described["meter"]
    calibrations = [found for found in repeatability.kept(source) if found["kind"] == meter]
    return _FolderFacts(unfinished, tries, store.pretraining(), calibrations)


def _priced(study: Study, runs: Runs, folder_facts: _FolderFacts) -> Priced:
    from harness.results import context
    from harness.tables.build import tabulate
    from harness.tables.priced_cell import PricedCell
    from harness.tables.what_if import what_if

    pricing, costs = assumptions_of(runs.scenarios), runs.costs
    # Methods with equal settings share a cell, which is priced once.
    results = {key: account(own, pricing, costs) for key, own in {own.cell_id: own for own in runs.priceable}.items()}
    priced = [
        PricedCell(method, results[facts.cell_id], None if runs.store is not None else facts)
        for method, facts in runs.ledgers
    ]
    described = context.describe(
        study, pricing, priced, folder_facts.unfinished, folder_facts.attempts, folder_facts.pretraining
    )
    frames = tabulate(priced, study.references, costs, study.reference, study.contrasts, folder_facts.calibrations)
    described |= {"calibrations": [dict(each) for each in folder_facts.calibrations]}
    return Priced(frames, described, lambda: what_if(priced, runs.written, runs.scenarios, study.references, costs))
