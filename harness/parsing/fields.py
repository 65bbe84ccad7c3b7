"""Defines field types that mappings of a spec share: parts, whole numbers within a range, names of one line."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, AllowInfNan, Strict, StringConstraints

from harness.parsing.problems import problem, ranged, shown


def whole(low: int, high: int) -> tuple[Strict, AfterValidator]:
    """Annotation of a whole number from `low` to `high`."""
    return Strict(), AfterValidator(ranged(low, high))


def positive(high: float) -> tuple[Any, ...]:
    """Annotation of a number above 0 and at most `high`."""
    return Strict(), AllowInfNan(False), AfterValidator(ranged(0, high, is_low_allowed=False))


def not_empty(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    """`entries`, if there are any."""
    if not entries:
        raise problem("an empty list; at least one entry is needed")
    return entries


def _one_line(value: str) -> str:
    if not value.isprintable() or value != value.strip() or not slug(value):
        raise problem(f"{shown(value)} is no name: one line, no space at the ends, at least one letter or digit")
    return value


def slug(name: str) -> str:
    """A method's name as file names have it: letters and digits in lower case, dashes between.

    >>> slug("QuantFL 6-bit")
    'quantfl-6-bit'
    """
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
"""What reports call something: one line."""
