"""Defines the values that travel through the harness.

Everything left of the ledger speaks of `Update`s and produces facts (`Transfer`, `ComputeWindow`, `Score`,
`EnergyReading`); everything right of it reduces those facts to quantities (see `PRICES`) and
prices them with `Coefficient`s.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

Int64 = NDArray[np.int64]

UInt8 = NDArray[np.uint8]

Float64 = NDArray[np.float64]

Direction = Literal["uplink", "downlink"]
"""Uplink is client to server, downlink is server to client."""

Phase = Literal["setup", "local_training", "encode", "decode", "aggregate", "evaluate", "codec_timing"]
"""What a compute window was spent on; the time of a cell outside every window is reported as ``other``."""

Split = Literal["validation", "test"]
"""Held-out examples that the global model is scored on."""

Metric = Literal["accuracy", "loss", "sent_accuracy", "sent_loss"]
"""Accuracy is a share from 0 to 1, loss is mean cross-entropy in nats; ``sent_``: of the model as clients decode it."""

Work = Literal["dense", "memory", "serial"]
"""What a piece of work waits for: floating-point units (rotations, factorisations), memory (packing, sorting, adding
entry by entry), or one integer core (coding of symbols)."""

SERVER = -1
"""Client number of work that the server does, and of a payload that every client receives alike."""


@dataclass(frozen=True)
class TensorSpec:
    """Name and shape of one tensor of the model.

    Attributes:
        name: as the model calls it.
        shape: as the model has it; () for a scalar.
        is_statistic: whether it is measured rather than trained, such as the running mean and variance of a batch
            norm. Statistics travel as float32 under every codec, are charged, and are averaged under every server rule.
    """

    name: str
    shape: tuple[int, ...]
    is_statistic: bool = False

    @cached_property
    def size(self) -> int:
        """Number of entries, at least 0 (1 for a scalar)."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """The public shape of a model: its tensors, in the order of a flat vector, statistics last."""

    tensors: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        """Refuse a trained tensor behind a statistic: what codecs see is one run."""
        kinds = [tensor.is_statistic for tensor in self.tensors]
        if kinds != sorted(kinds):
            raise ValueError("the statistics of a layout stand behind its trained tensors")

    @cached_property
    def trained(self) -> "Layout":
        """The layout without statistics: what codecs see."""
        return Layout(tuple(tensor for tensor in self.tensors if not tensor.is_statistic))

    @cached_property
    def size(self) -> int:
        """Number of parameters d."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def reference_bytes(self) -> int:
        """Bytes of the same vector as raw float32: what every ratio divides by."""
        return 4 * self.size

    def slices(self) -> Iterator[tuple[TensorSpec, slice]]:
        """Each tensor with its place in the flat vector."""
        start = 0
        for tensor in self.tensors:
            yield tensor, slice(start, start + tensor.size)
            start += tensor.size


@dataclass(frozen=True, eq=False)
class Update:
    """A flat float32 vector with its layout.

    On the uplink it is the trained model minus the model the client decoded; on the downlink in ``model`` mode it
    is the global model itself.

    Attributes:
        values: float32, shape (layout.size,), finite.
        layout: names and shapes of the tensors in `values`.
    """

    values: Float32
    layout: Layout

    def __post_init__(self) -> None:
        """Refuse a vector that does not fit its layout."""
        if self.values.dtype != np.float32 or self.values.shape != (self.layout.size,):
            raise ValueError(
                f"an update of this layout is float32 of shape ({self.layout.size},), "
                f"got {self.values.dtype} of shape {self.values.shape}"
            )


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images.

    Attributes:
        images: float32, or uint8 where the model scales pixels itself, shape (n, ...).
        labels: int64, shape (n,), from 0.
    """

    images: Float32 | UInt8
    labels: Int64


@dataclass(frozen=True)
class Agreed:
    """What both ends know before a payload is sent, and so need not send."""

    seed: int
    round: int
    client: int
    direction: Direction
