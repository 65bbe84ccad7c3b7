"""Grids: the table against the one it was taken from, codes in every spelling, and values and series of the user's."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.price.assumptions.grids import grid, intensity, table


def test_table_equals_the_installed_codecarbon() -> None:
    source = json.loads(files("codecarbon").joinpath("data/private_infra/global_energy_mix.json").read_text("utf-8"))
    expected = {iso3: (row["carbon_intensity"], row["year"]) for iso3, row in source.items()}
    assert {iso3: (place.g_per_kwh, place.year) for iso3, place in table().items()} == expected


def test_usable_table_values_stay_near_the_installed_codecarbon() -> None:
    """Within 15 %, as the range says, whatever table a later release carries."""
    source = json.loads(files("codecarbon").joinpath("data/private_infra/global_energy_mix.json").read_text("utf-8"))
    for iso3, place in table().items():
        if place.g_per_kwh > 0:
            assert place.low_g_per_kwh <= source[iso3]["carbon_intensity"] <= place.high_g_per_kwh, iso3


def test_iso2_column_is_complete_and_unambiguous() -> None:
    pycountry = pytest.importorskip("pycountry")
    for iso3 in table():
        iso2 = pycountry.countries.get(alpha_3=iso3).alpha_2
        if table()[iso3].g_per_kwh > 0:
            assert grid(iso2) == grid(iso3)


START = "2025-03-01T00:00:00Z"


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
        ({"name": "campus", "source": "bill"}, "g_per_kwh missing"),
        ({"name": "campus", "series": "de.csv", "source": "bill"}, "start missing"),
        (
            {"name": "campus", "series": "de.csv", "start": START, "source": "b", "g_per_kwh": 41},
            "a series stands alone",
        ),
        (
            {"name": "campus", "series": "de.csv", "start": START, "source": "b", "low_g_per_kwh": 4},
            "a series stands alone",
        ),
        ({"name": "campus", "series": "no.csv", "start": START, "source": "b"}, "no.csv: there is no such file"),
        ({"name": "campus", "g_per_kwh": 41, "start": START, "source": "b"}, "start belongs to a series"),
        (
            {"name": "campus", "g_per_kwh": 41, "source": "b", "kind": "short-run"},
            "average or marginal, got 'short-run'",
        ),
        ({"name": "campus", "g_per_kwh": 41, "source": "b", "low_g_per_kwh": 30}, "together or not at all"),
        (
            {"name": "campus", "g_per_kwh": 41, "source": "b", "low_g_per_kwh": 42, "high_g_per_kwh": 50},
            "low <= g_per_kwh <= high, got 42, 41, 50",
        ),
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


def test_own_value_may_have_a_range_and_be_marginal() -> None:
    entry = {"name": "plant", "g_per_kwh": 700, "low_g_per_kwh": 500, "high_g_per_kwh": 900, "source": "study"}
    plant = grid({**entry, "kind": "marginal"})
    assert (plant.low_g_per_kwh, plant.g_per_kwh, plant.high_g_per_kwh) == (500.0, 700.0, 900.0)
    assert plant.kind == "marginal"
    assert grid(entry).kind == grid("NO").kind == "average"


def test_a_series_is_read_beside_the_benchmark_and_stands_with_its_mean(tmp_path: Path) -> None:
    """One hour at 100 and two at 400 g/kWh: 300 in the mean; the last holds as long as the median step of 1.5 h."""
    (tmp_path / "grid").mkdir()
    rows = "utc,g_per_kwh\n2025-03-01T00:00:00Z,100\n2025-03-01T01:00:00Z,400\n2025-03-01T03:00:00Z,200\n"
    (tmp_path / "grid" / "de.csv").write_text(rows, encoding="utf-8")
    entry = {"name": "de-hourly", "series": "grid/de.csv", "start": "2025-03-01T00:30:00Z", "source": "operator"}
    place = grid(entry, folder=tmp_path)
    assert place.g_per_kwh == pytest.approx((1 * 100 + 2 * 400 + 1.5 * 200) / 4.5)
    assert place.low_g_per_kwh == place.high_g_per_kwh == place.g_per_kwh
    half_hours = np.arange(4) * 1800.0
    assert intensity(place, half_hours, half_hours + 1800).tolist() == [100.0, 400.0, 400.0, 400.0]


def test_one_value_holds_throughout() -> None:
    assert intensity(grid("DEU"), np.array([0.0, 1e9]), np.array([1.0, 2e9])).tolist() == [grid("DEU").g_per_kwh] * 2
