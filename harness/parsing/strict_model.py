"""Defines the base of every mapping in a spec: it refuses unknown keys and reports all problems at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from harness.parsing.problems import Clash, problems_in, rejection, shown


class Part(BaseModel):
    """A mapping of the spec: unknown keys refused, all problems told at once and in plain English."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterable[Clash]:
        """Settings that do not go together, in plain values that may themselves be wrong or missing."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _report_everything(cls, values: Any, validate: ModelWrapValidatorHandler["Part"]) -> "Part":
        try:
            part = validate(values)
        except ValidationError as error:
            found = list(problems_in(error, list(cls.model_fields)))
            if isinstance(values, Mapping):
                found += [clash for clash in cls.clashes(values) if not _is_within(clash[0], found)]
        else:
            # As written first, because places in the file are; then with defaults filled in and codes made equal.
            found = list(cls.clashes(values)) if isinstance(values, Mapping) else []
            reported = {location[0] for location, _ in found}
            found += [clash for clash in cls.clashes(part.model_dump(mode="json")) if clash[0][0] not in reported]
            if not found:
                return part
        raise rejection(cls.__name__, found)


def repeated(marks: list[Any], path: tuple[str, ...], labels: list[Any], *inside: str) -> Iterator[Clash]:
    """Each entry whose mark another one before it has; marks that are no text or number are skipped."""
    first: dict[Any, int] = {}
    for place, mark in enumerate(marks):
        if not isinstance(mark, str | int) or isinstance(mark, bool) or mark == "":
            continue
        if mark not in first:
            first[mark] = place
            continue
        other = f"{'.'.join(path)}[{first[mark]}]"
        same = labels[place] == labels[first[mark]]
        text = f"the same as {other}" if same else f"cannot be told from {shown(labels[first[mark]])} at {other}"
        yield (*path, place, *inside), f"{shown(labels[place])} is {text}" if same else f"{shown(labels[place])} {text}"


def _is_within(location: tuple[str | int, ...], found: list[Clash]) -> bool:
    return any(other[: len(location)] == location or location[: len(other)] == other for other, _ in found if other)


def is_count(value: object) -> bool:
    """Whether a value from a file is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def listed(value: object) -> list[Any]:
    """The entries of what should be a list; none if it is no list."""
    return list(value) if isinstance(value, list | tuple) else []


def entry_at(values: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
