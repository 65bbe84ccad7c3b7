"""Implements the steps of an image task, as methods that its dataclass adopts by name. They import torch inside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.run.tasks import prepared_data

if TYPE_CHECKING:
    from harness.core.protocols import EnergyMeter, FederatedProblem


def prepare(self: prepared_data.ImageTask, seeds: Sequence[int]) -> None:
    """Leave splits and partitions in the cache."""
    prepared_data.prepare(self, seeds)


def pretraining_folder(self: prepared_data.ImageTask) -> Path | None:
    """Path of the pre-trained model, existing or not yet; None for ``init: random``."""
    return prepared_data.pretraining_folder(self)


def pretrain(self: prepared_data.ImageTask, meter: "EnergyMeter") -> None:
    """Train the model on public examples, unless the cache has it."""
    from harness.run.tasks import image_problem

    image_problem.pretrain(self, meter)


def needs_activations(self: prepared_data.ImageTask, seed: int, training: Mapping[str, Any]) -> bool:
    """Whether what the fixed part of the model makes of the examples is still to be computed for `seed`."""
    return (
        prepared_data.has_fixed_part(self, training["augment"])
        and not prepared_data.activations_folder(self, seed).is_dir()
    )


def compute_activations(self: prepared_data.ImageTask, seed: int, training: Mapping[str, Any]) -> None:
    """Compute them, unless the cache has them."""
    from harness.run.tasks import image_problem

    if prepared_data.has_fixed_part(self, training["augment"]):
        image_problem.compute_activations(self, seed)


def build(self: prepared_data.ImageTask, seed: int, training: Mapping[str, Any]) -> "FederatedProblem":
    """The federated problem at `seed`; `training` holds the fields of `LocalTraining`."""
    from harness.run.tasks import image_problem
    from harness.run.tasks.local_training import LocalTraining

    return image_problem.build(self, seed, LocalTraining(**training))
