"""Versions the code that makes facts. Ids of cells and names of cached files follow from versions, not from sources.

A comment, a new name or a faster loop changes no fact, and must not orphan a result. Whoever changes facts raises the
version of what changed, and golden facts (``tests/golden``) fail until that is done:

- ``version`` of a codec, server rule or task, a class attribute (raise it when the same settings give other bytes,
  values or examples): only cells that use the part are other cells then;
- `PRETRAINING_VERSION`: only cells that start from a model which was pre-trained here;
- `FACTS_VERSION`, for all that every cell passes through: rounds, channel, local training, partitions.
"""

import dataclasses
import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

FACTS_VERSION = 1
"""Version of what all cells share."""

PRETRAINING_VERSION = 1
"""Version of pre-training, and of the public examples that it takes."""

MADE_ELSEWHERE = ("imagenet", "checkpoint")
"""Sources of weights that were trained before and elsewhere, with energy that nobody knows."""

_VERSION_1 = "2b14d9a22bfedd2527cef8620a82e738c6075c01c85acfa4c944e90528e71250"
"""Facts version 1 in an id: the digest of the sources that made the first published cells, which keep their ids."""

_SOURCES = (
    "baselines",
    "quantfl",
    *(f"harness/{room}" for room in ("core", "wire", "parsing", "parts", "ledger", "run")),
)


def facts_code() -> str:
    """The text for `FACTS_VERSION` in an id."""
    return _VERSION_1 if FACTS_VERSION == 1 else f"facts {FACTS_VERSION}"


def version_of(part: type[Any]) -> int:
    """Version of a part's facts; 1 unless its class says otherwise. A setting of that name says nothing of facts."""
    settings = {field.name for field in dataclasses.fields(part)} if dataclasses.is_dataclass(part) else set()
    number = 1 if "version" in settings else getattr(part, "version", 1)
    return number if isinstance(number, int) else 1


def raised(versions: dict[str, int]) -> dict[str, int]:
    """Those versions that are not 1: they alone are written into an id, so that one of version 1 never changes."""
    return {name: number for name, number in versions.items() if number != 1}


def data_code(task: type[Any]) -> dict[str, Any]:
    """What prepared data depends on besides its source: versions of facts, of the task and of libraries."""
    packages = ("flwr-datasets", "scikit-learn", "pillow", "numpy")
    return {
        "facts": FACTS_VERSION,
        "task": version_of(task),
        "packages": {package: version(package) for package in packages},
    }


@functools.cache
def source_digest() -> str:
    """SHA-256 (64 hexadecimal digits) of the sources that make facts. Read once per process.

    In no id: it is kept with the facts of a cell, and shows whether two machines run the same code.
    """
    digest = hashlib.sha256()
    for name, path in source_files():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def file_digest(path: str | Path) -> str | None:
    """SHA-256 (64 hexadecimal digits) of a file; None if there is none that can be read."""
    try:
        return _file_digest(Path(path), Path(path).stat().st_mtime_ns)
    except OSError:
        return None


@functools.cache
def _file_digest(path: Path, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def module_digest(name: str) -> str | None:
    """SHA-256 of the file of the module in ``package.module:callable``; None if there is none."""
    try:
        found = importlib.util.find_spec(name.partition(":")[0])
    except (ImportError, ValueError):
        return None
    return None if found is None or found.origin is None else file_digest(found.origin)


def source_files() -> Iterator[tuple[str, Path]]:
    """The modules that make facts as (name inside the installation, file), sorted. Nothing is imported."""
    for name in sorted(_SOURCES):
        package, _, room = name.partition("/")
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"package {package} is not installed")
        root = Path(found.origin).parent / room
        yield from ((f"{name}/{path.relative_to(root).as_posix()}", path) for path in sorted(root.rglob("*.py")))
