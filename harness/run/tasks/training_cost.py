"""Counts what one optimiser step takes on any machine: floating-point operations and memory.

Both are counted on a copy of the model that has shapes and no values (torch's ``meta`` device): nothing is computed, no
random number is drawn, and the model itself stays as it is.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from harness.core.facts import TrainingWork
from harness.run.tasks.trainable import Trainable, whole

BYTES_PER_LABEL = 8


def _backward_of_convolution(
    grad_shape: Sequence[int], image_shape: Sequence[int], weight_shape: Sequence[int], *settings: Any, out_shape: Any
) -> int:
    """Each gradient of a convolution takes what its forward pass takes: torch's own count is wrong for groups."""
    del out_shape
    is_transposed, output_mask = settings[4], settings[-1]
    pixels = image_shape[2:] if is_transposed else grad_shape[2:]
    n_gradients = int(output_mask[0]) + int(output_mask[1])
    return 2 * grad_shape[0] * math.prod(pixels) * math.prod(weight_shape) * n_gradients


_COUNTS = {torch.ops.aten.convolution_backward: _backward_of_convolution}


def training_work(network: Trainable, batch: Tensor, n_states: int = 0, images: Tensor | None = None) -> TrainingWork:
    """What one step of SGD on a batch takes; the last, smaller batches of a pass take less.

    Operations are those of products of matrices and of convolutions, forward and backward, as torch's counter has
    them: a multiplication and an addition are two, and what works entry by entry counts nothing.

    Memory is what must be held at once at the end of the forward pass: parameters and statistics, gradients, what the
    optimiser keeps, the batch, what the backward pass needs again (each storage once), and the model as received, which
    the update is a difference from. What layers need briefly besides that is not in it, nor are code, data set and
    what a codec keeps between rounds: the true peak is higher.

    Args:
        network: a classifier; it is not changed.
        batch: a full batch of what its trained part takes, shape (n, ...); only shape and type matter.
        n_states: vectors as long as the trained parameters that the optimiser keeps, at least 0.
        images: a full batch of images, where `batch` is what the fixed part made of them.

    >>> from harness.run.tasks.trainable import whole
    >>> training_work(whole(nn.Linear(8, 4)), torch.empty(16, 8)).flops_per_step
    2048.0
    """
    twin = deepcopy(network)
    twin.module.to("meta")
    twin.train()
    examples = torch.empty_like(batch, device="meta")
    labels = torch.zeros(len(batch), dtype=torch.int64, device="meta")
    own = {tensor.untyped_storage()._cdata for tensor in (*twin.module.parameters(), examples, labels)}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        # A storage without values has no address; kept alive, its handle is as good.
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with (
        FlopCounterMode(display=False, custom_mapping=_COUNTS) as counter,
        saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        functional.cross_entropy(twin.logits(examples), labels).backward()
    activations = sum(storage.nbytes() for handle, storage in saved.items() if handle not in own)
    parameters = sum(parameter.nbytes for parameter in twin.module.parameters())
    buffers = sum(buffer.nbytes for buffer in twin.module.buffers())
    trained = sum(parameter.nbytes for _, parameter in twin.parameters())
    received = trained + sum(buffer.nbytes for _, buffer in twin.statistics())
    held = parameters + buffers + received + trained * (1 + n_states) + activations
    held += examples.nbytes + BYTES_PER_LABEL * len(batch)
    return TrainingWork(float(counter.get_total_flops()), held, 0.0 if images is None else _fixed_flops(twin, images))


def _fixed_flops(twin: Trainable, images: Tensor) -> float:
    """Operations of the fixed part on a batch of images."""
    with FlopCounterMode(display=False, custom_mapping=_COUNTS) as counter, torch.inference_mode():
        twin.activations(torch.empty_like(images, device="meta"))
    return float(counter.get_total_flops())


def warm_up() -> None:
    """Pay the first use of torch's counter, about a second of a process's life, before anything is measured."""
    training_work(whole(nn.Linear(1, 1)), torch.empty(1, 1))
