"""The models that tasks train, by name. Each is a plain torch module without buffers."""

import torch
from torch import nn


def mlp(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """One hidden layer of 128 units: 9,610 parameters on 8x8 digits.

    Args:
        shape: shape of one example.
        n_classes: number of labels.
    """
    n_inputs = int(torch.Size(shape).numel())
    return nn.Sequential(nn.Flatten(), nn.Linear(n_inputs, 128), nn.ReLU(), nn.Linear(128, n_classes))


def build_model(name: str, shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The untrained model `name`; its weights come from torch's global generator."""
    return {"mlp": mlp}[name](shape, n_classes)
