"""Top-k sparsification: send the entries of largest magnitude of the whole vector, the rest decodes to zero.

``k = max(1, round(ratio * d))``, halves to even; of equal magnitudes the one that comes first in model order is kept.
The ranking is over the whole vector, not per tensor: it minimises the squared error for k entries, and follows the
published method, whose compressor acts on the parameter vector.

Wire format: the positions, then k float32 values in the order of their positions. d and k are known to both ends, and
with them which form of positions is shorter and therefore sent:
list: k positions, ascending, packed at ceil(log2 d) bits (`harness.wire.packing`);
bitmap: d bits, 1 for kept, least significant bit first, zero bits at the end (shorter from a ratio of about 1/log2 d).
Little-endian: ``min(packed_bytes(k, ceil(log2 d)), ceil(d / 8)) + 4 k`` bytes; an empty model takes none.
Bias: biased; use with error feedback. ``||x - decoded||^2 <= (1 - k/d) ||x||^2``.

References:
    Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", NeurIPS 2018.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import bits_for, pack, packed_bytes


@dataclass(frozen=True)
class TopK:
    """Only the share of entries with the largest magnitude, the rest as zero; meant for error feedback.

    Attributes:
        ratio: share of the entries that is kept, above 0, at most 1.
    """

    ratio: float

    kind: ClassVar[str] = "topk"
    wire_id: ClassVar[int] = 5

    def __post_init__(self) -> None:
        """Refuse a ratio that is no share."""
        if not 0 < self.ratio <= 1:
            raise ValueError(f"ratio must be above 0 and at most 1 (got {self.ratio})")

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        d = update.layout.size
        positions = _largest(update.values, self._n_kept(d))
        if _is_bitmap(len(positions), d):
            bitmap = np.zeros(d, dtype=np.uint32)
            bitmap[positions] = 1
            sent = pack(bitmap, 1)
        else:
            sent = pack(positions.astype(np.uint32), bits_for(d))
        return sent + float32_bytes(update.values[positions]), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The kept entries, zero elsewhere; see `harness.core.protocols.Codec`."""
        d = layout.size
        k = self._n_kept(d)
        reader = BodyReader(body)
        if _is_bitmap(k, d):
            positions = np.flatnonzero(reader.packed(d, 1, "bitmap"))
        else:
            positions = reader.packed(k, bits_for(d), "positions").astype(np.intp)
        if len(positions) != k or (positions[1:] <= positions[:-1]).any() or (positions[-1:] >= d).any():
            raise PayloadError(f"positions in the body are not {k} ascending numbers below {d}")
        kept = reader.float32(k, "values")
        reader.finish()
        values = np.zeros(d, dtype=np.float32)
        values[positions] = kept
        return Update(values, layout)

    def _n_kept(self, d: int) -> int:
        return min(d, max(1, round(self.ratio * d)))


def _is_bitmap(k: int, d: int) -> bool:
    """Whether positions go as a bitmap; a function of what both ends know."""
    return packed_bytes(d, 1) < packed_bytes(k, bits_for(d))


def _largest(values: Float32, k: int) -> NDArray[np.intp]:
    """Ascending positions of the k largest magnitudes; of equal ones the first."""
    if k == 0:
        return np.zeros(0, dtype=np.intp)
    magnitudes = np.abs(values)
    # Partitioning positions would leave the choice among ties to the implementation; the k-th magnitude is unique.
    smallest_kept = np.partition(magnitudes, len(values) - k)[len(values) - k]
    is_kept = magnitudes > smallest_kept
    ties = np.flatnonzero(magnitudes == smallest_kept)
    is_kept[ties[: k - np.count_nonzero(is_kept)]] = True
    return np.flatnonzero(is_kept)
