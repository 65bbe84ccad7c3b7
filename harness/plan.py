"""From a spec to cells: the training runs it needs, each with an id that says what was run."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness import plugins, registry
from harness.core.protocols import Task
from harness.sources import file_digest, module_digest, source_digest
from harness.spec import BenchmarkSpec


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


def expand(spec: BenchmarkSpec) -> tuple[Cell, ...]:
    """The cells of a spec, seed by seed and in each seed in the order of the methods.

    Cells that are compared at one seed thus finish together. Methods that differ in name only give equal cells.
    """
    return tuple(cell for _, cell in named_cells(spec))


def named_cells(spec: BenchmarkSpec) -> tuple[tuple[str, Cell], ...]:
    """The cells of a spec, each after the name of its method, in the order of `expand`."""
    resolved = spec.resolved()
    federations = [spec.federation_of(method).model_dump(mode="json") for method in spec.methods]
    return tuple(
        (
            method.name,
            Cell(_task_of(resolved["task"], plain), federation, _run_settings(plain), seed, resolved["record"]),
        )
        for seed in spec.seeds
        for method, plain, federation in zip(spec.methods, resolved["methods"], federations, strict=True)
        if seed in spec.seeds_of(method)
    )


def cell_id(cell: Cell) -> str:
    """16 hexadecimal digits that change with every setting of the cell, its data and the source left of the ledger."""
    settings = asdict(cell)
    content = {**settings, "data": _data_key(_canonical(cell.task)), "source": source_digest()}
    model = str(cell.task.get("model", ""))
    if ":" in model:
        content["model"] = module_digest(model)
    checkpoint = cell.task.get("pretraining", {}).get("checkpoint")
    if checkpoint:
        content["checkpoint"] = file_digest(checkpoint)
    if others := plugins.sources(settings):
        content["plugins"] = others
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:16]


@functools.cache
def _data_key(task: str) -> Mapping[str, Any]:
    part: Task = registry.build("task", json.loads(task))
    return part.data_key()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _task_of(task: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **task,
        **{key: own for key in ("init", "train", "partition") if key in task and (own := method[key]) is not None},
    }


def _run_settings(method: Mapping[str, Any]) -> dict[str, Any]:
    apart = ("name", "federation", "train", "partition", "seeds")
    return {key: value for key, value in method.items() if key not in apart}
