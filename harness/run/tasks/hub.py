"""Loads image data sets in Hugging Face's layout with ``datasets``: a folder of parquet files, or a name on the hub."""

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import cache_root
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.seeds import stream
from harness.core.types import Examples, Int64
from harness.run.tasks.public_data import standardised
from harness.run.tasks.settings import Partition

STAND_IN_FILE = "harness-stand-in.txt"
"""In a folder that stands for a data set which was prepared on another machine: the digest of its files."""


@dataclass(frozen=True)
class _Published:
    """A data set on the hub as published studies were run on it.

    Attributes:
        files: digest of its files in a folder, see `folder_digest`.
        content: digest of its images and labels in their order, see `_content_digest`.
    """

    files: str
    content: str


_PUBLISHED: Mapping[str, _Published] = {
    "ylecun/mnist": _Published(
        files="f10a07dfe755858597e149096bb6c5cb9a2aa931ae6635e7db5b3575e68f5bca",
        content="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
    ),
    "uoft-cs/cifar100": _Published(
        files="e592254b5caf68cf5b9f24aaede0eda816ecf0050f056309611ee3764626bc54",
        content="2b4cd1ebb9db4bcb5d21dc4bef97e7165de9809dd85999f460ff2c6755f229e1",
    ),
}
"""By name on the hub. Where no folder of that name is at hand, a cell has the id of the published data."""


@dataclass(frozen=True)
class HubData:
    """Where a data set is and what its parts are called.

    Attributes:
        data: a folder, or a name on the hub.
        image_column, label_column: names of the columns.
        train_split, test_split: names of the splits.
        n_validation: examples held out of the training split; the choice is fixed for all seeds.
        keeps_bytes: whether images stay 8-bit pixels, for a task that makes floats of them itself.
    """

    data: str
    image_column: str
    label_column: str
    train_split: str
    test_split: str
    n_validation: int
    keeps_bytes: bool = False

    def folder(self) -> Path | None:
        """The folder that the data is read from; None means the hub."""
        root = os.environ.get("HARNESS_DATA")
        candidates = [Path(self.data)] + ([Path(root) / Path(self.data).name] if root else [])
        return next((folder for folder in candidates if folder.is_dir()), None)

    def key(self) -> Mapping[str, Any]:
        """What the prepared splits depend on: the content, not its location; the name, of an unknown set on the hub."""
        folder = self.folder()
        files = self._published_files() if folder is None else folder_digest(folder)
        content = {"hub": self.data} if files is None else {"files": files}
        return {**asdict(self), "data": content}

    def _published_files(self) -> str | None:
        """Digest of the published files that the hub stands for; None once the hub was seen to have others."""
        published = _PUBLISHED.get(self.data)
        return None if published is None or self._is_other_on_hub.exists() else published.files

    @property
    def _is_other_on_hub(self) -> Path:
        """A file in the cache that says so."""
        return cache_root() / f"other-on-hub-{hashlib.sha256(self.data.encode()).hexdigest()[:16]}"

    def _check_published(self, *arrays: NDArray[Any]) -> None:
        """Hold what the hub gave to what published cells were run on, which its cells have the ids of.

        Raises:
            EnvironmentLacksError: it is other content, or in another order; its cells have ids of their own afterwards.
        """
        published = _PUBLISHED.get(self.data)
        if self.folder() is not None or published is None or self._is_other_on_hub.exists():
            return
        if _content_digest(arrays) != published.content:
            self._is_other_on_hub.parent.mkdir(parents=True, exist_ok=True)
            self._is_other_on_hub.touch()
            raise EnvironmentLacksError(
                f"{self.data}: the hub has other examples, or another order, than published studies were run on. Cells "
                "on them have ids of their own from now on: run the same command again"
            )

    def load_splits(self) -> Mapping[str, Examples]:
        """Train, validation and test: labels from 0; images, standardised as those of train unless they stay bytes.

        Raises:
            EnvironmentLacksError: the data is not on this machine and the hub cannot be reached, or has other examples
                than the id of a cell says.
            UsageError: a split or column is missing, or the images differ in size.
        """
        images, labels = self._load(self.train_split)
        test_images, test_labels = self._load(self.test_split)
        self._check_published(images, labels, test_images, test_labels)
        if len(labels) <= self.n_validation:
            raise UsageError(
                f"{self.data}: {len(labels)} examples leave none beside {self.n_validation} for validation"
            )
        held_out, kept = np.split(self._order(len(labels)), [self.n_validation])
        both = np.concatenate([images, test_images])
        if self.keeps_bytes:
            both = np.ascontiguousarray(both[:, None] if both.ndim == 3 else np.moveaxis(both, -1, 1))
        else:
            both = standardised(both.astype(np.float32) / np.float32(255), of=kept)
        return {
            "train": Examples(both[kept], labels[kept]),
            "validation": Examples(both[held_out], labels[held_out]),
            "test": Examples(both[len(labels) :], test_labels),
        }

    def load_groups(self, column: str) -> Int64:
        """Value of `column` for each training example, numbered in ascending order of the values.

        Raises:
            UsageError: there is no such column.
        """
        table = self._table(self.train_split, column)
        _, numbers = np.unique(np.asarray(table[column]), return_inverse=True)
        return numbers.astype(np.int64)[self._order(len(numbers))[self.n_validation :]]

    @staticmethod
    def _order(n_examples: int) -> Int64:
        return stream(0, "validation").permutation(n_examples).astype(np.int64)

    def _load(self, split: str) -> tuple[NDArray[Any], Int64]:
        table = self._table(split, self.image_column, self.label_column)
        stacked = self._stacked([np.asarray(picture) for picture in table[self.image_column]])
        labels = np.asarray(table[self.label_column])
        if labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
            raise UsageError(f"{self.data}: column {self.label_column} holds no labels, which are integers from 0")
        return stacked, labels.astype(np.int64)

    def _stacked(self, pictures: list[NDArray[Any]]) -> NDArray[Any]:
        shapes = sorted({picture.shape for picture in pictures})
        if len(shapes) > 1:
            raise UsageError(f"{self.data}: images of different shapes, e.g. {shapes[0]} and {shapes[-1]}; resize them")
        stacked = np.stack(pictures) if pictures else np.empty(0)
        where = f"{self.data}: column {self.image_column} holds"
        if stacked.ndim not in (3, 4) or stacked.dtype.kind not in "uif":
            raise UsageError(f"{where} {stacked.dtype} of shape {stacked.shape[1:]}, no images")
        if not self.keeps_bytes:
            return stacked
        if stacked.dtype.kind == "f" or stacked.min() < 0 or stacked.max() > 255:
            raise UsageError(f"{where} {stacked.dtype}, no images of 8-bit pixels")
        return stacked.astype(np.uint8)

    def _table(self, split: str, *columns: str) -> Any:
        splits = _load_dataset(self.data, self.folder())
        if split not in splits:
            raise UsageError(f"{self.data}: no split {split}; there are: {', '.join(splits)}")
        table = splits[split]
        for column in columns:
            if column not in table.column_names:
                raise UsageError(f"{self.data}: no column {column}; there are: {', '.join(table.column_names)}")
        return table


