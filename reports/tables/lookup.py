"""Answers queries of sections: methods in order, scenarios in order, one estimate, one stack of joules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean
from typing import Any

import pandas as pd

from reports.tables.read import Tables

COMPUTING = ("local_training", "codec")
OPERATORS = ("access", "core", "server")
"""Components that an operator pays for, not a client."""

COMPONENTS = (*COMPUTING, "uplink", "downlink", "provisioning", "standby", *OPERATORS)
"""In the order in which tables and figures show them."""

_WITHOUT_ENERGY = ("embodied",)
"""Components of ``breakdown.csv`` that have grams only."""
HOLDS_ABOVE = -0.005
"""Accuracy "holds" if the paired interval's lower end is above this share (half a percentage point)."""


@dataclass(frozen=True)
class Estimate:
    """One number over seeds, as the tables give it.

    Attributes:
        n: seeds or pairs behind it.
        value: the estimate; None if the tables have none.
        low: lower end of the 95 % interval; None if there is none.
        high: upper end of the 95 % interval; None if there is none.
        note: why the interval is not an ordinary one, or empty.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None
    note: str

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known and differ."""
        return self.low is not None and self.high is not None and self.low != self.high


@dataclass(frozen=True)
class Range:
    """Joules or grams with the range of the assumptions behind them: not an interval over seeds. NaN is unknown."""

    low: float
    typical: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        """Sum of ends: both at their low, both at their high."""
        return Range(self.low + other.low, self.typical + other.typical, self.high + other.high)


def methods(tables: Tables) -> list[str]:
    """Names of all methods of the spec, in its order, finished or not."""
    return [str(entry.get("name", "")) for entry in mappings(tables.context.get("methods"))]


def reference(tables: Tables) -> str:
    """Name of the reference method."""
    return str(tables.context["reference"])


def references(tables: Tables) -> set[str]:
    """The reference, and what methods of other initialisations, cohorts, partitions or budgets are compared with."""
    return {reference(tables), *map(str, tables.pairs["reference"])}


def reference_of(tables: Tables, method: str) -> str:
    """What a method was paired with; the reference of the benchmark if it was not paired."""
    found = tables.pairs.loc[tables.pairs["method"] == method, "reference"]
    return reference(tables) if found.empty else str(found.iloc[0])


def compared_with(tables: Tables) -> str:
    """What methods are compared with, in words: the reference, or one for each kind of method that is compared."""
    others = sorted(references(tables) - {reference(tables)})
    if not others:
        return reference(tables)
    names = [reference(tables), *others]
    kinds: dict[str, list[str]] = {
        "initialisation": [initialisation(tables, name) for name in names],
        "cohort": [_cohort_words(tables, name) for name in names],
        "partition": [partition(tables, name) for name in names],
        "budget": [budget_words(tables, name) or "no budget" for name in names],
    }
    differing = {kind: words for kind, words in kinds.items() if len(set(words)) > 1}
    named = ", ".join(f"{name} ({', '.join(own)})" for name, *own in zip(names, *differing.values(), strict=True))
    return f"the reference of their own {' and '.join(differing) or 'kind'}: {named}"


def challengers(tables: Tables) -> list[str]:
    """All methods but the reference, in the order of the spec."""
    return [name for name in methods(tables) if name != reference(tables)]


def slot(tables: Tables, method: str) -> int:
    """Colour slot: 0 for the reference, then 1, 2, ... in the order of the spec."""
    return 0 if method == reference(tables) else 1 + challengers(tables).index(method)


def description(tables: Tables, method: str) -> Mapping[str, Any]:
    """The entry of a method in ``context.json``; empty if there is none."""
    return next((entry for entry in mappings(tables.context.get("methods")) if str(entry.get("name")) == method), {})


def codec(tables: Tables, method: str) -> Mapping[str, Any]:
    """The entry of a method's uplink codec in ``context.json``, besides its settings; empty if there is none."""
    return next((entry for entry in mappings(tables.context.get("codecs")) if entry.get("method") == method), {})


