"""Codes how often each symbol occurs, in few bits: an entropy coder must know it before it can read a symbol.

A histogram over symbols 0 to w - 1 is cut into cells of ``2**shift`` neighbours. With c symbols in a cell, its *root*
is ``r = round(sqrt(c) / 1.5)``, at least 1 unless c is 0. A cell so weighs ``r**2``, in equal parts to its symbols.
Square roots because the counting noise of sqrt(c) is 1/2 for every c: a step of 1.5 costs each cell about as many
bits in a longer code for its symbols as it saves in a shorter histogram. Only differences of neighbouring roots are
sent, difference e with the weight ``decay**|e| + 1 / (64 (1 + e**2))``, by one of 16 decays: the first term is for a
smooth histogram, the second for the slopes of a peak between long, flat tails. The encoder tries
wider cells for as long as they help.

All of it is integers, or float64 in operations that IEEE 754 rounds alike on every machine.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError
from harness.wire.packing import bits_for

N_RATES = 16

_STEP = 1.5
_DECAYS = (0.02, 0.05, 0.1, 0.16, 0.22, 0.3, 0.38, 0.46, 0.54, 0.62, 0.7, 0.78, 0.85, 0.91, 0.96, 0.985)

_JUMPS = 1 / 64

# A cell costs a few bits; where it holds more symbols than this, they can spare them, and wider ones are not tried.
_PLENTY = 300


class Histogram(NamedTuple):
    """What is sent of a histogram.

    Attributes:
        shift: log2 of the symbols in a cell.
        rate: number of the decay rate of differences, 0 to 15.
        roots: int64, shape (ceil(w / 2**shift),), one per cell, at least 0, not all 0.
    """

    shift: int
    rate: int
    roots: NDArray[np.int64]

    @property
    def differences(self) -> NDArray[np.int64]:
        """Of each root from the one before it; the first is the first root."""
        differences = self.roots.copy()
        differences[1:] -= self.roots[:-1]
        return differences

    def weights(self, width: int) -> NDArray[np.float64]:
        """Weight of each of `width` symbols, float64, proportional to its probability.

        >>> Histogram(1, 0, np.array([2, 1])).weights(3).tolist()
        [4.0, 4.0, 1.0]
        """
        weights: NDArray[np.float64] = self.roots.astype(np.float64)
        np.square(weights, out=weights)
        return np.repeat(weights, 1 << self.shift)[:width] if self.shift else weights


def n_shifts(width: int) -> int:
    """How many values a shift may have where `width` symbols are distinguished: up to that of a single cell."""
    return bits_for(width) + 1


def largest_root(count: int) -> int:
    """The largest root that may occur among `count` symbols, and so the largest difference: a power of two.

    >>> largest_root(10_000)
    128
    """
    return 1 << (math.isqrt(4 * count // 9) + 1).bit_length()  # of sqrt(count) / 1.5


def difference_weights(limit: int, rate: int) -> NDArray[np.float64]:
    """Weights of the differences ``-limit .. limit``, float64."""
    sizes = np.arange(1, limit + 1)
    decayed = np.cumprod(np.full(limit, _DECAYS[rate])) + _JUMPS / (1 + np.square(sizes, dtype=np.float64))
    return np.concatenate([decayed[::-1], [1.0 + _JUMPS], decayed])


def restored_roots(differences: NDArray[np.int64], limit: int, what: str) -> NDArray[np.int64]:
    """Roots from the differences that were sent.

    Raises:
        PayloadError: there is no such histogram.
    """
    roots = np.cumsum(differences)
    low, high = int(roots.min()), int(roots.max())
    if low < 0 or not 0 < high <= limit:
        raise PayloadError(f"histogram of {what} has roots from {low} to {high}")
    return roots


def fitted(counts: NDArray[np.int64]) -> tuple[Histogram, float]:
    """The histogram that makes the message short, and about how many bits message and histogram take.

    Args:
        counts: int64, shape (w,), each at least 0, sum at least 1.
    """
    width, total = len(counts), int(counts.sum())
    cells = counts
    best, n_worse = (float("inf"), 0, 0, cells), 0
    for shift in range(n_shifts(width)):
        if shift:
            cells = np.add.reduceat(cells, np.arange(0, len(cells), 2))
        roots = np.rint(np.sqrt(cells) / _STEP)
        np.maximum(roots, cells > 0, out=roots)
        bits, rate = _side_bits(roots)
        n_missing = (len(cells) << shift) - width
        weight = float(roots @ roots) * (1 << shift) - n_missing * float(roots[-1]) ** 2
        bits += total * float(np.log2(weight)) - 2 * float(cells @ np.log2(np.maximum(roots, 1.0)))
        n_worse = 0 if bits < best[0] else n_worse + 1
        best = min(best, (bits, shift, rate, roots), key=lambda found: found[0])
        if n_worse == 2 or total > _PLENTY * width:
            break
    bits, shift, rate, roots = best
    return Histogram(shift, rate, roots.astype(np.int64)), bits


def _side_bits(roots: NDArray[np.float64]) -> tuple[float, int]:
    """The bits that differences of roots take at their best decay rate, and that rate."""
    sizes = roots.copy()
    sizes[1:] -= roots[:-1]
    np.abs(sizes, out=sizes)
    costs = _costs()
    np.minimum(sizes, costs.shape[1] - 1, out=sizes)
    counts = np.bincount(sizes.astype(np.int64))
    bits = costs[:, : len(counts)] @ counts
    rate = int(bits.argmin())
    return float(bits[rate]), rate


@lru_cache(maxsize=1)
def _costs() -> NDArray[np.float64]:
    """Bits of a difference of each size, for each rate; larger ones than these are too rare to matter."""
    weights = [difference_weights(4096, rate) for rate in range(N_RATES)]
    return np.array([np.log2(of_rate.sum() / of_rate[4096:]) for of_rate in weights])
