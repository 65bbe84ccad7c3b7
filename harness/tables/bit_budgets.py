"""Builds ``budgets.csv``: what each method reaches within a budget of bits.

A budget is a share of what the reference sends in its whole run. What counts is the last score up to which all bits
sent are within the budget, not the best: cheaper methods have more scores within, and the best of more draws is higher
by chance alone. The score of round 0, before which no round has sent anything, never counts.

Runs that a budget of their own ends are not looked up: their final scores are at that budget, and their learning rate
is scheduled for it.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.statistics import intervals

COLUMNS = ["method", "quantity", "share", "budget_bits", "n_seeds", "n_scored", "mean", "low", "high", "note"]
SHARES = (0.01, 0.05, 0.20)
NEVER_SCORED = "no score within"

_QUANTITIES = ("uplink_bits", "total_bits")


def budget_rows(cells: pd.DataFrame, trajectories: pd.DataFrame, reference: str) -> list[dict[str, Any]]:
    """The last validation accuracy of each method within each budget, mean over seeds; empty without the reference.

    There is no mean where a seed has no score within the budget: the mean of the others would be of lucky seeds.

    Args:
        cells: as in ``cells.csv``.
        trajectories: as in ``trajectories.csv``.
        reference: the method whose bits the budgets are shares of; one for all, so that methods share a budget.
    """
    whole = cells[cells["method"] == reference]
    if whole.empty:
        return []
    scores = trajectories[(trajectories["split"] == "validation") & (trajectories["round"] > 0)]
    rows = []
    for method, of_method in cells.groupby("method", sort=False):
        ours, seeds = scores[scores["method"] == method], of_method["seed"].tolist()
        for quantity, share, budget in _budgets(whole):
            last = ours[ours[quantity] <= budget].sort_values("round").groupby("seed")["accuracy"].last()
            head = {"method": method, "quantity": quantity, "share": share, "budget_bits": budget}
            rows.append(head | reached(last.reindex(seeds)))
    return rows


def _budgets(whole: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    for quantity in _QUANTITIES:
        for share in SHARES:
            yield quantity, share, round(share * float(whole[quantity].mean()))


def reached(last: "pd.Series[float]") -> dict[str, Any]:
    """Mean and interval of the last score of each seed, NaN where a seed has none."""
    n_seeds, n_scored = len(last), int(last.notna().sum())
    counts = {"n_seeds": n_seeds, "n_scored": n_scored}
    if n_scored < n_seeds:
        note = f"{NEVER_SCORED} at {n_seeds - n_scored} of {n_seeds} seeds" if n_scored else NEVER_SCORED
        return {**counts, "mean": None, "low": None, "high": None, "note": note}
    interval = intervals.within(intervals.mean_interval(last.tolist(), is_counted=False), 0.0, 1.0)
    return {**counts, "mean": interval.estimate, "low": interval.low, "high": interval.high, "note": interval.note}
