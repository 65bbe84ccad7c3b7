"""Packs non-negative integers with a fixed width of bits, little-endian, least significant bit first.

Wire format of ``n`` values of ``bits`` bits: while more than 8 bits are left, a plane of ``n`` bytes with the low 8;
then the rest, at most 8 bits wide, without gaps: value ``i`` starts at bit ``i * bits`` of what follows, and zero
bits fill the last byte. Planes keep every packed value within a byte, so that eight values fill whole bytes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError

MAX_BITS = 32

# Lane width in bits, and a mask of every other lane of that width in a 64-bit word, lowest lane first.
_LANES = ((8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0x00000000FFFFFFFF))

# Values that are packed at a time, a multiple of 8: what is in work stays in the cache of a core.
_BLOCK = 1 << 17


def bits_for(n_values: int) -> int:
    """Bits that distinguish `n_values` values: ceil(log2 n).

    >>> [bits_for(n) for n in (1, 2, 3, 64, 65)]
    [0, 1, 2, 6, 7]
    """
    return max(n_values - 1, 0).bit_length()


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` values of `bits` bits take.

    >>> packed_bytes(3, 6), packed_bytes(3, 14)
    (3, 6)
    """
    n_planes = max(bits - 1, 0) // 8
    return count * n_planes + (count * (bits - 8 * n_planes) + 7) // 8


def pack(values: NDArray[np.unsignedinteger], bits: int) -> bytes:
    """Values packed at `bits` bits each.

    Args:
        values: any unsigned integers, shape (n,), each below ``2**bits``; uint8 is fastest.
        bits: width, 0 to 32; 0 packs to nothing.

    Returns:
        ``packed_bytes(n, bits)`` bytes; the padding bits at the end are zero.

    Raises:
        ValueError: `bits` is not within 0 to 32, or a value needs more bits.

    >>> pack(np.array([1, 2, 3], dtype=np.uint32), bits=4).hex()
    '2103'
    """
    _check_width(bits)
    if values.size and int(values.max()) >> bits:
        raise ValueError(f"{int(values.max())} does not fit into {bits} bits")
    n_planes = max(bits - 1, 0) // 8
    planes = [(values >> np.asarray(8 * plane, values.dtype)).astype(np.uint8).tobytes() for plane in range(n_planes)]
    top = values >> np.asarray(8 * n_planes, values.dtype) if n_planes else values
    return b"".join([*planes, _pack_bytes(top.astype(np.uint8, copy=False), bits - 8 * n_planes)])


def unpack(data: bytes, count: int, bits: int) -> NDArray[np.uint32]:
    """The `count` values that `pack` turned into `data`.

    Returns:
        uint32, shape (count,), each below ``2**bits``.

    Raises:
        PayloadError: `data` has another length than ``packed_bytes(count, bits)``, or its padding is not zero.
        ValueError: `bits` is not within 0 to 32.

    >>> unpack(bytes.fromhex("2103"), count=3, bits=4).tolist()
    [1, 2, 3]
    """
    _check_length(data, count, bits)
    n_planes = max(bits - 1, 0) // 8
    values = np.empty(count, dtype=np.uint32)
    for place, block in _unpacked(memoryview(data)[n_planes * count :], count, bits - 8 * n_planes):
        values[place] = block
    for plane in reversed(range(n_planes)):
        values <<= np.uint32(8)
        values |= np.frombuffer(data, dtype=np.uint8, count=count, offset=plane * count)
    return values


def unpack_narrow(data: bytes, count: int, bits: int) -> NDArray[np.uint8]:
    """As `unpack`, for at most 8 bits, in a quarter of the memory.

    >>> unpack_narrow(bytes.fromhex("2103"), count=3, bits=4).tolist()
    [1, 2, 3]
    """
    _check_length(data, count, bits)
    values = np.empty(count, dtype=np.uint8)
    for place, block in _unpacked(memoryview(data), count, bits):
        values[place] = block
    return values


