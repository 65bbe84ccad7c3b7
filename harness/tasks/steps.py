"""The steps of an image task, as methods that its dataclass takes over by name. Torch is imported inside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.tasks import prepared

if TYPE_CHECKING:
    from harness.core.protocols import EnergyMeter, FederatedProblem


def prepare(self: prepared.ImageTask, seeds: Sequence[int]) -> None:
    """Leave splits and partitions in the cache."""
    prepared.prepare(self, seeds)


def pretraining_folder(self: prepared.ImageTask) -> Path | None:
    """Where the pre-trained model lies or will lie; None for ``init: random``."""
    return prepared.pretraining_folder(self)


def pretrain(self: prepared.ImageTask, meter: "EnergyMeter") -> None:
    """Train the model on public examples, unless the cache has it."""
    from harness.tasks import image_problem

    image_problem.pretrain(self, meter)


def needs_activations(self: prepared.ImageTask, seed: int, training: Mapping[str, Any]) -> bool:
    """Whether what the fixed part of the model makes of the examples is still to be computed for `seed`."""
    return prepared.has_fixed_part(self, training["augment"]) and not prepared.activations_folder(self, seed).is_dir()


def compute_activations(self: prepared.ImageTask, seed: int, training: Mapping[str, Any]) -> None:
    """Compute them, unless the cache has them."""
    from harness.tasks import image_problem

    if prepared.has_fixed_part(self, training["augment"]):
        image_problem.compute_activations(self, seed)


def build(self: prepared.ImageTask, seed: int, training: Mapping[str, Any]) -> "FederatedProblem":
    """The federated problem at `seed`; `training` holds the fields of `LocalTraining`."""
    from harness.local_training import LocalTraining
    from harness.tasks import image_problem

    return image_problem.build(self, seed, LocalTraining(**training))
