"""Writes and reads bodies of QuantFL with a fixed number of levels L.

Body, little-endian. An index has ``b = ceil(log2 L)`` bits. A *group* is what shares a range or codebook: a tensor, a
block of `block_size` entries of a tensor (the last one is what is left), or all coded tensors one after another.
1. For each group, in model order, float32 numbers: a codebook of L means (4 L bytes) with reconstruction ``mean``;
   else low and high of the range (8 bytes). Values of index i, in float64, then rounded to float32:
   ``nearest``: ``low + (i + 1/2) (high - low) / L``; ``stochastic``: ``low + i (high - low) / (L - 1)``;
   ``dither``: ``low + (i + 1/2 - u) (high - low) / (L - 1)``, where u is the entry's own number of the stream
   ``dither-<direction>`` of what was agreed: one float32 in [0, 1) for each coded entry, in model order.
2. The entries of all tensors that are not coded, in model order, float32.
3. The indices of the coded entries, in model order: ``packed`` in one run at b bits (`harness.wire.packing`), or
   ``ans``: one stream to the end of the body, a run of symbols below L per tensor (`harness.wire.entropy`).

Which tensors are coded follows from the layout alone, so that both codings carry the same indices: those that have
entries, are no vectors that go as they are, and get shorter by it: ``32 n > 32 * numbers of its groups + b n``, n
entries; with one group for the model, n is that of all coded tensors together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.core.errors import PayloadError
from harness.core.types import Float32, Layout, Update
from harness.wire.body import BodyReader, float32_bytes
from harness.wire.entropy import AnsReader, AnsWriter
from harness.wire.packing import bits_for, pack, packed_bytes, unpack, unpack_narrow
from quantfl.quantizer import Indices, Noise, bucket_means, codebook_values, even_indices, even_values, mass_indices
from quantfl.ranges import RangeRule, ranges
from quantfl.shares import Share, Vectors, shares

Scope = Literal["tensor", "block", "model"]


class Source(NamedTuple):
    """Coded entries that are cut into groups of one length.

    Attributes:
        places: their positions in the update; several only for one group of the whole model.
        n_groups: groups m.
        length: entries n of each group.
    """

    places: tuple[slice, ...]
    n_groups: int
    length: int


@dataclass(frozen=True)
class Buckets:
    """The form with levels; fields as in `quantfl.codec.QuantFL`, every one of them resolved."""

    levels: int
    is_mass: bool
    range_rule: RangeRule
    range_parameter: float | None
    scope: Scope
    block_size: int | None
    is_mean: bool
    rounding: Literal["nearest", "stochastic", "dither"]
    coding: Literal["packed", "ans"]
    vectors: Vectors

    def encode(self, update: Update, noise: Noise) -> bytes:
        """Body of `update`, which is finite; `noise` is that of the rounding."""
        parts = self._plan(update.layout)
        indices = np.empty(_n_coded(parts), dtype=self._dtype)
        numbers, start = [], 0
        for source in self._sources(parts):
            entries = [update.values[place] for place in source.places]
            shape = (source.n_groups, source.length)
            rows = (entries[0] if len(entries) == 1 else np.concatenate(entries)).reshape(shape)
            stop = start + rows.size
            numbers.append(self._quantise(rows, indices[start:stop].reshape(shape), noise))
            start = stop
        raw = [update.values[part.place] for part in parts if not part.is_coded]
        return b"".join(map(float32_bytes, [*numbers, *raw])) + self._indices_bytes(indices, parts)

    def decode(self, body: bytes, layout: Layout, dither: Noise | None) -> Update:
        """The inverse of `encode`; `dither` is the agreed stream, None without one."""
        reader = BodyReader(body)
        parts = self._plan(layout)
        sources = list(self._sources(parts))
        numbers = [self._read_numbers(reader, source.n_groups) for source in sources]
        values = np.empty(layout.size, dtype=np.float32)
        for part in parts:
            if not part.is_coded:
                values[part.place] = reader.float32(part.tensor.size, f"entries of {part.tensor.name}")
        indices, start = self._read_indices(reader, parts), 0
        for source, own in zip(sources, numbers, strict=True):
            stop = start + source.n_groups * source.length
            rows = indices[start:stop].reshape(source.n_groups, source.length)
            start = stop
            if len(source.places) == 1:
                self._restore(rows, own, values[source.places[0]].reshape(rows.shape), dither)
                continue
            together = np.empty(rows.shape, dtype=np.float32)
            self._restore(rows, own, together, dither)
            first = 0
            for place in source.places:
                values[place] = together[0, first : first + place.stop - place.start]
                first += place.stop - place.start
        return Update(values, layout)

    def _plan(self, layout: Layout) -> list[Share]:
        """Tensors with entries, and whether they are coded."""
        found = shares(layout, self.vectors)
        bits = bits_for(self.levels)
        if self.scope == "model":
            n_coded = _n_coded(found)
            is_shorter = 32 * n_coded > 32 * self._n_numbers + bits * n_coded
            return [part._replace(is_coded=part.is_coded and is_shorter) for part in found]
        parts = []
        for part in found:
            n = part.tensor.size
            n_groups = -(-n // (self.block_size or n))
            parts.append(part._replace(is_coded=part.is_coded and 32 * n > 32 * self._n_numbers * n_groups + bits * n))
        return parts

    def _sources(self, parts: list[Share]) -> Iterator[Source]:
        coded = [part.place for part in parts if part.is_coded]
        if self.scope == "model":
            if coded:
                yield Source(tuple(coded), 1, sum(place.stop - place.start for place in coded))
            return
        for place in coded:
            n = place.stop - place.start
            n_full, rest = divmod(n, self.block_size or n)
            if n_full:
                yield Source((slice(place.start, place.stop - rest),), n_full, (n - rest) // n_full)
            if rest:
                yield Source((slice(place.stop - rest, place.stop),), 1, rest)

    @property
    def _dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.dtype(np.uint8 if self.levels <= 256 else np.uint16)

    @property
    def _n_numbers(self) -> int:
        return self.levels if self.is_mean else 2

    def _quantise(self, rows: Float32, indices: Indices, noise: Noise) -> Float32:
        """Fill `indices`; returns what is sent with them."""
        if self.is_mass:
            mass_indices(rows, self.levels, indices)
            return bucket_means(rows, indices, self.levels)
        spans = ranges(rows, self.range_rule, self.range_parameter)
        even_indices(rows, spans, self.levels, indices, None if self.rounding == "nearest" else noise)
        return bucket_means(rows, indices, self.levels) if self.is_mean else spans.astype(np.float32)

    def _restore(self, indices: Indices, numbers: Float32, out: Float32, dither: Noise | None) -> None:
        if self.is_mean:
            codebook_values(indices, numbers, out)
            return
        offset = dither or (0.0 if self.rounding == "stochastic" else 0.5)
        even_values(indices, numbers.astype(np.float64), self.levels, out, offset)

    def _read_numbers(self, reader: BodyReader, n_groups: int) -> Float32:
        numbers = reader.float32(n_groups * self._n_numbers, "ranges or codebooks").reshape(n_groups, -1)
        if not self.is_mean and (numbers[:, 0] > numbers[:, 1]).any():
            raise PayloadError("a range in the body ends below its beginning")
        return numbers

    def _indices_bytes(self, indices: Indices, parts: list[Share]) -> bytes:
        if self.coding == "packed":
            return pack(indices, bits_for(self.levels))
        writer, start = AnsWriter(), 0
        for part in parts:
            if part.is_coded:
                writer.symbols(indices[start : start + part.tensor.size], self.levels)
                start += part.tensor.size
        return writer.finish()

    def _read_indices(self, reader: BodyReader, parts: list[Share]) -> Indices:
        """All indices, each below `levels`."""
        n_coded = _n_coded(parts)
        indices: Indices
        if self.coding == "packed":
            bits = bits_for(self.levels)
            data = reader.take(packed_bytes(n_coded, bits), "indices")
            reader.finish()
            indices = unpack_narrow(data, n_coded, bits) if bits <= 8 else unpack(data, n_coded, bits)
            if n_coded and int(indices.max()) >= self.levels:
                raise PayloadError(f"index {int(indices.max())} in the body, expected 0 to {self.levels - 1}")
            return indices
        stream, start = AnsReader(reader.rest(), "indices"), 0
        table = np.arange(self.levels, dtype=self._dtype)
        indices = np.empty(n_coded, dtype=self._dtype)
        for part in parts:
            if part.is_coded:
                stream.values(table, indices[start : start + part.tensor.size])
                start += part.tensor.size
        stream.finish()
        return indices


def _n_coded(parts: list[Share]) -> int:
    return sum(part.tensor.size for part in parts if part.is_coded)
