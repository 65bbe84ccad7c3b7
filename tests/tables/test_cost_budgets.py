"""Accuracy within budgets of joules and grams, read off two courses written out by hand."""

import pandas as pd
import pytest

from harness.tables.cost_budgets import SHARES, cost_budget_rows

CELLS = pd.DataFrame({"cell_id": ["a", "b"], "method": ["fp32", "coded"], "seed": [0, 0]})
SCORES = pd.DataFrame(
    {
        "cell_id": ["a"] * 4 + ["b"] * 4,
        "method": ["fp32"] * 4 + ["coded"] * 4,
        "seed": [0] * 8,
        "round": [0, 1, 2, 3] * 2,
        "split": ["validation"] * 8,
        "accuracy": [0.1, 0.3, 0.5, 0.6, 0.1, 0.2, 0.4, 0.55],
    }
)


def footprint(coded_j: float) -> pd.DataFrame:
    """fp32 takes 40 J a round and coded `coded_j`, on grids of 1 and 10 mg a joule."""
    rows = []
    for cell, joules in (("a", 40.0), ("b", coded_j)):
        for grid, gram in (("NOR", 0.001), ("IND", 0.01)):
            for number in range(4):
                spent = joules * number
                rows.append({"cell_id": cell, "radio": "wifi", "grid": grid, "round": number, "energy_j": spent})
                rows[-1]["carbon_g"] = spent * gram
    return pd.DataFrame(rows)


def by_share(rows: list[dict], method: str, quantity: str = "energy_j", grid: str = "") -> dict[float, dict]:
    found = [row for row in rows if (row["method"], row["quantity"], row["grid"]) == (method, quantity, grid)]
    return {row["share"]: row for row in found}


def test_what_counts_is_the_last_score_within_the_budget() -> None:
    """The reference takes 120 J: budgets are 30, 60 and 120 J. At 40 J a round it has no score within the first."""
    rows = by_share(cost_budget_rows(CELLS, SCORES, footprint(10.0), "fp32"), "fp32")
    assert [rows[share]["budget"] for share in SHARES] == [30.0, 60.0, 120.0]
    assert rows[0.25]["mean"] is None and rows[0.25]["note"] == "no score within"
    assert [rows[0.5]["mean"], rows[1.0]["mean"]] == [0.3, 0.6]
    assert [rows[share]["n_exhausted"] for share in SHARES] == [1, 1, 0]


def test_a_run_that_ends_within_its_budget_did_not_exhaust_it() -> None:
    """Coded takes 10 J a round and 30 in all: it ends within every budget, after round 3."""
    rows = by_share(cost_budget_rows(CELLS, SCORES, footprint(10.0), "fp32"), "coded")
    assert [(row["mean"], row["n_exhausted"], row["last_round"]) for row in rows.values()] == [(0.55, 0, 3)] * 3


@pytest.mark.parametrize("grid", ["NOR", "IND"])
def test_grams_on_one_grid_are_within_when_joules_are(grid: str) -> None:
    rows = cost_budget_rows(CELLS, SCORES, footprint(25.0), "fp32")
    grams, joules = by_share(rows, "coded", "carbon_g", grid), by_share(rows, "coded")
    assert {share: row["mean"] for share, row in grams.items()} == {share: row["mean"] for share, row in joules.items()}
    assert grams[0.25]["mean"] == 0.2


def test_without_the_reference_or_with_unknown_joules_there_are_no_rows() -> None:
    assert cost_budget_rows(CELLS, SCORES, footprint(10.0), "another") == []
    unknown = footprint(10.0).assign(energy_j=float("nan"), carbon_g=float("nan"))
    assert cost_budget_rows(CELLS, SCORES, unknown, "fp32") == []
