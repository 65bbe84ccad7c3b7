"""Codes the body of QSGD and its relatives: block norms, and whole numbers from -s to s in one of three codes.

First the norms, float32, at least 0. All codes carry the same numbers; a number i travels as the symbol ``i + s``, 0 to
2 s.

``packed``: ``ceil(log2(2 s + 1))`` bits an entry, in one run over the model (`harness.wire.packing`).
``elias``: only entries that are not zero: u32 how many; then, in bits, the distance of each from the one before (of the
first from the place before the model) and then the magnitude of each, both in Elias's recursive code in planes
(`baselines.elias`), and then the sign of each, 1 for negative. Bits are least significant first, zero bits fill the
last byte. The rest of a body is this.
``ans``: entropy-coded, a histogram per tensor, in one stream (`baselines.streams`).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from baselines.elias import BitReader, omega_bits, packed_bits
from baselines.streams import read_tensors, write_tensors
from harness.core.errors import PayloadError
from harness.core.types import Float32, Int64, Layout
from harness.wire.body import BodyReader, float32_bytes
from harness.wire.groups import Symbols
from harness.wire.packing import bits_for, pack

Coding = Literal["packed", "elias", "ans"]

CODINGS = ("packed", "elias", "ans")

_COUNT_BYTES = 4


def check_settings(levels: int, most: int, bucket: int | None, coding: str) -> None:
    """Refuse settings out of range; there may be `most` levels."""
    if not 1 <= levels <= most:
        raise ValueError(f"levels must be 1 to {most} (got {levels})")
    if bucket is not None and bucket < 1:
        raise ValueError(f"bucket must be at least 1, or empty for one per tensor (got {bucket})")
    if coding not in CODINGS:
        raise ValueError(f"coding must be {', '.join(CODINGS[:-1])} or {CODINGS[-1]} (got {coding})")


def write_levels(norms: Float32, symbols: Symbols, levels: int, coding: Coding, layout: Layout) -> bytes:
    """The body: norms, and one symbol per entry of `layout`, each at most ``2 * levels``."""
    if coding == "packed":
        coded = pack(symbols, bits_for(2 * levels + 1))
    elif coding == "elias":
        coded = _elias(symbols, levels)
    else:
        coded = write_tensors(symbols, layout, 2 * levels + 1)
    return float32_bytes(norms) + coded


def read_levels(body: bytes, sizes: Int64, levels: int, coding: Coding, layout: Layout) -> tuple[Float32, Symbols]:
    """Norms and symbols that `write_levels` wrote.

    Args:
        body: all of it.
        sizes: entries of each block, one norm for each.
        levels: s.
        coding: how the levels were written.
        layout: the shape of the model.

    Raises:
        PayloadError: `body` is none of these.
    """
    reader = BodyReader(body)
    norms = reader.float32(sizes.size, "norms")
    if np.signbit(norms).any():
        raise PayloadError("a norm in the body is negative")
    symbols: Symbols
    if coding == "packed":
        symbols = reader.packed(layout.size, bits_for(2 * levels + 1), "levels")
    elif coding == "elias":
        symbols = _from_elias(reader, len(body) - 4 * sizes.size, levels, layout.size)
    else:
        symbols = read_tensors(reader.rest(), layout, 2 * levels + 1, "levels")
    reader.finish()
    if symbols.size and int(symbols.max()) > 2 * levels:
        raise PayloadError(f"level {int(symbols.max()) - levels} in the body, expected {-levels} to {levels}")
    return norms, symbols


def _elias(symbols: Symbols, levels: int) -> bytes:
    if not symbols.size:
        return b""
    places = np.flatnonzero(symbols != levels)
    pieces = omega_bits(np.diff(places, prepend=-1).astype(np.uint32))
    sent = symbols[places].astype(np.int32) - levels
    count = places.size.to_bytes(_COUNT_BYTES, "little")
    del places  # makes room
    pieces += omega_bits(np.abs(sent).view(np.uint32))
    return count + packed_bits([*pieces, (sent < 0).view(np.uint8)])


def _from_elias(reader: BodyReader, n_bytes: int, levels: int, size: int) -> NDArray[np.uint32]:
    symbols = np.full(size, levels, dtype=np.uint32)
    if not size:
        return symbols
    count = int.from_bytes(reader.take(_COUNT_BYTES, "number of levels"), "little")
    n_bytes -= _COUNT_BYTES
    # A codeword takes at most 3/2 bits per unit, so that gaps take at most 3/2 bits per entry of the model.
    longest = (3 * size // 2 + count * (1 + sum(map(len, omega_bits(np.array([levels], dtype=np.uint32))))) + 7) // 8
    if count > size or n_bytes > longest:
        raise PayloadError(f"{count} levels in {n_bytes} bytes for {size} entries")
    bits = BitReader(reader.take(n_bytes, "levels"))
    places = np.cumsum(bits.omega(count, "distances"), dtype=np.int64) - 1
    magnitudes = bits.omega(count, "magnitudes")
    is_negative = bits.take(count, "signs") == 1
    bits.finish()
    if count and (places[-1] >= size or int(magnitudes.max()) > levels):
        raise PayloadError(f"a level in the body is beyond entry {size - 1}, or beyond {levels}")
    symbols[places] = np.where(is_negative, np.uint32(levels) - magnitudes, np.uint32(levels) + magnitudes)
    return symbols
