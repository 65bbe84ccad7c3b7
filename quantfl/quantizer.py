"""Computes bucket quantisation: pure functions without bytes. Rows of a matrix are groups of entries.

Buckets of equal width: a range [low, high] is cut into L of them; an entry belongs to the bucket that holds it, which
is the one with the nearest centre. Rounding at random or by dither is between the L *points* that divide the range
into ``L - 1`` steps, its ends among them, so that no entry within the range lies beyond the last point.
Buckets of equal mass: each holds as many entries; its edges are entries.
All arithmetic is float64, because ``high - low`` of two float32 may exceed a float32.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32
from quantfl.ranges import Ranges, blocks

Indices = NDArray[np.unsignedinteger]

Noise = Callable[[int], Float32]
"""The next so many numbers of a stream, uniform in [0, 1)."""

FLOAT32_MAX = float(np.finfo(np.float32).max)

# From so many entries on, a table of pairs pays: two bytes of indices are turned into two float32 at once.
_MANY = 1 << 16
_PAIRED_LEVELS = 64


def even_indices(rows: Float32, spans: Ranges, levels: int, out: Indices, noise: Noise | None = None) -> None:
    """The bucket of each entry; entries outside the range belong to the outermost buckets.

    Args:
        rows: float32, shape (m, n), finite.
        spans: the range of each row, shape (m, 2); if it has no width, every entry is in bucket 0.
        levels: number of buckets L, at least 2.
        out: where they go, shape (m, n), each below `levels`.
        noise: None for the nearest bucket; else an entry goes to the point below or above it, to the upper one if its
            distance from the lower one, in steps, plus the noise is 1 or more.

    >>> out = np.empty((1, 3), dtype=np.uint8)
    >>> even_indices(np.array([[0.0, 0.6, 1.0]], dtype=np.float32), np.array([[0.0, 1.0]]), 4, out)
    >>> out.tolist()
    [[0, 2, 3]]
    """
    width = spans[:, 1] - spans[:, 0]
    scale = np.divide(levels if noise is None else levels - 1, width, out=np.zeros_like(width), where=width > 0)
    for place in blocks(*rows.shape):
        buckets = np.subtract(rows[place], spans[place[0], :1], dtype=np.float64)
        buckets *= scale[place[0], None]
        if noise is not None:
            buckets += noise(buckets.size).reshape(buckets.shape)
        np.clip(buckets, 0, levels - 1, out=buckets)
        np.copyto(out[place], buckets, casting="unsafe")  # cuts off what is behind the point


def even_values(indices: Indices, spans: Ranges, levels: int, out: Float32, offset: float | Noise = 0.5) -> None:
    """The value of each index: ``low + (i + offset) * width``, finite.

    Args:
        indices: shape (m, n), each below `levels`.
        spans: the range of each row, shape (m, 2).
        levels: number of buckets L.
        out: where the values go, float32, shape (m, n).
        offset: 0.5 for the centres of buckets, width ``(high - low) / L``; 0 for points, or a dither stream for points
            less the dither it adds, ``1/2 - noise``, with a width of ``(high - low) / (L - 1)``.
    """
    step = (spans[:, 1] - spans[:, 0]) / (levels if offset == 0.5 else levels - 1)
    if len(indices) == 1 and not callable(offset):
        take((spans[0, 0] + (np.arange(levels) + offset) * step[0]).astype(np.float32), indices[0], out[0])
        return
    for place in blocks(*indices.shape):
        values = indices[place].astype(np.float64)
        values += 0.5 - offset(values.size).reshape(values.shape) if callable(offset) else offset
        values *= step[place[0], None]
        values += spans[place[0], :1]
        np.clip(values, -FLOAT32_MAX, FLOAT32_MAX, out=values)
        out[place] = values


def mass_indices(rows: Float32, levels: int, out: Indices) -> None:
    """The bucket of each entry, where buckets hold as many entries each; equal entries are in one bucket.

    The lower edge of bucket i > 0 is entry ``ceil(i n / L)`` of the n sorted entries of its row.

    >>> out = np.empty((1, 4), dtype=np.uint8)
    >>> mass_indices(np.array([[5.0, -1.0, 90.0, 0.0]], dtype=np.float32), 2, out)
    >>> out.tolist()
    [[1, 0, 1, 0]]
    """
    n_columns = rows.shape[1]
    starts = -(-np.arange(1, levels) * n_columns // levels)
    starts = np.minimum(starts, n_columns - 1)
    for row, target in zip(rows, out, strict=True):
        edges = np.partition(row, np.unique(starts))[starts]
        for _, place in blocks(1, n_columns):
            target[place] = np.searchsorted(edges, row[place], side="right")


def bucket_means(rows: Float32, indices: Indices, levels: int) -> Float32:
    """The mean of the entries in each bucket.

    Decoded means add up to the sum of the entries, and no other codebook for the same buckets has a smaller squared
    error. A bucket without entries, which no index names, gets 0.

    Returns:
        float32, shape (m, levels).

    >>> x, buckets = np.array([[0.0, 0.125, 1.0]], dtype=np.float32), np.array([[0, 0, 3]], dtype=np.uint8)
    >>> bucket_means(x, buckets, 4).tolist()
    [[0.0625, 0.0, 0.0, 1.0]]
    """
    means = np.zeros((len(rows), levels), dtype=np.float32)
    for row, buckets, mean in zip(rows, indices, means, strict=True):
        counts, sums = np.zeros(levels), np.zeros(levels)
        for _, place in blocks(1, len(row)):
            counts += np.bincount(buckets[place], minlength=levels)
            sums += np.bincount(buckets[place], weights=row[place], minlength=levels)
        mean[:] = sums / np.maximum(counts, 1)
    return means


def codebook_values(indices: Indices, codebooks: Float32, out: Float32) -> None:
    """The value of each index in its row's codebook; shapes (m, n), (m, levels) and (m, n)."""
    for row, codebook, target in zip(indices, codebooks, out, strict=True):
        take(codebook, row, target)


def take(table: Float32, indices: Indices, out: Float32) -> None:
    """``out = table[indices]``; indices beyond the table give its last entry."""
    done = 0
    if indices.dtype == np.uint8 and len(table) <= _PAIRED_LEVELS and len(indices) >= _MANY and indices.data.contiguous:
        done = len(indices) // 2 * 2
        padded = np.concatenate([table, np.repeat(table[-1:], 256 - len(table))])
        # Pair p, read from two bytes, is index p mod 256 and then index p / 256.
        pairs = np.stack([np.tile(padded, len(table)), np.repeat(table, 256)], axis=1).view(np.uint64).reshape(-1)
        both = indices[:done].view("<u2")
        for _, place in blocks(1, len(both)):
            np.take(pairs, both[place], out=out[:done].view(np.uint64)[place], mode="clip")
    for _, place in blocks(1, len(indices) - done):
        np.take(table, indices[done:][place], out=out[done:][place], mode="clip")
