"""Computes trellis-coded rounding at one common step: symbols, values, and escapes. No bytes.

See `quantfl.trellis` for the trellis and `quantfl.steps` for the formulas.
"""

from collections.abc import Sequence

import numpy as np

from harness.core.types import Float32
from quantfl.quantizer import FLOAT32_MAX, Indices
from quantfl.ranges import blocks
from quantfl.trellis import Bool, Int32, fold, mirrored_entries, trellis_indices
from quantfl.unbounded import MAX_CAP, NARROW_CAP

N_OFFSETS = 256

INNER = range(-3, 3)
"""Indices that have a mean of their own; the others share one."""

N_MEANS = len(INNER) + 1

LEAST_CAP = 7
"""The smallest cap that leaves indices which do not escape."""

# An index may be this far from its entry, in steps, and then be this near to the cap before it means an escape.
_MARGIN = 5
_ESCAPING = 2


def roomy_cap(values: Float32, step: float, cap: int) -> int:
    """A cap that leaves room for indices next to the nearest, unless entries escape anyway.

    Args:
        values: float32, shape (n,), n at least 1, finite.
        step: above 0, or 0 if all `values` are.
        cap: the one chosen for rounding to the nearest.
    """
    largest = max(abs(float(values.min())), abs(float(values.max()))) / (step or 1.0)
    if cap - _MARGIN < largest <= cap < MAX_CAP:
        cap = 2 * cap + 1
    return max(cap, LEAST_CAP)


def traced(
    tensors: Sequence[Float32], steps: Sequence[float], dead_zone: float, caps: Sequence[int]
) -> tuple[Int32, Bool]:
    """Indices of all runs on one path through the trellis, and which of them are mirrored.

    Args:
        tensors: entries of each run, float32, shape (n,).
        steps: one for each run, above 0, or 0 if all its entries are.
        dead_zone: see `quantfl.trellis.trellis_indices`.
        caps: one for each run, at least `LEAST_CAP`, odd; no index has a larger magnitude.
    """
    scaled = np.empty(sum(map(len, tensors)), dtype=np.float32)
    start = 0
    for values, step, cap in zip(tensors, steps, caps, strict=True):
        for _, place in blocks(1, len(values)):
            block = np.multiply(values[place], 1 / step if step else 0.0, dtype=np.float64)
            stop = start + len(block)
            np.clip(block, 0.75 - cap, cap - 0.75, out=scaled[start:stop], casting="unsafe")
            start = stop
    indices = trellis_indices(scaled, dead_zone, out=scaled.view(np.int32))
    return indices, mirrored_entries(indices)


def trellis_symbols(indices: Int32, cap: int) -> Indices:
    """Indices plus an even number, so that none is below 0: that leaves the trellis as it is."""
    symbols = symbols_like(cap, indices.size)
    np.add(indices, cap + 1, out=symbols, casting="unsafe")
    return symbols


def symbols_like(cap: int, count: int) -> Indices:
    """Room for `count` symbols."""
    return np.empty(count, dtype=np.uint8 if cap <= NARROW_CAP else np.uint16)


def is_escape(indices: Int32, cap: int) -> Bool:
    """Which entries escape: those whose index shows that they may have been clipped."""
    return np.abs(indices) >= cap - _ESCAPING


def mean_offsets(values: Float32, indices: Int32, mirrored: Bool, step: float, cap: int) -> list[int]:
    """How far folded entries are from ``k + 1/4`` on average, in 128ths of a step plus 128.

    Returns:
        One number for each of the `INNER` indices, then one for all others, counted away from 0.
    """
    counts, sums = np.zeros(N_MEANS), np.zeros(N_MEANS)
    for _, place in blocks(1, len(values)):
        k = indices[place]
        distances = fold(values[place], mirrored[place]) / np.float64(step or 1.0) - (k + 0.25)
        is_inner = (k >= INNER.start) & (k < INNER.stop)
        kinds = np.where(is_inner, k - INNER.start, len(INNER))
        distances[~is_inner & (k < 0)] *= -1
        distances[is_escape(k, cap)] = 0
        counts += np.bincount(kinds, minlength=N_MEANS)
        sums += np.bincount(kinds, weights=distances, minlength=N_MEANS)
    numbers = np.rint(128 * sums / np.maximum(counts, 1)) + 128
    return [int(number) for number in np.clip(numbers, 0, N_OFFSETS - 1)]


def trellis_values(
    symbols: Indices, mirrored: Bool, step: float, cap: int, offsets: Sequence[int], out: Float32
) -> None:
    """The value of each symbol, NaN for an escape.

    Args:
        symbols: from `trellis_symbols`, shape (n,), each at most ``2 cap + 1``.
        mirrored: which entries are mirrored, shape (n,).
        step: at least 0.
        cap: that of the symbols.
        offsets: from `mean_offsets`; empty for none.
        out: where the values go, float32, shape (n,).
    """
    index = np.arange(-cap - 1, cap + 1)
    shifts = np.zeros(len(index))
    if offsets:
        shifts = np.sign(index) * (offsets[-1] / 128 - 1)
        shifts[cap + 1 + INNER.start : cap + 1 + INNER.stop] = np.array(offsets[:-1]) / 128 - 1
    table = np.clip((index + 0.25 + shifts) * step, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
    table[is_escape(index.astype(np.int32), cap)] = np.nan
    for _, place in blocks(1, len(symbols)):
        out[place] = fold(table[symbols[place]], mirrored[place])
