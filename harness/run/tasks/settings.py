"""Defines settings that tasks share. Free of torch, so that a spec is validated without it."""

import re
from dataclasses import dataclass
from typing import Literal

Init = Literal["random", "pretrained"]
Source = Literal["public", "digits", "letters", "imagenet", "checkpoint"]


@dataclass(frozen=True)
class Partition:
    """How the training examples are spread over the clients.

    Attributes:
        kind: ``iid`` (equal shares of a shuffled order), ``dirichlet`` (label shares drawn from a Dirichlet
            distribution; Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated
            Visual Classification", 2019), ``label`` (a fixed number of labels per client; Li, Diao, Chen, He,
            "Federated Learning on Non-IID Data Silos", ICDE 2022) or ``column`` (a client per value of a column of
            the data set, e.g. subject or writer).
        alpha: concentration of the Dirichlet distribution, above 0; small is heterogeneous. Only for ``dirichlet``.
        labels_per_client: labels that a client holds, at least 1. Only for ``label``.
        column: name of a column of the data set. For ``column``; the task's clients are then its first values in
            order. For ``dirichlet`` and ``label`` its values stand in place of the labels, e.g. superclasses.
        min_examples: fewest examples that a client may hold, at least 1.
    """

    kind: Literal["iid", "dirichlet", "label", "column"] = "iid"
    alpha: float | None = None
    labels_per_client: int | None = None
    column: str | None = None
    min_examples: int = 2

    def __post_init__(self) -> None:
        """Refuse settings that do not go together."""
        needs = (
            ("dirichlet", "alpha", "alpha, above 0 and at most 1e6"),
            ("label", "labels_per_client", "labels_per_client, at least 1"),
            ("column", "column", "column, the name of a column of the data set"),
        )
        for kind, name, what in needs:
            is_given = getattr(self, name) is not None
            if self.kind == kind and not is_given:
                raise ValueError(f"a {kind} partition needs {what}")
            belongs = self.kind == kind or (name == "column" and self.kind in ("dirichlet", "label"))
            if is_given and not belongs:
                raise ValueError(f"{name} belongs to a {kind} partition; leave it out for {self.kind}")
        if self.alpha is not None and not 0 < self.alpha <= 1e6:
            raise ValueError(f"alpha must be above 0 and at most 1e6 (got {self.alpha})")
        if self.labels_per_client is not None:
            check_range("labels_per_client", self.labels_per_client, 1, 1_000_000)
        check_range("min_examples", self.min_examples, 1, 1_000_000)


@dataclass(frozen=True)
class Pretraining:
    """What the model has learnt before any client takes part.

    Attributes:
        source: ``public`` (a split of the task's own data), ``digits`` (scikit-learn's scans, scaled to 28x28),
            ``letters`` (capital letters drawn in many fonts: labels disjoint from the task's, so that the last layer
            is not taken over), ``imagenet`` (weights that were trained elsewhere and come with a package; the last
            layer is new) or ``checkpoint`` (a safetensors file); the default is the task's.
        epochs: passes over the examples, at least 1.
        batch_size: examples per step, at least 1.
        lr: learning rate, above 0.
        checkpoint: the safetensors file, for that source: tensors under the model's names. The last layer may be
            missing or made for other labels, and is new then; everything else must be there.
    """

    source: Source | None = None
    epochs: int = 5
    batch_size: int = 16
    lr: float = 0.05
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("epochs", self.epochs, 1, 100_000)
        check_range("batch_size", self.batch_size, 1, 100_000)
        if not 0 < self.lr <= 100:
            raise ValueError(f"lr must be above 0 and at most 100 (got {self.lr})")
        if self.source == "checkpoint" and not self.checkpoint:
            raise ValueError("source checkpoint needs checkpoint, the path of a safetensors file")
        if self.checkpoint and self.source != "checkpoint":
            raise ValueError("checkpoint goes with source: checkpoint; set it, or leave checkpoint out")


@dataclass(frozen=True)
class Trained:
    """What of the model is trained, and so travels in every round; the rest is given to clients once.

    Attributes:
        kind: ``all``, ``norm_and_bias`` (scales and shifts of normalisation layers, biases), ``lora`` (products of two
            small matrices added to the weights of linear layers and ungrouped convolutions) or ``head``. The last layer
            is always trained.
        blocks: only the last so many blocks and what follows them, at least 1; None for the whole model.
        rank: rank of the products, 1 to 1024. Only for ``lora``.
        alpha: the products are scaled by alpha / rank, above 0. Only for ``lora``.
    """

    kind: Literal["all", "norm_and_bias", "lora", "head"] = "all"
    blocks: int | None = None
    rank: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        """Refuse settings out of range, and such as do not go together."""
        if self.blocks is not None:
            check_range("blocks", self.blocks, 1, 10_000)
            if self.kind == "head":
                raise ValueError("blocks does not go with kind head, which trains none; leave it out")
        check_range("rank", self.rank, 1, 1024)
        if not 0 < self.alpha <= 1e6:
            raise ValueError(f"alpha must be above 0 and at most 1e6 (got {self.alpha})")


@dataclass(frozen=True)
class Input:
    """What the model sees of an image of 8-bit pixels.

    Attributes:
        pixels: side of the square that images are resized to, 8 to 1024; None leaves them as they are.
        resize: how.
        mean: subtracted per channel, from values scaled to 0 to 1; None for what the model was made for, else the
            mean over the training images.
        std: divided by after that, each above 0; None as for `mean`, else the deviation.
    """

    pixels: int | None = None
    resize: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.pixels is not None:
            check_range("pixels", self.pixels, 8, 1024)
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together: give both, or none")
        if self.std is not None and min(self.std, default=0) <= 0:
            raise ValueError("std needs values above 0, one per channel")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels and std {len(self.std)}")


def check_source(pretraining: Pretraining, allowed: tuple[Source, ...], task: str) -> None:
    """Raise ValueError with one clear line if a task cannot be pre-trained on the requested source."""
    if pretraining.source not in (None, *allowed):
        raise ValueError(
            f"pretraining: source {pretraining.source} does not fit task {task}; allowed: {', '.join(allowed)}"
        )


def check_model(name: str, own: tuple[str, ...]) -> None:
    """Raise ValueError with one clear line unless `name` is one of `own` or leads to somebody's module.

    Nothing is imported. What ``package.module:callable`` leads to is called with the shape of an image (channels,
    height, width) and the number of labels, and gives a torch module.
    """
    if name not in own and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
        raise ValueError(f"model must be {', '.join(own)} or package.module:callable (got {name})")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ValueError with one clear line unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high} (got {value})")
