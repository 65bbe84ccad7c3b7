"""Prepared data in the cache: splits, one partition per seed. Made once in the parent, mapped by every worker.

Free of torch. A task is data and settings; the functions here take it as an argument.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.core.types import Examples, Int64
from harness.tasks.cache import cached_folder, make_once
from harness.tasks.settings import Partition, Pretraining

SPLITS = ("public", "train", "validation", "test")
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
        """How the public split is trained on, for ``init: pretrained``."""

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the splits depends on, JSON-able."""

    def load_splits(self) -> Mapping[str, Examples]:
        """The disjoint splits, by the names in `SPLITS`."""


def prepare(task: ImageTask, seeds: Sequence[int]) -> None:
    """Leave the splits, and one partition per seed, in the cache. Does nothing for what is there.

    Raises:
        UsageError: the partition asked for does not exist.
        OSError: the cache cannot be written.
    """
    data = make_once(_data_folder(task), lambda draft: _save_splits(draft, task.load_splits()))
    labels = np.load(data / "train_labels.npy")
    for seed in seeds:
        make_once(_partition_folder(task, seed), partial(_save_partition, labels=labels, task=task, seed=seed))


def load_split(task: ImageTask, name: str) -> Examples:
    """One split. Images are a private mapping: shared by workers, and writable as torch asks of what it wraps."""
    folder = _data_folder(task)
    return Examples(
        images=np.load(folder / f"{name}_images.npy", mmap_mode="c"),
        labels=np.load(folder / f"{name}_labels.npy"),
    )


def client_positions(task: ImageTask, seed: int) -> list[Int64]:
    """Positions in the train split that each client holds at `seed`."""
    folder = _partition_folder(task, seed)
    return np.split(np.load(folder / "positions.npy"), np.cumsum(np.load(folder / "sizes.npy"))[:-1])


def pretraining_folder(task: ImageTask) -> Path | None:
    """Where the pre-trained model lies or will lie; None for ``init: random``."""
    if task.init != "pretrained":
        return None
    key = {"data": task.data_key(), "model": task.model, "pretraining": asdict(task.pretraining)}
    return cached_folder("pretrained", key)


def read_record(folder: Path) -> dict[str, Any]:
    """How the pre-trained model in `folder` was made: settings, scores before and after, what the meter said."""
    record: dict[str, Any] = json.loads((folder / RECORD_FILE).read_text())
    return record


def _data_folder(task: ImageTask) -> Path:
    return cached_folder("data", task.data_key())


def _partition_folder(task: ImageTask, seed: int) -> Path:
    key = {"data": task.data_key(), "partition": asdict(task.partition), "clients": task.clients, "seed": seed}
    return cached_folder("partition", key)


def _save_splits(folder: Path, splits: Mapping[str, Examples]) -> None:
    for name in SPLITS:
        np.save(folder / f"{name}_images.npy", splits[name].images)
        np.save(folder / f"{name}_labels.npy", splits[name].labels)


def _save_partition(folder: Path, labels: Int64, task: ImageTask, seed: int) -> None:
    # Imported late: flwr-datasets takes seconds to import, and only a first run needs it.
    from harness.tasks.partition import split_among_clients

    shares = split_among_clients(labels, task.clients, task.partition, seed)
    np.save(folder / "positions.npy", np.concatenate(shares))
    np.save(folder / "sizes.npy", np.array([len(share) for share in shares], dtype=np.int64))
