"""Looks up grams per kilowatt-hour: a dated table of countries, or a user's value or series with its source.

The table holds the yearly averages that CodeCarbon 3.3.2 carries from Our World in Data, each with the year it is of.
It names no method. All-hydro grids have about 24 g/kWh in it, the median of life-cycle studies and not 0, so the values
are taken to be life-cycle averages of what a country produces; they say nothing of imports or of marginal plants.

An average intensity shares out what a grid emits; a marginal one is what one more or one less kilowatt-hour changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from harness.core.errors import UsageError
from harness.core.packaged_tables import table_rows
from harness.core.types import Float64
from harness.parsing.problems import nearest
from harness.price.assumptions.data import table_path
from harness.price.assumptions.grid_series import HIGHEST_G_PER_KWH, Series, load_series

Kind = Literal["average", "marginal"]
"""What an intensity says of a kilowatt-hour: its share of all emissions, or what it adds to them."""

TABLE_FACTORS = (0.85, 1.15)
"""Low and high of a table value as multiples of it. Our judgement, for the drift since its year and between tables."""

_COLUMNS = ("iso3", "iso2", "name", "g_per_kwh", "year", "source", "basis")
_RANGE_KEYS = ("low_g_per_kwh", "high_g_per_kwh")
_OWN_KEYS = ("name", "g_per_kwh", "series", "start", "source", "year", "basis", "kind", *_RANGE_KEYS)


@dataclass(frozen=True)
class Grid:
    """Carbon intensity of the electricity of a place.

    Attributes:
        name: country or own name.
        iso3: ISO 3166-1 alpha-3 code; None for an own value.
        g_per_kwh: gCO2e per kWh, at least 0; of a series the mean over its whole file.
        year: year of the value; None if its user did not say.
        source: where the value comes from, in words.
        basis: direct or life-cycle, of production or of consumption, as far as known.
        low_g_per_kwh: lower end of the range, gCO2e per kWh.
        high_g_per_kwh: upper end of the range, gCO2e per kWh.
        range_basis: rule that the range follows from.
        kind: average or marginal.
        series: intensity over time; None where one value holds throughout. Its changes are no uncertainty: the range
            does not span them.
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
    kind: Kind = "average"
    series: Series | None = None


def grid(entry: str | Mapping[str, Any], folder: Path = Path()) -> Grid:
    """The grid that an entry of a spec names.

    Args:
        entry: an ISO 3166-1 code of two or three letters, in any case, or a mapping with ``name``, ``source`` and
            either ``g_per_kwh`` or ``series`` (a CSV, see `harness.price.assumptions.grid_series`) with ``start``, and
            optionally ``year``, ``basis``, ``kind`` and, of a value, ``low_g_per_kwh`` with ``high_g_per_kwh``. A value
            of the user's without them is a point.
        folder: what the path of a series is relative to.

    Raises:
        UsageError: unknown country, a country without a usable value, or an own value or series that is
            incomplete or wrong.

    >>> grid("no").name, grid({"name": "campus", "g_per_kwh": 41, "source": "utility, 2025"}).g_per_kwh
    ('Norway', 41.0)
    """
    if isinstance(entry, Mapping):
        return _own(entry, folder)
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


def intensity(place: Grid, start_s: Float64, end_s: Float64) -> Float64:
    """Typical gCO2e per kWh of a grid over each of some intervals: float64 of shape (n,).

    Args:
        place: the grid.
        start_s: float64 of shape (n,): beginnings, seconds after the start of the run.
        end_s: float64 of shape (n,): ends, none before its beginning.

    Raises:
        UsageError: the grid has a series, and an interval reaches outside its file.

    >>> intensity(grid("no"), np.array([0.0, 60.0]), np.array([60.0, 90.0])).tolist()
    [30.08, 30.08]
    """
    return np.full(start_s.shape, place.g_per_kwh) if place.series is None else place.series.mean(start_s, end_s)


def _own(entry: Mapping[str, Any], folder: Path) -> Grid:
    has_series = entry.get("series") is not None
    _check_keys(entry, ("name", *(("series", "start") if has_series else ("g_per_kwh",)), "source"))
    label, kind, year = f"own grid {entry['name']}", entry.get("kind") or "average", entry.get("year")
    if has_series and any(entry.get(key) is not None for key in ("g_per_kwh", *_RANGE_KEYS)):
        raise UsageError(f"{label}: a series stands alone; leave out g_per_kwh and its range")
    if not has_series and entry.get("start") is not None:
        raise UsageError(f"{label}: start belongs to a series; leave it out")
    if kind not in get_args(Kind):
        raise UsageError(f"{label}: kind must be {' or '.join(get_args(Kind))}, got {kind!r}")
    if year is not None and (isinstance(year, bool) or not isinstance(year, int)):
        raise UsageError(f"{label}: year must be a whole number, got {year!r}")
    series = load_series(folder / str(entry["series"]), entry["start"]) if has_series else None
    value = series.mean_g_per_kwh if series else _value(entry, "g_per_kwh", label)
    low, high, range_basis = _own_range(entry, value, label)
    return Grid(
        name=str(entry["name"]),
        iso3=None,
        g_per_kwh=value,
        year=year,
        source=str(entry["source"]),
        basis=str(entry.get("basis") or "not stated"),
        low_g_per_kwh=low,
        high_g_per_kwh=high,
        range_basis=range_basis,
        kind="marginal" if kind == "marginal" else "average",
        series=series,
    )


def _check_keys(entry: Mapping[str, Any], required: tuple[str, ...]) -> None:
    unknown = [key for key in entry if key not in _OWN_KEYS]
    missing = [key for key in required if not entry.get(key) and entry.get(key) != 0]
    if unknown or missing:
        what = f"unknown {', '.join(map(str, unknown))}" if unknown else f"{', '.join(missing)} missing"
        raise UsageError(
            f"own grid: {what} (allowed: {', '.join(_OWN_KEYS)}; required: name, source, and either g_per_kwh or "
            "series with start)"
        )


def _own_range(entry: Mapping[str, Any], value: float, label: str) -> tuple[float, float, str]:
    given = [key for key in _RANGE_KEYS if entry.get(key) is not None]
    if not given:
        return value, value, "point: a value of the user's"
    if len(given) == 1:
        raise UsageError(f"{label}: {' and '.join(_RANGE_KEYS)} are given together or not at all")
    low, high = (_value(entry, key, label) for key in _RANGE_KEYS)
    if not low <= value <= high:
        raise UsageError(f"{label}: expected low <= g_per_kwh <= high, got {low:g}, {value:g}, {high:g}")
    return low, high, "a range of the user's"


def _value(entry: Mapping[str, Any], key: str, label: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UsageError(f"{label}: {key} must be a number, got {value!r}")
    if not 0 <= value <= HIGHEST_G_PER_KWH:
        raise UsageError(f"{label}: {key} must be 0 to {HIGHEST_G_PER_KWH:g}, got {value:g}")
    return float(value)


def _hint(entry: str) -> str:
    labels = {label: place for place in table().values() for label in (place.name, place.iso3 or "")}
    near = nearest(entry.strip(), labels, at_least=0.5)
    if near is None:
        return " Use an ISO 3166-1 code."
    return f" Did you mean {labels[near].iso3} ({labels[near].name})?"


@cache
def _by_iso2() -> dict[str, Grid]:
    return {row["iso2"]: table()[row["iso3"]] for row in _rows()}


@cache
def _rows() -> list[dict[str, str]]:
    return [row for _, row in table_rows(table_path("grid_intensity"), _COLUMNS)]
