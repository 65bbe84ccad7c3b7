"""The numbers behind the radios: coefficients.csv, where each one stands with its range, source and mark."""

from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.coefficients import load
from harness.core.types import Coefficient

PRICES = (
    "session_j",
    "tail_w",
    "uplink_active_w",
    "downlink_active_w",
    "uplink_j_per_mbit",
    "downlink_j_per_mbit",
)
"""Keys of `RadioModel.coefficients`, the same for every radio."""


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
    """The rows that a radio rests on; a setting that the user has changed stands as a point of the user's.

    Args:
        radio: instance of a radio dataclass with its ``kind``.
    """
    changed = {
        f"{radio.kind}.{field.name}": float(getattr(radio, field.name))
        for field in fields(radio)
        if getattr(radio, field.name) != field.default
    }
    return tuple(
        _set_by_user(row, changed[name]) if name in changed else row
        for name, row in table().items()
        if name.startswith(f"{radio.kind}.")
    )


def _set_by_user(row: Coefficient, value: float) -> Coefficient:
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


def absent(kind: str, quantity: str, unit: str) -> Coefficient:
    """The price of a quantity that a model has no term for: zero by construction, not an unknown."""
    return Coefficient(
        name=f"{kind}.{quantity}",
        low=0.0,
        typical=0.0,
        high=0.0,
        unit=unit,
        source="judgement",
        locator="the model has no such term; its energy is in the others",
        year=row(kind, "tail_w").year,
        basis="judgement",
        range_basis="zero by construction",
        is_verified=False,
    )
