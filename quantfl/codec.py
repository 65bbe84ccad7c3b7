"""QuantFL's bucket codec, after the abstract: equal-width buckets over a range per tensor, indices packed.

The paper's full text was not available. Range rule, reconstruction and wire format are choices made here, offered as
settings; "BU" is read as bucket-uniform.

Wire format, little-endian. With L levels, an index has ``b = ceil(log2 L)`` bits; L, rule and reconstruction are
agreed beforehand and not sent.
1. For each tensor, in model order, float32 numbers:
   ``centre``: low, high (8 bytes); bucket i is decoded as ``low + (i + 1/2) (high - low) / L``;
   ``mean``: a codebook of L numbers (4 L bytes); bucket i is decoded as entry i, so that no range is needed.
   A tensor of n entries that would not get shorter (``32 n <= 8 * bytes above + b n``) goes as its n entries instead.
   Both ends know this from the layout; an empty tensor so costs nothing.
2. The indices of all other entries, in model order, packed in one run at b bits (`harness.wire.packing`).

Bias: deterministic (nearest bucket); no error feedback, no state. Error of an entry, for ``min_max``: at most
``(high - low) / (2 L)`` with ``centre``, below ``(high - low) / L`` with ``mean``, plus the rounding to float32. With
``percentile``, entries outside the range have no bound. ``mean`` keeps the sum of each tensor.

References:
    Herath, Rahulamathavan, De Silva, Lambotharan, "QuantFL: Sustainable Federated Learning for Edge IoT via
    Pre-Trained Model Quantisation", arXiv 2603.17507, 2026 (abstract).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, TensorSpec, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import bits_for, pack
from quantfl.quantizer import bucket_centres, bucket_means, min_max_range, nearest_buckets, percentile_range


@dataclass(frozen=True)
class QuantFL:
    """QuantFL's bucket-uniform quantiser: equal-width buckets per tensor, indices packed.

    Attributes:
        levels: buckets per tensor, 2 to 65536; any number, though only a power of two fills its bits.
        range_rule: ``min_max`` spans all entries; ``percentile`` the central ones, and clips the rest.
        percentile: share of the entries within the range, in %, above 50 and below 100; only with ``percentile``.
        reconstruction: ``centre`` of the bucket, or ``mean`` of its entries, sent as a codebook.
    """

    levels: int = 64
    range_rule: Literal["min_max", "percentile"] = "min_max"
    percentile: float | None = None
    reconstruction: Literal["centre", "mean"] = "centre"

    kind: ClassVar[str] = "quantfl"
    wire_id: ClassVar[int] = 6

    def __post_init__(self) -> None:
        """Refuse settings out of range, and a percentile that would be ignored or is missing."""
        if not 2 <= self.levels <= 65536:
            raise ValueError(f"levels must be 2 to 65536 (got {self.levels})")
        if self.range_rule not in ("min_max", "percentile"):
            raise ValueError(f"range_rule must be min_max or percentile (got {self.range_rule})")
        if self.reconstruction not in ("centre", "mean"):
            raise ValueError(f"reconstruction must be centre or mean (got {self.reconstruction})")
        if self.range_rule == "min_max" and self.percentile is not None:
            raise ValueError(f"percentile is for range_rule: percentile only (got {self.percentile} with min_max)")
        if self.range_rule == "percentile" and (self.percentile is None or not 50 < self.percentile < 100):
            raise ValueError(f"percentile must be above 50 and below 100, e.g. 99.9 (got {self.percentile})")

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; its length depends on the layout only. See `harness.core.protocols.Codec`."""
        check_finite(update)
        numbers: list[Float32] = []
        indices = [np.zeros(0, dtype=np.uint32)]
        for _, place, is_coded in self._plan(update.layout):
            values = update.values[place]
            if not is_coded:
                numbers.append(values)
                continue
            low, high = self._range(values)
            buckets = nearest_buckets(values, low, high, self.levels)
            indices.append(buckets)
            if self.reconstruction == "mean":
                numbers.append(bucket_means(values, buckets, low, high, self.levels))
            else:
                numbers.append(np.array([low, high], dtype=np.float32))
        return b"".join(map(float32_bytes, numbers)) + pack(np.concatenate(indices), bits_for(self.levels)), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The update with every entry replaced by its bucket's value; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        values = np.empty(layout.size, dtype=np.float32)
        codebooks: list[tuple[slice, Float32]] = []
        for tensor, place, is_coded in self._plan(layout):
            if is_coded:
                codebooks.append((place, self._read_codebook(reader, tensor)))
            else:
                values[place] = reader.float32(tensor.size, f"entries of {tensor.name}")
        n_indices = sum(place.stop - place.start for place, _ in codebooks)
        indices = reader.packed(n_indices, bits_for(self.levels), "indices")
        reader.finish()
        if n_indices and int(indices.max()) >= self.levels:
            raise PayloadError(f"index {int(indices.max())} in the body, expected 0 to {self.levels - 1}")
        start = 0
        for place, codebook in codebooks:
            stop = start + place.stop - place.start
            values[place] = codebook[indices[start:stop]]
            start = stop
        return Update(values, layout)

    def _plan(self, layout: Layout) -> Iterator[tuple[TensorSpec, slice, bool]]:
        """Each tensor with its place, and whether it is coded or goes as its float32 entries."""
        header_bits = 32 * (self.levels if self.reconstruction == "mean" else 2)
        for tensor, place in layout.slices():
            yield tensor, place, 32 * tensor.size > header_bits + bits_for(self.levels) * tensor.size

    def _range(self, values: Float32) -> tuple[float, float]:
        if self.percentile is None:
            return min_max_range(values)
        return percentile_range(values, self.percentile)

    def _read_codebook(self, reader: BodyReader, tensor: TensorSpec) -> Float32:
        """What each index stands for, float32, shape (levels,)."""
        if self.reconstruction == "mean":
            return reader.float32(self.levels, f"codebook of {tensor.name}")
        low, high = reader.float32(2, f"range of {tensor.name}").tolist()
        if low > high:
            raise PayloadError(f"tensor {tensor.name}: range from {low} to {high}")
        return bucket_centres(low, high, self.levels)
