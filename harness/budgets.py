"""What each method reaches within a budget of bits: the rows of ``budgets.csv``.

A budget is a share of what the reference sends in its whole run. A score counts if all bits sent until then are within
the budget plus half a percent of it; the score of round 0, before which nothing was sent, never counts.

The half percent is for runs that a budget of their own ends: these stop at whole rounds and, where sizes vary, may go
beyond it by what their last round is larger than every one before. Without it the last score of such a run, which its
learning rate was scheduled for, could miss its own budget by a few bytes. It holds for every method alike.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness import statistics

COLUMNS = ["method", "quantity", "share", "budget_bits", "n_seeds", "n_scored", "mean", "low", "high", "note"]
SHARES = (0.01, 0.05, 0.20)
TOLERANCE = 0.005
NEVER_SCORED = "no score within"

_QUANTITIES = ("uplink_bits", "total_bits")


def budget_rows(cells: pd.DataFrame, trajectories: pd.DataFrame, reference: str) -> list[dict[str, Any]]:
    """The best validation accuracy of each method within each budget, mean over seeds; empty without the reference.

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
            best = ours[ours[quantity] <= (1 + TOLERANCE) * budget].groupby("seed")["accuracy"].max()
            head = {"method": method, "quantity": quantity, "share": share, "budget_bits": budget}
            rows.append(head | _reached(best.reindex(seeds)))
    return rows


def _budgets(whole: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    for quantity in _QUANTITIES:
        for share in SHARES:
            yield quantity, share, round(share * float(whole[quantity].mean()))


def _reached(best: "pd.Series[float]") -> dict[str, Any]:
    """Mean and interval of the best score of each seed, NaN where a seed has none."""
    n_seeds, n_scored = len(best), int(best.notna().sum())
    counts = {"n_seeds": n_seeds, "n_scored": n_scored}
    if n_scored < n_seeds:
        note = f"{NEVER_SCORED} at {n_seeds - n_scored} of {n_seeds} seeds" if n_scored else NEVER_SCORED
        return {**counts, "mean": None, "low": None, "high": None, "note": note}
    interval = statistics.within(statistics.mean_interval(best.tolist(), is_counted=False), 0.0, 1.0)
    return {**counts, "mean": interval.estimate, "low": interval.low, "high": interval.high, "note": interval.note}
