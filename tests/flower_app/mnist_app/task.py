"""The federated problem of the harness, and models as Flower's records."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord

from harness.core.protocols import FederatedProblem
from harness.core.types import Float32, Layout
from harness.parts import registry


def problem(config: Mapping[str, Any]) -> FederatedProblem:
    """The problem that a run's configuration describes; its data is in ``$HARNESS_CACHE``."""
    # As in the harness: with more threads, sums have another order and other last bits.
    torch.set_num_threads(1)
    task = registry.build("task", {"kind": "mnist", "model": config["model"], "clients": config["clients"]})
    return task.build(config["seed"], {"local_epochs": 1, "batch_size": config["batch-size"], "lr": config["lr"]})


def to_record(model: Float32, layout: Layout) -> ArrayRecord:
    return ArrayRecord({tensor.name: Array(model[place].reshape(tensor.shape)) for tensor, place in layout.slices()})


def to_vector(record: ArrayRecord) -> Float32:
    return np.concatenate([array.numpy().reshape(-1) for array in record.values()])
