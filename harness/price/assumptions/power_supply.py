"""Describes a client's power supply: the grid, a battery that the grid charges, a primary cell, or a harvester.

Grams are joules of the device, times joules taken from the source for each of them, times the intensity of the source.
Mains and rechargeable batteries see a grid. A primary cell has an intensity of its own: the manufacture of the cell
per kilowatt-hour that can be got out of it, tens of times that of a grid and the same everywhere. Harvested energy
emits nothing in use; the manufacture of the harvester is not charged.

The lithium-thionyl-chloride cell is our judgement: no life-cycle study of it was found.

References:
    UK Government GHG Conversion Factors for Company Reporting, sheet Material use.
    Shirriff, "A Dozen USB Chargers in the Lab", 2012.
    Energizer E91 and Saft LS 26500 data sheets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.core.coefficients import combine
from harness.core.errors import UsageError
from harness.core.notes import Note, remarks
from harness.core.prices import Coefficient
from harness.parsing.problems import did_you_mean
from harness.price.assumptions.data import coefficients
from harness.price.assumptions.grids import Grid

Supply = Literal["mains", "rechargeable", "primary", "harvested"]
"""Where a client's electricity comes from."""

Chemistry = Literal["alkaline", "lithium_thionyl"]
"""What a primary cell is made of."""

_TITLES: Mapping[Supply, str] = {
    "mains": "Mains",
    "rechargeable": "Rechargeable battery",
    "primary": "Primary cell",
    "harvested": "Harvested energy",
}
_CELL_SOURCES: Mapping[Chemistry, str] = {
    "alkaline": "UK Government GHG conversion factors per kg, Energizer E91 data sheet",
    "lithium_thionyl": "judgement, Saft LS 26500 data sheet",
}
_CELL_NOTES: Mapping[Chemistry, tuple[str, ...]] = {
    "alkaline": (),
    "lithium_thionyl": (
        "no life-cycle study of lithium thionyl chloride cells was found; their grams are our judgement",
    ),
}
_NOTES: Mapping[Supply, tuple[str, ...]] = {
    "mains": ("the loss of a power adapter is in device powers that were measured at the wall, and in no others",),
    "rechargeable": (
        "charger and battery losses are charged on all joules of the device, also on powers measured at the wall",
        "the manufacture of the battery is not charged",
    ),
    "primary": ("grams are those of making the cell, shared out by the energy that can be got out of it",),
    "harvested": ("no grams in use; the manufacture of the harvester is not charged",),
}


@dataclass(frozen=True)
class PowerSupply:
    """Where a client's electricity comes from, and what that costs.

    Attributes:
        name: name in the spec.
        title: name in reports.
        grid_j_per_j: joules taken from the grid, the cell or the harvester for each joule of the device, at least 1.
        own_g_per_kwh: gCO2e per kWh taken, where it does not come from a grid; else None.
        notes: caveats printed with the numbers.
        rows: the table rows that it rests on.
    """

    name: Supply
    title: str
    grid_j_per_j: Coefficient
    own_g_per_kwh: Coefficient | None
    notes: tuple[Note, ...]
    rows: tuple[Coefficient, ...] = ()

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows that it rests on; none where nothing was assumed."""
        return self.rows


def supply(name: str, chemistry: str = "alkaline") -> PowerSupply:
    """The power supply called `name`.

    Args:
        name: ``mains``, ``rechargeable``, ``primary`` or ``harvested``.
        chemistry: of a primary cell, ``alkaline`` or ``lithium_thionyl``; of no account to the others.

    Raises:
        UsageError: there is no such supply or chemistry.

    >>> supply("mains").grid_j_per_j.typical, round(supply("rechargeable").grid_j_per_j.typical, 3)
    (1.0, 1.389)
    """
    known = _known(name)
    rows: tuple[Coefficient, ...] = ()
    taken, own = _by_construction(f"{known}.grid_j_per_j", 1.0, "J/J", "nothing is lost on the way"), None
    notes = _NOTES[known]
    if known == "rechargeable":
        rows = (
            coefficients("supply")["rechargeable.charger_efficiency"],
            coefficients("supply")["rechargeable.battery_efficiency"],
        )
        taken = combine("rechargeable.grid_j_per_j", "J/J", lambda charger, battery: 1 / (charger * battery), *rows)
    elif known == "primary":
        cell = _chemistry(chemistry)
        rows = coefficients("supply")[f"{cell}.g_per_kg"], coefficients("supply")[f"{cell}.wh_per_kg"]
        own = combine(f"{cell}.g_per_kwh", "gCO2e/kWh", lambda g_per_kg, wh_per_kg: 1000 * g_per_kg / wh_per_kg, *rows)
        notes += _CELL_NOTES[cell]
    elif known == "harvested":
        own = _by_construction("harvested.g_per_kwh", 0.0, "gCO2e/kWh", "the harvester emits nothing in use")
    return PowerSupply(known, _TITLES[known], taken, own, remarks(notes), rows)


def names() -> list[str]:
    """Supplies that can be named in a spec.

    >>> names()
    ['mains', 'rechargeable', 'primary', 'harvested']
    """
    return list(_TITLES)


def needs_grid(name: str) -> bool:
    """Whether the grams of a supply depend on a grid.

    >>> [needs_grid(name) for name in names()]
    [True, True, False, False]
    """
    return _known(name) in ("mains", "rechargeable")


def check(name: str, has_grid: bool) -> None:
    """Refuse a supply with a grid that it does not see, or without the grid that it needs.

    Args:
        name: name of the supply.
        has_grid: whether a grid was named for its clients.

    Raises:
        UsageError: the two do not go together.
    """
    if has_grid and not needs_grid(name):
        raise UsageError(
            f"supply {name} sees no grid: its grams per kWh are its own. Leave the grid out, or take mains or "
            "rechargeable"
        )
    if needs_grid(name) and not has_grid:
        raise UsageError(f"supply {name} needs a grid: a country code, or a grid of your own")


def grid_of(power: PowerSupply) -> Grid | None:
    """A stand-in grid for a supply that sees none, so that one formula gives all grams; else None.

    >>> grid_of(supply("harvested")).g_per_kwh, grid_of(supply("mains"))
    (0.0, None)
    """
    own = power.own_g_per_kwh
    if own is None:
        return None
    cell = own.name.split(".")[0]
    is_cell = power.name == "primary"
    return Grid(
        name=power.title.lower(),
        iso3=None,
        g_per_kwh=own.typical,
        year=own.year if is_cell else None,
        source=_CELL_SOURCES[_chemistry(cell)] if is_cell else own.locator,
        basis=f"manufacture of {cell.replace('_', ' ')} cells per usable kWh" if is_cell else "in use",
        low_g_per_kwh=own.low,
        high_g_per_kwh=own.high,
        range_basis=own.range_basis,
    )


def _chemistry(name: str) -> Chemistry:
    for known in _CELL_SOURCES:
        if name == known:
            return known
    raise UsageError(f"chemistry must be {' or '.join(_CELL_SOURCES)}, got {name!r}")


def _known(name: str) -> Supply:
    for known in _TITLES:
        if name == known:
            return known
    hint = did_you_mean(str(name), names())
    raise UsageError(f"supply {name!r} is unknown (known: {', '.join(names())}).{hint}")


def _by_construction(name: str, value: float, unit: str, locator: str) -> Coefficient:
    return Coefficient(
        name=name,
        low=value,
        typical=value,
        high=value,
        unit=unit,
        source="judgement",
        locator=locator,
        year=2025,
        basis="judgement",
        range_basis="by construction",
        is_verified=False,
    )
