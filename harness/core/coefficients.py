"""Reads tables of assumptions with their provenance, and derives coefficients from others.

A table is a CSV with the fields of `Coefficient` as columns, all but the last. Where a source gives no low and high,
both cells stay empty and the range follows from how the number reached us; such a range is our judgement and says so.
"""

from collections.abc import Callable
from dataclasses import fields
from itertools import product
from math import isfinite
from pathlib import Path

from harness.core.packaged_tables import table_rows
from harness.core.prices import Coefficient

DEFAULT_FACTORS = {
    "primary": (0.8, 1.25),
    "secondary": (0.7, 1.4),
    "memory": (0.5, 2.0),
    "judgement": (0.5, 2.0),
}
"""Low and high as multiples of typical, by basis, where the source states no range. Our judgement."""


def load(path: Path) -> dict[str, Coefficient]:
    """The coefficients of a table, by name.

    Args:
        path: CSV with columns as above; ``low`` and ``high`` may both be empty.

    Raises:
        ValueError: a row has no source, an unknown basis, a name twice, or numbers out of order.
    """
    table: dict[str, Coefficient] = {}
    for where, row in table_rows(path, [field.name for field in fields(Coefficient) if field.name != "drawn_with"]):
        coefficient = _coefficient(row, where)
        if coefficient.name in table:
            raise ValueError(f"{where}: {coefficient.name} stands there twice")
        table[coefficient.name] = coefficient
    return table


def combine(
    name: str, unit: str, formula: Callable[..., float], *inputs: Coefficient, drawn_with: str = ""
) -> Coefficient:
    """A coefficient computed from others; its range spans the formula at every corner of their ranges.

    Args:
        name: name of the result.
        unit: unit of the result.
        formula: monotone in each input; takes as many numbers as there are inputs.
        drawn_with: the field of that name of the result: the input that most of the range comes from, where several
            coefficients are computed from it.
        inputs: at least one; source and year are those of the first, and the locator names them all.

    >>> watt = Coefficient("p", 1.0, 2.0, 3.0, "W", "key", "Table 1", 2012, "primary", "source", True)
    >>> second = Coefficient("t", 5.0, 5.0, 5.0, "s", "key", "Table 1", 2012, "primary", "source", True)
    >>> energy = combine("e", "J", lambda power, time: power * time, watt, second)
    >>> energy.low, energy.typical, energy.high
    (5.0, 10.0, 15.0)
    """
    corners = [formula(*corner) for corner in product(*((value.low, value.high) for value in inputs))]
    return Coefficient(
        name=name,
        low=min(corners),
        typical=formula(*(value.typical for value in inputs)),
        high=max(corners),
        unit=unit,
        source=inputs[0].source,
        locator="computed from " + ", ".join(value.name for value in inputs),
        year=inputs[0].year,
        basis="derived",
        range_basis="ranges of its inputs",
        is_verified=all(value.is_verified for value in inputs),
        drawn_with=drawn_with,
    )


def _coefficient(row: dict[str, str], where: str) -> Coefficient:
    if not row["source"]:
        raise ValueError(f"{where}: {row['name']} has no source")
    if row["basis"] not in DEFAULT_FACTORS:
        raise ValueError(f"{where}: basis is one of {', '.join(DEFAULT_FACTORS)}, got {row['basis']!r}")
    if row["is_verified"] not in ("true", "false"):
        raise ValueError(f"{where}: is_verified is true or false, got {row['is_verified']!r}")
    typical = float(row["typical"])
    low, high, range_basis = _range(row, typical, where)
    if not (isfinite(high) and 0 <= low <= typical <= high):
        raise ValueError(f"{where}: expected 0 <= low <= typical <= high, got {low}, {typical}, {high}")
    return Coefficient(
        name=row["name"],
        low=low,
        typical=typical,
        high=high,
        unit=row["unit"],
        source=row["source"],
        locator=row["locator"],
        year=int(row["year"]),
        basis=row["basis"],
        range_basis=range_basis,
        is_verified=row["is_verified"] == "true",
    )


def _range(row: dict[str, str], typical: float, where: str) -> tuple[float, float, str]:
    stated = [row["low"], row["high"], row["range_basis"]]
    if all(stated):
        return float(row["low"]), float(row["high"]), row["range_basis"]
    if any(stated):
        raise ValueError(f"{where}: low, high and range_basis are given together or not at all")
    low, high = DEFAULT_FACTORS[row["basis"]]
    return low * typical, high * typical, f"judgement: x{low:g} to x{high:g}, our default for basis {row['basis']}"
