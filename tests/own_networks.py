"""Networks as a user would bring them: ``tests.own_networks:sequential`` in a definition."""

from torch import nn


def sequential(shape: tuple[int, ...], n_labels: int) -> nn.Module:
    """A convolution, a batch norm and a linear layer, ``4``, for images of 16 x 16 pixels."""
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, n_labels)
    )
