"""Settings that tasks share. Free of torch, so that a spec is validated without it."""

from dataclasses import dataclass
from typing import Literal

Init = Literal["random", "pretrained"]
Source = Literal["public", "digits", "letters"]


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
        column: name of the column. Only for ``column``; the task's clients are then the first values in order.
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
            if self.kind != kind and is_given:
                raise ValueError(f"{name} belongs to a {kind} partition; leave it out for {self.kind}")
        if self.alpha is not None and not 0 < self.alpha <= 1e6:
            raise ValueError(f"alpha must be above 0 and at most 1e6 (got {self.alpha})")
        if self.labels_per_client is not None:
            check_range("labels_per_client", self.labels_per_client, 1, 1_000_000)
        check_range("min_examples", self.min_examples, 1, 1_000_000)


@dataclass(frozen=True)
class Pretraining:
    """SGD on public examples, before any client takes part.

    Attributes:
        source: ``public`` (a split of the task's own data), ``digits`` (scikit-learn's scans, scaled to 28x28) or
            ``letters`` (capital letters drawn in many fonts: labels disjoint from the task's, so that the last layer
            is not taken over); the default is the task's.
        epochs: passes over the examples, at least 1.
        batch_size: examples per step, at least 1.
        lr: learning rate, above 0.
    """

    source: Source | None = None
    epochs: int = 5
    batch_size: int = 16
    lr: float = 0.05

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("epochs", self.epochs, 1, 100_000)
        check_range("batch_size", self.batch_size, 1, 100_000)
        if not 0 < self.lr <= 100:
            raise ValueError(f"lr must be above 0 and at most 100 (got {self.lr})")


def check_source(pretraining: Pretraining, allowed: tuple[Source, ...], task: str) -> None:
    """Raise ValueError with one clear line if a task cannot be pre-trained on the source asked for."""
    if pretraining.source not in (None, *allowed):
        raise ValueError(
            f"pretraining: source {pretraining.source} does not fit task {task}; allowed: {', '.join(allowed)}"
        )


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ValueError with one clear line unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high} (got {value})")
