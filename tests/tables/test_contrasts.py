"""Contrasts: sums and differences of methods, seed by seed, worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from harness.statistics import intervals
from harness.tables.contrasts import EXPLORATORY, LOGARITHM, NO_SEED, POINTS, contrast_rows

T_ONE_DEGREE = 12.706204736
"""Quantile 0.975 of Student's t with one degree of freedom."""
ACCURACY = {"a": (0.80, 0.84), "b": (0.70, 0.72), "c": (0.60, 0.66), "d": (0.55, 0.57)}
BITS = {"a": (100, 100), "b": (400, 400), "c": (200, 800), "d": (100, 100)}


def cells(skip: tuple[tuple[str, int], ...] = ()) -> pd.DataFrame:
    rows = [
        {"method": method, "seed": seed, "test_accuracy": ACCURACY[method][seed], "uplink_bits": BITS[method][seed]}
        for method in ACCURACY
        for seed in (0, 1)
        if (method, seed) not in skip
    ]
    return pd.DataFrame(rows)


def contrast(
    plus: str, minus: str, quantity: str = "test_accuracy", per: int = 1, *, primary: bool = True
) -> SimpleNamespace:
    sides = {"plus": tuple(plus), "minus": tuple(minus)}
    return SimpleNamespace(name=f"{plus}-{minus}", **sides, quantity=quantity, per=per, primary=primary)


def row(*arguments: Any, frame: pd.DataFrame | None = None, **settings: Any) -> dict[str, Any]:
    (found,) = contrast_rows(cells() if frame is None else frame, [contrast(*arguments, **settings)])
    return found


def test_an_interaction_by_hand() -> None:
    """(a - b) - (c - d) = 0.10 - 0.05 = 5 points at seed 0 and 0.12 - 0.09 = 3 at seed 1; halved: 2.5 and 1.5."""
    found = row("ad", "bc", per=2)
    assert (found["unit"], found["n"], found["note"]) == (POINTS, 2, "")
    assert found["estimate"] == pytest.approx(2.0)
    assert found["low"] == pytest.approx(2.0 - T_ONE_DEGREE * 0.5)
    assert found["high"] == pytest.approx(2.0 + T_ONE_DEGREE * 0.5)


def test_bits_are_a_logarithm() -> None:
    """c / a is 2 at one seed and 8 at the other: the geometric mean is 4."""
    found = row("c", "a", "uplink_bits")
    assert (found["unit"], found["estimate"]) == (LOGARITHM, pytest.approx(math.log(4)))
    fixed = row("b", "a", "uplink_bits")
    assert fixed["note"] == intervals.DETERMINISTIC
    assert fixed["low"] == fixed["high"] == pytest.approx(math.log(4))


def test_only_seeds_that_all_methods_have_count() -> None:
    found = row("ad", "bc", frame=cells(skip=(("d", 0),)))
    assert (found["n"], found["estimate"], found["note"]) == (1, pytest.approx(3.0), intervals.ONE_SEED)
    assert found["low"] is found["high"] is None


@pytest.mark.parametrize("skip", [(("d", 0), ("d", 1)), (("d", 0), ("a", 1))])
def test_without_a_common_seed_nothing_is_known(skip: tuple[tuple[str, int], ...]) -> None:
    found = row("ad", "bc", frame=cells(skip=skip))
    assert (found["n"], found["estimate"], found["note"]) == (0, None, NO_SEED)


def test_bits_of_zero_have_no_logarithm() -> None:
    frame = cells().assign(uplink_bits=0)
    assert row("a", "b", "uplink_bits", frame=frame)["note"] == intervals.ZERO_COST


def test_they_come_in_the_order_of_the_definition() -> None:
    rows = contrast_rows(cells(), [contrast("b", "a"), contrast("a", "b")])
    assert [found["name"] for found in rows] == ["b-a", "a-b"]
    assert rows[0]["estimate"] == pytest.approx(-rows[1]["estimate"])
    assert contrast_rows(cells(), []) == []


def many(n_seeds: int) -> pd.DataFrame:
    rows = [
        {"method": method, "seed": seed, "test_accuracy": base + 0.001 * (seed % 3) * (method == "a"), "uplink_bits": 1}
        for method, base in (("a", 0.9), ("b", 0.8), ("c", 0.8))
        for seed in range(n_seeds)
    ]
    return pd.DataFrame(rows)


def test_primary_contrasts_are_one_family() -> None:
    """Seven seeds reach 2 / 128; two contrasts double it, which is still below 0.05, and a third is not tested."""
    named = [contrast("a", "b"), contrast("a", "c"), contrast("c", "a", primary=False)]
    first, second, third = contrast_rows(many(7), named)
    for found in (first, second):
        assert (found["role"], found["verdict"]) == ("primary", "significant")
        assert (found["sign_flip_p"], found["sign_flip_holm_p"]) == (2 / 128, 4 / 128)
        assert found["t_p"] < found["t_holm_p"] < 0.05
    assert (third["role"], third["verdict"], third["t_p"]) == ("secondary", EXPLORATORY, None)
    assert third["estimate"] == pytest.approx(-second["estimate"])


def test_too_few_seeds_get_no_word_of_significance() -> None:
    (found,) = contrast_rows(many(5), [contrast("a", "b")])
    assert found["t_p"] < 0.001
    assert found["verdict"] == "no test: 5 seeds cannot reach p < 0.05, 6 can"


def test_a_contrast_without_seeds_still_counts_in_its_family() -> None:
    finished = contrast_rows(many(7), [contrast("a", "b")])
    frame = many(7)
    frame = frame[(frame["method"] != "c") | (frame["seed"] < 0)]
    with_missing = contrast_rows(frame, [contrast("a", "b"), contrast("a", "c")])
    assert with_missing[0]["t_holm_p"] == pytest.approx(2 * finished[0]["t_holm_p"])
    assert with_missing[1]["verdict"].startswith("no test: 0 seeds")
