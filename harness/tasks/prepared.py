"""Prepared data in the cache: splits, one partition per seed. Made once in the parent, mapped by every worker.

Free of torch. A task is data and settings; the functions here take it as an argument.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from harness.core.errors import EnvironmentLacksError
from harness.core.types import Examples, Int64
from harness.sources import data_digest, source_digest
from harness.tasks.cache import cached_folder, make_once
from harness.tasks.settings import Partition, Pretraining, Source

SPLITS = ("train", "validation", "test")
PUBLIC = "public"
RECORD_FILE = "record.json"


class ImageTask(Protocol):
    """The settings that every image task has."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def init(self) -> str:
        """``random`` or ``pretrained``."""

    @property
    def clients(self) -> int:
        """Number of clients."""

    @property
    def partition(self) -> Partition:
        """How the training examples are spread."""

    @property
    def pretraining(self) -> Pretraining:
        """How the model is pre-trained, for ``init: pretrained``."""

    @property
    def default_source(self) -> Source:
        """What is pre-trained on if the settings do not say."""

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the splits depends on, JSON-able."""

    def load_splits(self) -> Mapping[str, Examples]:
        """The disjoint splits, by the names in `SPLITS`; with ``public`` if the task has such a split itself."""

    def load_groups(self) -> Int64:
        """Value of the partition's column for each training example, as numbers from 0; only for ``column``."""


def prepare(task: ImageTask, seeds: Sequence[int]) -> None:
    """Leave the splits, what is pre-trained on, and one partition per seed in the cache.

    Raises:
        UsageError: the partition asked for does not exist.
        EnvironmentLacksError: the data is not on this machine and cannot be loaded.
        OSError: the cache cannot be written.
    """
    make_once(_data_folder(task), lambda draft: _save_splits(draft, task.load_splits()))
    if task.init == "pretrained" and source_of(task) != "public":
        make_once(_public_folder(task), lambda draft: _save_public(draft, task))
    for seed in seeds:
        make_once(_partition_folder(task, seed), partial(_save_partition, task=task, seed=seed))


def load_split(task: ImageTask, name: str) -> Examples:
    """One split. Images are a private mapping: shared by workers, and writable as torch asks of what it wraps."""
    is_foreign = name == PUBLIC and source_of(task) != "public"
    return _load_examples(_public_folder(task) if is_foreign else _data_folder(task), name)


def client_positions(task: ImageTask, seed: int) -> list[Int64]:
    """Positions in the train split that each client holds at `seed`."""
    folder = _partition_folder(task, seed)
    return np.split(_load(folder / "positions.npy"), np.cumsum(_load(folder / "sizes.npy"))[:-1])


def source_of(task: ImageTask) -> Source:
    """What the task is pre-trained on."""
    return task.pretraining.source or task.default_source


def pretraining_folder(task: ImageTask) -> Path | None:
    """Where the pre-trained model lies or will lie; None for ``init: random``."""
    if task.init != "pretrained":
        return None
    settings = asdict(task.pretraining) | {"source": source_of(task)}
    key = {"data": task.data_key(), "model": task.model, "pretraining": settings}
    # A model from other code would make other facts than the cell id says.
    return cached_folder("pretrained", {**key, "code": source_digest()})


def read_record(folder: Path) -> dict[str, Any]:
    """How the pre-trained model in `folder` was made: settings, scores before and after, what the meter said."""
    record: dict[str, Any] = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    return record


def _data_folder(task: ImageTask) -> Path:
    return cached_folder("data", {"data": task.data_key(), "code": data_digest()})


def _public_folder(task: ImageTask) -> Path:
    return cached_folder("public", {"source": source_of(task), "code": data_digest()})


def _partition_folder(task: ImageTask, seed: int) -> Path:
    key = {"data": task.data_key(), "partition": asdict(task.partition), "clients": task.clients, "seed": seed}
    return cached_folder("partition", {**key, "code": data_digest()})


def _save_splits(folder: Path, splits: Mapping[str, Examples]) -> None:
    for name, examples in splits.items():
        _save_examples(folder, name, examples)


def _save_public(folder: Path, task: ImageTask) -> None:
    from harness.tasks.public_data import load_public

    _save_examples(folder, PUBLIC, load_public(source_of(task)))


def _save_examples(folder: Path, name: str, examples: Examples) -> None:
    np.save(folder / f"{name}_images.npy", examples.images)
    np.save(folder / f"{name}_labels.npy", examples.labels)


def _load_examples(folder: Path, name: str) -> Examples:
    return Examples(_load(folder / f"{name}_images.npy", mmap_mode="c"), _load(folder / f"{name}_labels.npy"))


def _load(path: Path, mmap_mode: Literal["c"] | None = None) -> Any:
    try:
        return np.load(path, mmap_mode=mmap_mode)
    except (ValueError, EOFError) as error:
        raise EnvironmentLacksError(f"{path}: damaged ({error}); delete the folder and run again") from error


def _save_partition(folder: Path, task: ImageTask, seed: int) -> None:
    # Imported late: flwr-datasets takes seconds to import, and only a first run needs it.
    from harness.tasks.partition import split_among_clients

    labels = _load(_data_folder(task) / "train_labels.npy")
    groups = task.load_groups() if task.partition.kind == "column" else None
    shares = split_among_clients(labels, task.clients, task.partition, seed, groups)
    np.save(folder / "positions.npy", np.concatenate(shares))
    np.save(folder / "sizes.npy", np.array([len(share) for share in shares], dtype=np.int64))
