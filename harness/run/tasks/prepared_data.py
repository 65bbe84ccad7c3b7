"""Keeps prepared data in the cache: splits, one partition per seed. Made once in the parent, mapped by every worker.

Free of torch. A task is data and settings; the functions here take it as an argument.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from safetensors import SafetensorError

from harness.core.cache import cached_folder, make_once
from harness.core.errors import EnvironmentLacksError
from harness.core.types import Examples, Float32, Int64
from harness.parts.facts_version import (
    MADE_ELSEWHERE,
    PRETRAINING_VERSION,
    data_code,
    facts_code,
    file_digest,
    module_digest,
    raised,
    version_of,
)
from harness.run import accelerator
from harness.run.tasks.settings import Input, Partition, Pretraining, Source, Trained

SPLITS = ("train", "validation", "test")
PUBLIC = "public"
FOREIGN_SOURCES = ("digits", "letters")
"""What models are pre-trained on here that is no split of the task."""
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
    def train(self) -> Trained:
        """What of the model is trained."""

    @property
    def input(self) -> Input | None:
        """How images of 8-bit pixels become what the model sees; None where they are prepared as floats."""

    @property
    def head(self) -> str | None:
        """Name of the model's last layer; None for that of the harness's own models."""

    @property
    def default_source(self) -> Source:
        """What is pre-trained on if the settings do not say."""

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the splits depends on, JSON-able."""

    def load_splits(self) -> Mapping[str, Examples]:
        """The disjoint splits, by the names in `SPLITS`; with ``public`` if the task has such a split itself."""

    def load_groups(self) -> Int64:
        """Value of the partition's column for each training example, as numbers from 0."""


def prepare(task: ImageTask, seeds: Sequence[int]) -> None:
    """Leave the splits, what is pre-trained on, and one partition per seed in the cache.

    Raises:
        UsageError: the requested partition does not exist.
        EnvironmentLacksError: the data is not on this machine and cannot be loaded.
        OSError: the cache cannot be written.
    """
    make_once(_data_folder(task), lambda draft: _save_splits(draft, task.load_splits()))
    if task.init == "pretrained" and source_of(task) in FOREIGN_SOURCES:
        make_once(_public_folder(task), lambda draft: _save_public(draft, task))
    for seed in seeds:
        make_once(_partition_folder(task, seed), partial(_save_partition, task=task, seed=seed))


def load_split(task: ImageTask, name: str) -> Examples:
    """One split. Images are a private mapping: shared by workers, and writable, which torch needs of what it wraps."""
    is_foreign = name == PUBLIC and source_of(task) in FOREIGN_SOURCES
    return _load_examples(_public_folder(task) if is_foreign else _data_folder(task), name)


def load_activations(folder: Path, task: ImageTask, name: str) -> Examples:
    """One split as the fixed part of the model left it; see `activations_folder`.

    They are stored with channels last, which suits convolutions on a CPU, and viewed with channels first.
    """
    values = _load(folder / f"{name}_activations.npy", mmap_mode="c")
    seen = np.moveaxis(values, -1, 1) if values.ndim == 4 else values
    return Examples(seen, _load(_data_folder(task) / f"{name}_labels.npy"))


def save_activations(folder: Path, name: str, shape: tuple[int, ...], batches: Iterable[Float32]) -> None:
    """Write activations batch by batch, as `load_activations` reads them; `shape` is (n, ...), channels first."""
    lying = (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
    path = folder / f"{name}_activations.npy"
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=lying)
    start = 0
    for batch in batches:
        file[start : start + len(batch)] = np.moveaxis(batch, 1, -1) if batch.ndim == 4 else batch
        start += len(batch)
    file.flush()


def activations_folder(task: ImageTask, seed: int) -> Path:
    """Path of the examples' activations behind the fixed part of the model, existing or not yet.

    It is named by everything that the activations follow from; weights drawn at random follow from the seed.
    """
    weights = {"seed": seed} if task.init == "random" else {"pretrained": _pretraining_key(task)}
    # All that train only in the same number of last blocks share what precedes them.
    in_front = "head" if task.train.kind == "head" else task.train.blocks
    key = {"data": task.data_key(), "model": _model_key(task), "in_front_of": in_front, "head": task.head}
    # A cut may be elsewhere for another kind of training, and sums differ in their last digits elsewhere.
    key |= {"train": task.train.kind, "on": accelerator.named(), "torch": version("torch")}
    seen = None if task.input is None else asdict(task.input)
    return cached_folder("activations", {**key, **weights, **_data_versions(task), "input": seen, "code": facts_code()})


def client_positions(task: ImageTask, seed: int) -> list[Int64]:
    """Positions in the train split that each client holds at `seed`."""
    folder = _partition_folder(task, seed)
    return np.split(_load(folder / "positions.npy"), np.cumsum(_load(folder / "sizes.npy"))[:-1])


