"""Chooses where models train: the CPU, or what ``$HARNESS_ACCELERATOR`` names. It changes speed, and last digits."""

import os
from typing import TYPE_CHECKING

from harness.core.errors import EnvironmentLacksError

if TYPE_CHECKING:
    import torch


def is_requested() -> bool:
    """Whether models are to be trained on something else than the CPU. Free of torch."""
    return _name() != "cpu"


def named() -> str:
    """The requested device for training models. Free of torch."""
    return _name()


def training_device() -> "torch.device":
    """The device of torch to train on; its arithmetic is set up to repeat itself.

    Raises:
        EnvironmentLacksError: this machine has no such device.
    """
    import torch

    name = _name()
    if name == "cpu":
        return torch.device("cpu")
    if not (name.startswith("cuda") and torch.cuda.is_available()):
        raise EnvironmentLacksError(
            f"HARNESS_ACCELERATOR is {name}, and torch sees no such device; allowed: cpu, cuda. Unset it to "
            "train on the CPU"
        )
    # Equal cells give equal bytes on equal machines: no kernel that adds in another order, or in fewer bits.
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


def accelerator() -> str | None:
    """What models are trained on, as its driver names it; None where it is the CPU.

    Raises:
        EnvironmentLacksError: see `training_device`.
    """
    device = training_device()
    if device.type == "cpu":
        return None
    import torch

    return str(torch.cuda.get_device_name(device))


def _name() -> str:
    return os.environ.get("HARNESS_ACCELERATOR") or "cpu"
