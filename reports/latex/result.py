"""Defines one named number of a report: text as printed, ends, and the raw number behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """A number with everything that names it.

    Attributes:
        path: benchmark, method, quantity and, where it depends on them, radio and grid.
        text: as the report prints it, with its unit.
        ends: ends of its interval or range as printed, without unit; None if there are none.
        raw: the number at full precision, in `raw_unit`.
        raw_ends: the ends at full precision.
        raw_unit: unit of the raw numbers; empty for shares and ratios.
        meaning: what it is, in words.
    """

    path: tuple[str, ...]
    text: str
    ends: tuple[str, str] | None
    raw: float
    raw_ends: tuple[float, float] | None
    raw_unit: str
    meaning: str
