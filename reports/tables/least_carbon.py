"""Finds the method with the least carbon: grams by radio, grid and network mode, and the first of some methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Literal

import pandas as pd

from reports.tables import lookup, priced
from reports.tables.lookup import is_known
from reports.tables.read import Tables

Mode = Literal["excluded", "marginal", "average"]
"""What is counted of the network behind radios: nothing, what these bits add, or their share of all it takes."""

Where = tuple[Mode, str, str]
"""A network mode, a radio and a grid."""

MODES: tuple[Mode, ...] = ("excluded", "marginal", "average")
TIED_SHARE = 0.02
"""A method is tied with the first if it takes at most this share more."""
TIED_DRAWS = 0.05
"""A method is tied with the first if it takes less in at least this share of draws."""

_NETWORK = ("access", "core")
"""Components of ``breakdown.csv`` that the network takes, in whatever mode the definition asks for."""
_COST = "carbon_g"
_SCENARIO = ["radio", "grid", "method", "seed"]


@dataclass(frozen=True)
class First:
    """The method that takes least of some.

    Attributes:
        name: which it is.
        grams: mean over the seeds that all of them have.
        ratio: to the reference, geometric mean over the seeds of both; None where the reference has no grams there.
        tied: methods indistinguishable from it, fewest grams first.
    """

    name: str
    grams: float
    ratio: float | None
    tied: tuple[str, ...]


class Least:
    """Grams of every method, and the first of some methods anywhere."""

    def __init__(self, tables: Tables) -> None:
        """Add up the tables once."""
        self._tables = tables
        self._grams = _by_mode(tables)
        self._ranks = {(str(row["method"]), str(row["radio"]), str(row["grid"])): row
                       for row in lookup.records(tables.ranks)}  # fmt: skip
        self._impossible = _impossible(tables)
        self.modes = tuple(mode for mode in MODES if any(key[0] == mode for key in self._grams))
        self.drawn = _mode_of_totals(tables)
        """The mode that totals, and so the draws of the assumptions, have; None if it cannot be told."""

    def is_possible(self, name: str, radio: str) -> bool:
        """Whether a method's transfers are possible with a radio."""
        return (name, radio) not in self._impossible

    def first(self, names: Sequence[str], where: Where) -> First | None:
        """The one of `names` that takes least; None where none is possible and known, or they share no seed."""
        reference = lookup.reference(self._tables)
        found = {name: grams for name in names if (grams := self._of(name, where))}
        # A seed that only some have would favour or burden them.
        seeds = set.intersection(*map(set, found.values())) if found else set()
        if not seeds:
            return None
        means = {name: fmean(grams[seed] for seed in seeds) for name, grams in found.items()}
        order = sorted(means, key=means.__getitem__)
        best = order[0]
        tied = [name for name in order[1:] if self._is_tied(name, best, means, where)]
        return First(best, means[best], _ratio(found[best], self._of(reference, where)), tuple(tied))

    def _of(self, name: str, where: Where) -> Mapping[int, float]:
        """Grams by seed; empty where they are not known at each, or the method is not possible."""
        grams = self._grams.get((*where, name), {})
        is_whole = len(grams) == lookup.seeds_finished(self._tables, name) and all(map(is_known, grams.values()))
        return grams if is_whole and self.is_possible(name, where[1]) else {}

    def _is_tied(self, name: str, best: str, means: Mapping[str, float], where: Where) -> bool:
        if means[name] <= (1 + TIED_SHARE) * means[best]:
            return True
        mode, *place = where
        rival, first = (self._ranks.get((method, *place)) for method in (name, best))  # type: ignore[arg-type]
        if mode != self.drawn or rival is None or first is None:
            return False
        follows = rival["rank"] == first["rank"] + 1 and is_known(first["share_before_next"])
        before = 1 - first["share_before_next"] if follows else 0.0
        # Who takes less than all others takes less than the first as well.
        return bool(max(before, rival["share_best"]) >= TIED_DRAWS)


def compared(tables: Tables) -> list[str]:
    """The reference and the methods that are paired with it, in the order of the definition."""
    reference = lookup.reference(tables)
    paired = set(tables.pairs.loc[tables.pairs["reference"] == reference, "method"])
    return [name for name in lookup.methods(tables) if name == reference or name in paired]


def has_accuracy(tables: Tables) -> bool:
    """Whether the test accuracy of any method was compared with that of the reference."""
    estimates = (lookup.score_difference(tables, name) for name in compared(tables))
    return any(estimate is not None and estimate.value is not None for estimate in estimates)


def holding(tables: Tables) -> list[str]:
    """The reference and the methods whose test accuracy holds against it."""
    reference = lookup.reference(tables)
    return [
        name
        for name in compared(tables)
        if name == reference or lookup.verdict(lookup.score_difference(tables, name)) == "holds"
    ]


def eligible(tables: Tables) -> list[str]:
    """Methods that can be first: those whose accuracy holds, where it was compared."""
    return holding(tables) if has_accuracy(tables) else compared(tables)


def _by_mode(tables: Tables) -> dict[tuple[str, ...], dict[int, float]]:
    """Grams by seed, by mode, radio, grid and method.

    What the definition puts into totals stays in them, but for the network, which each mode has in its own way: so a
    definition that has it in the totals gives the same as one that has not.
    """
    rows, parts = tables.breakdown, tables.boundary
    own = _sums(rows[~rows["component"].isin(_NETWORK)])
    found: dict[Mode, pd.Series[float]] = {"excluded": own}
    for mode in MODES[1:]:
        part = _sums(parts[parts["part"] == f"network_{mode}"])
        if len(part):
            found[mode] = (own + part).dropna()  # pandas lines them up by what they are of
    grams: dict[tuple[str, ...], dict[int, float]] = {}
    for name, sums in found.items():
        for row in lookup.records(sums.rename(_COST).reset_index()):
            if row["grid"]:
                key = (name, str(row["radio"]), str(row["grid"]), str(row["method"]))
                grams.setdefault(key, {})[int(row["seed"])] = float(row[_COST])
    return grams


def _sums(rows: pd.DataFrame) -> "pd.Series[float]":
    """Sums over components, unknown where one is unknown or is there at other seeds alone."""
    groups = rows.groupby(_SCENARIO, sort=False)[_COST]
    n_known, sums = groups.count(), groups.sum()
    wanted = groups.size().groupby(level=_SCENARIO[:-1], sort=False).transform("max")
    return sums.where(n_known == wanted)


def _impossible(tables: Tables) -> set[tuple[str, str]]:
    """Methods and radios that do not go together, at any seed; all methods of a radio where only that is recorded."""
    rows = tables.schedule
    found = set(rows.loc[rows["is_feasible"] == "False", ["method", "radio"]].itertuples(index=False, name=None))
    ranked = set(rows["radio"])
    silent = [
        radio for radio in priced.radios(tables) if radio not in ranked and priced.noted(tables, radio, "infeasible")
    ]
    return found | {(name, radio) for name in lookup.methods(tables) for radio in silent}


def _mode_of_totals(tables: Tables) -> Mode | None:
    included = set(tables.boundary.loc[tables.boundary["is_included"] == "True", "part"])
    for mode in MODES[1:]:
        if f"network_{mode}" in included:
            return mode
    return None if set(_NETWORK) & set(tables.breakdown["component"]) else "excluded"


def _ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> float | None:
    """The geometric mean of ratios at the seeds of both, as in ``pairs.csv``; None where there are none."""
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    if not pairs or min(map(min, pairs)) <= 0:
        return None
    return exp(fmean(log(one / other) for one, other in pairs))
