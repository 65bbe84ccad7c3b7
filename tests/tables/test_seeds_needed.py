"""Seeds that would show a difference, from the spread of a small run."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.statistics import intervals, significance
from harness.tables import seeds_needed


def cells(n_seeds: int = 4, **changed: list[float]) -> pd.DataFrame:
    fixed = {"uplink_bits": [100.0] * n_seeds, "total_bits": [200.0] * n_seeds}
    names = ("validation_accuracy", "test_accuracy", "deployed_accuracy")
    scores = {name: [0.9 + 0.01 * seed for seed in range(n_seeds)] for name in names}
    frames = [pd.DataFrame({"method": name, "seed": range(n_seeds), **fixed, **scores}) for name in ("ref", "ours")]
    for column, values in changed.items():
        frames[1][column] = values
    return pd.concat(frames, ignore_index=True)


def rows(frame: pd.DataFrame, quantity: str) -> list[dict[str, Any]]:
    return [row for row in seeds_needed.pilot_rows(frame, {"ours": "ref"}) if row["quantity"] == quantity]


def test_seeds_follow_from_the_spread_of_paired_differences() -> None:
    """Differences from 0.90, 0.91, 0.92, 0.93 of 0, 1, 0, 1 points: their standard deviation is 0.577 points."""
    found = rows(cells(test_accuracy=[0.90, 0.92, 0.92, 0.94]), "test_accuracy")
    spread = 0.01 / math.sqrt(3)
    assert [row["effect"] for row in found] == list(seeds_needed.POINTS)
    for row in found:
        needed = significance.seeds_needed(row["effect"], spread)
        assert needed is not None
        assert row["spread"] == pytest.approx(spread)
        assert row["seeds"] == max(6, needed)
    assert [row["seeds"] for row in found] == sorted((row["seeds"] for row in found), reverse=True)


def test_costs_are_planned_on_logarithms() -> None:
    bits = [200.0, 220.0, 180.0, 200.0]
    (first, *_) = rows(cells(total_bits=bits), "total_bits")
    assert first["spread"] == pytest.approx(float(np.std(np.log(bits), ddof=1)))
    assert first["seeds"] == significance.seeds_needed(math.log(1 / 0.99), first["spread"])


@pytest.mark.parametrize(
    ("frame", "quantity", "note"),
    [
        (cells(), "total_bits", intervals.DETERMINISTIC),
        (cells(n_seeds=1), "test_accuracy", intervals.ONE_SEED),
        (cells(total_bits=[0.0] * 4), "total_bits", intervals.ZERO_COST),
        (cells(test_accuracy=[0.9, math.nan, 0.9, 0.9]), "test_accuracy", intervals.NOT_RECORDED),
        (cells(test_accuracy=[0.0, 1.0, 0.0, 1.0]), "test_accuracy", seeds_needed.TOO_MANY),
    ],
)
def test_where_nothing_can_be_planned_the_row_says_why(frame: pd.DataFrame, quantity: str, note: str) -> None:
    (first, *_) = rows(frame, quantity)
    assert (first["seeds"], first["note"]) == (None, note)


def test_methods_without_a_common_seed_have_no_row() -> None:
    frame = cells()
    frame.loc[frame["method"] == "ours", "seed"] += 100
    assert seeds_needed.pilot_rows(frame, {"ours": "ref"}) == []
