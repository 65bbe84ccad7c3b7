"""Codes symbols by asymmetric numeral systems (ANS): each run with its histogram, in one stack of bits.

What is written is read back in the same order. Probabilities have 24 bits. In a stream there are, one after another:

number: one of n equally probable values, log2 n bits.
numbers: several of them; neighbours, as long as n of all of them together is at most 2**24, as one:
    ``(a n_b + b) n_c + c``, of ``n_a n_b n_c`` values.
symbols: `count` symbols below `n_symbols` (both known to the reader), none of it if `count` is 0:
    1. numbers below `n_symbols`, twice: the lowest symbol that occurs and the highest, which is ``w - 1`` above it. If
       w is 1 nothing follows.
    2. numbers below ``ceil(log2 w) + 1`` and 16: `shift` and `rate` of the histogram (`harness.wire.histogram`); its
       differences of roots, ``ceil(w / 2**shift)`` of them, each plus `limit` and by the weights of that rate.
    3. symbols less the lowest, by the weights of the histogram: with groups of g (`harness.wire.groups`), first the
       last ``count mod g`` one by one, then the groups, then the symbols that are cut off.

A stream ends with the number 255 below 256: where words are missing, a reader comes upon zeros instead.

A finished stream is the words of constriction's `AnsCoder`, u32 little-endian, read from the last to the first. By
itself (`encode_symbols`) it has their number in front: 7 bits a byte, lowest first, the upper bit set on all but the
last byte.

References:
    Duda, "Asymmetric numeral systems", arXiv 1311.2540, 2013.
    Bamler, "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS)", arXiv 2201.01741, 2022 (constriction).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError
from harness.wire.body import BodyReader
from harness.wire.groups import Symbols, counted, grouping
from harness.wire.histogram import (
    N_RATES,
    Histogram,
    difference_weights,
    fitted,
    largest_root,
    n_shifts,
    restored_roots,
)

MAX_SYMBOLS = 1 << 22
"""Largest alphabet: every symbol between the lowest and the highest takes 2**-24 of the probability at least."""

_MAX_NUMBERS = 1 << 24

_END = 255
_N_ENDS = 256


class AnsWriter:
    """Collects numbers and runs of symbols, and then codes them.

    >>> writer = AnsWriter()
    >>> writer.number(5, 10)
    >>> writer.symbols(np.array([1, 0, 1, 1], dtype=np.uint8), 2)
    >>> reader = AnsReader(writer.finish(), "example")
    >>> reader.number(10), reader.symbols(4, 2).tolist()
    (5, [1, 0, 1, 1])
    >>> reader.finish()
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._pushes: list[tuple[int | NDArray[np.int32], Callable[[], Any]]] = []
        self.bits = 0.0
        """About how long the stream is so far."""

    def append(self, other: "AnsWriter") -> None:
        """Write all that was written to `other`."""
        self._pushes += other._pushes
        self.bits += other.bits

    def number(self, value: int, n_values: int) -> None:
        """Write one of 0 to ``n_values - 1``, at most 2**24 values."""
        if n_values > 1:
            self.bits += math.log2(n_values)
            self._pushes.append((value, partial(_uniform, n_values)))

    def numbers(self, values: Sequence[int], sizes: Sequence[int]) -> None:
        """Write several numbers; `sizes` says of how many values each is one."""
        for part, n_joint in _joined(tuple(sizes)):
            joint = 0
            for value, size in zip(values[part], sizes[part], strict=True):
                joint = joint * size + value
            self.number(joint, n_joint)

    def symbols(self, symbols: Symbols, n_symbols: int) -> None:
        """Write symbols, shape (n,), each below `n_symbols`, of any unsigned dtype; uint8 is fastest.

        Raises:
            ValueError: a symbol is not in the alphabet, or that is larger than `MAX_SYMBOLS`.
        """
        if not symbols.size:
            return
        low, high = int(symbols.min()), int(symbols.max())
        if not high < n_symbols <= MAX_SYMBOLS:
            raise ValueError(f"symbols up to {high} of an alphabet of {n_symbols}, which may have {MAX_SYMBOLS}")
        self.numbers((low, high), (n_symbols, n_symbols))
        width = high - low + 1
        if width == 1:
            return
        histogram, bits = fitted(counted(symbols, low, width))
        self._histogram(histogram, width, symbols.size)
        self.bits += bits
        weights = histogram.weights(width)
        how = grouping(weights, symbols.size)
        groups, ends = how.grouped(symbols, low)
        single = symbols[groups.size * how.size :].astype(np.int32) - low
        if single.size:
            self._pushes.append((single, partial(_categorical, weights)))
        if groups.size:
            self._pushes.append((groups, lambda: _categorical(how.group_weights(weights))))
        if ends.size:
            self._pushes.append((ends, lambda: _categorical(how.end_weights(weights))))

    def finish(self) -> bytes:
        """The words of the stream, which ends here."""
        coder = constriction.stream.stack.AnsCoder()
        self.number(_END, _N_ENDS)
        for symbols, model in reversed(self._pushes):
            coder.encode_reverse(symbols, model())
        return bytes(coder.get_compressed().astype("<u4").tobytes())

    def _histogram(self, histogram: Histogram, width: int, count: int) -> None:
        self.numbers((histogram.shift, histogram.rate), (n_shifts(width), N_RATES))
        limit = largest_root(count)
        shifted = (histogram.differences + limit).astype(np.int32)
        self._pushes.append((shifted, partial(_of_differences, limit, histogram.rate)))


