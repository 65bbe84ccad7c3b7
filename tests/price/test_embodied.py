"""Manufacture of devices: shares by hand, rules that are printed, sources."""

import re
from pathlib import Path

import pytest

import harness.price.assumptions.data
from harness.price.accounting.embodied import RULES, embodied_g, inputs, rule_text
from harness.price.assumptions.devices import device, names

YEAR_S = 365.25 * 86_400


def test_a_minute_of_a_phone_by_the_calendar() -> None:
    """53 kg over three years: 53,000 g x 60 s / (3 x 31,557,600 s) = 33.6 mg."""
    grams = embodied_g(device("phone"), 60, "calendar")
    assert grams.typical == pytest.approx(0.0336, abs=0.00005)
    assert grams.low == pytest.approx(15_000 * 60 / (5 * YEAR_S))
    assert grams.high == pytest.approx(76_000 * 60 / (2 * YEAR_S))


def test_a_minute_of_a_phone_by_use() -> None:
    """Used 3 hours a day, it is charged eight times as much for a second."""
    by_use, by_calendar = (embodied_g(device("phone"), 60, rule) for rule in ("active", "calendar"))
    assert by_use.typical == pytest.approx(8 * by_calendar.typical)
    assert by_use.high == pytest.approx(24 * by_calendar.high)


@pytest.mark.parametrize("name", names())
def test_nothing_is_charged_unless_asked(name: str) -> None:
    grams = embodied_g(device(name), 1e6, "excluded")
    assert (grams.low, grams.typical, grams.high) == (0, 0, 0)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("rule", ["calendar", "active"])
def test_a_share_is_linear_in_time_and_never_above_the_whole(name: str, rule: str) -> None:
    kind = device(name)
    once, twice = embodied_g(kind, 1000, rule), embodied_g(kind, 2000, rule)
    assert twice.typical == pytest.approx(2 * once.typical)
    assert once.low <= once.typical <= once.high
    made, years, hours = inputs(kind)
    whole_life_s = years.typical * YEAR_S * (hours.typical / 24 if rule == "active" else 1)
    assert embodied_g(kind, whole_life_s, rule).typical == pytest.approx(made.typical * 1000)
    assert embodied_g(kind, 0, rule).high == 0


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"busy_s must be at least 0, got -1"):
        embodied_g(device("phone"), -1, "calendar")
    with pytest.raises(ValueError, match=r"rule must be one of excluded, calendar, active, got 'half'"):
        embodied_g(device("phone"), 1, "half")


def test_each_rule_says_what_it_is() -> None:
    assert len({rule_text(rule) for rule in RULES}) == 3
    assert "calendar" in rule_text("calendar") and "not charged" in rule_text("excluded")


@pytest.mark.parametrize("name", names())
def test_every_number_has_a_source_in_the_bibliography(name: str) -> None:
    book = Path(harness.price.assumptions.data.__file__).parent / "references.bib"
    keys = set(re.findall(r"^@\w+\{(\w+),", book.read_text(encoding="utf-8"), re.MULTILINE))
    for row in inputs(device(name)):
        assert row.source in {*keys, "judgement"} and row.locator and row.range_basis
        assert 0 < row.low <= row.typical <= row.high
