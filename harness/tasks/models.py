"""The models that tasks train, by name. Each is a plain torch module without buffers."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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


HEAD = "head."
"""Prefix of the parameters of the last layer, in every model."""

MODELS: dict[str, type[nn.Module]] = {"cnn": Cnn, "mlp": Mlp}


def build_model(name: str, shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """The untrained model `name` for examples of `shape`; its weights come from torch's global generator."""
    return MODELS[name](shape, n_classes)


def _rectified_pool(images: Tensor) -> Tensor:
    return functional.relu(functional.max_pool2d(images.contiguous(memory_format=torch.channels_last), 2))
