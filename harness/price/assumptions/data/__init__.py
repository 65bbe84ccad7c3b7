"""Holds tables of assumptions: devices, grid intensities, supplies, networks; each value with its year and source."""

from functools import cache
from pathlib import Path

from harness.core.coefficients import load
from harness.core.prices import Coefficient


def table_path(name: str) -> Path:
    """The file of a table."""
    return Path(__file__).with_name(f"{name}.csv")


@cache
def coefficients(name: str) -> dict[str, Coefficient]:
    """The coefficients of a table, by name; see `harness.core.coefficients.load`."""
    return load(table_path(name))
