"""The results folders that claims are judged on: their runs, and the names that claims may use of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from harness.claims.claims_file import ClaimsFile
from harness.core.errors import Problem, SpecError
from harness.ledger.ledger import Ledger
from harness.parsing.problems import did_you_mean
from harness.price.accounting.pooled_compute import ComputeCosts, pool
from harness.price.assumptions.scenarios import Scenarios
from harness.results.comparison import Study, study_of
from harness.results.runs import default_scenarios, is_open_source, open_results, read_runs, study_of_runs, to_be_priced
from harness.tables import update_statistics
from harness.tables.cells import cell_row

NO_RESULTS = "no results yet"


@dataclass(frozen=True, eq=False)
class Runs:
    """The finished runs of a study.

    Attributes:
        study: what is compared with what.
        scenarios: what the study is priced under.
        ledgers: finished runs with the names of their methods, in the order of the plan; may be empty.
        priceable: the same runs with the computing that can be priced.
    """

    study: Study
    scenarios: Scenarios
    ledgers: Sequence[tuple[str, Ledger]]
    priceable: Sequence[Ledger]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """As in ``cells.csv``."""
        return pd.DataFrame([cell_row(_key(method, ledger), ledger) for method, ledger in self.ledgers])

    @cached_property
    def initialisations(self) -> pd.DataFrame:
        """As in ``initialisations.csv``."""
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
    def costs(self) -> ComputeCosts | None:
        """Pooled costs of computing; None where the runs were not ours."""
        return pool([ledger for _, ledger in self.ledgers]) if self.study.spec is not None and self.ledgers else None

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


def read_studies(file: ClaimsFile) -> dict[str, Runs | None]:
    """The studies of all claims by name; None for one that has no results folder yet.

    Raises:
        SpecError: a claim names a method, contrast or initialisation that its study does not have.
        UsageError: a folder is damaged.
    """
    names = dict.fromkeys(entry.study for claim in file.claims for entry in claim.on)
    studies = {name: _read(file.path.parent / name) for name in names}
    problems = list(_misspelt(file, studies))
    if problems:
        raise SpecError(str(file.path), problems)
    return studies


def _read(folder: Path) -> Runs | None:
    if is_open_source(folder):
        found = read_runs(folder)
        ready, notes = to_be_priced(found.ledgers)
        scenarios = default_scenarios()
        return Runs(study_of_runs(found, scenarios, notes), scenarios, found.ledgers, ready)
    if not (folder / "spec.yaml").is_file():
        return None
    spec, store = open_results(folder)
    index = store.index() if (folder / "index.json").is_file() else []
    ledgers = {
        key: store.ledger(key) for key in dict.fromkeys(entry.cell_id for entry in index) if store.is_finished(key)
    }
    runs = [(entry.method, ledgers[entry.cell_id]) for entry in index if entry.cell_id in ledgers]
    return Runs(study_of(spec), spec.scenarios, runs, [ledger for _, ledger in runs])


def _misspelt(file: ClaimsFile, studies: Mapping[str, Runs | None]) -> Iterator[Problem]:
    for number, claim in enumerate(file.claims):
        for place, entry in enumerate(claim.on):
            runs = studies[entry.study]
            if runs is None:
                continue
            at = ("claims", number, "on", place, "method")
            if entry.method is not None and entry.method not in runs.study.methods:
                yield file.problem(at, _unknown("method", entry.method, entry.study, runs.study.methods))
            elif entry.method is not None and entry.method not in runs.study.references:
                text = f"{entry.method} is paired with no other method of {entry.study}: nothing to compare it with"
                yield file.problem(at, text)
            named = [contrast.name for contrast in runs.study.contrasts]
            if claim.needs.contrast is not None and claim.needs.contrast not in named:
                text = _unknown("contrast", claim.needs.contrast, entry.study, named)
                yield file.problem(("claims", number, "needs", "contrast"), text)
            for key, init in (("of", claim.needs.of), ("over", claim.needs.over)):
                if init is not None and init not in runs.inits:
                    text = _unknown("initialisation", init, entry.study, runs.inits)
                    yield file.problem(("claims", number, "needs", key), text)


def _unknown(what: str, name: str, study: str, known: Sequence[str]) -> str:
    there = f"there are: {', '.join(known)}" if known else "it has none"
    return f"{name} is no {what} of {study}; {there}.{did_you_mean(name, known)}"
