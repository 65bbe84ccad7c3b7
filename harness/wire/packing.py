"""Fixed-width bit packing of non-negative integers, little-endian, least significant bit first.

Wire format of ``n`` values of ``bits`` bits: while more than 8 bits are left, a plane of ``n`` bytes with the low 8;
then the rest, at most 8 bits wide, without gaps: value ``i`` starts at bit ``i * bits`` of what follows, and zero
bits fill the last byte. Planes keep every packed value within a byte, so that eight values fill whole bytes.
"""

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError

MAX_BITS = 32

# Lane width in bits, and a mask of every other lane of that width in a 64-bit word, lowest lane first.
_LANES = ((8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0x00000000FFFFFFFF))


def bits_for(n_values: int) -> int:
    """Bits that tell `n_values` values apart: ceil(log2 n).

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


def pack(values: NDArray[np.uint32], bits: int) -> bytes:
    """Values packed at `bits` bits each.

    Args:
        values: uint32, shape (n,), each below ``2**bits``.
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
    planes = []
    while bits > 8:
        planes.append(values.astype(np.uint8).tobytes())
        values, bits = values >> np.uint32(8), bits - 8
    return b"".join(planes) + _pack_bytes(values.astype(np.uint8), bits)


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
    _check_width(bits)
    if len(data) != packed_bytes(count, bits):
        raise PayloadError(
            f"{len(data)} bytes of packed values, expected {packed_bytes(count, bits)} for {count} of {bits} bits"
        )
    n_planes = max(bits - 1, 0) // 8
    top = _unpack_bytes(data[n_planes * count :], count, bits - 8 * n_planes)
    values = top.astype(np.uint32)
    for plane in reversed(range(n_planes)):
        values <<= np.uint32(8)
        values |= np.frombuffer(data, dtype=np.uint8, count=count, offset=plane * count)
    return values


def _pack_bytes(values: NDArray[np.uint8], bits: int) -> bytes:
    """Values below ``2**bits``, `bits` at most 8, without gaps."""
    if bits == 0:
        return b""
    if bits == 1:
        return np.packbits(values, bitorder="little").tobytes()
    if bits == 8:
        return values.tobytes()
    padded = np.zeros(-(-values.size // 8) * 8, dtype=np.uint8)
    padded[: values.size] = values
    words = padded.view("<u8").astype(np.uint64, copy=False)
    # Close the gap between neighbouring lanes: eight values of a byte each, then four pairs, then two quadruples.
    for lane, lower in _LANES:
        gap = np.uint64(lane - bits * lane // 8)
        words = (words & np.uint64(lower)) | ((words & ~np.uint64(lower)) >> gap)
    as_bytes = words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return as_bytes[:, :bits].tobytes()[: packed_bytes(values.size, bits)]


def _unpack_bytes(data: bytes, count: int, bits: int) -> NDArray[np.uint8]:
    """The inverse of `_pack_bytes`, for `data` of the right length."""
    if bits == 0:
        return np.zeros(count, dtype=np.uint8)
    n_padding_bits = 8 * len(data) - count * bits
    if n_padding_bits and data[-1] >> (8 - n_padding_bits):
        raise PayloadError("the padding after packed values is not zero")
    if bits == 1:
        return np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count, bitorder="little")
    if bits == 8:
        return np.frombuffer(data, dtype=np.uint8)
    n_words = -(-count // 8)
    as_bytes = np.zeros((n_words, 8), dtype=np.uint8)
    as_bytes[:, :bits] = np.frombuffer(data.ljust(n_words * bits, b"\0"), dtype=np.uint8).reshape(n_words, bits)
    words = as_bytes.view("<u8").reshape(-1).astype(np.uint64, copy=False)
    for lane, lower in reversed(_LANES):
        # The lowest `used` bits of every double lane stay, the next `used` move up to the upper lane.
        used = bits * lane // 8
        keep = np.uint64(lower & sum(((1 << used) - 1) << start for start in range(0, 64, 2 * lane)))
        words = (words & keep) | ((words & (keep << np.uint64(used))) << np.uint64(lane - used))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


def _check_width(bits: int) -> None:
    if not 0 <= bits <= MAX_BITS:
        raise ValueError(f"a packed value has 0 to {MAX_BITS} bits (got {bits})")
