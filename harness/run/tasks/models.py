"""Builds the models that tasks train, by name: plain torch modules."""

import importlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.run.tasks.efficientnet_lite import EfficientNetLite0


class Cnn(nn.Module):
    """Two 5x5 convolutions with pooling and two linear layers: 80,202 parameters on 28x28 grey images, 10 labels.

    Pooling runs on a channels-last copy, which torch pools several times faster on a CPU, and the rectifier after it:
    the maximum commutes with it, so values and gradients are the same.
    """

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        """Layers for images of `shape` (channels, height, width), at least 16 pixels a side."""
        super().__init__()
        channels, height, width = shape
        inner = [((side - 4) // 2 - 4) // 2 for side in (height, width)]
        if min(inner) < 1:
            raise ValueError(f"the cnn needs images of at least 16 x 16 pixels, got {height} x {width}")
        self.conv1 = nn.Conv2d(channels, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.hidden = nn.Linear(32 * inner[0] * inner[1], 128)
        self.head = nn.Linear(128, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, n_classes) for images of shape (n, channels, height, width)."""
        pooled = _rectified_pool(self.conv1(images))
        pooled = _rectified_pool(self.conv2(pooled))
        hidden: Tensor = self.head(functional.relu(self.hidden(pooled.contiguous().flatten(1))))
        return hidden


class Mlp(nn.Module):
    """One hidden layer of 128 units: 9,610 parameters on 8x8 digits."""

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        """Layers for examples of `shape`."""
        super().__init__()
        self.hidden = nn.Linear(int(torch.Size(shape).numel()), 128)
        self.head = nn.Linear(128, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, n_classes) for examples of any shape."""
        logits: Tensor = self.head(functional.relu(self.hidden(images.flatten(1))))
        return logits


MODELS: Mapping[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "cnn": Cnn,
    "mlp": Mlp,
    "efficientnet_lite0": lambda shape, n_classes: EfficientNetLite0(n_classes, shape[0]),
}

HEADS: Mapping[str, str] = {"efficientnet_lite0": "_fc"}
"""Name of the last layer where it is not ``head``."""


def build_model(name: str, shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The untrained model `name` for examples of `shape`; its weights come from torch's global generator.

    Raises:
        EnvironmentLacksError: what ``package.module:callable`` leads to cannot be imported.
        UsageError: it gives no torch module.
    """
    if name in MODELS:
        return MODELS[name](shape, n_classes)
    path, _, attribute = name.partition(":")
    try:
        make = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError) as error:
        raise EnvironmentLacksError(f"model {name} cannot be loaded: {error}. Is its package installed?") from error
    module = make(shape, n_classes)
    if not isinstance(module, nn.Module):
        raise UsageError(f"model {name} gave {type(module).__name__} for {shape} and {n_classes} labels, no nn.Module")
    return module


def _rectified_pool(images: Tensor) -> Tensor:
    return functional.relu(functional.max_pool2d(images.contiguous(memory_format=torch.channels_last), 2))
