"""Builds ``seeds.csv``: how many seeds would show a given difference, from the spread of this run.

The run is the pilot: the standard deviation of its paired differences (of logarithms for bits) is taken for that of a
larger one. With few seeds it is itself uncertain by tens of percent, and so is what follows from it.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.statistics import intervals, significance
from harness.tables import pairs

COLUMNS = ["method", "reference", "quantity", "kind", "n_pairs", "spread", "effect", "seeds", "note"]
SAVINGS = (0.01, 0.02, 0.05, 0.10)
"""Shares of a cost that are to be shown as saved."""
POINTS = (0.0025, 0.005, 0.01, 0.02)
"""Differences of accuracy that are to be shown, as shares: a quarter of a point to two points."""
TOO_MANY = f"more than {significance.MOST_SEEDS:,} seeds"

_QUANTITIES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "uplink_bits": ("ratio", SAVINGS),
    "total_bits": ("ratio", SAVINGS),
    "validation_accuracy": ("difference", POINTS),
    "test_accuracy": ("difference", POINTS),
    "deployed_accuracy": ("difference", POINTS),
}


def pilot_rows(cells: pd.DataFrame, references: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per method, quantity and difference to show; `seeds` is empty where the note says why.

    Args:
        cells: as in ``cells.csv``.
        references: for each method, what it is compared with.
    """
    facts = cells.set_index(["method", "seed"])
    rows: list[dict[str, Any]] = []
    for method, other in references.items():
        seeds = pairs.shared_seeds(facts.index, method, other)
        for quantity, (kind, effects) in _QUANTITIES.items():
            ours, theirs = ([float(facts[quantity][name, seed]) for seed in seeds] for name in (method, other))
            spread, note = _spread(ours, theirs, kind)
            head = {"method": method, "reference": other, "quantity": quantity, "kind": kind, "n_pairs": len(seeds)}
            if seeds:
                rows += [
                    {**head, "spread": spread, "effect": effect, **_needed(effect, spread, kind, note)}
                    for effect in effects
                ]
    return rows


def _spread(ours: list[float], theirs: list[float], kind: str) -> tuple[float | None, str]:
    """Standard deviation of the paired differences, or why it is not known."""
    if len(ours) < 2:
        return None, intervals.ONE_SEED
    if not all(map(math.isfinite, (*ours, *theirs))):
        return None, intervals.NOT_RECORDED
    if kind == "ratio" and min(*ours, *theirs) <= 0:
        return None, intervals.ZERO_COST
    interval = (intervals.paired_ratio if kind == "ratio" else intervals.paired_difference)(ours, theirs)
    if interval.note:
        return 0.0, interval.note
    both = (np.log(ours), np.log(theirs)) if kind == "ratio" else (np.array(ours), np.array(theirs))
    return float(np.std(both[0] - both[1], ddof=1)), ""


def _needed(effect: float, spread: float | None, kind: str, note: str) -> dict[str, Any]:
    if note or not spread:
        return {"seeds": None, "note": note}
    needed = significance.seeds_needed(-math.log1p(-effect) if kind == "ratio" else effect, spread)
    # Fewer than these and the permutation of signs, by which it would be judged, cannot show it.
    return (
        {"seeds": None, "note": TOO_MANY}
        if needed is None
        else {"seeds": max(needed, significance.seeds_to_reach(1)), "note": ""}
    )
