"""Defines a cell: one training run, with an id that follows from what is run."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.core.protocols import Task
from harness.parts import entry_points, registry
from harness.parts.facts_version import (
    MADE_ELSEWHERE,
    PRETRAINING_VERSION,
    facts_code,
    file_digest,
    module_digest,
    raised,
    version_of,
)


@dataclass(frozen=True)
class Cell:
    """One training run, as plain JSON-able values. Radios, grids, devices, reports and names are no part of it.

    Attributes:
        task: kind and settings of the task; its ``init``, ``train`` and ``partition`` are the method's.
        federation: settings of the federation.
        method: ``uplink``, ``downlink``, ``server``, ``init`` and ``also_code``.
        seed: evaluation seed, at least 0.
        record: what is kept of the updates themselves.
    """

    task: Mapping[str, Any]
    federation: Mapping[str, Any]
    method: Mapping[str, Any]
    seed: int
    record: Mapping[str, Any] = field(default_factory=dict)


def cell_id(cell: Cell) -> str:
    """16 hexadecimal digits that change with every setting of the cell, its data, and the version of its facts."""
    settings = asdict(cell)
    content = {**settings, "data": _data_key(_canonical(cell.task)), "source": facts_code()}
    model = str(cell.task.get("model", ""))
    if ":" in model:
        content["model"] = module_digest(model)
    checkpoint = cell.task.get("pretraining", {}).get("checkpoint")
    if checkpoint:
        content["checkpoint"] = file_digest(checkpoint)
    if others := entry_points.sources(settings):
        content["plugins"] = others
    if versions := raised(versions_of(cell)):
        content["versions"] = versions
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:16]


def versions_of(cell: Cell) -> dict[str, int]:
    """The version of each of our parts that makes facts of the cell, by table and kind, and of pre-training."""
    found = {
        f"{table} {kind}": version_of(registry.load(table, kind))
        for table, kind in _parts_of(cell)
        if kind in registry.TABLES[table]
    }
    if _is_pretrained_here(cell):
        found["pretraining"] = PRETRAINING_VERSION
    return found


def _is_pretrained_here(cell: Cell) -> bool:
    if cell.method.get("init", cell.task.get("init")) != "pretrained":
        return False
    stated = (cell.task.get("pretraining") or {}).get("source")
    return (stated or getattr(_task(_canonical(cell.task)), "default_source", None)) not in MADE_ELSEWHERE


def _parts_of(cell: Cell) -> Iterator[tuple[str, str]]:
    """Table and kind of the parts that a cell names, parts within parts among them."""
    yield "task", str(cell.task["kind"])
    for name, settings in cell.method.items():
        table = "server" if name == "server" else "codec"
        yield from ((table, kind) for kind in entry_points.kinds(settings))


@functools.cache
def _data_key(task: str) -> Mapping[str, Any]:
    return _task(task).data_key()


@functools.cache
def _task(settings: str) -> Task:
    """Built once for all cells of a task."""
    part: Task = registry.build("task", json.loads(settings))
    return part


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
