"""Settings that tasks share. Free of torch, so that a spec is validated without it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Partition:
    """How the training examples are spread over the clients.

    Attributes:
        kind: ``iid`` (equal shares of a shuffled order) or ``dirichlet`` (label shares drawn from a Dirichlet
            distribution; Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated
            Visual Classification", 2019).
        alpha: concentration of the Dirichlet distribution, above 0; small is heterogeneous. Only for ``dirichlet``.
        min_examples: fewest examples that a client may hold, at least 1.
    """

    kind: Literal["iid", "dirichlet"] = "iid"
    alpha: float | None = None
    min_examples: int = 2

    def __post_init__(self) -> None:
        """Refuse settings that do not go together."""
        if self.kind == "dirichlet" and not (self.alpha is not None and 0 < self.alpha <= 1e6):
            raise ValueError(f"a dirichlet partition needs alpha above 0 and at most 1e6 (got {self.alpha})")
        if self.kind == "iid" and self.alpha is not None:
            raise ValueError("alpha belongs to a dirichlet partition; leave it out for iid")
        check_range("min_examples", self.min_examples, 1, 1_000_000)


@dataclass(frozen=True)
class Pretraining:
    """SGD on the public split.

    Attributes:
        epochs: passes over the public split, at least 1.
        batch_size: examples per step, at least 1.
        lr: learning rate, above 0.
    """

    epochs: int = 5
    batch_size: int = 16
    lr: float = 0.05

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("epochs", self.epochs, 1, 100_000)
        check_range("batch_size", self.batch_size, 1, 100_000)
        if not 0 < self.lr <= 100:
            raise ValueError(f"lr must be above 0 and at most 100 (got {self.lr})")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ValueError with one clear line unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high} (got {value})")
