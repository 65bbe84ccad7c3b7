"""Turns a spec into cells: the training runs it needs, each with an id that follows from what is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.run.cell import Cell, cell_id
from harness.spec.spec import BenchmarkSpec


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


def _task_of(task: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **task,
        **{key: own for key in ("init", "train", "partition") if key in task and (own := method[key]) is not None},
    }


def _run_settings(method: Mapping[str, Any]) -> dict[str, Any]:
    apart = ("name", "federation", "train", "partition", "seeds")
    return {key: value for key, value in method.items() if key not in apart}


@dataclass(frozen=True)
class PlannedCell:
    """A cell under the name of its method.

    Attributes:
        method: display name.
        cell: what is run.
        cell_id: its content address.
    """

    method: str
    cell: Cell
    cell_id: str


def plan_cells(spec: BenchmarkSpec) -> list[PlannedCell]:
    """The cells of a spec under the names of their methods, in the order in which they are run."""
    return [PlannedCell(name, cell, cell_id(cell)) for name, cell in named_cells(spec)]