class HubTask(Protocol):
    """A task whose data is in Hugging Face's layout."""

    @property
    def partition(self) -> Partition:
        """How the training examples are spread."""

    def source(self) -> HubData:
        """Where the data is and what its parts are called."""


def data_key(self: HubTask) -> Mapping[str, Any]:
    """Everything that the content of the splits depends on."""
    return self.source().key()


def load_splits(self: HubTask) -> Mapping[str, Examples]:
    """The disjoint splits: images of shape (n, channels, height, width), labels from 0."""
    return self.source().load_splits()


def load_groups(self: HubTask) -> Int64:
    """Value of the partition's column for each training example, as numbers from 0."""
    return self.source().load_groups(self.partition.column or "")


def _load_dataset(name: str, folder: Path | None) -> Any:
    import datasets

    datasets.disable_progress_bars()
    # Its retries are reported as one line at the end.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return datasets.load_dataset(str(folder or name), cache_dir=str(cache_root() / "datasets"))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if folder is not None:
            raise UsageError(f"{folder}: not readable as a data set: {error}") from error
        raise EnvironmentLacksError(
            f"data set {name}: no folder of this name, none in $HARNESS_DATA, and the hub gave: "
            f"{str(error).splitlines()[0]}. Put its parquet files in a folder, and set HARNESS_DATA to the one above"
        ) from error


def _content_digest(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over arrays in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@cache
def folder_digest(folder: Path) -> str:
    """SHA-256 over names and content of the files of a data set, or what its stand-in says it is."""
    stand_in = folder / STAND_IN_FILE
    if stand_in.is_file():
        return stand_in.read_text(encoding="utf-8")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
