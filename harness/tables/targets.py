"""Finds when a run reaches a target accuracy, and what it has taken by then."""

import math
from typing import Any

import pandas as pd

COLUMNS = [
    *("cell_id", "method", "seed", "radio", "grid", "target_accuracy", "round"),
    *("total_bits", "time_s", "energy_j", "carbon_g"),
]
MARGIN = 0.01
"""How far below the reference's last accuracy the default target is: one percentage point. Our judgement."""


def target_rows(
    cells: pd.DataFrame, trajectories: pd.DataFrame, footprint: pd.DataFrame, reference: str, target: float | None
) -> list[dict[str, Any]]:
    """One row per cell, deployment and grid: the first scored round at the target, empty if it was never reached.

    Args:
        cells: as in ``cells.csv``.
        trajectories: as in ``trajectories.csv``.
        footprint: as in ``footprint.csv``.
        reference: the method whose last validation accuracy, less `MARGIN`, is the default target at each seed.
        target: validation accuracy, 0 to 1; None takes the default.
    """
    scores = trajectories[trajectories["split"] == "validation"][["cell_id", "round", "accuracy", "total_bits"]]
    if scores.empty or footprint.empty:
        return []
    of_reference = cells[cells["method"] == reference].set_index("seed")["validation_accuracy"] - MARGIN
    spent = footprint.merge(scores.drop_duplicates(["cell_id", "round"]), on=["cell_id", "round"])
    keys = ["cell_id", "method", "seed", "radio", "grid"]
    rows = []
    for key, course in spent.groupby(keys, sort=False):
        wanted = target if target is not None else of_reference.get(key[2])
        if wanted is None or math.isnan(wanted):
            continue
        reached = course[course["accuracy"] >= wanted].sort_values("round")
        first = None if reached.empty else reached.iloc[0]
        row = dict(zip(keys, key, strict=True)) | {"target_accuracy": float(wanted)}
        for column in COLUMNS[6:]:
            row[column] = None if first is None else first[column]
        rows.append(row)
    return rows