class AnsReader:
    """Reads what `AnsWriter` wrote. Any words can be read; invalid ones are refused."""

    def __init__(self, words: bytes, what: str) -> None:
        """Start to read; `what` names the stream in errors."""
        self._what = what
        if len(words) % 4:
            raise PayloadError(f"{what}: {len(words)} bytes are not whole words")
        try:
            self._coder = constriction.stream.stack.AnsCoder(np.frombuffer(words, dtype="<u4").astype(np.uint32))
        except ValueError as error:
            raise PayloadError(f"{what}: {error}") from error

    def number(self, n_values: int) -> int:
        """The next number below `n_values`."""
        return int(self._coder.decode(_uniform(n_values))) if n_values > 1 else 0

    def numbers(self, sizes: Sequence[int]) -> list[int]:
        """The next numbers; `sizes` says of how many values each is one."""
        values: list[int] = []
        for part, n_joint in _joined(tuple(sizes)):
            joint, digits = self.number(n_joint), list[int]()
            for size in reversed(sizes[part]):
                joint, digit = divmod(joint, size)
                digits.append(digit)
            values += reversed(digits)
        return values

    def symbols(self, count: int, n_symbols: int) -> NDArray[np.uint32]:
        """The next `count` symbols, fresh."""
        symbols = np.empty(count, dtype=np.uint32)
        self.values(np.arange(n_symbols, dtype=np.uint32), symbols)
        return symbols

    def values(self, table: NDArray[Any], out: NDArray[Any]) -> None:
        """``table[symbols]`` for the next symbols, whose alphabet is as long as `table`.

        Args:
            table: the value of each symbol, of a dtype of 1, 2 or 4 bytes.
            out: where they go, shape (n,), contiguous, of the same dtype; so many symbols are read.
        """
        count = out.size
        if count == 0:
            return
        low, high = self.numbers((len(table), len(table)))
        if low > high:
            raise PayloadError(f"{self._what}: symbols from {low} to {high}")
        width = high - low + 1
        table = table[low : high + 1]
        if width == 1:
            out[:] = table[0]
            return
        weights = self._histogram(width, count).weights(width)
        how = grouping(weights, count)
        n_groups = count // how.size
        n_grouped = n_groups * how.size
        if n_grouped < count:
            out[n_grouped:] = table[self._coder.decode(_categorical(weights), count - n_grouped)]
        if n_groups:
            groups = self._coder.decode(_categorical(how.group_weights(weights)), n_groups)
            places = how.put(groups, table, out[:n_grouped])
            if places.size:
                ends = self._coder.decode(_categorical(how.end_weights(weights)), places.size)
                out[places] = how.ends(table)[ends]

    def finish(self) -> None:
        """Refuse a stream that ended early, or that nobody read to its end."""
        if self.number(_N_ENDS) != _END or not self._coder.is_empty():
            raise PayloadError(f"{self._what}: the coder did not end where it began")

    def _histogram(self, width: int, count: int) -> Histogram:
        shift, rate = self.numbers((n_shifts(width), N_RATES))
        limit = largest_root(count)
        coded = self._coder.decode(_of_differences(limit, rate), -(-width >> shift)).astype(np.int64)
        return Histogram(shift, rate, restored_roots(coded - limit, limit, self._what))


def encode_symbols(symbols: Symbols, n_symbols: int) -> bytes:
    """Symbols with their histogram, and with their length in front; no symbols are no bytes.

    Args:
        symbols: unsigned, shape (n,), each below `n_symbols`.
        n_symbols: size of the alphabet, at least 1, at most `MAX_SYMBOLS`, known to both ends.
    """
    if not symbols.size:
        return b""
    writer = AnsWriter()
    writer.symbols(symbols, n_symbols)
    words = writer.finish()
    return varint(len(words) // 4) + words


def decode_symbols(reader: BodyReader, count: int, n_symbols: int, what: str) -> NDArray[np.uint32]:
    """The next `count` symbols of a body.

    Raises:
        PayloadError: the body ends early, or what is there are no `count` symbols; `what` names them.
    """
    if count == 0:
        return np.zeros(0, dtype=np.uint32)
    stream = AnsReader(reader.take(4 * read_varint(reader, f"length of {what}"), what), what)
    symbols = stream.symbols(count, n_symbols)
    stream.finish()
    return symbols


def _categorical(weights: NDArray[np.float64]) -> Any:
    # constriction adds weights one after the other; numpy's order, and so its last bit, depends on the machine.
    return constriction.stream.model.Categorical(weights, perfect=False)


@lru_cache(maxsize=64)
def _of_differences(limit: int, rate: int) -> Any:
    return _categorical(difference_weights(limit, rate))


@lru_cache(maxsize=256)
def _uniform(n_values: int) -> Any:
    return constriction.stream.model.Uniform(n_values)


@lru_cache(maxsize=256)
def _joined(sizes: tuple[int, ...]) -> list[tuple[slice, int]]:
    """Which neighbouring numbers are written as one, and how many values that has."""
    parts, start, product = [], 0, 1
    for stop, size in enumerate(sizes):
        if product * size > _MAX_NUMBERS:
            parts.append((slice(start, stop), product))
            start, product = stop, 1
        product *= size
    return [*parts, (slice(start, len(sizes)), product)]


def varint(number: int) -> bytes:
    """A number in 7 bits a byte, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    data = bytearray()
    while number >= 128:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def read_varint(reader: BodyReader, what: str) -> int:
    """The number that `varint` wrote, of at most five bytes; `what` names it in errors."""
    number = 0
    for position in range(5):
        byte = reader.take(1, what)[0]
        number |= (byte & 127) << (7 * position)
        if byte < 128:
            return number
    raise PayloadError(f"{what} takes more than five bytes")
