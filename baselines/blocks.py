"""Splits a tensor into blocks that share one norm, and rounds entries at random to evenly spaced levels."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32, Int64, Layout
from harness.wire.groups import Symbols

Norm = Literal["l2", "linf"]

FLOAT32_MAX = float(np.finfo(np.float32).max)

_CHUNK = 2**16


def block_sizes(layout: Layout, length: int | None) -> Int64:
    """How many entries each block has, in model order: tensors cut into blocks, the last of a tensor what is left.

    Args:
        layout: the shape of the model.
        length: entries of a block, at least 1; None for a block per tensor.

    Returns:
        int64, shape (number of blocks,), each at least 1; an empty tensor has no block.
    """
    parts = [np.zeros(0, dtype=np.int64)]
    for tensor in layout.tensors:
        if tensor.size:
            n_full, rest = divmod(tensor.size, length or tensor.size)
            parts.append(np.full(n_full, length or tensor.size, dtype=np.int64))
            if rest:
                parts.append(np.array([rest], dtype=np.int64))
    return np.concatenate(parts)


def block_norms(values: Float32, sizes: Int64, norm: Norm) -> Float32:
    """The norm of each block as it travels: never below its largest magnitude, and a finite float32.

    An L2 norm beyond float32 is sent as the largest float32, which is no smaller than any entry either: quantisers that
    round between fractions of the norm that was sent stay unbiased.

    Args:
        values: float32, shape (sizes.sum(),), finite.
        sizes: entries of each block.
        norm: ``l2`` or ``linf`` (the largest magnitude).

    Returns:
        float32, shape (len(sizes),).
    """
    if not sizes.size:
        return np.zeros(0, dtype=np.float32)
    starts = np.cumsum(sizes) - sizes
    if norm == "linf":
        return np.maximum.reduceat(np.abs(values), starts)
    squares = np.square(values, dtype=np.float64)
    return np.minimum(np.sqrt(np.add.reduceat(squares, starts)), FLOAT32_MAX).astype(np.float32)


def reciprocals(norms: Float32) -> NDArray[np.float64]:
    """``1 / norm`` of each block, and 0 for a block of zeros."""
    exact = norms.astype(np.float64)
    return np.divide(1.0, exact, out=np.zeros_like(exact), where=exact > 0)


def rounded_at_random(
    values: Float32, factors: NDArray[np.float64], sizes: Int64, levels: int, rng: np.random.Generator
) -> Symbols:
    """``values * factor`` rounded up or down at random so that the mean is kept, plus `levels`.

    The mean is kept to 2**-24 of a level, the resolution of the random numbers.

    Args:
        values: float32, shape (sizes.sum(),), finite.
        factors: factor of each block; products beyond plus or minus `levels` are clipped.
        sizes: entries of each block.
        levels: largest rounded magnitude, at most 32767.
        rng: consumed once per entry.

    Returns:
        uint8 or uint16, shape of `values`, 0 to ``2 * levels``; `levels` stands for 0.
    """
    rounded = np.empty(values.size, dtype=np.min_scalar_type(2 * levels))
    for place, scaled in _pieces(factors, sizes):
        np.multiply(scaled, values[place], out=scaled)
        np.clip(scaled, -levels, levels, out=scaled)
        # Rounding down after adding a number from [0, 1) rounds up with the probability of the fraction, for either
        # sign. With the offset no sum is below 0, and the cast, which cuts towards zero, rounds down.
        np.add(scaled, levels, out=scaled)
        np.add(scaled, rng.random(scaled.size, dtype=np.float32), out=scaled)
        rounded[place] = scaled.astype(rounded.dtype)
    return rounded


def times_factors(values: Float32, factors: NDArray[np.float64], sizes: Int64) -> Float32:
    """``value * factor`` of its block for each entry, computed in float64 and rounded to float32 once."""
    products = np.empty(values.size, dtype=np.float32)
    for place, scaled in _pieces(factors, sizes):
        np.multiply(scaled, values[place], out=products[place], casting="same_kind")
    return products


def times_steps(symbols: Symbols, grid: NDArray[np.float64], steps: NDArray[np.float64], sizes: Int64) -> Float32:
    """``grid[symbol] * step`` of its block for each entry, computed in float64 and rounded to float32 once."""
    products = np.empty(symbols.size, dtype=np.float32)
    for place, scaled in _pieces(steps, sizes):
        np.multiply(scaled, grid[symbols[place]], out=products[place], casting="same_kind")
    return products


def _pieces(factors: NDArray[np.float64], sizes: Int64) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """All entries, few enough at a time to stay in the cache, and the factor of each, in a fresh array."""
    ends = np.cumsum(sizes)
    count = int(ends[-1]) if ends.size else 0
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        part = slice(np.searchsorted(ends, start, side="right"), np.searchsorted(ends, stop) + 1)
        lengths = np.minimum(ends[part], stop) - np.maximum(ends[part] - sizes[part], start)
        yield slice(start, stop), np.repeat(factors[part], lengths)
