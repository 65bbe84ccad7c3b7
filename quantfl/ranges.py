"""Computes the range that evenly spaced buckets cover, by four rules. Rows of a matrix are groups with a range each.

Ranges are float64 of shape (m, 2), low and high, each a float32 as it travels; statistics are float64.
"""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32

RangeRule = Literal["min_max", "absmax", "sigma", "percentile"]

Ranges = NDArray[np.float64]

BLOCK = 1 << 14
"""Entries in work at a time: as float64, with what is made of them, they stay in the cache of a core."""


def blocks(n_rows: int, n_columns: int) -> Iterator[tuple[slice, slice]]:
    """A matrix cut into parts of about `BLOCK` entries: several whole rows, or a part of one; in memory order."""
    if n_columns > BLOCK:
        for row in range(n_rows):
            for start in range(0, n_columns, BLOCK):
                yield slice(row, row + 1), slice(start, start + BLOCK)
    elif n_columns:
        step = BLOCK // n_columns
        for row in range(0, n_rows, step):
            yield slice(row, row + step), slice(0, n_columns)


def ranges(rows: Float32, rule: RangeRule, parameter: float | None = None) -> Ranges:
    """The range of each row.

    Args:
        rows: float32, shape (m, n), n at least 1, finite.
        rule: see the functions of this module.
        parameter: `percentile` or `sigmas` of the rules of that name.
    """
    if rule == "absmax":
        return absmax(rows)
    if parameter is None:
        return min_max(rows)
    return sigma(rows, parameter) if rule == "sigma" else percentile(rows, parameter)


def min_max(rows: Float32) -> Ranges:
    """Smallest and largest entry.

    >>> min_max(np.array([[3.0, -1.0]], dtype=np.float32)).tolist()
    [[-1.0, 3.0]]
    """
    return np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1).astype(np.float64)


def absmax(rows: Float32) -> Ranges:
    """The smallest range around 0 that holds all entries.

    >>> absmax(np.array([[3.0, -1.0]], dtype=np.float32)).tolist()
    [[-3.0, 3.0]]
    """
    largest = np.abs(min_max(rows)).max(axis=1)
    return np.stack([-largest, largest], axis=1)


def sigma(rows: Float32, sigmas: float) -> Ranges:
    """`sigmas` standard deviations to either side of the mean, but nothing beyond the smallest and largest entry.

    >>> sigma(np.array([[0.0] * 98 + [-10.0, 10.0]], dtype=np.float32), 2.0).round(3).tolist()
    [[-2.828, 2.828]]
    """
    n_rows, n_columns = rows.shape
    sums, squares = np.zeros(n_rows), np.zeros(n_rows)
    for place in blocks(n_rows, n_columns):
        sums[place[0]] += rows[place].sum(axis=1, dtype=np.float64)
    means = sums / n_columns
    for place in blocks(n_rows, n_columns):
        squares[place[0]] += np.square(rows[place] - means[place[0], None]).sum(axis=1)
    reach = sigmas * np.sqrt(squares / n_columns)
    full = min_max(rows)
    clipped = np.stack([np.maximum(means - reach, full[:, 0]), np.minimum(means + reach, full[:, 1])], axis=1)
    return clipped.astype(np.float32).astype(np.float64)


def percentile(rows: Float32, share: float) -> Ranges:
    """The range that holds the central `share` % of the entries, its ends being entries themselves.

    Of n sorted entries, ``floor((100 - share) / 200 * (n - 1))`` are left out at either end, so that a small group
    keeps its full range. If all central entries are equal, but not all entries, the full range is returned: a range
    of no width would erase a sparse update.

    Args:
        rows: float32, shape (m, n), n at least 1, finite.
        share: in %, above 0 and at most 100.

    >>> percentile(np.arange(1001, dtype=np.float32)[None], 98.0).tolist()
    [[10.0, 990.0]]
    """
    n_columns = rows.shape[1]
    n_cut = math.floor((100 - share) / 200 * (n_columns - 1))
    full = min_max(rows)
    if n_cut == 0:
        return full
    ordered = np.partition(rows, [n_cut, n_columns - 1 - n_cut], axis=1)
    central = ordered[:, [n_cut, n_columns - 1 - n_cut]].astype(np.float64)
    return np.where(central[:, :1] < central[:, 1:], central, full)
