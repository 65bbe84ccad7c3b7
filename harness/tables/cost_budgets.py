"""Builds ``cost_budgets.csv``: what each method reaches within a budget of joules or grams.

As in `harness.tables.bit_budgets` the budget is a share of what the reference takes in its whole run, here in one
deployment, and what counts is the last score up to which all that was spent is within. It is read off the course of a
run whose schedule was not made for it. A run that ends within the budget did not exhaust it: more rounds may reach
more, and the row says after how many it ended.
"""

from typing import Any

import pandas as pd

from harness.tables.bit_budgets import reached

COLUMNS = [
    *("method", "radio", "grid", "quantity", "share", "budget", "n_seeds", "n_scored", "n_exhausted", "last_round"),
    *("mean", "low", "high", "note"),
]
SHARES = (0.25, 0.5, 1.0)


def cost_budget_rows(
    cells: pd.DataFrame, trajectories: pd.DataFrame, footprint: pd.DataFrame, reference: str
) -> list[dict[str, Any]]:
    """The last validation accuracy of each method within each budget, mean over seeds; empty without the reference.

    Joules do not depend on the grid: their rows have none. Deployments whose joules are not known have no rows.

    Args:
        cells: as in ``cells.csv``.
        trajectories: as in ``trajectories.csv``.
        footprint: as in ``footprint.csv``.
        reference: the method that budgets are shares of, so that all share a budget.
    """
    scores = trajectories[(trajectories["split"] == "validation") & (trajectories["round"] > 0)]
    if scores.empty or footprint.empty or reference not in set(cells["method"]):
        return []
    rows: list[dict[str, Any]] = []
    for radio, of_radio in footprint.groupby("radio", sort=False):
        grids = list(dict.fromkeys(of_radio["grid"]))
        wanted = [("energy_j", "", grids[0]), *(("carbon_g", grid, grid) for grid in grids)]
        for quantity, grid, taken in wanted:
            spent = of_radio[of_radio["grid"] == taken][["cell_id", "round", quantity]]
            courses = scores[["cell_id", "method", "seed", "round", "accuracy"]].merge(spent, on=["cell_id", "round"])
            head = {"radio": radio, "grid": grid, "quantity": quantity}
            rows += _within(courses, spent, cells, reference, head)
    return rows


def _within(
    courses: pd.DataFrame, spent: pd.DataFrame, cells: pd.DataFrame, reference: str, head: dict[str, Any]
) -> list[dict[str, Any]]:
    quantity = head["quantity"]
    ends = spent.groupby("cell_id").agg(whole=(quantity, "max"), last=("round", "max"))
    known = cells.merge(ends, left_on="cell_id", right_index=True)
    of_reference = known.loc[known["method"] == reference, "whole"]
    if of_reference.empty or not known["whole"].notna().all():
        return []
    rows = []
    for method, own in known.groupby("method", sort=False):
        for share in SHARES:
            budget = share * float(of_reference.mean())
            inside = courses[(courses["method"] == method) & (courses[quantity] <= budget)].sort_values("round")
            last = inside.groupby("seed")["accuracy"].last().reindex(own["seed"].tolist())
            exhausted = int((own["whole"] > budget).sum())
            row = {"method": method, **head, "share": share, "budget": budget}
            rows.append(row | {"n_exhausted": exhausted, "last_round": int(own["last"].max())} | reached(last))
    return rows
