"""Builds ``pairs.csv``: every method compared with its reference, seed by seed."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.price.accounting.terms import OPERATORS
from harness.statistics import intervals
from harness.statistics.intervals import Interval

COLUMNS = [
    *("method", "reference", "quantity", "radio", "grid", "kind", "n_pairs", "estimate", "low", "high", "note"),
]
BITS = (
    "uplink_bits",
    "downlink_bits",
    "total_bits",
    "multicast_downlink_bits",
    "multicast_total_bits",
)
"""Columns of ``cells.csv`` that are compared as ratios."""

OTHER_MACHINES = "no seed at which both ran on one machine"

_SCORES = ("test_accuracy", "validation_accuracy", "sent_test_accuracy", "deployed_accuracy")
_ROUND_COMPONENTS = ("uplink", "downlink")
_RADIO_COMPONENTS = ("provisioning", *_ROUND_COMPONENTS)


def pair_rows(
    cells: pd.DataFrame, breakdown: pd.DataFrame, shadows: pd.DataFrame, references: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One row per method, quantity and scenario, over the seeds that a method and its reference both have.

    Args:
        cells: as in ``cells.csv``.
        breakdown: as in ``breakdown.csv``.
        shadows: as in ``shadows.csv``.
        references: for each method, what it is compared with.
    """
    facts = cells.set_index(["method", "seed"])
    joules = _energy_by_cell(breakdown)
    machines = facts.get("machine")
    saved = (shadows["sent_bits"] - shadows["shadow_bits"]).groupby(
        [shadows[column] for column in ("coding", "method", "seed")]
    ).sum()  # fmt: skip
    rows: list[dict[str, Any]] = []
    for method, other in references.items():
        seeds = shared_seeds(facts.index, method, other)
        if not seeds:
            continue
        pairing = _Pairing(method, other, seeds)
        rows += _shadow_pair_rows(pairing, saved, facts["total_bits"])
        rows += [pairing.row(name, "ratio", intervals.paired_ratio, facts[name]) for name in BITS]
        rows += [pairing.row(name, "difference", intervals.paired_difference, facts[name]) for name in _SCORES]
        rows += _energy_pair_rows(pairing, _Pairing(method, other, _on_one_machine(pairing, machines)), joules, facts)
    return rows


def shared_seeds(index: pd.Index, method: str, other: str) -> list[int]:
    """Seeds at which two methods are both in an index of methods and seeds, ascending."""
    return sorted({seed for name, seed in index if name == method and (other, seed) in index})


def fact_interval(cells: pd.DataFrame, method: str, reference: str, quantity: str) -> Interval | None:
    """A method compared with its reference over the seeds that both have; None if there is no such seed.

    Args:
        cells: as in ``cells.csv``.
        method: name of the method.
        reference: name of what it is compared with.
        quantity: a column of bits, compared as a ratio, or of scores, compared as a difference.
    """
    facts = cells.set_index(["method", "seed"])[quantity]
    seeds = shared_seeds(facts.index, method, reference)
    compare = intervals.paired_ratio if quantity.endswith("_bits") else intervals.paired_difference
    return _Pairing(method, reference, seeds).interval(compare, facts) if seeds else None


def score_intervals(
    cells: pd.DataFrame, references: Mapping[str, str], quantity: str
) -> Iterator[tuple[str, Interval]]:
    """The paired difference of a score of every method, over the seeds that it and its reference both have."""
    facts = cells.set_index(["method", "seed"])[quantity]
    for method, other in references.items():
        seeds = shared_seeds(facts.index, method, other)
        ours, theirs = _Pairing(method, other, seeds).values(facts)
        yield method, intervals.paired_difference(ours, theirs)


