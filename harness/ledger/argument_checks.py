"""Checks values passed by other people's code. Each mistake is one line that starts with the value's name."""

import math
import operator
import unicodedata
from collections.abc import Collection
from typing import Any, SupportsFloat


def name_problem(name: object) -> str:
    """Why `name` cannot name a method in tables and pages; empty if it can. Signs of every script are kept as typed.

    >>> name_problem("FedAvg <b>🚀</b>"), name_problem(" ")
    ('', 'it is empty')
    """
    if not isinstance(name, str):
        return "it is no text"
    if not name.strip():
        return "it is empty"
    kinds = {unicodedata.category(sign) for sign in name}
    return "it holds a line break or another control character" if kinds & {"Cc", "Cs", "Zl", "Zp"} else ""


def whole(name: str, value: object, least: int) -> int:
    """`value` as a whole number of at least `least`; numbers of numpy and torch are whole if their type is.

    Raises:
        ValueError: it is none.

    >>> whole("client", 3, 0)
    3
    """
    try:
        found = operator.index(value)  # type: ignore[arg-type]  # what has no index is refused here
    except TypeError:
        raise ValueError(f"{name} must be a whole number from {least}, got {value!r}") from None
    if not least <= found < 2**63:
        raise ValueError(f"{name} must be a whole number from {least}, got {found}")
    return found


def number(name: str, value: SupportsFloat) -> float:
    """`value` as a finite number of at least 0.

    Raises:
        ValueError: it is none.

    >>> number("seconds", 1)
    1.0
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number from 0, got {value!r}") from None
    if not 0 <= found < math.inf:
        raise ValueError(f"{name} must be a finite number from 0, got {found}")
    return found


def choice(name: str, value: Any, allowed: Collection[str]) -> Any:
    """`value`, which is one of `allowed`.

    Raises:
        ValueError: it is none of them.

    >>> choice("direction", "uplnk", ("uplink", "downlink"))
    Traceback (most recent call last):
    ValueError: direction must be one of uplink, downlink, got 'uplnk'. Did you mean uplink?
    """
    if value not in allowed:
        from harness.parsing.problems import did_you_mean

        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.{hint}")
    return value
