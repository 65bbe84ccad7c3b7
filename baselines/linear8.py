"""Implements eight-bit linear quantisation: 256 evenly spaced values from each tensor's smallest to its largest entry.

Entry x is sent as the nearest i of ``low + i * step``, ``step = (high - low) / 255``; the ends of the range are exact.

Wire format: for each tensor that has entries, float32 low, float32 high; then the i of all entries in model order, as
`coding` says: ``packed``: a byte each, the usual form; ``ans``: entropy-coded, a histogram per tensor, in one stream
(`baselines.streams`). What is decoded is the same. Little-endian; packed: ``8 T + d`` bytes, T tensors with entries.
Error of an entry: at most ``step / 2`` plus the rounding to float32.

References:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    CVPR 2018 (affine quantisation; here the offset is `low` itself, not an integer zero point).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from baselines.coded import Coded
from baselines.streams import read_tensors, write_tensors
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.groups import Symbols

_N_STEPS = 255


@dataclass(frozen=True)
class Linear8(Coded):
    """One byte per entry: 256 evenly spaced values from the smallest to the largest of each tensor.

    Attributes:
        coding: ``packed``, a byte an entry, or entropy-coded (``ans``); what is decoded is the same.
    """

    coding: Literal["packed", "ans"] = "packed"

    kind: ClassVar[str] = "linear8"
    wire_id: ClassVar[int] = 3
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "deterministic (nearest, ties to even)."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse an unknown coding."""
        if self.coding not in ("packed", "ans"):
            raise ValueError(f"coding must be packed or ans (got {self.coding})")

    def nominal_bits(self, layout: Layout) -> float:
        """8."""
        return 8.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        ranges = []
        indices = np.zeros(update.layout.size, dtype=np.uint8)
        for tensor, place in update.layout.slices():
            if tensor.size:
                values = update.values[place]
                low, high = float(values.min()), float(values.max())
                ranges += [low, high]
                if high > low:
                    steps = np.subtract(values, low, dtype=np.float64)
                    steps *= _N_STEPS / (high - low)
                    indices[place] = np.rint(steps, out=steps)
        coded = indices.tobytes() if self.coding == "packed" else write_tensors(indices, update.layout, _N_STEPS + 1)
        return float32_bytes(np.array(ranges)) + coded, state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The rounded update; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        n_filled = sum(tensor.size > 0 for tensor in layout.tensors)
        ranges = iter(reader.float32(2 * n_filled, "ranges").reshape(-1, 2).tolist())
        if self.coding == "packed":
            indices: Symbols = np.frombuffer(reader.take(layout.size, "indices"), dtype=np.uint8)
        else:
            indices = read_tensors(reader.rest(), layout, _N_STEPS + 1, "indices")
        reader.finish()
        values = np.empty(layout.size, dtype=np.float32)
        for tensor, place in layout.slices():
            if tensor.size:
                low, high = next(ranges)
                if low > high:
                    raise PayloadError(f"tensor {tensor.name}: range from {low} to {high}")
                values[place] = _grid(low, high)[indices[place]]
        return Update(values, layout)


def _grid(low: float, high: float) -> Float32:
    """The 256 values of an index, rounded to float32 from float64."""
    # linspace ends exactly on `high`, so that no point lies beyond the largest float32.
    return np.linspace(low, high, _N_STEPS + 1).astype(np.float32)