@dataclass(frozen=True)
class _Pairing:
    """A method and the reference, at the seeds that both have."""

    method: str
    reference: str
    seeds: list[int]

    def values(self, column: "pd.Series[Any]") -> tuple[list[float], list[float]]:
        """Values of the method and of the reference, seed by seed."""
        ours, theirs = ([float(column[(name, seed)]) for seed in self.seeds] for name in (self.method, self.reference))
        return ours, theirs

    def interval(
        self, compare: Callable[[Sequence[float], Sequence[float]], Interval], column: "pd.Series[Any]"
    ) -> Interval:
        """The comparison; without an estimate where a value is not known."""
        ours, theirs = self.values(column)
        sums = [our + their for our, their in zip(ours, theirs, strict=True)]
        return intervals.unknown(sums) if any(map(math.isnan, sums)) else compare(ours, theirs)

    def row(
        self,
        quantity: str,
        kind: str,
        compare: Callable[[Sequence[float], Sequence[float]], Interval],
        column: "pd.Series[Any]",
        radio: str = "",
        grid: str = "",
    ) -> dict[str, Any]:
        """One row of the table; without an estimate where a value is not known, or no seed is left."""
        if not self.seeds:
            return self.row_of(quantity, kind, Interval(0, None, None, None, OTHER_MACHINES), radio, grid)
        return self.row_of(quantity, kind, self.interval(compare, column), radio, grid)

    def row_of(self, quantity: str, kind: str, interval: Interval, radio: str = "", grid: str = "") -> dict[str, Any]:
        """One row of the table, from its interval."""
        return {
            "method": self.method,
            "reference": self.reference,
            "quantity": quantity,
            "radio": radio,
            "grid": grid,
            "kind": kind,
            "n_pairs": interval.n,
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "note": interval.note,
        }


def _shadow_pair_rows(
    pairing: _Pairing, saved: "pd.Series[Any]", total_bits: "pd.Series[Any]"
) -> Iterable[dict[str, Any]]:
    """Total bits with the indices of a method coded in another way, compared with its reference as sent."""
    for coding in dict.fromkeys(saved.index.get_level_values("coding")):
        of_coding = saved[coding]
        if all((pairing.method, seed) in of_coding.index for seed in pairing.seeds):
            less = of_coding[[(pairing.method, seed) for seed in pairing.seeds]]
            otherwise = total_bits.sub(less, fill_value=0)
            yield pairing.row(f"total_bits_as_{coding}", "ratio", intervals.paired_ratio, otherwise)


def _energy_by_cell(breakdown: pd.DataFrame) -> pd.DataFrame:
    is_radio, is_round = (breakdown["component"].isin(parts) for parts in (_RADIO_COMPONENTS, _ROUND_COMPONENTS))
    is_client = ~breakdown["component"].isin(OPERATORS)
    by_cell = ["radio", "grid", "method", "seed"]
    return pd.DataFrame(
        {
            "round_energy_j": breakdown[is_round].groupby(by_cell, sort=False)["energy_j"].sum(),
            "radio_energy_j": breakdown[is_radio].groupby(by_cell, sort=False)["energy_j"].sum(),
            "device_energy_j": breakdown[is_client].groupby(by_cell, sort=False)["energy_j"].sum(),
            "deployment_energy_j": breakdown.groupby(by_cell, sort=False)["energy_j"].sum(),
            "carbon_g": breakdown.groupby(by_cell, sort=False)["carbon_g"].sum(),
        }
    )


def _on_one_machine(pairing: _Pairing, machines: "pd.Series[Any] | None") -> list[int]:
    """Seeds whose two cells ran on one machine: joules of computing rest on its seconds, and are not compared else."""
    if machines is None:
        return pairing.seeds
    pairs = {seed: (machines[pairing.method, seed], machines[pairing.reference, seed]) for seed in pairing.seeds}
    return [seed for seed, (ours, theirs) in pairs.items() if ours == theirs]


def _energy_pair_rows(
    pairing: _Pairing, computed: _Pairing, joules: pd.DataFrame, facts: pd.DataFrame
) -> Iterable[dict[str, Any]]:
    """Joules and grams; where computing is in them, over the seeds of `computed`."""
    seen: set[str] = set()
    for scenario, rows in joules.groupby(level=["radio", "grid"], sort=False):
        radio, grid = map(str, scenario)
        here = rows.droplevel(["radio", "grid"])
        yield computed.row("carbon_g", "ratio", intervals.paired_ratio, here["carbon_g"], radio, grid)
        if radio in seen:
            continue
        # Joules are the same on every grid.
        seen.add(radio)
        yield pairing.row("radio_energy_j", "ratio", intervals.paired_ratio, here["radio_energy_j"], radio)
        for quantity in ("device_energy_j", "deployment_energy_j"):
            yield computed.row(quantity, "ratio", intervals.paired_ratio, here[quantity], radio)
        # Joules and bits of the rounds: what clients were given before round 1 is in neither.
        interval = intervals.pass_through(*pairing.values(here["round_energy_j"]), *pairing.values(facts["total_bits"]))
        yield pairing.row_of("pass_through", "ratio", interval, radio)
