"""Power supplies: losses and cells by hand, published figures, and what sees a grid."""

import re
from math import sqrt
from pathlib import Path

import pytest

import harness.price.assumptions.data
from harness.core.coefficients import load
from harness.core.errors import UsageError
from harness.core.prices import Coefficient
from harness.core.units import g_from_j
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import check, grid_of, names, needs_grid, supply

FOLDER = Path(harness.price.assumptions.data.__file__).parent
ROWS = load(FOLDER / "supply.csv")


def test_losses_of_charging_by_hand() -> None:
    """1 / (0.8 x 0.9); at best 1 / (0.9 x 0.96), at worst 1 / (0.6 x 0.8)."""
    taken = supply("rechargeable").grid_j_per_j
    assert (taken.low, taken.typical, taken.high) == pytest.approx((1.1574, 1.3889, 2.0833), abs=1e-4)


def test_the_published_range_of_chargers_is_inside_ours() -> None:
    """Shirriff 2012: twelve chargers from 60 to 80 %."""
    row = ROWS["rechargeable.charger_efficiency"]
    assert row.low <= 0.6
    assert row.high >= 0.8


def test_an_alkaline_cell_by_hand() -> None:
    """4633.478 g/kg over 135.7 Wh/kg are 34.15 g/Wh."""
    own = supply("primary").own_g_per_kwh
    assert own is not None
    assert own.typical == pytest.approx(34_145, rel=1e-3)
    assert own.low < own.typical < own.high


def test_the_factor_per_tonne_is_a_round_one_per_cell() -> None:
    """4633.478261 kg per tonne are 106.57 g for an AA of 23 g: a digit lost in copying would show."""
    grams = ROWS["alkaline.g_per_kg"].typical * 0.023
    assert grams == pytest.approx(106.57, abs=1e-4)


def test_an_alkaline_cell_is_some_thirty_coal_plants() -> None:
    """Not used to build it: a study quoted in the press has 30 times coal power per Wh; coal is 820 to 1000 g/kWh."""
    own = supply("primary").own_g_per_kwh
    assert own is not None
    assert own.low < 30 * 820
    assert own.high > 30 * 1000
    assert 20 * 1000 < own.typical < 45 * 1000


def test_usable_energy_of_the_cells_by_hand() -> None:
    """Capacity times 1.2 V over 23 g, at 500, 100 and 25 mA; 7.7 Ah at 3.6 V in 48 g."""
    alkaline, lithium = ROWS["alkaline.wh_per_kg"], ROWS["lithium_thionyl.wh_per_kg"]
    expected = [capacity_ah * 1.2 / 0.023 for capacity_ah in (1.6, 2.6, 3.0)]
    assert [alkaline.low, alkaline.typical, alkaline.high] == pytest.approx(expected, abs=0.1)
    assert lithium.high == pytest.approx(7.7 * 3.6 / 0.048)
    assert lithium.typical == pytest.approx(0.8 * lithium.high, rel=0.01)
    assert lithium.low == pytest.approx(0.5 * lithium.high, rel=0.01)


def test_the_cell_without_a_study_is_called_a_judgement() -> None:
    """Its grams per kg are the geometric mean of alkaline cells and dear lithium-ion ones (17.63 + 7.34 kg per kg)."""
    cell = supply("primary", "lithium_thionyl")
    row = ROWS["lithium_thionyl.g_per_kg"]
    assert row.low == ROWS["alkaline.g_per_kg"].typical
    assert row.high == pytest.approx(1000 * (17.63 + 7.34))
    assert row.typical == pytest.approx(sqrt(row.low * row.high), rel=0.01)
    assert {row.basis for row in cell.inputs()} == {"judgement"}
    assert any("judgement" in note.text for note in cell.notes)


@pytest.mark.parametrize("chemistry", ["alkaline", "lithium_thionyl"])
def test_a_primary_cell_emits_more_than_any_grid(chemistry: str) -> None:
    cell = grid_of(supply("primary", chemistry))
    assert cell is not None
    assert cell.name == "primary cell"
    assert cell.low_g_per_kwh > 5 * grid("POL").g_per_kwh
    assert chemistry.split("_", maxsplit=1)[0] in cell.basis


def test_one_formula_gives_the_grams_of_every_supply() -> None:
    """A megajoule of the device, in Germany where a grid is seen."""
    grams = {}
    for name in names():
        power = supply(name)
        place = grid_of(power) or grid("DEU")
        grams[name] = g_from_j(1e6 * power.grid_j_per_j.typical, place.g_per_kwh)
    assert grams["mains"] == pytest.approx(grid("DEU").g_per_kwh / 3.6)
    assert grams["rechargeable"] == pytest.approx(grams["mains"] / 0.72)
    assert grams["primary"] == pytest.approx(34_145 / 3.6, rel=1e-3)
    assert grams["harvested"] == 0


@pytest.mark.parametrize("name", names())
def test_only_what_sees_a_grid_has_no_intensity_of_its_own(name: str) -> None:
    power = supply(name)
    assert (grid_of(power) is None) == (power.own_g_per_kwh is None) == needs_grid(name)
    assert power.grid_j_per_j.low >= 1
    assert power.notes


@pytest.mark.parametrize("name", names())
def test_a_grid_goes_with_a_supply_that_sees_one(name: str) -> None:
    check(name, has_grid=needs_grid(name))
    with pytest.raises(UsageError, match=r"sees no grid|needs a grid") as caught:
        check(name, has_grid=not needs_grid(name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_one_line_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"known: mains, .*\)\. Did you mean harvested\?"):
        supply("harvest")
    with pytest.raises(UsageError, match="alkaline or lithium_thionyl, got 'potato'"):
        supply("primary", "potato")


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_every_number_has_a_source_in_the_bibliography(row: Coefficient) -> None:
    keys = re.findall(r"^@\w+\{(\w+),", (FOLDER / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert row.source in {*keys, "judgement"}
    assert row.locator
    assert row.is_verified == (row.basis == "primary"), "verified means read in the named source"
