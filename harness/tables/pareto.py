"""Builds ``pareto.csv``: which methods no other beats in both accuracy and cost.

A method is dominated if another costs no more, is no less accurate, and is better in one of the two. What remains is
the Pareto set (Pareto, "Cours d'économie politique", 1896). Means over seeds are compared as they are: that a method is
on the front does not say that its distance to the next one is resolved, which the paired intervals say.
"""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.price.accounting.terms import OPERATORS

COLUMNS = ["method", "quantity", "radio", "grid", "cost", "accuracy", "score", "dominated_by", "is_on_front"]
_BITS = ("uplink_bits", "total_bits")


def pareto_rows(cells: pd.DataFrame, breakdown: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per method and cost: bits as counted, then joules of clients and grams in each scenario.

    Accuracy is the deployed one, or that on validation where nothing was scored on test. Costs and accuracies are means
    over seeds; a method with an unknown one has no place, and no other is measured against it.

    Args:
        cells: as in ``cells.csv``.
        breakdown: as in ``breakdown.csv``.
    """
    score = "deployed_accuracy" if cells["deployed_accuracy"].notna().any() else "validation_accuracy"
    accuracy = {
        str(name): float(group.mean(skipna=False)) for name, group in cells.groupby("method", sort=False)[score]
    }
    rows: list[dict[str, Any]] = []
    for head, costs in _costs(cells, breakdown):
        points = {name: (costs.get(name, math.nan), found) for name, found in accuracy.items()}
        rows += [{"method": name, **head, "score": score, **_place(name, points)} for name in points]
    return rows


def _costs(cells: pd.DataFrame, breakdown: pd.DataFrame) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """Mean cost of each method over seeds, a mapping for each quantity and scenario."""
    by_method = cells.groupby("method", sort=False)
    for quantity in _BITS:
        yield {"quantity": quantity, "radio": "", "grid": ""}, _means(by_method[quantity].mean())
    if breakdown.empty:
        return
    n_cells = breakdown.groupby("method")["cell_id"].nunique()
    is_client = ~breakdown["component"].isin(OPERATORS)
    for (radio, grid), rows in breakdown.groupby(["radio", "grid"], sort=False):
        scenario = {"radio": str(radio), "grid": str(grid)}
        if breakdown.loc[breakdown["radio"] == radio, "grid"].iloc[0] == grid:
            joules = rows[is_client.loc[rows.index]].groupby("method")["energy_j"].sum(min_count=1) / n_cells
            yield {"quantity": "device_energy_j", "radio": str(radio), "grid": ""}, _means(joules)
        yield (
            {"quantity": "carbon_g", **scenario},
            _means(rows.groupby("method")["carbon_g"].sum(min_count=1) / n_cells),
        )


def _means(costs: "pd.Series[Any]") -> dict[str, float]:
    return {str(name): float(cost) for name, cost in costs.items()}


def _place(name: str, points: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Cost and accuracy of a method, the first that dominates it, and whether none does."""
    cost, accuracy = points[name]
    if math.isnan(cost) or math.isnan(accuracy):
        nothing = {"dominated_by": "", "is_on_front": None}
        return {"cost": cost, "accuracy": accuracy, **nothing}
    better = [
        other
        for other, (theirs, score) in points.items()
        if theirs <= cost and score >= accuracy and (theirs < cost or score > accuracy)
    ]
    return {"cost": cost, "accuracy": accuracy, "dominated_by": next(iter(better), ""), "is_on_front": int(not better)}