def kinds(settings: Any) -> list[str]:
    """Kind of a codec and of those inside it, outermost first."""
    if not isinstance(settings, Mapping):
        return []
    own = [str(settings["kind"])] if "kind" in settings else []
    return own + [kind for inner in settings.values() for kind in kinds(inner)]


def initialisation(tables: Tables, method: str) -> str:
    """Initialisation of a method, in one word."""
    init = description(tables, method).get("init")
    if isinstance(init, Mapping):
        init = init.get("kind")
    return str(init) if init else "not recorded"


def partition(tables: Tables, method: str) -> str:
    """How a method's examples are spread over clients, in a word and a number; the task's unless it sets its own."""
    task = tables.context.get("task")
    own = description(tables, method).get("partition") or (task.get("partition") if isinstance(task, Mapping) else None)
    if not isinstance(own, Mapping):
        return "partition not recorded"
    keys = ("kind", "alpha", "labels_per_client", "column")
    return " ".join(f"{own[key]:g}" if isinstance(own[key], float) else str(own[key]) for key in keys if own.get(key))


def overrides(tables: Tables, method: str) -> Mapping[str, Any]:
    """Settings of the federation that a method has otherwise than the others; empty if none."""
    settings, shared = description(tables, method).get("federation"), _shared(tables)
    if not isinstance(settings, Mapping):
        return {}
    return {key: value for key, value in settings.items() if key not in shared or shared[key] != value}


def federation(tables: Tables, method: str) -> Mapping[str, Any]:
    """Settings of the federation as a method has them; empty if they are not recorded."""
    return {**_shared(tables), **overrides(tables, method)}


def cohort(tables: Tables, method: str) -> int | None:
    """Clients per round of a method; None if it is not recorded."""
    value = federation(tables, method).get("cohort")
    return value if isinstance(value, int) else None


def rounds(tables: Tables, method: str) -> tuple[int, int] | None:
    """Fewest and most rounds that the seeds of a method ran; a budget may end each elsewhere. None if none finished."""
    found = tables.cells.loc[tables.cells["method"] == method, "rounds"]
    return None if found.empty else (int(found.min()), int(found.max()))


def has_equal_rounds(tables: Tables) -> bool:
    """Whether all finished cells ran the same number of rounds."""
    return len(set(tables.cells["rounds"])) <= 1


def pair(tables: Tables, method: str, quantity: str, radio: str = "", grid: str = "") -> Estimate | None:
    """A paired comparison with the reference; None where the tables have none."""
    return _estimate(tables.pair_rows.get((method, quantity, radio, grid), []), "estimate", "n_pairs")


def mean(tables: Tables, method: str, quantity: str) -> Estimate | None:
    """The mean of a quantity over seeds; None where the tables have none."""
    return _estimate(tables.method_rows.get((method, quantity, "", ""), []), "mean", "n")


def score(tables: Tables, method: str) -> Estimate | None:
    """Mean of the test accuracy that a method is judged by, the deployed one; None where the tables have none."""
    return mean(tables, method, "deployed_accuracy")


def score_difference(tables: Tables, method: str) -> Estimate | None:
    """What `score` is above that of the reference, paired; None where the tables have none."""
    return pair(tables, method, "deployed_accuracy")


def has_coded_downlink(tables: Tables) -> bool:
    """Whether clients of some cell decode another model than the server has, and that was scored."""
    sent, whole = tables.cells["sent_test_accuracy"], tables.cells["test_accuracy"]
    return bool((sent.notna() & (sent != whole)).any())


def scored_on_the_server(tables: Tables) -> int:
    """Cells whose deployed accuracy is the server's, because nobody scored the model that clients decode."""
    return int((tables.cells["sent_test_accuracy"].isna() & tables.cells["deployed_accuracy"].notna()).sum())


def seeds_finished(tables: Tables, method: str) -> int:
    """Finished cells of a method."""
    return int((tables.cells["method"] == method).sum())


