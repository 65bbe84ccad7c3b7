"""Implements top-k sparsification: sends the largest magnitudes of the whole vector; the rest decodes to zero.

``k = max(1, round(ratio * d))``, halves to even; of equal magnitudes the one that comes first in model order is kept.
The ranking is over the whole vector, not per tensor: it minimises the squared error for k entries, and follows the
published method, whose compressor acts on the parameter vector.

The method sends values as float32. With fewer `value_bits` v, our addition, a value is a sign and a magnitude out of
``2**(v-1)``: zero, and the others in equal ratios from the smallest kept magnitude that is not zero to the largest;
nearest ratio. Kept magnitudes are above a threshold with a long tail, on which equal steps would be wasted.

Wire format: the positions, then the values in the order of their positions. d and k are known to both ends.
Positions (`baselines.positions`): ``packed``: a list at ceil(log2 d) bits or a bitmap, whichever is shorter;
``ans``: an entropy-coded bitmap, as long as what the values leave of the body. What is decoded is the same.
Values: k float32; or, below 32 bits, float32 smallest (0 if all are zero), float32 largest, then k packed numbers of v
bits (`harness.wire.packing`): the highest bit 1 for negative, the others 0 for zero, 1 for the smallest and so on.
Little-endian; packed, with float32 values: ``min(packed_bytes(k, ceil(log2 d)), ceil(d / 8)) + 4 k`` bytes; an empty
model takes none.
Error: ``||x - decoded||^2 <= (1 - k/d) ||x||^2`` with float32 values.

References:
    Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", NeurIPS 2018.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from baselines.coded import Coded
from baselines.positions import check_ratio, code_ans, largest, n_kept, pack_plain, plain_bits, read_ans, read_plain
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import pack, packed_bytes

_WIDTHS = (4, 8, 16, 32)


@dataclass(frozen=True)
class TopK(Coded):
    """Only the share of entries with the largest magnitude, the rest as zero; meant for error feedback.

    Attributes:
        ratio: share of the entries that is kept, above 0, at most 1.
        value_bits: bits of a kept value: 32 (float32), 16, 8 or 4.
        coding: positions ``packed``, or entropy-coded (``ans``); what is decoded is the same.
    """

    ratio: float
    value_bits: int = 32
    coding: Literal["packed", "ans"] = "packed"

    kind: ClassVar[str] = "topk"
    wire_id: ClassVar[int] = 5
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "biased; use with error feedback."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_ratio(self.ratio)
        if self.value_bits not in _WIDTHS:
            raise ValueError(f"value_bits must be 4, 8, 16 or 32 (got {self.value_bits})")
        if self.coding not in ("packed", "ans"):
            raise ValueError(f"coding must be packed or ans (got {self.coding})")

    def nominal_bits(self, layout: Layout) -> float:
        """Share of kept entries times value and position, the latter at a fixed width or as a bitmap."""
        d = layout.size
        k = n_kept(self.ratio, d)
        return (k * self.value_bits + plain_bits(k, d)) / max(d, 1)

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        d = update.layout.size
        positions = largest(update.values, n_kept(self.ratio, d))
        coded = pack_plain(positions, d) if self.coding == "packed" else code_ans(positions, d)
        return coded + self._value_bytes(update.values[positions]), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The kept entries, zero elsewhere; see `harness.core.protocols.Codec`."""
        d = layout.size
        k = n_kept(self.ratio, d)
        reader = BodyReader(body)
        if self.coding == "packed":
            positions = read_plain(reader, k, d)
        else:
            positions = read_ans(reader.take(max(0, len(body) - self._n_value_bytes(k)), "positions"), k, d)
        kept = self._read_values(reader, k)
        reader.finish()
        values = np.zeros(d, dtype=np.float32)
        values[positions] = kept
        return Update(values, layout)

    def _n_value_bytes(self, k: int) -> int:
        is_ranged = k > 0 and self.value_bits < 32
        return packed_bytes(k, self.value_bits) + 8 * is_ranged

    def _value_bytes(self, kept: Float32) -> bytes:
        if self.value_bits == 32 or not kept.size:
            return float32_bytes(kept)
        magnitudes = np.abs(kept)
        is_zero = magnitudes == 0
        high = float(magnitudes.max())
        low = high if is_zero.all() else float(magnitudes[~is_zero].min())
        indices = np.ones(kept.size, dtype=np.uint32)
        if high > low:
            per_octave = (2 ** (self.value_bits - 1) - 2) / math.log2(high / low)
            octaves = np.log2(np.where(is_zero, low, magnitudes), dtype=np.float64) - math.log2(low)
            indices += np.rint(octaves * per_octave).astype(np.uint32)
        indices[is_zero] = 0
        indices |= (kept < 0).astype(np.uint32) << np.uint32(self.value_bits - 1)
        return float32_bytes(np.array([low, high])) + pack(indices, self.value_bits)

    def _read_values(self, reader: BodyReader, k: int) -> Float32:
        if self.value_bits == 32 or not k:
            return reader.float32(k, "values")
        low, high = reader.float32(2, "range of the values").tolist()
        if not 0 <= low <= high or low == 0 < high:
            raise PayloadError(f"kept magnitudes from {low} to {high} in the body")
        indices = reader.packed(k, self.value_bits, "values")
        n_magnitudes = 2 ** (self.value_bits - 1)
        magnitudes = np.zeros(n_magnitudes)
        if high > 0:
            magnitudes[1:] = low * np.exp2(np.linspace(0, math.log2(high / low), n_magnitudes - 1))
        # The ends are exact, and no rounding leads beyond the largest float32.
        magnitudes[-1] = high
        grid = np.minimum(magnitudes, high).astype(np.float32)
        kept: Float32 = grid[indices & np.uint32(n_magnitudes - 1)]
        kept[indices >= n_magnitudes] *= -1
        return kept
