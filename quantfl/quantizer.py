"""The mathematics of bucket quantisation: equal-width buckets over a range, pure functions without bytes.

A range [low, high] is cut into L buckets of equal width; an entry belongs to the bucket that holds it, which is the
one with the nearest centre. All arithmetic is float64, because ``high - low`` of two float32 may exceed a float32.
"""

import math

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32


def min_max_range(values: Float32) -> tuple[float, float]:
    """Smallest and largest entry.

    Args:
        values: float32, shape (n,), n at least 1, finite.

    >>> min_max_range(np.array([3.0, -1.0], dtype=np.float32))
    (-1.0, 3.0)
    """
    return float(values.min()), float(values.max())


def percentile_range(values: Float32, percentile: float) -> tuple[float, float]:
    """The range that holds the central `percentile` % of the entries, its ends being entries themselves.

    Of n sorted entries, ``floor((100 - percentile) / 200 * (n - 1))`` are left out at either end, so that a small
    tensor keeps its full range. If all central entries are equal, but not all entries, the full range is returned: a
    range of no width would erase a sparse update.

    Args:
        values: float32, shape (n,), n at least 1, finite.
        percentile: share of the entries within the range, in %, above 0 and at most 100.

    >>> percentile_range(np.arange(1001, dtype=np.float32), percentile=98.0)
    (10.0, 990.0)
    """
    n_cut = math.floor((100 - percentile) / 200 * (values.size - 1))
    if n_cut == 0:
        return min_max_range(values)
    ordered = np.partition(values, [n_cut, values.size - 1 - n_cut])
    low, high = float(ordered[n_cut]), float(ordered[-1 - n_cut])
    return (low, high) if low < high else min_max_range(values)


def nearest_buckets(values: Float32, low: float, high: float, levels: int) -> NDArray[np.uint32]:
    """The bucket of each entry; entries outside the range belong to the outermost buckets.

    Args:
        values: float32, shape (n,), finite.
        low: lower end of the range.
        high: upper end of the range, at least `low`; if equal, every entry is in bucket 0.
        levels: number of buckets, at least 2.

    Returns:
        uint32, shape (n,), each below `levels`.

    >>> nearest_buckets(np.array([0.0, 0.6, 1.0], dtype=np.float32), 0.0, 1.0, levels=4).tolist()
    [0, 2, 3]
    """
    if high == low:
        return np.zeros(values.shape, dtype=np.uint32)
    place = np.subtract(values, low, dtype=np.float64)
    place *= levels / (high - low)
    np.clip(place, 0, levels - 1, out=place)
    return place.astype(np.uint32)


def bucket_centres(low: float, high: float, levels: int) -> Float32:
    """The middle of each bucket.

    Returns:
        float32, shape (levels,), ascending, within [low, high]; all equal to `low` if the range has no width.

    >>> bucket_centres(0.0, 1.0, levels=4).tolist()
    [0.125, 0.375, 0.625, 0.875]
    """
    return (low + (np.arange(levels) + 0.5) * ((high - low) / levels)).astype(np.float32)


def bucket_means(values: Float32, buckets: NDArray[np.uint32], low: float, high: float, levels: int) -> Float32:
    """The mean of the entries in each bucket, and the centre of a bucket without entries.

    Entries outside the range count with their own value: decoded means add up to the sum of the entries, and no
    other codebook for the same buckets has a smaller squared error.

    Args:
        values: float32, shape (n,), finite.
        buckets: the bucket of each entry, from `nearest_buckets` with the same range.
        low: lower end of the range.
        high: upper end of the range.
        levels: number of buckets.

    Returns:
        float32, shape (levels,).

    >>> x = np.array([0.0, 0.125, 1.0], dtype=np.float32)
    >>> bucket_means(x, nearest_buckets(x, 0.0, 1.0, 4), 0.0, 1.0, 4).tolist()
    [0.0625, 0.375, 0.625, 1.0]
    """
    counts = np.bincount(buckets, minlength=levels)
    sums = np.bincount(buckets, weights=values, minlength=levels)
    centres = bucket_centres(low, high, levels)
    return np.where(counts > 0, sums / np.maximum(counts, 1), centres).astype(np.float32)
