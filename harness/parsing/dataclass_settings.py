"""Builds a frozen dataclass from a mapping: fields are settings, type hints and ``__post_init__`` are the rules."""

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AllowInfNan, BaseModel, ConfigDict, PlainValidator, Strict, ValidationError, create_model

from harness.parsing.problems import Clash, problems_in, rejection

BuildPart = Callable[[object, object], Any]
"""What builds a part that is a setting of another: from the protocol in the type hint and the value in the file."""


@functools.cache
def settings_model(cls: type[Any], build_part: BuildPart) -> type[BaseModel]:
    """The pydantic model of a dataclass's settings: strict numbers, unknown keys refused, parts built."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.init:
            is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            fields[field.name] = (_strict(hints[field.name], build_part), ... if is_required else None)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(cls.__name__, __config__=config, **fields)


def construct(cls: type[Any], settings: object, build_part: BuildPart) -> Any:
    """An instance of a frozen dataclass from a mapping of its fields.

    Raises:
        ValidationError: everything wrong with it; ``__post_init__`` is called until it raises no more.
    """
    if isinstance(settings, cls):
        return settings
    model = settings_model(cls, build_part)  # type: ignore[arg-type]  # classes are hashable
    given, found = _given(cls, model, settings)
    while all(name in given for name, field in model.model_fields.items() if field.is_required()):
        try:
            part = cls(**given)
        except ValueError as error:
            location, text = _at_its_field(str(error), given)
            # After a first mistake, what names a second setting may only follow from the mistake.
            if not (found and any(re.search(rf"\b{name}\b", text) for name in model.model_fields)):
                found.append((location, text))
            if not location:
                break
            del given[location[0]]
        else:
            if not found:
                return part
            break
    raise rejection(cls.__name__, found)


def _given(cls: type[Any], model: type[BaseModel], settings: object) -> tuple[dict[str, Any], list[Clash]]:
    """The settings whose types fit, and what is wrong with the others."""
    try:
        fitting = model.model_validate(settings)
        return {name: getattr(fitting, name) for name in fitting.model_fields_set}, []
    except ValidationError as error:
        is_part = isinstance(getattr(cls, "kind", None), str) and "kind" not in model.model_fields
        found = list(problems_in(error, [*(["kind"] if is_part else []), *model.model_fields]))
    wrong = {location[0] for location, _ in found if location}
    rest = {key: value for key, value in settings.items() if key not in wrong} if isinstance(settings, Mapping) else {}
    try:
        fitting = model.model_validate(rest)
    except ValidationError:
        return {}, found
    return {name: getattr(fitting, name) for name in fitting.model_fields_set}, found


def _at_its_field(text: str, given: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Where an error of ``__post_init__`` belongs: to the setting that it names first if given, else to all of them."""
    first, rest = re.match(r"`*(\w*)`*:?\s*(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return ((first,), rest) if first in given else ((), text)


def _strict(hint: Any, build_part: BuildPart) -> Any:
    """A type hint with strict numbers, and with parts and nested dataclasses built from mappings."""
    if getattr(hint, "_is_protocol", False):
        return Annotated[Any, PlainValidator(functools.partial(build_part, hint))]
    if dataclasses.is_dataclass(hint):
        return Annotated[Any, PlainValidator(lambda value: construct(typing.cast(Any, hint), value, build_part))]
    origin = get_origin(hint)
    arguments = tuple(part if part is ... else _strict(part, build_part) for part in _types_in(hint))
    if origin is Annotated:
        return Annotated[arguments[0], *get_args(hint)[1:]]
    if origin in (Union, types.UnionType):
        return Union[arguments]  # noqa: UP007
    if origin in (tuple, list, dict, Mapping):
        return origin[arguments]
    return _STRICT.get(hint, hint)


_STRICT: Mapping[object, Any] = {
    int: Annotated[int, Strict()],
    bool: Annotated[bool, Strict()],
    float: Annotated[float, Strict(), AllowInfNan(False)],
}


def _types_in(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        return get_args(hint)[:1]
    return () if get_origin(hint) is typing.Literal else get_args(hint)
