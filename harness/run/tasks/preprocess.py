"""Turns images of 8-bit pixels into model inputs: scaled, normalised, resized."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from harness.core.errors import UsageError
from harness.run.tasks.settings import Input

CONVENTIONS = {"efficientnet_lite0": (127 / 255, 128 / 255)}
"""Mean and deviation, in pixels scaled to 0 to 1, that the weights of a model were trained with, for every channel."""


class Preprocess:
    """Images of 8-bit pixels, shape (n, channels, height, width), to float32 of the model's size."""

    def __init__(self, settings: Input, mean: Sequence[float], std: Sequence[float]) -> None:
        """Subtract `mean` and divide by `std`, one value per channel, then resize as `settings` say."""
        self._settings = settings
        self._mean, self._std = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))

    def __call__(self, images: Tensor) -> Tensor:
        """What the model sees of `images`."""
        mean, std = (values.to(images.device) for values in (self._mean, self._std))
        seen = (images.to(torch.float32) / 255 - mean) / std
        side, mode = self._settings.pixels, self._settings.resize
        if side is None or seen.shape[2:] == (side, side):
            return seen
        if mode == "nearest":
            return functional.interpolate(seen, (side, side), mode=mode)
        return functional.interpolate(seen, (side, side), mode=mode, align_corners=False, antialias=True)


def preprocess_of(settings: Input, model: str, images: Tensor) -> Preprocess:
    """The preprocessing of a task.

    Args:
        settings: the task's.
        model: its name; weights made elsewhere were trained with a convention of their own.
        images: the training images, uint8 of shape (n, channels, height, width).

    Raises:
        UsageError: mean and std have another number of channels than the images.
    """
    channels = images.shape[1]
    if settings.mean is not None and settings.std is not None:
        mean, std = settings.mean, settings.std
    elif model in CONVENTIONS:
        mean, std = ((value,) * channels for value in CONVENTIONS[model])
    else:
        mean, std = _moments(images)
    if len(mean) != channels:
        raise UsageError(f"task.input: mean and std have {len(mean)} values, and the images {channels} channels")
    return Preprocess(settings, mean, std)


def _moments(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, of pixels scaled to 0 to 1; from counts, so that no float copy is made."""
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].reshape(-1), minlength=256).double()
        values = torch.arange(256, dtype=torch.float64) / 255
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(mean)
        deviations.append(variance**0.5 or 1.0)
    return tuple(means), tuple(deviations)
