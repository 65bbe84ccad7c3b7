"""The sources that make facts, and their digest: cells and pre-trained models of other code are other results."""

import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

_SOURCES_IN_HARNESS = (
    "core",
    "wire",
    "tasks",
    "simulation.py",
    "registry.py",
    "federation.py",
    "channel.py",
    "deadline.py",
    "local_training.py",
    "trainable.py",
    "cohort.py",
    "accelerator.py",
    "broadcast.py",
    "link.py",
    "schedule.py",
    "stopwatch.py",
    "recoding.py",
    "recording.py",
    "server_rules.py",
    "ledger.py",
    "work.py",
)
_SOURCE_PACKAGES = ("baselines", "quantfl")


@functools.cache
def source_digest() -> str:
    """SHA-256 (64 hexadecimal digits) of the sources that make facts: names and content. Read once per process."""
    digest = hashlib.sha256()
    for name, path in source_files():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@functools.cache
def data_digest() -> str:
    """SHA-256 (64 hexadecimal digits) of what makes data and partitions: the tasks' sources, and library versions."""
    digest = hashlib.sha256()
    for name, path in source_files():
        if name.startswith("harness/tasks/"):
            digest.update(f"{name}\0".encode() + path.read_bytes())
    for package in ("flwr-datasets", "scikit-learn", "pillow", "numpy"):
        digest.update(f"{package}=={version(package)}".encode())
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
