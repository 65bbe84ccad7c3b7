"""Writes and reads bodies of QuantFL with one common step for the whole model and no bound on the indices.

One step for all tensors gives the smallest error at a given total rate: then tensors of small entries cost
few bits by themselves, since each has a histogram of its own; only vectors share one. Entry x is ``q = x / step``;
with dead zone z, in steps, ``k = sign(q) floor(|q| + 1 - z)`` for ``nearest``, so that index k > 0 stands for q from
``k - 1 + z`` to ``k + z``;
``k = floor(q + u)`` for ``stochastic`` and ``dither``, u uniform in [0, 1). Value of an index:
``nearest``: ``sign(k) (|k| - 1 + z + f) step``, f one fraction for ``|k| = 1`` and one for ``|k| >= 2``; 1/2 with
reconstruction ``centre``; with ``mean`` it puts the value at the mean of the bucket's entries (of at most 8192
entries of the run, evenly spread, to within 1/512); 0 stands for 0. ``matched`` adds to both fractions what makes the
inner product of entries x and values Q equal to ``|x|^2``, as far as buckets reach: means alone make it ``|Q|^2``,
which is less by the squared error, as if the learning rate were lower.
``trellis``: see `quantfl.trellis`, with all runs as one sequence: ``+-(k + 1/4 + f) step``, f one fraction for
each index from -3 to 2 and one with the sign of k for all others, 0 with ``centre``.
``stochastic``: ``k step``. ``dither``: ``(k + 1/2 - u) step``, u the entry's own number of the stream
``dither-<direction>`` of what was agreed, with the number of the run as a further key; one float32 an entry.

Body, little-endian. A *run* is what shares a histogram: each tensor of two dimensions or more, in model order; then,
unless they go as they are, all other entries together, in model order. Of ``fine`` vectors the step is a 16th of the
common one; everything else holds for them as well.
1. float32 step.
2. A bit for each run, lowest first, zero bits at the end: 1 if it goes as float32 after all.
3. Number of escapes: 7 bits a byte, lowest first, the upper bit set on all but the last byte.
4. What goes as float32: the entries of all tensors in no run, in model order, then those of the runs that do after all.
5. The escapes, float32, run by run: entries whose index is beyond the cap of their run, as they are.
6. To the end, one stream of `harness.wire.entropy`. For each run that is not sent as float32: numbers, the j of its
   cap, below 14 (cap ``K = 2**j - 1``), and unless reconstruction is ``centre`` two below 256, for ``|k| = 1`` and for
   ``|k| >= 2``, of which ``f = (number + 1/2) / 256``; then its symbols ``k + K``, with a K of 127 or more also
   ``2 K + 1`` for an escape. With ``trellis``: seven numbers for indices -3 to 2 and all others,
   ``f = number / 128 - 1``; symbols ``k + K + 1``, of which those of ``|k| >= K - 2`` are escapes (they stay in the
   sequence with their k).
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
from quantfl.shares import Run, Vectors, runs
from quantfl.trellis import mirrored_entries
from quantfl.unbounded import (
    MAX_CAP,
    N_FRACTIONS,
    has_escapes,
    mean_fractions,
    n_symbols,
    point_table,
    step_indices,
    step_table,
    sufficient_cap,
    take_dither_off,
    with_escapes,
)

_N_CAPS = (MAX_CAP + 1).bit_length()

NoiseOf = Callable[[int], Noise]
"""The noise of a run, given its number."""


class Coded(NamedTuple):
    """A run in its coded form."""

    writer: AnsWriter
    escapes: Float32
    cap: int


@dataclass(frozen=True)
class Steps:
    """The form with a common step; fields as in `quantfl.codec.QuantFL`, every one of them resolved."""

    step: float
    dead_zone: float
    is_mean: bool
    is_matched: bool
    rounding: Literal["nearest", "trellis", "stochastic", "dither"]
    vectors: Vectors

    def encode(self, update: Update, noise_of: NoiseOf) -> bytes:
        """Body of `update`, which is finite; `noise_of` is that of the rounding."""
        all_runs, plain = runs(update.layout, self.vectors)
        step = self._absolute(update.values, all_runs)
        raw = [update.values[place] for place in plain]
        flags, kept = [], list[tuple[Float32, float, Coded]]()
        for number, run in enumerate(all_runs):
            entries, own_step = run.entries(update.values), step * run.scale
            found = self._coded(entries, own_step, noise_of, number)
            flags.append(found is None)
            if found is None:
                raw.append(entries)
            elif self.rounding == "trellis":
                kept.append((entries, own_step, found._replace(writer=AnsWriter())))  # makes room
            else:
                kept.append((entries, own_step, found))
        coded = self._traced(kept) if self.rounding == "trellis" else [found for _, _, found in kept]
        writer = AnsWriter()
        for found in coded:
            writer.append(found.writer)
        escapes = [found.escapes for found in coded]
        head = float32_bytes(np.array([step])) + pack(np.array(flags, dtype=np.uint8), 1)
        head += varint(sum(map(len, escapes)))
        body = head + b"".join(map(float32_bytes, [*raw, *escapes])) + writer.finish()
        return body if len(body) < update.values.nbytes else float32_bytes(update.values)

    def decode(self, body: bytes, layout: Layout, dither_of: NoiseOf) -> Update:
        """The inverse of `encode`; `dither_of` leads to the agreed streams."""
        reader = BodyReader(body)
        size = layout.size
        if len(body) == 4 * size:
            return Update(reader.float32(size, "entries"), layout)
        all_runs, plain = runs(layout, self.vectors)
        step = float(reader.float32(1, "step")[0])
        if step < 0:
            raise PayloadError(f"step {step} in the body")
        flags = unpack(reader.take(packed_bytes(len(all_runs), 1), "flags"), len(all_runs), 1).tolist()
        n_escapes = read_varint(reader, "number of escapes")
        values = np.empty(size, dtype=np.float32)
        for place in plain:
            values[place] = reader.float32(place.stop - place.start, "entries of vectors")
        for run, is_raw in zip(all_runs, flags, strict=True):
            if is_raw:
                out = run.room(values)
                out[:] = reader.float32(run.size, "entries")
                run.put(out, values)
        escapes = reader.float32(n_escapes, "escapes")
        stream = AnsReader(reader.rest(), "indices")
        streamed = [(number, run) for number, run in enumerate(all_runs) if not flags[number]]
        if self.rounding == "trellis":
            escapes = self._restore_traced(stream, [run for _, run in streamed], values, step, escapes)
        else:
            for number, run in streamed:
                out = run.room(values)
                escapes = self._restore(stream, out, step * run.scale, dither_of, number, escapes)
                run.put(out, values)
        stream.finish()
        if len(escapes):
            raise PayloadError(f"{len(escapes)} escapes in the body that no index stands for")
        return Update(values, layout)

    def _absolute(self, values: Float32, all_runs: list[Run]) -> float:
        """The step in units of the entries, a float32: `step` root mean squares of what has the common step."""
        total, count = 0.0, 0
        for run in [run for run in all_runs if run.scale == 1] or all_runs:
            entries = run.entries(values)
            count += entries.size
            total += sum(float(np.square(entries[p], dtype=np.float64).sum()) for _, p in blocks(1, entries.size))
        return float(np.float32(min(self.step * (total / max(count, 1)) ** 0.5, FLOAT32_MAX)))

    def _coded(self, values: Float32, step: float, noise_of: NoiseOf, number: int) -> Coded | None:
        """A run in its coded form (without the trellis), or None if float32 is reckoned to be no longer."""
        if step == 0 and values.any():  # the step of denormal entries may be below the smallest float32
            return None
        cap = sufficient_cap(values, step)
        is_random = self.rounding in ("stochastic", "dither")
        symbols = step_indices(values, step, self.dead_zone, cap, noise_of(number) if is_random else None)
        escapes = np.zeros(0, dtype=np.float32)
        if has_escapes(cap):
            symbols, cap = with_escapes(symbols, cap)
            escapes = values[symbols == 2 * cap + 1]
        writer = AnsWriter()
        fractions: tuple[int, ...] = ()
        if self.is_mean:
            fractions = mean_fractions(values, symbols, step, self.dead_zone, cap, is_matched=self.is_matched)
        writer.numbers((cap.bit_length(), *fractions), (_N_CAPS, *[N_FRACTIONS] * len(fractions)))
        writer.symbols(symbols, n_symbols(cap))
        bits = writer.bits + 32 * len(escapes)
        if self.rounding == "trellis" and self.is_mean:
            bits += 8 * (folded.N_MEANS - 2)  # seven means instead of two
        return Coded(writer, escapes, cap) if bits < 32 * len(values) else None

    def _traced(self, kept: list[tuple[Float32, float, Coded]]) -> list[Coded]:
        """Runs in their coded form with the trellis, from the caps without it."""
        tensors, steps = [values for values, _, _ in kept], [step for _, step, _ in kept]
        caps = [folded.roomy_cap(values, step, found.cap) for values, step, found in kept]
        all_indices, all_mirrored = folded.traced(tensors, steps, self.dead_zone, caps)
        coded, start = [], 0
        for values, step, cap in zip(tensors, steps, caps, strict=True):
            place = slice(start, start + len(values))
            start = place.stop
            indices, mirrored = all_indices[place], all_mirrored[place]
            writer = AnsWriter()
            offsets = folded.mean_offsets(values, indices, mirrored, step, cap) if self.is_mean else []
            writer.numbers((cap.bit_length(), *offsets), (_N_CAPS, *[folded.N_OFFSETS] * len(offsets)))
            writer.symbols(folded.trellis_symbols(indices, cap), 2 * cap + 2)
            coded.append(Coded(writer, values[folded.is_escape(indices, cap)], cap))
        return coded

    def _restore_traced(
        self, stream: AnsReader, all_runs: list[Run], values: Float32, step: float, escapes: Float32
    ) -> Float32:
        """Fill in the runs of a sequence; the escapes that are left."""
        read: list[tuple[int, list[int], Indices]] = []
        n_offsets = folded.N_MEANS if self.is_mean else 0
        for run in all_runs:
            j, *offsets = stream.numbers([_N_CAPS, *[folded.N_OFFSETS] * n_offsets])
            cap = 2**j - 1
            if cap < folded.LEAST_CAP:
                raise PayloadError(f"cap {cap} in the body, expected {folded.LEAST_CAP} or more")
            symbols = folded.symbols_like(cap, run.size)
            stream.values(np.arange(2 * cap + 2, dtype=symbols.dtype), symbols)
            read.append((cap, offsets, symbols))
        mirrored = mirrored_entries(np.concatenate([folded.symbols_like(0, 0), *(symbols for _, _, symbols in read)]))
        for run, (cap, offsets, own) in zip(all_runs, read, strict=True):
            out = run.room(values)
            folded.trellis_values(own, mirrored[: out.size], step * run.scale, cap, offsets, out)
            mirrored = mirrored[out.size :]
            escapes = _with_escapes_restored(out, escapes)
            run.put(out, values)
        return escapes

    def _restore(
        self, stream: AnsReader, out: Float32, step: float, dither_of: NoiseOf, number: int, escapes: Float32
    ) -> Float32:
        """Fill `out`, the entries of a run; the escapes that are left for those behind it."""
        j, *fractions = stream.numbers([_N_CAPS, *[N_FRACTIONS] * (2 if self.is_mean else 0)])
        cap = 2**j - 1
        if self.rounding == "nearest":
            first, others = [(number + 0.5) / N_FRACTIONS for number in fractions] or (0.5, 0.5)
            table = step_table(step, self.dead_zone, cap, (first, others))
        else:
            table = point_table(step if self.rounding == "stochastic" else 1.0, cap)
        stream.values(table, out)
        if self.rounding == "dither":
            take_dither_off(out, step, dither_of(number))
        return _with_escapes_restored(out, escapes) if has_escapes(cap) else escapes


def _with_escapes_restored(out: Float32, escapes: Float32) -> Float32:
    """Put the next escapes where `out` is NaN; those that are left."""
    is_escape = np.isnan(out)
    n_own = int(np.count_nonzero(is_escape))
    if n_own > len(escapes):
        raise PayloadError(f"the indices in the body stand for more escapes than it has, {n_own} here")
    out[is_escape] = escapes[:n_own]
    return escapes[n_own:]
