"""Server rules: decoded updates in, next global model out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.protocols import State
from harness.core.types import Float32, Update


@dataclass(frozen=True)
class Mean:
    """FedAvg: adds the weighted mean of the updates, times a server learning rate.

    McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.

    Attributes:
        lr: server learning rate, above 0; 1 is FedAvg.
    """

    kind: ClassVar[str] = "mean"

    lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if not 0 < self.lr <= 1000:
            raise ValueError(f"lr must be above 0 and at most 1000 (got {self.lr})")

    def init(self, model: Float32) -> State:
        """Keeps nothing."""
        return None

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: NDArray[np.float64], state: State
    ) -> tuple[Float32, State]:
        """``model + lr * sum(weights * decoded) / sum(weights)``, summed in float64 in the order given."""
        total = np.zeros(model.shape, dtype=np.float64)
        for update, weight in zip(decoded, weights / weights.sum(), strict=True):
            total += weight * update.values
        return (model + self.lr * total).astype(np.float32), state
