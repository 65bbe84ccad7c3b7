"""Opens finished runs of any form: a results folder, a folder of open ledgers, or a published table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.core.notes import Note
from harness.ledger.external_runs import OPEN_FILE, is_open
from harness.ledger.ledger import Ledger
from harness.ledger.store import Store
from harness.price.assumptions.scenarios import Scenarios
from harness.results.comparison import Study, study_of
from harness.results.runs_of_others import default_scenarios, is_open_source, read_runs, study_of_runs, to_be_priced
from harness.spec.load import load_spec
from harness.spec.spec import BenchmarkSpec

if TYPE_CHECKING:
    import pandas as pd

    from harness.price.accounting.pooled_compute import ComputeCosts

Change = Callable[[Scenarios], Scenarios]
"""Gives the scenarios to price with, from those that a source has."""


def _as_written(scenarios: Scenarios) -> Scenarios:
    return scenarios


@dataclass(frozen=True, eq=False)
class Runs:
    """The finished runs of a source.

    Attributes:
        study: what is compared with what.
        written: scenarios of the definition; the default ones where there is none.
        scenarios: what the runs are priced under: `written`, or what was made of them.
        ledgers: finished runs with the names of their methods, in the order of the plan; may be empty. Methods with
            equal settings share a ledger.
        priceable: the same runs with the computing that can be priced.
        unfinished: method and seed of runs that were not ours and are not closed, with how they ended, in words.
        store: the cells of a results folder, with their tries; None for runs that were not ours.
    """

    study: Study
    written: Scenarios
    scenarios: Scenarios
    ledgers: Sequence[tuple[str, Ledger]]
    priceable: Sequence[Ledger]
    unfinished: Mapping[tuple[str, int], str]
    store: Store | None

    @cached_property
    def cells(self) -> "pd.DataFrame":
        """As in ``cells.csv``."""
        import pandas as pd

        from harness.tables.cells import cell_row

        return pd.DataFrame([cell_row(_key(method, ledger), ledger) for method, ledger in self.ledgers])

    @cached_property
    def initialisations(self) -> "pd.DataFrame":
        """As in ``initialisations.csv``."""
        import pandas as pd

        from harness.tables import update_statistics

        recorded = [(method, ledger) for method, ledger in self.ledgers if len(ledger.statistics)]
        frames = [update_statistics.statistic_rows(_key(method, ledger), ledger) for method, ledger in recorded]
        rows = update_statistics.init_pairs(pd.concat(frames), [ledger for _, ledger in recorded]) if frames else []
        return pd.DataFrame(rows, columns=update_statistics.PAIR_COLUMNS)

    @property
    def inits(self) -> list[str]:
        """Initialisations that its methods start from, finished or not."""
        planned = [str(method["init"]) for method in self.study.described["methods"] if method.get("init")]
        return list(dict.fromkeys(planned))

    @cached_property
    def costs(self) -> "ComputeCosts | None":
        """Pooled costs of computing, each ledger once; None where the runs were not ours."""
        from harness.price.accounting.pooled_compute import pool

        once = {ledger.cell_id: ledger for _, ledger in self.ledgers}
        return pool(list(once.values())) if self.study.spec is not None and once else None

    def pair(self, method: str, reference: str) -> tuple[Ledger, Ledger] | None:
        """A run of each, with computing ready to be priced, at the first seed at which both ran on one machine."""
        found: dict[str, dict[int, Ledger]] = {method: {}, reference: {}}
        for (name, _), ledger in zip(self.ledgers, self.priceable, strict=True):
            if name in found:
                found[name].setdefault(int(ledger.cell["seed"]), ledger)
        for seed, ours in sorted(found[method].items()):
            theirs = found[reference].get(seed)
            if theirs is not None and theirs.host.machine == ours.host.machine:
                costs = self.costs
                return (ours, theirs) if costs is None else (costs.pooled(ours), costs.pooled(theirs))
        return None


def _key(method: str, ledger: Ledger) -> dict[str, object]:
    return {"cell_id": ledger.cell_id, "method": method, "seed": int(ledger.cell["seed"])}


def holds_runs(source: Path) -> bool:
    """Whether a path means runs, finished or not: what `open_source` can open if nothing of it is damaged."""
    return is_open_source(source) or _is_results(source)


def open_source(source: Path, change: Change = _as_written, *, trusts_ledgers: bool = False) -> Runs:
    """The finished runs of a results folder, a folder of open ledgers or a published table.

    Args:
        source: the folder or file.
        change: what to price with; by default what `source` has.
        trusts_ledgers: whether ledgers that are not what their digests state are read all the same; a warning among
            the notes of the study then names them.

    Raises:
        UsageError: `source` is none of these, or runs that were not ours are none or cannot be read.
        LedgerError: a ledger is damaged, or not what its digests state.
    """
    if is_open_source(source):
        found, written = read_runs(source, trusts_ledgers=trusts_ledgers), default_scenarios()
        scenarios = change(written)
        priceable, notes = to_be_priced(found.ledgers)
        study = study_of_runs(found, scenarios, (*doubts(found.ledgers), *notes))
        return Runs(study, written, scenarios, found.ledgers, priceable, found.unfinished, None)
    spec, store = open_results(source, trusts_ledgers=trusts_ledgers)
    ledgers = _finished(store)
    mine = [ledger for _, ledger in ledgers]
    return Runs(
        replace(study_of(spec), notes=doubts(ledgers)), spec.scenarios, change(spec.scenarios), ledgers, mine, {}, store
    )


def open_results(folder: Path, *, trusts_ledgers: bool = False) -> tuple[BenchmarkSpec, Store]:
    """The spec and the store of a results folder.

    Raises:
        UsageError: `folder` is no results folder.
    """
    if not _is_results(folder):
        raise UsageError(
            f"{folder}: no results folder (it has neither spec.yaml nor {OPEN_FILE}); `harness compare` makes one"
        )
    return load_spec(folder / "spec.yaml"), Store(folder, trusts_ledgers)


def open_store(folder: Path, *, trusts_ledgers: bool = False) -> Store:
    """The cells of a results folder or of a folder of open ledgers.

    Raises:
        UsageError: `folder` is neither.
    """
    return Store(folder, trusts_ledgers) if is_open(folder) else open_results(folder, trusts_ledgers=trusts_ledgers)[1]


def doubts(ledgers: Iterable[tuple[str, Ledger]]) -> tuple[Note, ...]:
    """A warning about each ledger that was read though it is not what was written, once, with its method and seed."""
    return tuple(
        Note(
            "warning",
            f"{method}, seed {ledger.cell['seed']} (cell {ledger.cell_id}) was trusted, though {ledger.doubt}",
        )
        for method, ledger in ledgers
        if ledger.doubt
    )


def _is_results(folder: Path) -> bool:
    return (folder / "spec.yaml").is_file()


def _finished(store: Store) -> list[tuple[str, Ledger]]:
    """The finished runs in the order of the index: sums over cells must not depend on the order of a set."""
    index = store.index() if (store.root / "index.json").is_file() else []
    keys = dict.fromkeys(entry.cell_id for entry in index)
    ledgers = {key: store.ledger(key) for key in keys if store.is_finished(key)}
    return [(entry.method, ledgers[entry.cell_id]) for entry in index if entry.cell_id in ledgers]
