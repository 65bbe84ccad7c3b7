"""Selects the entries that a sparse codec keeps, and codes their positions.

Each code represents k ascending numbers below d, both known to both ends:

``list``: packed at ceil(log2 d) bits;
``bitmap``: d bits, 1 for kept;
``plain``: the shorter of the two, which both ends know from d and k;
``golomb``: for each gap g between neighbours (the first counted from -1; at least 1), ``(g - 1) mod 2**b`` at b bits,
all of them packed in one run; then, to the end of the body, ``(g - 1) >> b`` zero bits and a one bit for each gap,
least significant bit first, zero bits in the last byte. The runs hold as many bits as the usual interleaved code;
``ans``: the bitmap as symbols of 1 bit, of 4 bits from 65,536 entries on (the first entry is the lowest bit; zero bits
fill the last symbol), entropy-coded (`baselines.streams`): close to ``d h(k / d)`` bits, h the binary entropy.

References:
    Golomb, "Run-Length Encodings", IEEE Transactions on Information Theory, 1966.
    Sattler, Wiedemann, Mueller, Samek, "Robust and Communication-Efficient Federated Learning from Non-i.i.d. Data",
    IEEE Transactions on Neural Networks and Learning Systems, 2020 (Golomb's b for a share of kept entries).
"""

import math

import numpy as np
from numpy.typing import NDArray

from baselines.streams import read_runs, write_runs
from harness.core.errors import PayloadError
from harness.core.types import Float32
from harness.wire.body import BodyReader
from harness.wire.packing import bits_for, pack, packed_bytes, unpack_narrow

Positions = NDArray[np.intp]

_GOLDEN_RATIO = (1 + math.sqrt(5)) / 2
_GROUPED_FROM = 2**16  # below, the histogram of 16 symbols would cost more than a few per cent of the positions


def check_ratio(ratio: float) -> None:
    """Refuse a ratio that is no share."""
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be above 0 and at most 1 (got {ratio})")


def n_kept(ratio: float, d: int) -> int:
    """``max(1, round(ratio * d))``, halves to even; none of none."""
    return min(d, max(1, round(ratio * d)))


def largest(values: Float32, k: int) -> Positions:
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


def plain_bits(k: int, d: int) -> int:
    """Bits of the shorter of list and bitmap, before padding to whole bytes."""
    return min(k * bits_for(d), d)


def pack_plain(positions: Positions, d: int) -> bytes:
    """Positions as a list or a bitmap."""
    if _is_bitmap(len(positions), d):
        return pack(_bitmap(positions, d), 1)
    return pack(positions.astype(np.uint32), bits_for(d))


def read_plain(reader: BodyReader, k: int, d: int) -> Positions:
    """What `pack_plain` wrote.

    Raises:
        PayloadError: these are no k ascending positions.
    """
    if _is_bitmap(k, d):
        return _checked(np.flatnonzero(unpack_narrow(reader.take(packed_bytes(d, 1), "bitmap"), d, 1)), k, d)
    return _checked(reader.packed(k, bits_for(d), "positions").astype(np.intp), k, d)


def code_ans(positions: Positions, d: int) -> bytes:
    """Positions as an entropy-coded bitmap."""
    width = _group_bits(d)
    bits = _bitmap(positions, -(-d // width) * width).reshape(-1, width)
    symbols = np.zeros(len(bits), dtype=np.uint8)
    for place in range(width):
        symbols |= bits[:, place] << np.uint8(place)
    return write_runs([symbols], 2**width)


def read_ans(words: bytes, k: int, d: int) -> Positions:
    """What `code_ans` wrote, and nothing else.

    Raises:
        PayloadError: these are no k positions.
    """
    width = _group_bits(d)
    symbols = read_runs(words, [-(-d // width)], 2**width, "positions")
    bits = (symbols[:, None] >> np.arange(width, dtype=np.uint8)) & np.uint8(1)
    return _checked(np.flatnonzero(bits), k, d)


def golomb_width(k: int, d: int) -> int:
    """The b of the code: ``1 + floor(log2(ln(phi - 1) / ln(1 - k / d)))``, at least 0; phi is the golden ratio.

    >>> golomb_width(1, 100), golomb_width(10, 100)
    (6, 3)
    """
    if k >= d:
        return 0
    return max(0, 1 + math.floor(math.log2(math.log(_GOLDEN_RATIO - 1) / math.log1p(-k / d))))


def golomb_bits(k: int, d: int) -> float:
    """Expected bits of a position, if every entry is kept with probability k / d: ``b + 1 / (1 - (1 - k/d)**(2**b))``.

    >>> round(golomb_bits(1, 100), 2), round(golomb_bits(10, 100), 2)
    (8.11, 4.76)
    """
    width = golomb_width(k, d)
    return width + 1 / (1 - math.pow(1 - k / d, 2**width))


def code_golomb(positions: Positions, d: int) -> bytes:
    """Positions in Golomb's code."""
    width = golomb_width(len(positions), d)
    gaps = np.diff(positions, prepend=-1) - 1
    ends = np.cumsum((gaps >> width) + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1 if ends.size else 0, dtype=np.uint8)
    unary[ends] = 1
    return pack((gaps & ((1 << width) - 1)).astype(np.uint32), width) + np.packbits(unary, bitorder="little").tobytes()


def golomb_head_bytes(k: int, d: int) -> int:
    """Bytes of the run of remainders; that of the quotients ends with the body."""
    return packed_bytes(k, golomb_width(k, d))


def read_golomb(remainders: BodyReader, unary: bytes, k: int, d: int) -> Positions:
    """What `code_golomb` wrote.

    Args:
        remainders: precedes the run of remainders.
        unary: the run of quotients.
        k: number of positions.
        d: number of entries.

    Raises:
        PayloadError: these are no k ascending positions.
    """
    width = golomb_width(k, d)
    low = remainders.packed(k, width, "positions").astype(np.int64)
    # No more quotient than entries: what is unpacked stays in proportion to the layout.
    if len(unary) > packed_bytes((d >> width) + k, 1):
        raise PayloadError(f"{len(unary)} bytes of gaps are too many for {k} positions below {d}")
    ends = np.flatnonzero(np.unpackbits(np.frombuffer(unary, dtype=np.uint8), bitorder="little"))
    if len(ends) != k or len(unary) != packed_bytes(int(ends[-1]) + 1 if k else 0, 1):
        raise PayloadError(f"{len(unary)} bytes of gaps hold {len(ends)} of {k}, or end with an empty byte")
    quotients = np.diff(ends, prepend=-1) - 1
    return _checked(np.cumsum((quotients << width) + low + 1) - 1, k, d)


def _checked(positions: Positions, k: int, d: int) -> Positions:
    if len(positions) != k or (positions[1:] <= positions[:-1]).any() or (positions[-1:] >= d).any():
        raise PayloadError(f"positions in the body are not {k} ascending numbers below {d}")
    return positions


def _is_bitmap(k: int, d: int) -> bool:
    return packed_bytes(d, 1) < packed_bytes(k, bits_for(d))


def _bitmap(positions: Positions, length: int) -> NDArray[np.uint8]:
    bitmap = np.zeros(length, dtype=np.uint8)
    bitmap[positions] = 1
    return bitmap


def _group_bits(d: int) -> int:
    return 4 if d >= _GROUPED_FROM else 1
