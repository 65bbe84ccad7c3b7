"""Three ways to write whole numbers from -s to s, which QSGD and its relatives send per entry.

All carry the same numbers; a number i travels as the symbol ``i + s``, 0 to 2 s.

``packed``: ``ceil(log2(2 s + 1))`` bits an entry, in one run over the model (`harness.wire.packing`).
``elias``: only entries that are not zero: u32 how many; then, in bits, the distance of each from the one before (of the
first from the place before the model) and then the magnitude of each, both in Elias's recursive code in planes
(`baselines.elias`), and then the sign of each, 1 for negative. Bits are least significant first, zero bits fill the
last byte. The rest of a body is this.
``ans``: entropy-coded, a model per tensor (`harness.wire.entropy`).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from baselines.blocks import decode_per_tensor, encode_per_tensor
from baselines.elias import BitReader, omega_bits, packed_bits
from harness.core.errors import PayloadError
from harness.core.types import Layout
from harness.wire.body import BodyReader
from harness.wire.packing import bits_for, pack

Coding = Literal["packed", "elias", "ans"]

CODINGS = ("packed", "elias", "ans")

_COUNT_BYTES = 4


def check_coding(coding: str) -> None:
    """Refuse a coding that is none of the three."""
    if coding not in CODINGS:
        raise ValueError(f"coding must be {', '.join(CODINGS[:-1])} or {CODINGS[-1]} (got {coding})")


def encode_levels(symbols: NDArray[np.uint32], levels: int, coding: Coding, layout: Layout) -> bytes:
    """The bytes of one symbol per entry of `layout`, each at most ``2 * levels``."""
    if coding == "packed":
        return pack(symbols, bits_for(2 * levels + 1))
    return _elias(symbols, levels) if coding == "elias" else encode_per_tensor(symbols, layout, 2 * levels + 1)


def decode_levels(reader: BodyReader, n_bytes: int, levels: int, coding: Coding, layout: Layout) -> NDArray[np.uint32]:
    """The symbols that `encode_levels` wrote, and the end of the body.

    Args:
        reader: the body, before the levels.
        n_bytes: bytes that it has left.
        levels: s.
        coding: how they were written.
        layout: the shape of the model.

    Raises:
        PayloadError: the rest of the body is no such symbols.
    """
    if coding == "packed":
        symbols = reader.packed(layout.size, bits_for(2 * levels + 1), "levels")
    elif coding == "elias":
        symbols = _from_elias(reader, n_bytes, levels, layout.size)
    else:
        symbols = decode_per_tensor(reader, layout, 2 * levels + 1)
    reader.finish()
    if symbols.size and int(symbols.max()) > 2 * levels:
        raise PayloadError(f"level {int(symbols.max()) - levels} in the body, expected {-levels} to {levels}")
    return symbols


def _elias(symbols: NDArray[np.uint32], levels: int) -> bytes:
    if not symbols.size:
        return b""
    places = np.flatnonzero(symbols != levels)
    sent = symbols[places].astype(np.int64) - levels
    gaps = np.diff(places, prepend=-1).astype(np.uint32)
    pieces = [*omega_bits(gaps), *omega_bits(np.abs(sent).astype(np.uint32)), (sent < 0).astype(np.uint8)]
    return places.size.to_bytes(_COUNT_BYTES, "little") + packed_bits(pieces)


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
