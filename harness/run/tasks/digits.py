"""Defines the task ``digits``: 1,797 real scans of handwritten digits, 8x8 pixels, embedded in scikit-learn.

The splits are disjoint, stratified by label and the same for all seeds: 300 public examples for pre-training, 900 for
the clients, 200 for validation, 397 for test.

References:
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from harness.core.types import Examples, Int64
from harness.run.tasks import steps
from harness.run.tasks.settings import Init, Partition, Pretraining, Source, Trained, check_range, check_source

_SIZES = {"public": 300, "train": 900, "validation": 200, "test": 397}


@dataclass(frozen=True)
class Digits:
    """1,797 real scans of handwritten digits, 8x8 pixels, embedded in scikit-learn.

    Attributes:
        model: ``mlp``, 9,610 parameters.
        init: ``random`` weights per seed, or ``pretrained`` on the public split.
        clients: number of clients, 1 to 450.
        partition: how the 900 training examples are spread over them.
        pretraining: how the public split is trained on, for ``init: pretrained``.
        train: what of the model is trained.
    """

    kind: ClassVar[str] = "digits"
    version: ClassVar[int] = 1
    default_source: ClassVar[Source] = "public"
    input: ClassVar[None] = None
    head: ClassVar[None] = None

    model: Literal["mlp"] = "mlp"
    init: Init = "random"
    clients: int = 20
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)
    train: Trained = field(default_factory=Trained)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, _SIZES["train"] // 2)
        check_source(self.pretraining, ("public",), self.kind)
        if self.partition.column is not None:
            raise ValueError("partition: the digits have no column to partition by; use iid, dirichlet or label")

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the splits depends on."""
        return {"task": self.kind, "sizes": _SIZES}

    def load_splits(self) -> Mapping[str, Examples]:
        """The disjoint splits: images float32 of shape (n, 8, 8) in 0 to 1, labels 0 to 9."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 8, 8) / 16.0).astype(np.float32)
        rest, splits = np.arange(len(labels)), {}
        for name, size in list(_SIZES.items())[:-1]:
            rest, taken = train_test_split(rest, test_size=size, stratify=labels[rest], random_state=0)
            splits[name] = taken
        splits["test"] = rest
        return {
            name: Examples(images[positions], labels[positions].astype(np.int64)) for name, positions in splits.items()
        }

    def load_groups(self) -> Int64:
        """The digits have no such column; the settings refuse it."""
        raise ValueError("the digits have no column to partition by")

    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    needs_activations, compute_activations = steps.needs_activations, steps.compute_activations
    build = steps.build
