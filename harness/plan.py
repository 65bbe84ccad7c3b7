"""From a spec to cells: the training runs it needs, each with an id that says what was run."""

import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.spec import BenchmarkSpec

_SOURCES_IN_HARNESS = (
    "core",
    "wire",
    "tasks",
    "federation.py",
    "channel.py",
    "local_training.py",
    "server_rules.py",
    "ledger.py",
)
_SOURCE_PACKAGES = ("baselines", "quantfl")


@dataclass(frozen=True)
class Cell:
    """One training run, as plain JSON-able values. Radios, grids, devices, reports and names are no part of it.

    Attributes:
        task: kind and settings of the task; its ``init`` is the method's.
        federation: settings of the federation.
        method: ``uplink``, ``downlink``, ``server`` and ``init``.
        seed: evaluation seed, at least 0.
    """

    task: Mapping[str, Any]
    federation: Mapping[str, Any]
    method: Mapping[str, Any]
    seed: int


def expand(spec: BenchmarkSpec) -> tuple[Cell, ...]:
    """The cells of a spec, seed by seed and in each seed in the order of the methods.

    Cells that are compared at one seed thus finish together. Methods that differ in name only give equal cells.
    """
    resolved = spec.resolved()
    return tuple(
        Cell(_task_of(resolved["task"], method), resolved["federation"], _without_name(method), seed)
        for seed in resolved["seeds"]
        for method in resolved["methods"]
    )


def cell_id(cell: Cell) -> str:
    """16 hexadecimal digits that change with every setting of the cell and with the source left of the ledger."""
    content = {**asdict(cell), "source": source_digest()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@functools.cache
def source_digest() -> str:
    """SHA-256 (64 hexadecimal digits) of the sources that make facts: names and content. Read once per process."""
    digest = hashlib.sha256()
    for name, path in source_files():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def source_files() -> Iterator[tuple[str, Path]]:
    """The modules left of the ledger as (name inside the installation, file), sorted. Nothing is imported."""
    roots = [(f"harness/{name}", Path(__file__).parent / name) for name in _SOURCES_IN_HARNESS]
    for package in _SOURCE_PACKAGES:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"package {package} is not installed")
        roots.append((package, Path(found.origin).parent))
    for name, root in sorted(roots):
        if root.suffix == ".py":
            yield name, root
        else:
            yield from ((f"{name}/{path.relative_to(root).as_posix()}", path) for path in sorted(root.rglob("*.py")))


def _task_of(task: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    return {**task, "init": method["init"]} if "init" in task else dict(task)


def _without_name(method: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in method.items() if key != "name"}
