"""Codes positive integers with Elias's recursive (omega) code, in bit planes so that no loop runs over the integers.

The codeword of N: start with "0"; while N > 1, put N in binary in front and go on with ``floor(log2 N)``. So 1 is "0",
2 is "100" and 16 is "10100100000": groups that begin with a 1 and each give the length of the next, then a 0.

Bits of n numbers, none more and none less than those of their codewords:
1. the first bit of each group and the final 0, which tell how many groups a number has: one bit of all numbers, then
   one more of all whose last was a 1, until all were 0;
2. the other bits of the groups, the first group of all numbers, then the second and so on (a group of number N with
   ``floor(log2 N)`` of them): bit 0 (value 1) of all that have it, then bit 1 of all that have it, and so on.
   "First" is counted from the last group: all last but three, all last but two, all last but one, all last.

References:
    Elias, "Universal codeword sets and representations of the integers", IEEE Transactions on Information Theory 21(2),
    1975.
"""

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError

Bits = NDArray[np.uint8]

MAX_GROUPS = 4
"""Groups of the longest codeword in use, that of a number below 2**32."""

_MAX_LOG2 = 31


def omega_bits(numbers: NDArray[np.uint32]) -> list[Bits]:
    """The bits of the codewords, one 0 or 1 per uint8, as pieces in the order of the module head.

    Args:
        numbers: uint32, shape (n,), each at least 1.

    >>> sum(len(piece) for piece in omega_bits(np.array([1, 2, 3, 16], dtype=np.uint32)))
    18
    """
    n_groups, groups = _groups(numbers)
    flags = []
    alive = n_groups
    for group in range(1, MAX_GROUPS + 2):
        flags.append((alive >= group).astype(np.uint8))
        alive = alive[alive >= group]
        if not alive.size:
            break
    return [*flags, *groups]


class BitReader:
    """Reads bits from front to back and raises `PayloadError` rather than return what is not there."""

    def __init__(self, data: bytes) -> None:
        """Start at the least significant bit of the first byte."""
        self._data = np.frombuffer(data, dtype=np.uint8)
        self._offset = 0

    def take(self, count: int, what: str) -> Bits:
        """The next `count` bits, each a uint8; `what` names them in the error."""
        if self._offset + count > 8 * self._data.size:
            raise PayloadError(f"the Elias code in the body ends within {what}")
        # Only the bytes that hold them, since a bit takes a byte when it is unpacked.
        first, skipped = divmod(self._offset, 8)
        self._offset += count
        return np.unpackbits(self._data[first:], count=skipped + count, bitorder="little")[skipped:]

    def omega(self, count: int, what: str) -> NDArray[np.uint32]:
        """The next `count` numbers, each at least 1."""
        n_groups = np.zeros(count, dtype=np.uint8)
        alive = np.arange(count)
        while alive.size:
            alive = alive[self.take(alive.size, what) == 1]
            n_groups[alive] += 1
            if alive.size and n_groups[alive[0]] > MAX_GROUPS:
                raise PayloadError(f"the Elias code in the body has {what} beyond 32 bits")
        return self._numbers(n_groups, what)

    def finish(self) -> None:
        """Refuse what nobody read, but for the zero bits that fill the last byte."""
        n_left = 8 * self._data.size - self._offset
        if n_left >= 8 or self.take(n_left, "the padding").any():
            raise PayloadError("the Elias code in the body ends before its bytes do, or its padding is not zero")

    def _numbers(self, n_groups: NDArray[np.uint8], what: str) -> NDArray[np.uint32]:
        """The numbers with that many groups: the groups before the last are the code of how long that one is."""
        numbers = np.ones(n_groups.size, dtype=np.uint32)
        is_longer = n_groups > 0
        if not is_longer.any():
            return numbers
        lengths = self._numbers(n_groups[is_longer] - np.uint8(1), what)
        longest = int(lengths.max())
        if longest > _MAX_LOG2:
            raise PayloadError(f"the Elias code in the body has {what} beyond 32 bits")
        last = np.left_shift(np.uint32(1), lengths)
        for bit in range(longest):
            has_bit = lengths > bit
            plane = self.take(int(np.count_nonzero(has_bit)), what)
            last[has_bit] |= np.left_shift(plane.astype(np.uint32), np.uint32(bit))
        numbers[is_longer] = last
        return numbers


def packed_bits(pieces: list[Bits]) -> bytes:
    """Bits in bytes, least significant first; zero bits fill the last byte."""
    return np.packbits(np.concatenate([np.zeros(0, dtype=np.uint8), *pieces]), bitorder="little").tobytes()


def _groups(numbers: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], list[Bits]]:
    """How many groups each number has, and the bits of part 2 of the module head."""
    n_groups = np.zeros(numbers.size, dtype=np.uint8)
    is_longer = numbers > 1
    last = numbers[is_longer]
    if not last.size:
        return n_groups, []
    lengths = _floor_log2(last)
    n_before, planes = _groups(lengths)
    n_groups[is_longer] = n_before + np.uint8(1)
    for bit in range(int(lengths.max())):
        planes.append((np.right_shift(last[lengths > bit], np.uint32(bit)) & np.uint32(1)).astype(np.uint8))
    return n_groups, planes


def _floor_log2(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """``floor(log2 N)`` of numbers that are at least 1, from the exponent of their exact float64."""
    return ((numbers.astype(np.float64).view(np.uint64) >> np.uint64(52)) - np.uint64(1023)).astype(np.uint32)