def _pack_bytes(values: NDArray[np.uint8], bits: int) -> bytes:
    """Values below ``2**bits``, `bits` at most 8, without gaps."""
    if bits == 0:
        return b""
    if bits == 1:
        return np.packbits(values, bitorder="little").tobytes()
    if bits == 8:
        return values.tobytes()
    packed = np.empty((-(-values.size // 8), bits), dtype=np.uint8)
    padded = np.empty(min(_BLOCK, 8 * len(packed)), dtype=np.uint8)
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        n_words = -(-block.size // 8)
        padded[: block.size] = block
        padded[block.size : 8 * n_words] = 0
        words = padded[: 8 * n_words].view("<u8").astype(np.uint64, copy=False)  # in place: `padded` is scratch
        # Close the gap between neighbouring lanes: eight values of a byte each, then four pairs, then two quadruples.
        for lane, lower in _LANES:
            upper = words & ~np.uint64(lower)
            upper >>= np.uint64(lane - bits * lane // 8)
            words &= np.uint64(lower)
            words |= upper
        _copy_columns(words.astype("<u8", copy=False), packed[start // 8 :][:n_words], bits)
    return packed.reshape(-1)[: packed_bytes(values.size, bits)].tobytes()


def _unpacked(data: memoryview, count: int, bits: int) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """The inverse of `_pack_bytes`, block by block, for `data` of the right length."""
    n_padding_bits = 8 * len(data) - count * bits
    if n_padding_bits and data[-1] >> (8 - n_padding_bits):
        raise PayloadError("the padding after packed values is not zero")
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        part = np.frombuffer(data, dtype=np.uint8)[start * bits // 8 :][: packed_bytes(size, bits)]
        yield slice(start, start + size), _unpack_block(part, size, bits)


def _unpack_block(data: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.uint8]:
    if bits == 0:
        return np.zeros(count, dtype=np.uint8)
    if bits == 1:
        return np.unpackbits(data, count=count, bitorder="little")
    if bits == 8:
        return data
    n_words = -(-count // 8)
    if data.size < n_words * bits:
        data = np.concatenate([data, np.zeros(n_words * bits - data.size, dtype=np.uint8)])
    words = np.zeros(n_words, dtype="<u8")
    _copy_columns(words, data.reshape(n_words, bits), bits, is_to_words=True)
    words = words.astype(np.uint64, copy=False)
    for lane, lower in reversed(_LANES):
        # The lowest `used` bits of every double lane stay, the next `used` move up to the upper lane.
        used = bits * lane // 8
        keep = np.uint64(lower & sum(((1 << used) - 1) << start for start in range(0, 64, 2 * lane)))
        upper = words & (keep << np.uint64(used))
        upper <<= np.uint64(lane - used)
        words &= keep
        words |= upper
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


def _copy_columns(words: NDArray[np.uint64], packed: NDArray[np.uint8], bits: int, is_to_words: bool = False) -> None:
    """Copy between the lowest `bits` bytes of each word and a row of `packed`, in the widest units that fit."""
    unit = f"<u{bits & -bits}"
    rows, columns = words.view(unit).reshape(len(words), -1), packed.view(unit)
    # Column by column: numpy is slow at rows of a few entries.
    for column in range(columns.shape[1]):
        if is_to_words:
            rows[:, column] = columns[:, column]
        else:
            columns[:, column] = rows[:, column]


def _check_length(data: bytes, count: int, bits: int) -> None:
    _check_width(bits)
    if len(data) != packed_bytes(count, bits):
        raise PayloadError(
            f"{len(data)} bytes of packed values, expected {packed_bytes(count, bits)} for {count} of {bits} bits"
        )


def _check_width(bits: int) -> None:
    if not 0 <= bits <= MAX_BITS:
        raise ValueError(f"a packed value has 0 to {MAX_BITS} bits (got {bits})")
