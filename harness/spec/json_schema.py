"""Builds the JSON Schema of benchmark definitions for editors, from the classes that validate: names, types, choices.

Ranges and rules between settings are left to ``harness validate``, which reports them better.
"""

import contextlib
import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from harness.core.errors import EnvironmentLacksError
from harness.core.protocols import Codec, RadioModel, ServerRule, Task
from harness.parts import entry_points, registry
from harness.parts.docs import attribute_texts
from harness.price.assumptions import devices, grids
from harness.price.assumptions.scenarios import CustomGrid
from harness.spec.spec import BenchmarkSpec

_TABLE_OF: Mapping[object, str] = {Codec: "codec", ServerRule: "server", Task: "task", RadioModel: "radio"}
_SIMPLE: Mapping[object, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def spec_schema() -> dict[str, Any]:
    """The schema of a benchmark definition, JSON Schema 2020-12."""
    schema = _mapping(BenchmarkSpec)
    properties = schema["properties"]
    properties["seeds"] = {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer"}}]
    }
    properties["meter"] = {
        "anyOf": [{"enum": registry.names("meter")}, {"type": "string", "pattern": r"\.py:"}, _FROM_FILE]
    }
    scenarios = properties["scenarios"]["properties"]
    scenarios["device"] = {"enum": devices.names()}
    codes = {"type": "string", "examples": sorted(grids.table())[:3], "pattern": "^[A-Za-z]{2,3}$"}
    scenarios["grids"] = {"type": "array", "items": {"anyOf": [codes, _mapping(CustomGrid)]}}
    named = {"type": "object", "properties": {"kind": {"enum": registry.names("radio")}}, "required": ["kind", "name"]}
    scenarios["radios"] = {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/radio"}, named]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Benchmark of quantfl-harness",
        **schema,
        "$defs": {table: _any_of_table(table) for table in _TABLE_OF.values()},
    }


def _any_of_table(table: str) -> dict[str, Any]:
    parts = []
    for name in _loadable(table):
        schema = _mapping(registry.load(table, name))
        schema["properties"] = {"kind": {"const": name}, **schema["properties"]}
        schema["required"] = ["kind", *schema["required"]]
        parts.append(schema)
    for name in registry.PRESETS.get(table, ()):
        schema = _mapping(registry.load(table, registry.preset(table, name)["kind"]))
        parts.append(schema | {"properties": {"kind": {"const": name}, **schema["properties"]}, "required": ["kind"]})
    return {"anyOf": [{"enum": registry.choices(table)}, *parts, _FROM_FILE]}


_FROM_FILE = {
    "type": "object",
    "description": "A class in a Python file, relative to the definition, and its settings.",
    "properties": {
        "file": {"type": "string", "description": "path of the file, relative to the definition"},
        "class": {"type": "string", "description": "name of the class"},
    },
    "required": ["file", "class"],
}


def _loadable(table: str) -> list[str]:
    """The names of a table but for plug-ins that cannot be loaded."""
    found = list(registry.TABLES[table])
    for plugin in entry_points.accepted(table, registry.taken(table)).values():
        with contextlib.suppress(EnvironmentLacksError):
            registry.load(table, plugin.name)
            found.append(plugin.name)
    return found


def _mapping(cls: type[Any]) -> dict[str, Any]:
    """The schema of a spec mapping or of a part's settings."""
    fields = list(_fields(cls))
    texts = attribute_texts(cls)
    properties = {}
    for name, hint, _ in fields:
        properties[name] = _of(hint) | ({"description": texts[name]} if name in texts else {})
    return {
        "type": "object",
        "description": (inspect.getdoc(cls) or "").partition("\n")[0],
        "properties": properties,
        "required": [name for name, _, is_required in fields if is_required],
        "additionalProperties": False,
    }


def _fields(cls: type[Any]) -> typing.Iterator[tuple[str, Any, bool]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    if issubclass(cls, BaseModel):
        for name, info in cls.model_fields.items():
            yield name, hints[name], info.is_required()
        return
    for field in dataclasses.fields(cls):
        if field.init:
            is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            yield field.name, hints[field.name], is_required


def _of(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _of(arguments[0])
    if hint in _TABLE_OF:
        return {"$ref": f"#/$defs/{_TABLE_OF[hint]}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(argument) for argument in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0])}
    is_mapping = isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, BaseModel))
    return _mapping(hint) if is_mapping else dict(_SIMPLE.get(hint, {}))
