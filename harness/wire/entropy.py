"""Entropy coding by asymmetric numeral systems (ANS): symbols, each run with its histogram, in one stack of bits.

What is written is read back in the same order. Probabilities have 24 bits. In a stream there are, one after another:

number: one of n equally probable values, log2 n bits.
symbols: `count` symbols below `n_symbols` (both known to the reader), none of it if `count` is 0:
    1. number below `n_symbols`: the lowest symbol that occurs; number below ``n_symbols - lowest``: how far above it
       the highest is, ``w - 1``. If w is 1 nothing follows.
    2. number below 24 and number below 16: `shift` and `rate` of the histogram (`harness.wire.histogram`); its
       differences of roots, ``ceil(w / 2**shift)`` of them, each plus ``limit`` and by the weights of that rate.
    3. symbols less the lowest, by the weights of the histogram: first the last ``count mod g`` one by one, then the
       others in groups of g: ``s[0] w**(g-1) + ... + s[g-1]``, whose weight is the product of theirs. g is the largest
       of 1, 2 and 4 with ``w**g <= min(2**14, count / 8)``: fewer, larger symbols, which are faster to code.

A stream ends with the number 255 below 256: where words are missing, a reader comes upon zeros instead.

A finished stream is the words of constriction's `AnsCoder`, u32 little-endian, read from the last to the first. By
itself (`encode_symbols`) it has their number in front: 7 bits a byte, lowest first, the upper bit set on all but the
last byte.

References:
    Duda, "Asymmetric numeral systems", arXiv 1311.2540, 2013.
    Bamler, "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS)", arXiv 2201.01741, 2022 (constriction).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError
from harness.wire.body import BodyReader
from harness.wire.histogram import N_RATES, N_SHIFTS, Differences, Histogram, fitted

MAX_SYMBOLS = 1 << 22
"""Largest alphabet: every symbol between the lowest and the highest takes 2**-24 of the probability at least."""

_MAX_GROUPS = 1 << 14
_BLOCK = 1 << 15

_END = 255
_N_ENDS = 256

Symbols = NDArray[np.unsignedinteger]


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
        self._pushes: list[Callable[[Any], object]] = []
        self.bits = 0.0
        """About how long the stream is so far."""

    def append(self, other: "AnsWriter") -> None:
        """Write all that was written to `other`."""
        self._pushes += other._pushes
        self.bits += other.bits

    def number(self, value: int, n_values: int) -> None:
        """Write one of 0 to ``n_values - 1``."""
        if n_values > 1:
            self.bits += float(np.log2(n_values))
            self._pushes.append(partial(_push, symbols=np.array([value], dtype=np.int32), model=_uniform(n_values)))

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
        self.number(low, n_symbols)
        self.number(high - low, n_symbols - low)
        width = high - low + 1
        if width == 1:
            return
        group = _group_size(width, symbols.size)
        single, grouped, counts = _grouped(symbols, low, width, group)
        histogram, bits = fitted(counts)
        self.bits += bits
        self._histogram(histogram, symbols.size)
        weights = histogram.weights(width)
        self._pushes.append(partial(_push, symbols=single, model=partial(_categorical, weights)))
        self._pushes.append(partial(_push, symbols=grouped, model=partial(_categorical, _products(weights, group))))

    def finish(self) -> bytes:
        """The words of the stream, which ends here."""
        coder = constriction.stream.stack.AnsCoder()
        self.number(_END, _N_ENDS)
        for push in reversed(self._pushes):
            push(coder)
        return bytes(coder.get_compressed().astype("<u4").tobytes())

    def _histogram(self, histogram: Histogram, count: int) -> None:
        self.number(histogram.shift, N_SHIFTS)
        self.number(histogram.rate, N_RATES)
        differences = Differences(count)
        shifted = (np.diff(histogram.roots, prepend=0) + differences.limit).astype(np.int32)
        model = partial(_categorical, differences.weights(histogram.rate))
        self._pushes.append(partial(_push, symbols=shifted, model=model))


class AnsReader:
    """Reads what `AnsWriter` wrote. Any words can be read; what they cannot stand for is refused."""

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
        return int(self._coder.decode(_uniform(n_values), 1)[0]) if n_values > 1 else 0

    def symbols(self, count: int, n_symbols: int) -> NDArray[np.uint32]:
        """The next `count` symbols, fresh."""
        symbols = np.empty(count, dtype=np.uint32)
        self.values(np.arange(n_symbols, dtype=np.uint32), symbols)
        return symbols

    def values(self, table: NDArray[Any], out: NDArray[Any]) -> None:
        """``table[symbols]`` for the next symbols, whose alphabet is as long as `table`.

        Args:
            table: what each symbol stands for, of a dtype of 1, 2 or 4 bytes.
            out: where they go, shape (n,), contiguous, of the same dtype; so many symbols are read.
        """
        count = out.size
        if count == 0:
            return
        low = self.number(len(table))
        width = self.number(len(table) - low) + 1
        table = table[low : low + width]
        if width == 1:
            out[:] = table[0]
            return
        weights = self._histogram(width, count).weights(width)
        group = _group_size(width, count)
        n_grouped = count // group * group
        if n_grouped < count:
            out[n_grouped:] = table[self._coder.decode(_categorical(weights), count - n_grouped)]
        indices = self._coder.decode(_categorical(_products(weights, group)), n_grouped // group)
        _take(_tuples(table, group), indices, out[:n_grouped])

    def finish(self) -> None:
        """Refuse a stream that ended early, or that nobody read to its end."""
        if self.number(_N_ENDS) != _END or not self._coder.is_empty():
            raise PayloadError(f"{self._what}: the coder did not end where it began")

    def _histogram(self, width: int, count: int) -> Histogram:
        shift, rate = self.number(N_SHIFTS), self.number(N_RATES)
        differences = Differences(count)
        n_cells = (width + (1 << shift) - 1) >> shift
        coded = self._coder.decode(_categorical(differences.weights(rate)), n_cells).astype(np.int64)
        return Histogram(shift, rate, differences.restored(coded - differences.limit, self._what))


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


def _group_size(width: int, count: int) -> int:
    return max(group for group in (1, 2, 4) if group == 1 or width**group <= min(_MAX_GROUPS, count // 8))


def _grouped(
    symbols: Symbols, low: int, width: int, group: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """The last symbols that fill no group, the groups, and how often each symbol occurs, all less `low`."""
    n_grouped = len(symbols) // group * group
    single = symbols[n_grouped:].astype(np.int32) - low
    grouped = np.empty(n_grouped // group, dtype=np.int32)
    counts = np.zeros(width**group, dtype=np.int64)
    offset = low * sum(width**power for power in range(group))
    for start in range(0, len(grouped), _BLOCK):
        block = grouped[start : start + _BLOCK]
        rows = symbols[start * group : (start + len(block)) * group].reshape(-1, group)
        block[:] = rows[:, 0]
        for column in range(1, group):
            np.multiply(block, width, out=block)
            np.add(block, rows[:, column], out=block)
        block -= offset
        counts += np.bincount(block, minlength=len(counts))
    cube = counts.reshape((width,) * group)
    marginals = [cube.sum(axis=tuple(a for a in range(group) if a != axis)) for axis in range(group)]
    return single, grouped, np.sum(marginals, axis=0) + np.bincount(single, minlength=width)


def _products(weights: NDArray[np.float64], group: int) -> NDArray[np.float64]:
    """Weights of groups of independent symbols."""
    products = weights
    for _ in range(group - 1):
        products = np.multiply.outer(products, weights).reshape(-1)
    return products


def _tuples(table: NDArray[Any], group: int) -> NDArray[Any]:
    """What a group stands for: row ``s[0] w**(g-1) + ... + s[g-1]`` is ``table[s[0]], ..., table[s[g-1]]``."""
    axes = np.meshgrid(*[table] * group, indexing="ij")
    return np.stack([axis.reshape(-1) for axis in axes], axis=1)


def _take(rows: NDArray[Any], indices: NDArray[np.int32], out: NDArray[Any]) -> None:
    """``out = rows[indices]``, flat; a row of up to 16 bytes is moved as one item."""
    item = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}[rows.shape[1] * rows.itemsize]
    source, target = rows.view(item).reshape(-1), out.view(item)
    for start in range(0, len(indices), _BLOCK):
        np.take(source, indices[start : start + _BLOCK], out=target[start : start + _BLOCK], mode="clip")


def _categorical(weights: NDArray[np.float64]) -> Any:
    # constriction adds weights one after the other; numpy's order, and so its last bit, depends on the machine.
    return constriction.stream.model.Categorical(weights, perfect=False)


def _uniform(n_values: int) -> Any:
    return constriction.stream.model.Uniform(n_values)


def _push(coder: Any, symbols: NDArray[np.int32], model: Any) -> None:
    if symbols.size:
        coder.encode_reverse(symbols, model() if callable(model) else model)


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
