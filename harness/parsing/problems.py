"""Rewrites pydantic errors in plain English: what is wrong, the value, what is allowed, the nearest valid name."""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from harness.core.errors import UsageError
from harness.parsing.yaml_text import Location

Clash = tuple[Location, str]
"""Settings that are fine alone and not together: where, and what is wrong."""

_NEEDED = {
    "int": "a whole number is needed",
    "float": "a number is needed",
    "string": "text is needed",
    "bool": "true or false is needed",
    "list": "a list is needed, e.g. [a, b]",
    "tuple": "a list is needed, e.g. [a, b]",
    "dict": "a mapping is needed, e.g. {key: value}",
    "model": "a mapping is needed, e.g. {key: value}",
    "mapping": "a mapping is needed, e.g. {key: value}",
}


def did_you_mean(word: str, allowed: Collection[str]) -> str:
    """A question to append to an error text, or nothing when no allowed word is near.

    >>> did_you_mean("QuanFL", ["quantfl", "signsgd"])
    ' Did you mean quantfl?'
    """
    near = nearest(word, allowed)
    return "" if near is None else f" Did you mean {near}?"


def nearest(word: str, allowed: Iterable[str], at_least: float = 0.6) -> str | None:
    """The allowed word that `word` may be a slip of, in upper or lower case; None when none is near.

    Args:
        word: what was typed; of more than 64 characters it is taken for no slip.
        allowed: what could have been meant.
        at_least: how much alike they must be, 0 to 1 (`difflib.SequenceMatcher.ratio`).

    >>> nearest("norwai", ["Norway", "Niger"]), nearest("x", ["Norway", "Niger"])
    ('Norway', None)
    """
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=at_least) if len(word) <= 64 else []
    return by_lower[near[0]] if near else None


def choice(got: object, allowed: Collection[str]) -> str:
    """The text for a value that is none of a few allowed words."""
    if len(allowed) == 1:
        return f"{shown(got)} is not allowed; only {next(iter(allowed))} is"
    nearest = did_you_mean(got, allowed) if isinstance(got, str) else ""
    return f"{shown(got)} is not one of {', '.join(allowed)}.{nearest}"


def shown(value: object) -> str:
    """A value as the file has it, on one line of at most about 40 characters.

    >>> shown("ten"), shown(None), shown(True), shown([1])
    ('"ten"', 'an empty value', 'true', 'a list')
    """
    if value is None:
        return "an empty value"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=not str(value).isprintable()) if isinstance(value, str) else str(value)
    return text if len(text) <= 44 else text[:40] + "..."


def problem(text: str) -> PydanticCustomError:
    """An error for a validator to raise; its text is shown as it is."""
    return PydanticCustomError("problem", "{text}", {"text": text})


def ranged(low: float, high: float, *, is_low_allowed: bool = True) -> Callable[[Any], Any]:
    """A validator of numbers from `low` to `high` whose error names both ends."""

    def check(value: float) -> float:
        if low < value <= high or (value == low and is_low_allowed):
            return value
        allowed = f"{low:,} to {high:,}" if is_low_allowed else f"above {low:,} and at most {high:,}"
        raise problem(f"{shown(value)} is out of range; allowed: {allowed}")

    return check


def in_settings(check: Callable[[], Any]) -> Any:
    """The value of `check`; a `UsageError` in it becomes an error of the setting being validated."""
    try:
        return check()
    except UsageError as error:
        raise problem(str(error)) from error


def rejection(title: str, clashes: Iterable[Clash]) -> ValidationError:
    """The validation error that holds `clashes`."""
    details = [InitErrorDetails(type=problem(text), loc=location, input=None) for location, text in clashes]
    return ValidationError.from_exception_data(title, details)


def problems_in(error: ValidationError, keys: Collection[str]) -> Iterator[Clash]:
    """Each error of a mapping in plain English.

    Args:
        error: what pydantic found.
        keys: the keys that the mapping may have, for unknown ones.
    """
    for details in error.errors(include_url=False):
        if details["type"] != "default_factory_not_called":  # the mistake that kept it from being called is reported
            yield details["loc"], _text(details, keys)


def _text(details: ErrorDetails, keys: Collection[str]) -> str:
    kind, got, context = details["type"], details["input"], details.get("ctx", {})
    if kind in _TEXTS:
        return _TEXTS[kind](got, context)
    if kind == "extra_forbidden":
        return f"unknown key; allowed: {', '.join(keys)}.{did_you_mean(str(details['loc'][-1]), keys)}"
    needed = _NEEDED.get(kind.split("_")[0])
    if needed is None:
        return details["msg"].replace("Input", shown(got), 1)
    return f"empty; {needed}" if got is None else f"{shown(got)} is {_nature(got)}; {needed}{_advice(kind, got)}"


_TEXTS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "problem": lambda _, context: str(context["text"]),
    "value_error": lambda _, context: str(context["error"]),
    "missing": lambda *_: "missing; it is required",
    "literal_error": lambda got, context: choice(got, [w.strip("'") for w in re.split(", | or ", context["expected"])]),
    "finite_number": lambda got, _: f"{shown(got)} is not a finite number",
    "string_too_short": lambda *_: "empty; text is needed",
    "string_too_long": lambda got, context: f"{len(got)} characters; at most {context['max_length']} are allowed",
}


def _nature(value: object) -> str:
    if isinstance(value, bool):
        return "a truth value"
    return "text" if isinstance(value, str) else "a number" if isinstance(value, int | float) else "out of place"


def _advice(kind: str, got: object) -> str:
    if kind.startswith("string") and isinstance(got, int | float):
        return ": put it in quotes"
    if kind.startswith("int") and isinstance(got, float) and got.is_integer() and abs(got) < 1e15:
        return f": write {int(got)}"
    if kind.startswith(("int", "float")) and isinstance(got, str) and re.fullmatch(r"[-+]?0+[0-9]+", got):
        return f": write {int(got)}, without the leading zero"
    if kind.startswith(("int", "float")) and isinstance(got, str) and re.fullmatch(r"[-+0-9.eE]+", got):
        return ": leave the quotes out"
    return ""
