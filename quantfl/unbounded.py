"""Computes quantisation with one step for all tensors: unbounded indices, values, and escapes. No bytes.

See `quantfl.steps` for the formulas.
"""

import math

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32
from quantfl.quantizer import FLOAT32_MAX, Indices, Noise
from quantfl.ranges import blocks

MAX_CAP = 2**13 - 1
"""Largest magnitude of an index; beyond it, entries escape."""

NARROW_CAP = 127
"""Within this cap symbols are bytes. Below it nothing escapes: the alphabet costs next to nothing."""

N_FRACTIONS = 256

_SAMPLE = 1 << 13


def has_escapes(cap: int) -> bool:
    """Whether entries may escape at this cap."""
    return cap >= NARROW_CAP


def n_symbols(cap: int) -> int:
    """Size of the alphabet at this cap."""
    return 2 * cap + 1 + has_escapes(cap)


def sufficient_cap(values: Float32, step: float) -> int:
    """The smallest ``2**j - 1`` that no index exceeds, but at most `MAX_CAP`.

    Args:
        values: float32, shape (n,), n at least 1, finite.
        step: above 0, or 0 if all `values` are.

    >>> sufficient_cap(np.array([-6.2, 1.0], dtype=np.float32), 1.0)
    7
    """
    largest = max(abs(float(values.min())), abs(float(values.max())))
    index = min(largest / step, MAX_CAP - 1) + 1 if step else 0
    return int(2 ** int(index).bit_length() - 1)


def step_indices(values: Float32, step: float, dead_zone: float, cap: int, noise: Noise | None) -> Indices:
    """The symbol of each entry: its index plus `cap`, or ``2 cap + 1`` if it escapes.

    Args:
        values: float32, shape (n,), finite.
        step: above 0, or 0 if all `values` are.
        dead_zone: half-width of the zero bucket in steps, 0.5 to 1.
        cap: from `sufficient_cap`.
        noise: None to round to the nearest; else what is added before rounding down.

    Returns:
        uint8 if `cap` is narrow, else uint16; shape (n,).
    """
    symbols: Indices = np.empty(values.size, dtype=np.uint8 if cap <= NARROW_CAP else np.uint16)
    # float32 is as good as exact in the ordinary case: a boundary between two buckets moves by 1e-3 steps at most.
    is_ordinary = noise is None and 1e-30 < step < 1e30
    number = np.float32 if is_ordinary else np.float64
    inverse, shift, offset = number(1 / step if step else 0), number(dead_zone - 0.5), number(cap + 0.5)
    with np.errstate(over="ignore"):  # what overflows escapes
        for _, place in blocks(1, values.size):
            scaled = np.multiply(values[place], inverse, dtype=number)
            if noise is not None:
                scaled += noise(scaled.size) - 0.5
            elif shift:
                scaled -= np.clip(scaled, -shift, shift)
            scaled += offset
            if cap == MAX_CAP:
                is_beyond = (scaled < 0) | (scaled >= 2 * cap + 1)
                scaled[is_beyond] = 2 * cap + 1
            np.copyto(symbols[place], scaled, casting="unsafe")  # rounds down, as nothing is below 0
    return symbols


def with_escapes(symbols: Indices, cap: int) -> tuple[Indices, int]:
    """The symbols for the cap that is reckoned to make the shortest stream with its escapes; and that cap.

    A larger alphabet makes all other symbols dearer, as each symbol has a probability of 2**-24 at least; an escape
    costs its entry as float32.

    Args:
        symbols: uint16, from `step_indices`.
        cap: theirs, at least `NARROW_CAP`.
    """
    counts = np.bincount(symbols, minlength=2 * cap + 2)
    best = min((_bits_at(counts, cap, smaller), smaller) for smaller in _caps_up_to(cap))[1]
    symbols = symbols - np.uint16(cap - best)  # below 0 wraps to the far end
    np.minimum(symbols, np.uint16(2 * best + 1), out=symbols)
    return symbols.astype(np.uint8 if best <= NARROW_CAP else np.uint16, copy=False), best


