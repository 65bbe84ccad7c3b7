"""Reads coefficients.csv, the numbers behind the radios, each with its range, source and mark."""

from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.coefficients import load
from harness.core.prices import Coefficient


@cache
def table() -> dict[str, Coefficient]:
    """All rows by name, ``<kind>.<quantity>``."""
    return load(Path(__file__).with_name("coefficients.csv"))


def row(kind: str, quantity: str) -> Coefficient:
    """One row.

    >>> row("lte", "tail_s").unit
    's'
    """
    return table()[f"{kind}.{quantity}"]


def default(kind: str, quantity: str) -> float:
    """Typical value of a row, as the default of a setting."""
    return row(kind, quantity).typical


def inputs_of(radio: Any) -> tuple[Coefficient, ...]:
    """The rows that a radio rests on; a number that the user has set becomes a point of the user's.

    Args:
        radio: instance of a radio dataclass with its ``kind``; rows are matched to its fields by name.
    """
    changed = {
        f"{radio.kind}.{field.name}": getattr(radio, field.name)
        for field in fields(radio)
        if getattr(radio, field.name) != field.default
    }
    return tuple(
        set_by_user(row, float(changed[name])) if name in changed else row
        for name, row in table().items()
        if name.startswith(f"{radio.kind}.")
    )


def set_by_user(row: Coefficient, value: float) -> Coefficient:
    """A row with the user's value in its place: a point, and no longer the source's."""
    return replace(
        row,
        low=value,
        typical=value,
        high=value,
        source="judgement",
        locator="set in the benchmark",
        basis="judgement",
        range_basis="point: set in the benchmark",
        is_verified=False,
    )


def absent(kind: str, quantity: str, unit: str, reason: str = "its energy is in the others") -> Coefficient:
    """The coefficient of a quantity that a model has no term for: zero by construction, not an unknown.

    Args:
        kind: name of the radio.
        quantity: name of the coefficient, e.g. ``frame_j``.
        unit: its unit.
        reason: why the model has no such term.
    """
    return Coefficient(
        name=f"{kind}.{quantity}",
        low=0.0,
        typical=0.0,
        high=0.0,
        unit=unit,
        source="judgement",
        locator=f"the model has no such term; {reason}",
        year=next(row.year for name, row in table().items() if name.startswith(f"{kind}.")),
        basis="judgement",
        range_basis="zero by construction",
        is_verified=False,
    )
