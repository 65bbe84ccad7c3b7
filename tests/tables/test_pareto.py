"""The front of accuracy against cost, worked out by hand."""

import math
from typing import Any

import pandas as pd

from harness.tables.pareto import pareto_rows

POINTS = {"ref": (100, 0.95), "good": (20, 0.95), "cheap": (5, 0.80), "worse": (30, 0.94), "twin": (20, 0.95)}


def cells(**changed: Any) -> pd.DataFrame:
    rows = []
    for name, (bits, accuracy) in (POINTS | changed).items():
        for seed in (0, 1):
            row = {"method": name, "seed": seed, "cell_id": f"{name}{seed}", "uplink_bits": bits, "total_bits": bits}
            scores = ("test_accuracy", "sent_test_accuracy", "deployed_accuracy", "validation_accuracy")
            rows.append(row | dict.fromkeys(scores, accuracy))
    return pd.DataFrame(rows)


def found(frame: pd.DataFrame, breakdown: pd.DataFrame | None = None, quantity: str = "total_bits") -> dict[str, Any]:
    rows = pareto_rows(frame, pd.DataFrame() if breakdown is None else breakdown)
    return {row["method"]: row for row in rows if row["quantity"] == quantity}


def test_the_front_by_hand() -> None:
    rows = found(cells())
    assert {name for name, row in rows.items() if row["is_on_front"]} == {"good", "cheap", "twin"}
    assert rows["ref"]["dominated_by"] == rows["worse"]["dominated_by"] == "good"
    assert rows["good"]["dominated_by"] == ""


def test_one_method_is_the_front_alone() -> None:
    frame = cells()
    assert found(frame[frame["method"] == "worse"])["worse"]["is_on_front"] == 1


def test_an_unknown_accuracy_has_no_place_and_beats_nobody() -> None:
    frame = cells()
    frame.loc[(frame["method"] == "good") & (frame["seed"] == 1), "deployed_accuracy"] = math.nan
    rows = found(frame)
    assert rows["good"]["is_on_front"] is None
    assert rows["ref"]["dominated_by"] == "twin"


def test_the_accuracy_is_the_one_that_methods_are_judged_by() -> None:
    frame = cells()
    frame.loc[frame["method"] == "good", "deployed_accuracy"] -= 0.5
    rows = found(frame)
    assert not rows["good"]["is_on_front"]
    assert {row["score"] for row in rows.values()} == {"deployed_accuracy"}


def test_without_test_scores_validation_counts() -> None:
    rows = found(cells().assign(deployed_accuracy=math.nan))
    assert {row["score"] for row in rows.values()} == {"validation_accuracy"}
    assert rows["cheap"]["is_on_front"] == 1


def test_joules_of_clients_and_all_grams_are_costs_in_each_scenario() -> None:
    rows = [
        {"cell_id": f"{name}{seed}", "method": name, "seed": seed, "radio": "lte", "grid": grid, "component": part}
        | {"energy_j": joules, "carbon_g": grams}
        for name in POINTS
        for seed in (0, 1)
        for grid, grams in (("NOR", 1.0), ("DEU", 10.0))
        for part, joules in (("uplink", float(POINTS[name][0])), ("core", 1000.0 * (name == "cheap")))
    ]
    priced = pd.DataFrame(rows)
    joules = found(cells(), priced, "device_energy_j")
    assert joules["cheap"]["cost"] == 5.0
    assert [row["grid"] for row in joules.values()] == [""] * len(POINTS), "joules are the same on every grid"
    grams = [row for row in pareto_rows(cells(), priced) if row["quantity"] == "carbon_g"]
    assert {(row["grid"], row["cost"]) for row in grams} == {("NOR", 2.0), ("DEU", 20.0)}
