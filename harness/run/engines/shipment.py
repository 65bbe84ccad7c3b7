"""Ships what a machine needs to run cells besides the code: prepared data, pre-trained models and parts from files.

The driver prepares as for a run of its own and ships the folders of its cache by name. A node that has a folder of that
name takes nothing: names are digests of what the content depends on. A data set itself is not shipped. Where it is a
folder, its digest is, because names of prepared folders depend on it. Nor is the file of ``source: checkpoint``, whose
path is part of a cell: a node must have it there.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import cache_root, cached_folder, make_once, noted
from harness.core.errors import EnvironmentLacksError
from harness.parts import from_file, registry
from harness.parts.facts_version import file_digest, source_digest
from harness.run.cell import Cell
from harness.run.engines.local import prepare
from harness.run.tasks.hub import STAND_IN_FILE, folder_digest

_PACKAGES = ("torch", "numpy", "pillow", "scikit-learn", "flwr-datasets")
"""Libraries that facts are computed with."""

Files = Mapping[str, NDArray[np.uint8]]
"""The files of a folder by relative path: uint8 of shape (bytes,). Arrays, because Ray maps them without a copy."""


@dataclass(frozen=True)
class Shipment:
    """What a node is given.

    Attributes:
        code: digest of the code that makes facts and data; a node must have the same.
        folders: prepared folders by path in the cache, as what `unpack` fetches; empty on the driver's machine.
        data_sets: digest of each data set that is a folder on the driver's machine, by the folder's name.
        checkpoints: digest of each file that models start from, by its path; a node must have the same.
    """

    code: str
    folders: Mapping[str, Any] = field(default_factory=dict)
    data_sets: Mapping[str, str] = field(default_factory=dict)
    checkpoints: Mapping[str, str | None] = field(default_factory=dict)


def code_digest() -> str:
    """Digest of the code that makes facts and data on this machine, and of torch, with which they are computed."""
    # Builds for the CPU and for a GPU differ behind the plus; a driver may have the one and its nodes the other.
    packages = {name: version(name).partition("+")[0] for name in _PACKAGES}
    return f"{source_digest()[:16]}-" + "-".join(f"{name}=={number}" for name, number in packages.items())


def pack_parts(cells: Iterable[Cell], send: Callable[[Files], Any]) -> Shipment:
    """What nodes need before they can answer for `cells`: files that definitions name; see `pack`."""
    paths = {cell.task.get("pretraining", {}).get("checkpoint") for cell in cells} - {None}
    with noted() as folders:
        from_file.keep()
    return Shipment(code_digest(), _sent(folders, send), checkpoints={path: file_digest(path) for path in paths})


def pack(cells: Iterable[Cell], send: Callable[[Files], Any]) -> Shipment:
    """What nodes need for `cells`, whose data is prepared here; pre-trained models as far as there are any yet.

    Args:
        cells: the cells.
        send: makes a reference of the files of a folder; called once for each folder.
    """
    known = list(cells)
    with noted() as folders:
        prepare(known)
    tasks = [registry.build("task", task) for task in {str(cell.task): cell.task for cell in known}.values()]
    pretrained = [folder for task in tasks if (folder := task.pretraining_folder()) is not None and folder.is_dir()]
    data_sets = {}
    for task in tasks:
        source = task.source() if hasattr(task, "source") else None
        folder = None if source is None else source.folder()
        if folder is not None:
            data_sets[folder.name] = folder_digest(folder)
    distinct = dict.fromkeys([*folders, *pretrained])
    parts = pack_parts(known, send)
    return replace(parts, folders={**parts.folders, **_sent(distinct, send)}, data_sets=data_sets)


def unpack(shipment: Shipment, fetch: Callable[[Any], Files]) -> None:
    """Leave what a shipment holds in the cache of this machine.

    Raises:
        EnvironmentLacksError: the code or a checkpoint here is another, so that the facts would not be those of the
            cell's id.
    """
    if code_digest() != shipment.code:
        raise EnvironmentLacksError(
            "this node has another version of the harness, or of torch, numpy, pillow, scikit-learn or flwr-datasets, "
            "than the machine that started the run; install the same on both"
        )
    if other := [path for path, digest in shipment.checkpoints.items() if file_digest(path) != digest]:
        raise EnvironmentLacksError(
            f"this node has no file {other[0]}, or another than the machine that started the run; checkpoints are not "
            "shipped: copy it to that path on every node"
        )
    for name, reference in shipment.folders.items():
        make_once(cache_root() / name, lambda draft, wanted=reference: write_files(draft, fetch(wanted)))  # type: ignore[misc]
    if shipment.data_sets:
        folder = cached_folder("data-sets", shipment.data_sets)
        os.environ["HARNESS_DATA"] = str(make_once(folder, partial(_stand_in, shipment.data_sets)))


def _sent(folders: Iterable[Path], send: Callable[[Files], Any]) -> dict[str, Any]:
    return {folder.relative_to(cache_root()).as_posix(): send(read_files(folder)) for folder in folders}


def read_files(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """The files below `folder`, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): np.fromfile(path, dtype=np.uint8) for path in paths}


def write_files(folder: Path, files: Files) -> None:
    """Write files below `folder`, on disk before this returns."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content.data)
            file.flush()
            os.fsync(file.fileno())


def _stand_in(data_sets: Mapping[str, str], folder: Path) -> None:
    for name, digest in data_sets.items():
        (folder / name).mkdir()
        (folder / name / STAND_IN_FILE).write_text(digest, encoding="utf-8")
