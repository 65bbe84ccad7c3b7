"""Formulas of papers on the carbon of federated learning, against worked numbers."""

import math
from pathlib import Path

import pytest

import radio_models
from radio_models.published import Formula, formulas, j_per_bit, saving_factor, worked

BIBLIOGRAPHY = (Path(radio_models.__file__).parent / "references.bib").read_text(encoding="utf-8")
KINDS = [formula.kind for formula in formulas()]


def named(kind: str, **rates: float) -> Formula:
    return next(formula for formula in formulas(**rates) if formula.kind == kind)


@pytest.mark.parametrize("kind", ["qiu", "wu"])
def test_80_mbit_over_a_router_by_hand(kind: str) -> None:
    """80 / 20 + 80 / 100 = 4.8 s at 3 + 7.5 W are 50.4 J."""
    formula = named(kind, rate_up_mbps=20, rate_down_mbps=100)
    assert formula.joules(8e7, 8e7) == pytest.approx(50.4, rel=1e-9)
    assert formula.joules(8e7, 0) == pytest.approx(42.0, rel=1e-9)


def test_a_faster_line_takes_less_of_the_formulas_by_time_and_no_other() -> None:
    slow, fast = formulas(10, 10), formulas(20, 20)
    ratios = {old.kind: new.joules(1e6, 1e6) / old.joules(1e6, 1e6) for old, new in zip(slow, fast, strict=True)}
    assert ratios == pytest.approx({kind: 0.5 if kind in ("qiu", "wu") else 1.0 for kind in KINDS})


@pytest.mark.parametrize(
    ("kind", "micro_j_per_bit"), [("savazzi_threshold", 20.0), ("savazzi_mesh", 5.0), ("barbieri", 40.0)]
)
def test_bits_a_joule_by_hand(kind: str, micro_j_per_bit: float) -> None:
    """50, 200 and 25 kbit/J are 20, 5 and 40 uJ a bit, in both directions."""
    assert named(kind).joules(1e6, 0) == pytest.approx(micro_j_per_bit, rel=1e-9)
    assert named(kind).joules(0, 1e6) == pytest.approx(micro_j_per_bit, rel=1e-9)


def test_elements_of_the_network_by_hand() -> None:
    """37 + 18.3 + 2 x 12.6 = 80.5 nJ a bit; the range takes in one core router (67.9) and eight (156.1)."""
    formula = named("yousefpour")
    assert formula.joules(1e9, 0) == pytest.approx(80.5, rel=1e-9)
    assert formula.uplink.low < 67.9e-9
    assert formula.uplink.high > 156.1e-9


def test_smaller_updates_save_what_the_paper_says() -> None:
    """Yousefpour et al. 2023: 8 bits instead of 32, where communication has 60 % of the carbon, give a factor of 1.82.

    By hand 1 / (0.4 + 0.6 / 4) = 1.818.
    """
    assert round(saving_factor(0.6, 4), 2) == 1.82


def test_the_gigabyte_slip_stands_beside_the_right_value() -> None:
    """10 MB each way at 0.01 kWh/GB and 475 g/kWh: 2 x 0.01 GB x 0.01 x 475 = 0.095 g; over 2^30 it is 0.08848 g."""
    assert named("tapp").grams(8e7, 8e7) == pytest.approx(0.095, rel=1e-9)
    as_coded_g = named("tapp_as_coded").grams(8e7, 8e7)
    assert as_coded_g == pytest.approx(0.088476, rel=1e-4)
    assert as_coded_g / 0.095 - 1 == pytest.approx(-0.069, abs=5e-4)


def test_kilowatt_hours_a_gigabyte_are_450_microjoules_a_bit() -> None:
    """3.6e6 J over 8e9 bit."""
    assert j_per_bit(1.0) * 1e6 == pytest.approx(450.0, rel=1e-9)


def test_only_a_paper_with_a_grid_of_its_own_gives_grams() -> None:
    assert [kind for kind in KINDS if named(kind).grams(1.0, 1.0) is not None] == ["tapp", "tapp_as_coded"]


def test_every_formula_has_a_worked_example_that_comes_out() -> None:
    examples = worked()
    assert {example.description.partition(":")[0] for example in examples} == set(KINDS)
    for example in examples:
        assert example.computed == pytest.approx(example.expected, rel=0.002), example.description


@pytest.mark.parametrize("kind", KINDS)
def test_formulas_are_linear_and_free_of_fixed_costs(kind: str) -> None:
    formula = named(kind)
    assert formula.joules(0, 0) == 0
    assert formula.joules(3e6, 5e6) == pytest.approx(3 * formula.joules(1e6, 0) + 5 * formula.joules(0, 1e6))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_source_in_the_bibliography(kind: str) -> None:
    formula = named(kind)
    assert formula.what_it_misses
    assert formula.inputs()
    for key in [formula.source, *(row.source for row in formula.inputs())]:
        assert key == "judgement" or f"{{{key}," in BIBLIOGRAPHY, key
    for price in (formula.uplink, formula.downlink):
        assert 0 < price.low <= price.typical <= price.high


def test_a_rate_that_was_given_is_a_point_of_the_user() -> None:
    rows = {row.name: row for row in named("wu", rate_up_mbps=6).inputs()}
    assert rows["formula.rate_up_mbps"].low == rows["formula.rate_up_mbps"].high == 6
    assert rows["formula.rate_down_mbps"].typical == 100


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^rate_up_mbps must be above 0, got 0$"):
        formulas(rate_up_mbps=0)
    with pytest.raises(ValueError, match=r"^uplink_bits must be at least 0, got -1$"):
        named("wu").joules(-1, 0)
    with pytest.raises(ValueError, match=r"^downlink_bits must be at least 0, got nan$"):
        named("wu").joules(0, math.nan)
