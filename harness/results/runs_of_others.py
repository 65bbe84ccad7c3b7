"""Prepares runs of other tools for pricing: a logged folder, or a published table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.notes import Note, remarks
from harness.ledger.external_runs import Origin, is_open, priceable, read_open, unfinished_open
from harness.ledger.ledger import Ledger
from harness.ledger.published_table import ledgers_of, read_table
from harness.price.assumptions.scenarios import Scenarios
from harness.results.comparison import Study

_TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
_DEFAULT: Mapping[str, Any] = {
    "radios": ["lte", "lte_2021", "nr_lowband", "wifi", "nbiot"],
    "grids": ["NOR", "DEU", "USA", "IND"],
}


@dataclass(frozen=True, eq=False)
class OpenRuns:
    """Runs that were not ours.

    Attributes:
        name: title of reports: the name of the folder or file.
        origin: where the facts come from.
        ledgers: finished runs, each with its method's name; at least one.
        unfinished: method and seed of the others, with how they ended, in words.
    """

    name: str
    origin: Origin
    ledgers: Sequence[tuple[str, Ledger]]
    unfinished: Mapping[tuple[str, int], str]


def default_scenarios() -> Scenarios:
    """What runs are priced under that bring no scenarios: cellular, Wi-Fi and NB-IoT, on a clean to a dirty grid."""
    return Scenarios.model_validate(_DEFAULT)


def is_table(source: Path) -> bool:
    """Whether a path means a published table, there or not; everything else is a folder.

    >>> is_table(Path("table.csv")), is_table(Path("results/theirs"))
    (True, False)
    """
    return source.is_file() or (source.suffix.lower() in _TABLE_SUFFIXES and not source.is_dir())


def is_open_source(source: Path) -> bool:
    """Whether a path means runs that were not ours."""
    return is_table(source) or is_open(source)


def read_runs(source: Path, *, trusts_ledgers: bool = False) -> OpenRuns:
    """The runs in a folder of open ledgers or in a published table.

    Raises:
        UsageError: there are none, or they cannot be read.
    """
    if not is_table(source):
        return OpenRuns(
            source.resolve().name, "logged", read_open(source, trusts_ledgers=trusts_ledgers), unfinished_open(source)
        )
    if source.suffix.lower() in (".yaml", ".yml"):
        raise UsageError(f"{source}: a definition; name its results folder, which `harness compare` makes")
    return OpenRuns(source.stem, "published_table", ledgers_of(read_table(source)), {})


def to_be_priced(ledgers: Sequence[tuple[str, Ledger]]) -> tuple[list[Ledger], tuple[Note, ...]]:
    """The ledgers with the computing that can be priced, and caveats about the rest.

    Computing is priced for all runs or for none: totals with it do not compare with totals without.

    Args:
        ledgers: runs with the names of their methods.

    Returns:
        The ledgers in the same order, and notes.
    """
    found = [priceable(ledger) for _, ledger in ledgers]
    names = [f"{method}, seed {ledger.cell['seed']}" for method, ledger in ledgers]
    lines = _by_reason(names, [reason for _, reason in found])
    ready = [ledger for ledger, _ in found]
    has_computing = [bool((ledger.windows["client"] >= 0).any()) for ledger in ready]
    if any(has_computing) and not all(has_computing):
        lacking = [name for name, has in zip(names, has_computing, strict=True) if not has]
        lines.append(
            f"computing is in no figure, because that of {_listed(lacking)} is not known: totals with and without it "
            "do not compare"
        )
        ready = [_without_clients_computing(ledger) for ledger in ready]
    return ready, remarks(lines)


def study_of_runs(runs: OpenRuns, scenarios: Scenarios, notes: Sequence[Note]) -> Study:
    """The comparison that some runs make: every method with the first.

    Args:
        runs: the runs.
        scenarios: what they are priced under.
        notes: caveats printed before any number.
    """
    methods = list(dict.fromkeys([*(method for method, _ in runs.ledgers), *(method for method, _ in runs.unfinished)]))
    facts = {method: _federation([ledger for name, ledger in runs.ledgers if name == method]) for method in methods}
    known = [fact for fact in facts.values() if fact]
    shared = {key: value for key, value in known[0].items() if all(fact.get(key) == value for fact in known)}
    described = {
        "name": runs.name,
        "origin": runs.origin,
        "task": _shared_task([ledger for _, ledger in runs.ledgers]),
        "federation": shared,
        "methods": [
            _method(runs, method) | ({"federation": own} if (own := _other(facts[method], shared)) else {})
            for method in methods
        ],
        "reference": methods[0],
        "scenarios": scenarios.model_dump(mode="json"),
    }
    left_out = [f"{method}, seed {seed} is left out: {why}" for (method, seed), why in runs.unfinished.items()]
    return Study(
        name=runs.name,
        origin=runs.origin,
        described=described,
        reference=methods[0],
        references=dict.fromkeys(methods[1:], methods[0]),
        n_planned=len(runs.ledgers) + len(runs.unfinished),
        notes=(*notes, *remarks(left_out)),
    )


def _without_clients_computing(ledger: Ledger) -> Ledger:
    kept = ledger.windows[ledger.windows["client"] < 0].reset_index(drop=True)
    return replace(ledger, windows=kept)


def _by_reason(names: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """Each reason once, after the runs that it is of; without them where it is of all."""
    lines = []
    for reason in dict.fromkeys(filter(None, reasons)):
        concerned = [name for name, own in zip(names, reasons, strict=True) if own == reason]
        lines.append(reason if len(concerned) == len(names) else f"{_listed(concerned)}: {reason}")
    return lines


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _federation(ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """Rounds and clients per round as far as the ledgers of a method agree on them."""
    rounds = {int(ledger.transfers["round"].max()) for ledger in ledgers}
    cohorts = {
        int(size) for ledger in ledgers for size in ledger.transfers.groupby("round")["client"].nunique().unique()
    }
    found = {"rounds": rounds, "cohort": cohorts}
    return {key: next(iter(values)) for key, values in found.items() if len(values) == 1}


def _other(own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in own.items() if key not in shared}


def _shared_task(ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """What is known of the task in all ledgers alike: at most the clients that there are."""
    found = {ledger.cell["task"].get("clients") for ledger in ledgers}
    return {"clients": found.pop()} if len(found) == 1 and None not in found else {}


def _method(runs: OpenRuns, method: str) -> dict[str, Any]:
    cells = [ledger.cell for name, ledger in runs.ledgers if name == method]
    sources = list(dict.fromkeys(cell["source"] for cell in cells if cell["source"]))
    described = dict(cells[0]["method"]) if cells else {"name": method}
    return described | ({"source": "; ".join(sources)} if sources else {})