def energy(tables: Tables, method: str, radio: str) -> dict[str, Range]:
    """Deployment joules per component of one run of the whole fleet, mean over seeds; empty if nothing finished.

    Without computing where none was recorded; with the network and the server where totals have them.
    """
    grid = next(iter(tables.places.get(radio, [])), "")
    found = _ranges(tables.breakdown_rows.get((method, radio, grid), []), "energy_low_j", "energy_j", "energy_high_j")
    return {component: amount for component, amount in found.items() if component not in _WITHOUT_ENERGY}


def of_clients(components: Mapping[str, Range]) -> dict[str, Range]:
    """The components that clients' devices pay for."""
    return {component: amount for component, amount in components.items() if component not in OPERATORS}


def carbon(tables: Tables, method: str, radio: str, grid: str) -> Range | None:
    """Grams of one run of the whole fleet, mean over seeds; None if nothing finished."""
    rows = tables.breakdown_rows.get((method, radio, grid), [])
    return total(_ranges(rows, "carbon_low_g", "carbon_g", "carbon_high_g"))


def total(components: Mapping[str, Range]) -> Range | None:
    """Sum of components, unknown if one of them is; None if there are none."""
    if not components:
        return None
    return sum(components.values(), start=Range(0.0, 0.0, 0.0))


def verdict(difference: Estimate | None) -> str:
    """Whether accuracy holds, by the rule of `HOLDS_ABOVE`."""
    if difference is None or difference.value is None:
        return "not compared"
    if difference.low is None:
        return "not resolved"
    return "holds" if difference.low > HOLDS_ABOVE else "not resolved"


def estimate_of(row: Mapping[str, Any], value: str, count: str) -> Estimate:
    """The estimate in a row, whose columns `value` and `count` hold the number and the seeds behind it."""
    n = int(row[count]) if is_known(row[count]) else 0
    return Estimate(n, _known(row[value]), _known(row["low"]), _known(row["high"]), str(row["note"]))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings from column to value."""
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def means(frame: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> dict[tuple[str, ...], list[float]]:
    """Means of some columns over seeds, by the values of the key columns, in the order in which those occur."""
    found = frame.groupby(list(keys), sort=False)[list(columns)].mean().reset_index()
    return {tuple(str(row[key]) for key in keys): [float(row[column]) for column in columns] for row in records(found)}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in a list from ``context.json``; anything else in it is ignored."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, Sequence) else []


def _ranges(rows: Sequence[Mapping[str, Any]], low: str, typical: str, high: str) -> dict[str, Range]:
    """Mean over seeds, per component; unknown (NaN) if it is unknown, or lacks its row, at any seed."""
    found = {}
    n_seeds = len({row["seed"] for row in rows})
    for component in dict.fromkeys([*COMPONENTS, *(str(row["component"]) for row in rows)]):
        part = [row for row in rows if row["component"] == component]
        if part and len(part) < n_seeds:
            found[component] = Range(nan, nan, nan)
        elif part:
            found[component] = Range(*(fmean(row[column] for row in part) for column in (low, typical, high)))
    return found


def _estimate(rows: Sequence[Mapping[str, Any]], value: str, count: str) -> Estimate | None:
    if not rows:
        return None
    return estimate_of(rows[0], value, count)


def _shared(tables: Tables) -> Mapping[str, Any]:
    """Settings of the federation that methods share unless they say otherwise."""
    settings = tables.context.get("federation")
    return settings if isinstance(settings, Mapping) else {}


def _cohort_words(tables: Tables, name: str) -> str:
    clients = cohort(tables, name)
    return f"{clients if clients is not None else 'unknown'} clients a round"


def budget_words(tables: Tables, method: str) -> str:
    """How many bits a method may send; empty if there is no such limit."""
    budget = federation(tables, method).get("budget")
    if not isinstance(budget, Mapping):
        return ""
    ways = "both directions together" if budget.get("direction") == "total" else "the uplink"
    return f"{budget.get('mbit'):g} Mbit for {ways}"


def _known(value: Any) -> float | None:
    return float(value) if is_known(value) else None


def is_known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)
