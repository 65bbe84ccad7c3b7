"""What one optimiser step takes, whatever it runs on: floating-point operations and memory.

Both are counted on a copy of the model that has shapes and no values (torch's ``meta`` device): nothing is computed, no
random number is drawn, and the model itself stays as it is.
"""

from copy import deepcopy

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from harness.core.types import TrainingWork

BYTES_PER_LABEL = 8


def training_work(module: nn.Module, shape: tuple[int, ...]) -> TrainingWork:
    """What one step of plain SGD on a batch of images takes; its last, smaller batches take less.

    Operations are those of products of matrices and of convolutions, forward and backward, as torch's counter has
    them: a multiplication and an addition are two, and what works entry by entry counts nothing.

    Memory is what must be held at once at the end of the forward pass: parameters and statistics, gradients, the batch,
    what the backward pass needs again (each storage once), and the model as received, which the update is a difference
    from. Plain SGD keeps no state. What layers need beside that for a moment is not in it, nor are code, data set and
    what a codec keeps between rounds: the true peak is higher.

    Args:
        module: a classifier; it is not changed.
        shape: shape of a full batch of float32 images, (n, ...).

    >>> training_work(nn.Linear(8, 4), (16, 8)).flops_per_step
    2048.0
    """
    twin = deepcopy(module).to("meta").train()
    images = torch.empty(shape, device="meta")
    labels = torch.zeros(shape[0], dtype=torch.int64, device="meta")
    own = {tensor.untyped_storage()._cdata for tensor in (*twin.parameters(), images, labels)}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # A storage without values has no address; kept alive, its handle is as good.
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        functional.cross_entropy(twin(images), labels).backward()
    activations = sum(storage.nbytes() for handle, storage in saved.items() if handle not in own)
    trained = sum(parameter.nbytes for parameter in twin.parameters())
    statistics = sum(buffer.nbytes for buffer in twin.buffers())
    model = trained + statistics
    batch = images.nbytes + BYTES_PER_LABEL * shape[0]
    return TrainingWork(float(counter.get_total_flops()), 2 * model + trained + batch + activations)


def warm_up() -> None:
    """Pay the first use of torch's counter, about a second of a process's life, before anything is measured."""
    training_work(nn.Linear(1, 1), (1, 1))
