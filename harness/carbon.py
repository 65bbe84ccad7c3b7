"""Grams per kilowatt-hour of a place: a dated table of countries, or a value of the user's with its source.

The table holds the yearly averages that CodeCarbon 3.3.2 carries from Our World in Data, each with the year it is of.
It names no method. All-hydro grids stand near 24 g/kWh in it, the median of life-cycle studies and not 0, so the values
are taken to be life-cycle averages of what a country produces; they say nothing of imports or of marginal plants.
"""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError

TABLE_FACTORS = (0.85, 1.15)
"""Low and high of a table value as multiples of it. Our judgement, for the drift since its year and between tables."""

_OWN_KEYS = ("name", "g_per_kwh", "source", "year", "basis")
_HIGHEST_G_PER_KWH = 10_000.0


@dataclass(frozen=True)
class Grid:
    """Carbon intensity of the electricity of a place.

    Attributes:
        name: country or own name.
        iso3: ISO 3166-1 alpha-3 code; None for an own value.
        g_per_kwh: gCO2e per kWh, at least 0.
        year: year of the value; None if its user did not say.
        source: where the value comes from, in words.
        basis: average or marginal, direct or life-cycle, as far as known.
        low_g_per_kwh: lower end of the range, gCO2e per kWh.
        high_g_per_kwh: upper end of the range, gCO2e per kWh.
        range_basis: rule that the range follows from.
    """

    name: str
    iso3: str | None
    g_per_kwh: float
    year: int | None
    source: str
    basis: str
    low_g_per_kwh: float
    high_g_per_kwh: float
    range_basis: str


def grid(entry: str | Mapping[str, Any]) -> Grid:
    """The grid that an entry of a spec names.

    Args:
        entry: an ISO 3166-1 code of two or three letters, in any case, or a mapping with ``name``, ``g_per_kwh`` and
            ``source``, and optionally ``year`` and ``basis``. A value of the user's is a point, without a range.

    Raises:
        UsageError: unknown country, a country without a usable value, or an own value that is incomplete.

    >>> grid("no").name, grid({"name": "campus", "g_per_kwh": 41, "source": "utility, 2025"}).g_per_kwh
    ('Norway', 41.0)
    """
    if isinstance(entry, Mapping):
        return _own(entry)
    if not isinstance(entry, str):
        raise UsageError(f"a grid is a country code or a mapping with name, g_per_kwh and source, got {entry!r}")
    code = entry.strip().upper()
    known = table()
    found = known.get(code) or _by_iso2().get(code)
    if found is None:
        raise UsageError(f"country {entry!r} is not in the table of {len(known)} grids.{_hint(entry)}")
    if found.g_per_kwh == 0:
        raise UsageError(
            f"{found.name} ({found.iso3}) stands in the table with 0 g/kWh, which no grid has over a life cycle; "
            "give a value of your own: {name: ..., g_per_kwh: ..., source: ...}"
        )
    return found


@cache
def table() -> dict[str, Grid]:
    """All countries of the table by ISO-3 code, as the source has them; a value of 0 there means no usable value."""
    low, high = TABLE_FACTORS
    return {
        row["iso3"]: Grid(
            name=row["name"],
            iso3=row["iso3"],
            g_per_kwh=float(row["g_per_kwh"]),
            year=int(row["year"]),
            source=row["source"],
            basis=row["basis"],
            low_g_per_kwh=low * float(row["g_per_kwh"]),
            high_g_per_kwh=high * float(row["g_per_kwh"]),
            range_basis=f"judgement: x{low:g} to x{high:g}",
        )
        for row in _rows()
    }


def _own(entry: Mapping[str, Any]) -> Grid:
    unknown = [key for key in entry if key not in _OWN_KEYS]
    missing = [key for key in _OWN_KEYS[:3] if not entry.get(key) and entry.get(key) != 0]
    if unknown or missing:
        what = f"unknown {', '.join(map(str, unknown))}" if unknown else f"{', '.join(missing)} missing"
        raise UsageError(f"own grid: {what} (allowed: {', '.join(_OWN_KEYS)}; the first three are required)")
    value, year = entry["g_per_kwh"], entry.get("year")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UsageError(f"own grid {entry['name']}: g_per_kwh must be a number, got {value!r}")
    if not 0 <= value <= _HIGHEST_G_PER_KWH:
        raise UsageError(f"own grid {entry['name']}: g_per_kwh must be 0 to {_HIGHEST_G_PER_KWH:g}, got {value:g}")
    if year is not None and (isinstance(year, bool) or not isinstance(year, int)):
        raise UsageError(f"own grid {entry['name']}: year must be a whole number, got {year!r}")
    return Grid(
        name=str(entry["name"]),
        iso3=None,
        g_per_kwh=float(value),
        year=year,
        source=str(entry["source"]),
        basis=str(entry.get("basis") or "not stated"),
        low_g_per_kwh=float(value),
        high_g_per_kwh=float(value),
        range_basis="point: a value of the user's",
    )


def _hint(entry: str) -> str:
    labels = {label.casefold(): place for place in table().values() for label in (place.name, place.iso3 or "")}
    close = difflib.get_close_matches(entry.strip().casefold(), labels, n=1, cutoff=0.5)
    return f" Did you mean {labels[close[0]].iso3} ({labels[close[0]].name})?" if close else " Use an ISO 3166-1 code."


@cache
def _by_iso2() -> dict[str, Grid]:
    return {row["iso2"]: table()[row["iso3"]] for row in _rows()}


@cache
def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "data" / "grid_intensity.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
