"""How often each symbol occurs, in few bits: what an entropy coder must know before it can read a symbol.

A histogram over symbols 0 to w - 1 is cut into cells of ``2**shift`` neighbours. With c symbols in a cell, its *root*
is ``r = round(sqrt(c) / 1.5)``, at least 1 unless c is 0. A cell so weighs ``r**2``, in equal parts to its symbols.
Square roots because the counting noise of sqrt(c) is 1/2 whatever c is: a step of 1.5 costs each cell about as many
bits in a longer code for its symbols as it saves in a shorter histogram. Only differences of neighbouring roots are
sent, difference e with the weight ``decay**|e| + 1 / (64 (1 + e**2))``, by one of 16 decays: the first term is for a
smooth histogram, the second for the slopes of a peak between long, flat tails. The encoder tries cells of every width.

All of it is integers, or float64 in operations that IEEE 754 rounds alike on every machine.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError

N_RATES = 16
N_SHIFTS = 24
"""Cells have ``2**0`` to ``2**23`` symbols."""

_STEP = 1.5
_DECAYS = (0.02, 0.05, 0.1, 0.16, 0.22, 0.3, 0.38, 0.46, 0.54, 0.62, 0.7, 0.78, 0.85, 0.91, 0.96, 0.985)

_JUMPS = 1 / 64

# Sum of all weights, for each rate.
_TOTALS = np.array([(1 + decay) / (1 - decay) + _JUMPS * 3.153 for decay in _DECAYS])

# A cell costs a few bits; where it holds more symbols than this, they can spare them, and wider ones are not tried.
_PLENTY = 2000


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

    def weights(self, width: int) -> NDArray[np.float64]:
        """Weight of each of `width` symbols, float64, proportional to its probability.

        >>> Histogram(1, 0, np.array([2, 1])).weights(3).tolist()
        [4.0, 4.0, 1.0]
        """
        weights: NDArray[np.float64] = self.roots[np.arange(width) >> self.shift].astype(np.float64)
        np.square(weights, out=weights)
        return weights


@dataclass(frozen=True)
class Differences:
    """The distribution of differences of roots, where `count` symbols are told apart.

    Attributes:
        count: symbols that the histogram counts, at least 1.
    """

    count: int

    @property
    def limit(self) -> int:
        """Largest root that may occur, and so the largest difference."""
        return int(self.count**0.5 / _STEP) + 1

    def weights(self, rate: int) -> NDArray[np.float64]:
        """Weights of the differences ``-limit .. limit``, float64."""
        decayed = np.cumprod(np.full(self.limit, _DECAYS[rate])) + _jumps(np.arange(1, self.limit + 1))
        return np.concatenate([decayed[::-1], [1.0 + _JUMPS], decayed])

    def restored(self, differences: NDArray[np.int64], what: str) -> NDArray[np.int64]:
        """Roots from the differences that were sent.

        Raises:
            PayloadError: there is no such histogram.
        """
        roots = np.cumsum(differences)
        if roots.min() < 0 or roots.max() > self.limit or not roots.any():
            raise PayloadError(f"histogram of {what} has roots from {roots.min()} to {roots.max()}")
        return roots


def fitted(counts: NDArray[np.int64]) -> tuple[Histogram, float]:
    """The histogram that makes the message short, and about how many bits message and histogram take.

    Args:
        counts: int64, shape (w,), each at least 0, sum at least 1.
    """
    used = np.flatnonzero(counts)
    best: tuple[float, Histogram] | None = None
    cells = counts
    for shift in range(N_SHIFTS):
        if shift:
            cells = np.add.reduceat(cells, np.arange(0, len(cells), 2))
        histogram, side_bits = _rooted(cells, shift)
        weights = histogram.weights(len(counts))
        bits = side_bits + float(counts[used] @ (np.log2(weights.sum()) - np.log2(weights[used])))
        if best is None or bits < best[0]:
            best = bits, histogram
        if len(cells) == 1 or counts.sum() > _PLENTY * len(counts):
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best[1], best[0]


def _rooted(cells: NDArray[np.int64], shift: int) -> tuple[Histogram, float]:
    """The histogram of cells at its best decay rate, and the bits that its differences take."""
    roots = np.rint(np.sqrt(cells) / _STEP).astype(np.int64)
    roots[(roots == 0) & (cells > 0)] = 1
    sizes, counts = np.unique(np.abs(np.diff(roots, prepend=0)), return_counts=True)
    weights = np.power(np.array(_DECAYS)[:, None], sizes) + _jumps(sizes)
    bits = np.log2(_TOTALS[:, None] / weights) @ counts
    rate = int(bits.argmin())
    return Histogram(shift, rate, roots), float(bits[rate])


def _jumps(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    return _JUMPS / (1 + np.square(sizes, dtype=np.float64))