def mean_fractions(
    values: Float32, symbols: Indices, step: float, dead_zone: float, cap: int, *, is_matched: bool
) -> tuple[int, int]:
    """Where in their buckets entries are decoded to, in 256ths: for indices of magnitude 1, and for larger ones.

    Args:
        values: float32, shape (n,), n at least 1, finite.
        symbols: of `values`.
        step: see `step_indices`.
        dead_zone: see there.
        cap: that of `symbols`.
        is_matched: their mean position, or farther from 0 by as much as makes up for the entries that become 0.
    """
    # A stride that shares a factor with the shape would always meet the same taps of a convolution's kernels.
    stride = -(-values.size // _SAMPLE)
    while math.gcd(stride, values.size) > 1:
        stride += 1
    sampled, magnitudes = symbols[::stride], np.abs(values[::stride]).astype(np.float64) / (step or 1.0)
    size = 2 * cap + 2
    counts, sums = np.bincount(sampled, minlength=size), np.bincount(sampled, weights=magnitudes, minlength=size)
    # By magnitude of the index; the last symbol is an escape.
    counts, sums = counts[cap + 1 : -1] + counts[:cap][::-1], sums[cap + 1 : -1] + sums[:cap][::-1]
    lower = np.arange(cap) + dead_zone
    excess = np.asarray(sums - counts * lower, dtype=np.float64)
    first, others = _mean(excess[:1], counts[:1]), _mean(excess[1:], counts[1:])
    if is_matched and sums.any():
        decoded = lower + others
        decoded[:1] = lower[:1] + first
        short = float(np.square(magnitudes[sampled != 2 * cap + 1]).sum()) - float(decoded @ sums)
        first, others = first + short / float(sums.sum()), others + short / float(sums.sum())
    return _number_of(first), _number_of(others)


def step_table(step: float, dead_zone: float, cap: int, fractions: tuple[float, float]) -> Float32:
    """The value of each symbol with rounding to the nearest; NaN for an escape, if the cap has any.

    Args:
        step: at least 0.
        dead_zone: see `step_indices`.
        cap: that of the symbols.
        fractions: place in the bucket of indices of magnitude 1, and of larger ones, 0 to 1.

    Returns:
        float32, shape (`n_symbols`,).

    >>> step_table(2.0, 0.5, 1, (0.5, 0.5)).tolist()
    [-2.0, 0.0, 2.0]
    """
    positive = np.arange(cap) + (dead_zone + fractions[1])
    positive[:1] = dead_zone + fractions[0]
    positive *= step
    return _with_nan(np.concatenate([-positive[::-1], [0.0], positive]), cap)


def point_table(step: float, cap: int) -> Float32:
    """The value of each symbol with rounding at random, its index times `step`; NaN for an escape, if any.

    >>> point_table(2.0, 1).tolist()
    [-2.0, 0.0, 2.0]
    """
    return _with_nan(np.arange(-cap, cap + 1) * step, cap)


def take_dither_off(indices: Float32, step: float, noise: Noise) -> None:
    """Turn ``k``, as float32, into ``(k + 1/2 - u) step``, in place; NaN stays."""
    for _, place in blocks(1, indices.size):
        values = indices[place].astype(np.float64)
        values += 0.5
        values -= noise(values.size)
        values *= step
        indices[place] = np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)


def _caps_up_to(cap: int) -> list[int]:
    return [2**j - 1 for j in range(7, cap.bit_length() + 1)]


def _bits_at(counts: NDArray[np.int64], cap: int, smaller: int) -> float:
    total = counts.sum()
    inside = counts[cap - smaller : cap + smaller + 1]
    inside = inside[inside > 0]
    n_escapes = total - inside.sum()
    bits = float(inside @ np.log2(total / inside)) + 3 * len(inside)
    if n_escapes:
        bits += float(n_escapes * (32 + np.log2(total / n_escapes)))
    return bits + int(total) * (2 * smaller + 2) * 2.0**-24 / math.log(2)


def _mean(excess: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """A mean place in a bucket; that of nothing is in the middle."""
    count = int(counts.sum())
    return float(excess.sum()) / count if count else 0.5


def _number_of(fraction: float) -> int:
    """A place in a bucket as a number below `N_FRACTIONS`."""
    return min(max(math.floor(fraction * N_FRACTIONS), 0), N_FRACTIONS - 1)


def _with_nan(values: NDArray[np.floating], cap: int) -> Float32:
    clipped = np.minimum(np.maximum(values, -FLOAT32_MAX), FLOAT32_MAX).astype(np.float32)
    return np.append(clipped, np.float32(np.nan)) if has_escapes(cap) else clipped
