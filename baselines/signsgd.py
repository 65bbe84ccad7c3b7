"""Implements scaled sign: one bit per entry and each tensor's mean magnitude; with error feedback, EF-SignSGD.

Each entry is decoded as plus or minus ``||x||_1 / n`` of its tensor of n entries. Zero (of either sign) counts as
positive: without error feedback such an entry is moved by the mean magnitude, with it the next update takes it back.

Wire format: for each tensor that has entries, float32 mean magnitude, at least 0; then for all entries in model
order one bit, 1 for negative, least significant bit first, zero bits at the end. Little-endian:
``4 T + ceil(d / 8)`` bytes, T tensors with entries.
Error: ``||x - decoded||^2 = ||x||^2 - ||x||_1^2 / n`` per tensor.

References:
    Karimireddy, Rebjock, Stich, Jaggi, "Error Feedback Fixes SignSGD and other Gradient Compression Schemes",
    ICML 2019 (the scaled sign, and why it needs error feedback).
    Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex Problems",
    ICML 2018 (the sign without a scale).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import pack, packed_bytes, unpack_narrow


@dataclass(frozen=True)
class ScaledSign:
    """One bit per entry: its sign, times the mean magnitude of the tensor; meant for error feedback."""

    kind: ClassVar[str] = "signsgd"
    wire_id: ClassVar[int] = 4
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "biased; use with error feedback."
    work: ClassVar[Work] = "memory"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False

    def nominal_bits(self, layout: Layout) -> float:
        """1."""
        return 1.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`, ``4 T + ceil(d / 8)`` bytes; see `harness.core.protocols.Codec`."""
        check_finite(update)
        magnitudes = np.abs(update.values)
        scales = [magnitudes[place].mean(dtype=np.float64) for tensor, place in update.layout.slices() if tensor.size]
        return float32_bytes(np.array(scales)) + pack((update.values < 0).view(np.uint8), 1), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """Plus or minus the mean magnitude; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        n_filled = sum(tensor.size > 0 for tensor in layout.tensors)
        scales = reader.float32(n_filled, "mean magnitudes")
        if np.signbit(scales).any():
            raise PayloadError("a mean magnitude in the body is negative")
        is_negative = unpack_narrow(reader.take(packed_bytes(layout.size, 1), "signs"), layout.size, 1)
        reader.finish()
        values = np.empty(layout.size, dtype=np.float32)
        remaining = iter(scales)
        for tensor, place in layout.slices():
            if tensor.size:
                scale = next(remaining)
                values[place] = np.array([scale, -scale])[is_negative[place]]
        return Update(values, layout)
