"""QuantFL with one common step for the whole model and no bound on the indices: body and back.

One step for all tensors is what the smallest error at a given total rate asks for: then tensors of small entries cost
few bits by themselves, since each has a histogram of its own. Entry x is ``q = x / step``; with dead zone z, in steps,
``k = sign(q) floor(|q| + 1 - z)`` for ``nearest``, so that index k > 0 stands for q from ``k - 1 + z`` to ``k + z``;
``k = floor(q + u)`` for ``stochastic`` and ``dither``, u uniform in [0, 1). Value of an index:
``nearest``: ``sign(k) (|k| - 1 + z + f) step``, f one fraction for ``|k| = 1`` and one for ``|k| >= 2``; 1/2 with
reconstruction ``centre``; with ``mean`` it puts the value at the mean of the bucket's entries (of at most 16384
entries of the tensor, evenly spread, to within 1/512); 0 stands for 0.
``trellis``: see `quantfl.trellis`, with all coded tensors as one sequence: ``+-(k + 1/4 + f) step``, f one fraction for
each index from -3 to 2 and one with the sign of k for all others, 0 with ``centre``.
``stochastic``: ``k step``. ``dither``: ``(k + 1/2 - u) step``, u the entry's own number of the stream
``dither-<direction>`` of what was agreed, with the number of the tensor as a further key; one float32 an entry.

Body, little-endian. Coded tensors are those that have entries and are no vectors that go as they are.
1. float32 step.
2. A bit for each coded tensor, in model order, lowest first, zero bits at the end: 1 if it goes as float32 after all.
3. Number of escapes: 7 bits a byte, lowest first, the upper bit set on all but the last byte.
4. The entries of all tensors that go as float32, in model order.
5. The escapes, float32, in model order: entries whose index is beyond the cap of their tensor, as they are.
6. To the end, one stream of `harness.wire.entropy`. For each coded tensor that is not sent as float32: the number j
   of its cap, below 14 (cap ``K = 2**j - 1``); with reconstruction ``mean``, two numbers below 256, for ``|k| = 1`` and
   for ``|k| >= 2``, of which ``f = (number + 1/2) / 256``; its symbols below ``2 K + 2``: ``k + K``, or ``2 K + 1`` for
   an escape. With ``trellis``: seven numbers for indices -3 to 2 and all others, ``f = number / 128 - 1``; symbols
   ``k + K + 1``, of which those of ``|k| >= K - 2`` are escapes (they stay in the sequence with their k).
A body of 4 d bytes, d entries in all, is the entries themselves, float32: nothing else is as long or longer.

The encoder is free in what goes as an escape or as float32; it takes what it reckons to be shorter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.core.errors import PayloadError
from harness.core.types import Float32, Layout, Update
from harness.wire.body import BodyReader, float32_bytes
from harness.wire.entropy import AnsReader, AnsWriter, read_varint, varint
from harness.wire.packing import pack, packed_bytes, unpack
from quantfl import folded
from quantfl.quantizer import FLOAT32_MAX, Indices, Noise
from quantfl.ranges import blocks
from quantfl.shares import Share, Vectors, shares
from quantfl.trellis import mirrored_entries
from quantfl.unbounded import (
    MAX_CAP,
    N_FRACTIONS,
    NARROW_CAP,
    mean_fractions,
    point_table,
    step_indices,
    step_table,
    sufficient_cap,
    take_dither_off,
    with_escapes,
)

_N_CAPS = (MAX_CAP + 1).bit_length()

NoiseOf = Callable[[int], Noise]
"""The noise of a tensor, given its number among the tensors with entries."""


class Coded(NamedTuple):
    """A tensor in its coded form."""

    writer: AnsWriter
    escapes: Float32
    cap: int


@dataclass(frozen=True)
class Steps:
    """The form with a common step; fields as in `quantfl.codec.QuantFL`, every one of them resolved."""

    step: float
    dead_zone: float
    is_mean: bool
    rounding: Literal["nearest", "trellis", "stochastic", "dither"]
    vectors: Vectors

    def encode(self, update: Update, noise_of: NoiseOf) -> bytes:
        """Body of `update`, which is finite; `noise_of` is that of the rounding."""
        parts = shares(update.layout, self.vectors)
        step = self._absolute(update.values, parts)
        flags, raw, coded, tensors = [], [], [], []
        for number, part in enumerate(parts):
            values = update.values[part.place]
            found = self._coded(values, step, noise_of(number)) if part.is_coded else None
            if part.is_coded:
                flags.append(found is None)
            if found is None:
                raw.append(values)
            else:
                coded.append(found)
                tensors.append(values)
        if self.rounding == "trellis":
            caps = [found.cap for found in coded]
            coded.clear()  # makes room
            coded = self._traced(tensors, step, caps)
        writer = AnsWriter()
        for found in coded:
            writer.append(found.writer)
        escapes = [found.escapes for found in coded]
        head = float32_bytes(np.array([step])) + pack(np.array(flags, dtype=np.uint8), 1)
        head += varint(sum(map(len, escapes)))
        body = head + b"".join(map(float32_bytes, [*raw, *escapes])) + writer.finish()
        return body if len(body) < update.layout.reference_bytes else float32_bytes(update.values)

    def decode(self, body: bytes, layout: Layout, dither_of: NoiseOf) -> Update:
        """The inverse of `encode`; `dither_of` leads to the agreed streams."""
        reader = BodyReader(body)
        if len(body) == layout.reference_bytes:
            return Update(reader.float32(layout.size, "entries"), layout)
        parts = shares(layout, self.vectors)
        step = float(reader.float32(1, "step")[0])
        if step < 0:
            raise PayloadError(f"step {step} in the body")
        n_coded = sum(part.is_coded for part in parts)
        flags = iter(unpack(reader.take(packed_bytes(n_coded, 1), "flags"), n_coded, 1).tolist())
        n_escapes = read_varint(reader, "number of escapes")
        values = np.empty(layout.size, dtype=np.float32)
        streamed = []
        for number, part in enumerate(parts):
            if part.is_coded and not next(flags):
                streamed.append((number, part))
            else:
                values[part.place] = reader.float32(part.tensor.size, f"entries of {part.tensor.name}")
        escapes = reader.float32(n_escapes, "escapes")
        stream = AnsReader(reader.rest(), "indices")
        if self.rounding == "trellis":
            escapes = self._restore_traced(stream, [values[part.place] for _, part in streamed], step, escapes)
        else:
            for number, part in streamed:
                escapes = self._restore(stream, values[part.place], step, dither_of(number), escapes)
        stream.finish()
        if len(escapes):
            raise PayloadError(f"{len(escapes)} escapes in the body that no index stands for")
        return Update(values, layout)

    def _absolute(self, values: Float32, parts: list[Share]) -> float:
        """The step in units of the entries, a float32: `step` times the root mean square of all coded entries."""
        total, count = 0.0, 0
        for part in parts:
            if part.is_coded:
                entries = values[part.place]
                count += entries.size
                total += sum(float(np.square(entries[p], dtype=np.float64).sum()) for _, p in blocks(1, entries.size))
        return float(np.float32(min(self.step * (total / max(count, 1)) ** 0.5, FLOAT32_MAX)))

    def _coded(self, values: Float32, step: float, noise: Noise) -> Coded | None:
        """A tensor in its coded form (without the trellis), or None if float32 is reckoned to be no longer."""
        if step == 0 and values.any():  # the step of denormal entries may be below the smallest float32
            return None
        cap = sufficient_cap(values, step)
        is_random = self.rounding in ("stochastic", "dither")
        symbols = step_indices(values, step, self.dead_zone, cap, noise if is_random else None)
        escapes = np.zeros(0, dtype=np.float32)
        if cap > NARROW_CAP:
            symbols, cap = with_escapes(symbols, cap)
            escapes = values[symbols == 2 * cap + 1]
        writer = AnsWriter()
        writer.number(cap.bit_length(), _N_CAPS)
        if self.is_mean:
            for fraction in mean_fractions(values, symbols, step, self.dead_zone, cap):
                writer.number(fraction, N_FRACTIONS)
        writer.symbols(symbols, 2 * cap + 2)
        bits = writer.bits + 32 * len(escapes)
        if self.rounding == "trellis" and self.is_mean:
            bits += 8 * (len(folded.INNER) + 1 - 2)  # seven means instead of two
        return Coded(writer, escapes, cap) if bits < 32 * len(values) else None

    def _traced(self, tensors: list[Float32], step: float, caps: list[int]) -> list[Coded]:
        """Tensors in their coded form with the trellis, from the caps without it."""
        caps = [folded.roomy_cap(values, step, cap) for values, cap in zip(tensors, caps, strict=True)]
        all_indices, all_mirrored = folded.traced(tensors, step, self.dead_zone, caps)
        coded, start = [], 0
        for values, cap in zip(tensors, caps, strict=True):
            place = slice(start, start + len(values))
            start = place.stop
            indices, mirrored = all_indices[place], all_mirrored[place]
            writer = AnsWriter()
            writer.number(cap.bit_length(), _N_CAPS)
            if self.is_mean:
                for offset in folded.mean_offsets(values, indices, mirrored, step, cap):
                    writer.number(offset, folded.N_OFFSETS)
            writer.symbols(folded.trellis_symbols(indices, cap), 2 * cap + 2)
            coded.append(Coded(writer, values[folded.is_escape(indices, cap)], cap))
        return coded

    def _restore_traced(self, stream: AnsReader, outs: list[Float32], step: float, escapes: Float32) -> Float32:
        """Fill `outs`, the tensors of a sequence; the escapes that are left."""
        read: list[tuple[int, list[int], Indices]] = []
        for out in outs:
            cap = 2 ** stream.number(_N_CAPS) - 1
            n_offsets = len(folded.INNER) + 1 if self.is_mean else 0
            if cap < folded.LEAST_CAP:
                raise PayloadError(f"cap {cap} in the body, expected {folded.LEAST_CAP} or more")
            offsets = [stream.number(folded.N_OFFSETS) for _ in range(n_offsets)]
            symbols = folded.symbols_like(cap, out.size)
            stream.values(np.arange(2 * cap + 2, dtype=symbols.dtype), symbols)
            read.append((cap, offsets, symbols))
        mirrored = mirrored_entries(np.concatenate([folded.symbols_like(0, 0), *(symbols for _, _, symbols in read)]))
        for out, (cap, offsets, own) in zip(outs, read, strict=True):
            folded.trellis_values(own, mirrored[: out.size], step, cap, offsets, out)
            mirrored = mirrored[out.size :]
            escapes = _with_escapes_restored(out, escapes)
        return escapes

    def _restore(self, stream: AnsReader, out: Float32, step: float, dither: Noise, escapes: Float32) -> Float32:
        """Fill `out`, a tensor; the escapes that are left for those behind it."""
        cap = 2 ** stream.number(_N_CAPS) - 1
        if self.rounding == "nearest":
            first, others = [(stream.number(N_FRACTIONS) + 0.5) / N_FRACTIONS if self.is_mean else 0.5 for _ in "ab"]
            table = step_table(step, self.dead_zone, cap, (first, others))
        else:
            table = point_table(step if self.rounding == "stochastic" else 1.0, cap)
        stream.values(table, out)
        if self.rounding == "dither":
            take_dither_off(out, step, dither)
        return _with_escapes_restored(out, escapes)


def _with_escapes_restored(out: Float32, escapes: Float32) -> Float32:
    """Put the next escapes where `out` is NaN; those that are left."""
    is_escape = np.isnan(out)
    n_own = int(np.count_nonzero(is_escape))
    if n_own > len(escapes):
        raise PayloadError(f"the indices in the body stand for more escapes than it has, {n_own} here")
    out[is_escape] = escapes[:n_own]
    return escapes[n_own:]
