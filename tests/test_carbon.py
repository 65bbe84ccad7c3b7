"""Grids: the table against the one it was taken from, codes in every spelling, and values of the user's."""

import json
from importlib.resources import files
from typing import Any

import pytest

from harness.accounting import Bounds, carbon_g
from harness.carbon import grid, table
from harness.core.errors import UsageError


def test_table_equals_the_installed_codecarbon() -> None:
    source = json.loads(files("codecarbon").joinpath("data/private_infra/global_energy_mix.json").read_text("utf-8"))
    expected = {iso3: (row["carbon_intensity"], row["year"]) for iso3, row in source.items()}
    assert {iso3: (place.g_per_kwh, place.year) for iso3, place in table().items()} == expected


def test_iso2_column_is_complete_and_unambiguous() -> None:
    pycountry = pytest.importorskip("pycountry")
    for iso3 in table():
        iso2 = pycountry.countries.get(alpha_3=iso3).alpha_2
        if table()[iso3].g_per_kwh > 0:
            assert grid(iso2) == grid(iso3)


@pytest.mark.parametrize("code", ["NO", "no", "NOR", "Nor", " nor "])
def test_codes_of_norway(code: str) -> None:
    found = grid(code)
    assert (found.name, found.iso3, found.g_per_kwh, found.year) == ("Norway", "NOR", 30.08, 2023)
    assert found.low_g_per_kwh == pytest.approx(25.568)
    assert found.high_g_per_kwh == pytest.approx(34.592)
    assert found.range_basis.startswith("judgement")


def test_all_hydro_grids_show_life_cycle_factors() -> None:
    """What the basis column infers: hydro only, and yet not 0."""
    for iso3 in ("PRY", "ALB", "NPL", "BTN", "ETH"):
        assert 20 < grid(iso3).g_per_kwh < 30
        assert "life-cycle" in grid(iso3).basis


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("Norwey", r"'Norwey' is not in the table of 213 grids\. Did you mean NOR \(Norway\)\?"),
        ("Germany", r"Did you mean DEU"),
        ("XXQ9Z", "ISO 3166-1"),
        ("CAF", "0 g/kWh"),
        (False, "country code or a mapping"),
        ({"name": "campus", "g_per_kwh": 41}, "source missing"),
        ({"name": "campus", "g_per_kwh": "41", "source": "bill"}, "must be a number"),
        ({"name": "campus", "g_per_kwh": True, "source": "bill"}, "must be a number"),
        ({"name": "campus", "g_per_kwh": -1, "source": "bill"}, "0 to 10000"),
        ({"name": "campus", "g_per_kwh": float("nan"), "source": "bill"}, "must be a number"),
        ({"name": "campus", "g_per_kwh": 41, "source": "bill", "pue": 2}, "unknown pue"),
        ({"name": "campus", "g_per_kwh": 41, "source": "bill", "year": "2025"}, "year"),
    ],
)
def test_bad_entries_are_one_clear_line(entry: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        grid(entry)
    assert "\n" not in str(caught.value)


def test_own_value_is_a_point() -> None:
    campus = grid({"name": "campus", "g_per_kwh": 41, "source": "utility, 2025", "basis": "average"})
    assert (campus.iso3, campus.year, campus.low_g_per_kwh, campus.high_g_per_kwh) == (None, None, 41.0, 41.0)
    assert grid({"name": "own solar", "g_per_kwh": 0, "source": "direct emissions"}).g_per_kwh == 0


def test_grams_by_hand() -> None:
    """3.6 MJ is a kilowatt-hour; low meets low and high meets high."""
    grams = carbon_g(Bounds(1.8e6, 3.6e6, 7.2e6), grid("DEU"))
    assert grams.typical == pytest.approx(grid("DEU").g_per_kwh)
    assert grams.low == pytest.approx(0.5 * 0.85 * grid("DEU").g_per_kwh)
    assert grams.high == pytest.approx(2 * 1.15 * grid("DEU").g_per_kwh)
