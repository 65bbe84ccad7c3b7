"""Builds the JSON Schema of a ledger: the columns of its tables, with units, for those who write or read one.

Read off the classes of the facts and their docstrings, so that it cannot say anything else.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.core.facts import ComputeWindow, Score, Transfer
from harness.core.types import SERVER
from harness.ledger.ledger import SCHEMA_VERSION
from harness.parts.docs import attribute_texts

_TABLES: Mapping[str, tuple[type[Any], str]] = {
    "transfers": (Transfer, "A row per payload that crossed the air."),
    "windows": (ComputeWindow, "A row per stretch of computing; none where nobody took the time."),
    "scores": (Score, "A row per evaluation of the global model; none where it was not scored."),
}
_TYPES: Mapping[object, str] = {int: "integer", float: "number"}
_UNITS: Mapping[str, str] = {
    "payload_bytes": "byte",
    "frame_bytes": "byte",
    "reference_bytes": "byte",
    "seconds": "s",
    "cpu_seconds": "s",
}
_MAY_BE_UNKNOWN = ("seconds",)
_NOTES: Mapping[str, str] = {
    "frame_bytes": "0 where that part is not known.",
    "reference_bytes": "Also 0 where the size of the model is not known.",
    "payload_digest": "Payloads of one round with equal digests could share one broadcast; a logger that is not told "
    "the content makes them all differ.",
    "seconds": "null where it was not taken.",
}


def ledger_schema() -> dict[str, Any]:
    """The schema of a run's facts, JSON Schema 2020-12: a list of rows per table.

    Tables lie as ``<table>.parquet`` in a finished ledger; each line of the ``rounds.jsonl`` of a run that is not
    finished holds the rows of a round under the same names.

    >>> ledger_schema()["properties"]["transfers"]["items"]["properties"]["payload_bytes"]["unit"]
    'byte'
    """
    tables = {
        name: {"type": "array", "description": description, "items": _row(kind)}
        for name, (kind, description) in _TABLES.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ledger of quantfl-harness",
        "description": f"What happened in one training run, as facts. Schema version {SCHEMA_VERSION}.",
        "type": "object",
        "properties": tables,
        "required": ["transfers"],
    }


def _row(kind: type[Any]) -> dict[str, Any]:
    texts, hints = attribute_texts(kind), get_type_hints(kind)
    columns = {}
    for name, hint in hints.items():
        unit = {"unit": _UNITS[name]} if name in _UNITS else {}
        description = " ".join(filter(None, (texts[name], _NOTES.get(name))))
        columns[name] = _of(name, hint, kind) | unit | {"description": description}
    return {
        "type": "object",
        "properties": columns,
        "required": [field.name for field in fields(kind) if field.default is MISSING],
        "additionalProperties": False,
    }


def _of(name: str, hint: Any, kind: type[Any]) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if hint in (str, bool):
        return {"type": "string" if hint is str else "boolean"}
    if name == "value":
        return {"type": "number"}
    least = SERVER if name == "client" and kind is ComputeWindow else 0
    return {"type": [_TYPES[hint], "null"] if name in _MAY_BE_UNKNOWN else _TYPES[hint], "minimum": least}