def source_of(task: ImageTask) -> Source:
    """What the task is pre-trained on."""
    return task.pretraining.source or task.default_source


def pretraining_folder(task: ImageTask) -> Path | None:
    """Path of the pre-trained model, existing or not yet; None for ``init: random``."""
    if task.init != "pretrained":
        return None
    # A model from other code would make other facts than the cell id says.
    return cached_folder("pretrained", {**_pretraining_key(task), "code": facts_code()})


def _pretraining_key(task: ImageTask) -> dict[str, Any]:
    settings = asdict(task.pretraining) | {"source": source_of(task)}
    if source_of(task) not in MADE_ELSEWHERE:
        versions = _data_versions(task) | raised({"pretraining version": PRETRAINING_VERSION})
        return {"data": task.data_key(), "model": _model_key(task), "pretraining": settings, **versions}
    checkpoint = settings.pop("checkpoint")
    content = None if checkpoint is None else file_digest(checkpoint)
    return {"model": _model_key(task), "head": task.head, "source": settings["source"], "checkpoint": content}


def _data_versions(task: ImageTask) -> dict[str, int]:
    """The version of how the task prepares its data, if it is not the first."""
    return raised({"task version": version_of(type(task))})


def _model_key(task: ImageTask) -> Any:
    """What the model follows from: its name, and the source of a module that is not the harness's own."""
    return [task.model, module_digest(task.model)] if ":" in task.model else task.model


def has_fixed_part(task: ImageTask, augment: str) -> bool:
    """Whether the part in front of the trained part gives the same for an image at every call.

    Augmented images are others every time. Norms and biases, and low-rank additions, are spread over the whole model
    unless only its last blocks are trained.
    """
    is_cut = task.train.kind == "head" or task.train.blocks is not None
    return is_cut and augment == "none"


def read_record(folder: Path) -> dict[str, Any]:
    """How the pre-trained model in `folder` was made: settings, scores before and after, the meter's reading."""
    path = folder / RECORD_FILE
    with refusing_damage(path):
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _data_folder(task: ImageTask) -> Path:
    return cached_folder("data", {"data": task.data_key(), "code": data_code(type(task))})


def _public_folder(task: ImageTask) -> Path:
    versions = raised({"pretraining version": PRETRAINING_VERSION})
    return cached_folder("public", {"source": source_of(task), "code": data_code(type(task)), **versions})


def _partition_folder(task: ImageTask, seed: int) -> Path:
    key = {"data": task.data_key(), "partition": asdict(task.partition), "clients": task.clients, "seed": seed}
    return cached_folder("partition", {**key, "code": data_code(type(task))})


def _save_splits(folder: Path, splits: Mapping[str, Examples]) -> None:
    for name, examples in splits.items():
        _save_examples(folder, name, examples)


def _save_public(folder: Path, task: ImageTask) -> None:
    from harness.run.tasks.public_data import load_public

    _save_examples(folder, PUBLIC, load_public(source_of(task)))


def _save_examples(folder: Path, name: str, examples: Examples) -> None:
    np.save(folder / f"{name}_images.npy", examples.images)
    np.save(folder / f"{name}_labels.npy", examples.labels)


def _load_examples(folder: Path, name: str) -> Examples:
    return Examples(_load(folder / f"{name}_images.npy", mmap_mode="c"), _load(folder / f"{name}_labels.npy"))


def _load(path: Path, mmap_mode: Literal["c"] | None = None) -> Any:
    with refusing_damage(path):
        return np.load(path, mmap_mode=mmap_mode)


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Errors of reading a file of the cache, as one line; a folder that is not there at all is no damage.

    Raises:
        EnvironmentLacksError: the file is truncated, of another kind, or missing from a folder that is there.
    """
    try:
        yield
    except FileNotFoundError as error:
        if not path.parent.is_dir():
            raise
        raise EnvironmentLacksError(f"{path}: missing; delete the folder and run again") from error
    except (ValueError, EOFError, SafetensorError) as error:
        message = str(error).splitlines()[0]
        raise EnvironmentLacksError(f"{path}: damaged ({message}); delete the folder and run again") from error


def _save_partition(folder: Path, task: ImageTask, seed: int) -> None:
    # Imported late: flwr-datasets takes seconds to import, and only a first run needs it.
    from harness.run.tasks.partition import split_among_clients

    labels = _load(_data_folder(task) / "train_labels.npy")
    groups = task.load_groups() if task.partition.column is not None else None
    shares = split_among_clients(labels, task.clients, task.partition, seed, groups)
    np.save(folder / "positions.npy", np.concatenate(shares))
    np.save(folder / "sizes.npy", np.array([len(share) for share in shares], dtype=np.int64))
