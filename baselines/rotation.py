"""Computes the random rotation of DRIVE and EDEN: random signs, then a Walsh-Hadamard transform, block by block.

The vector of all trained entries is rotated as one, as the authors do, not tensor by tensor. It is filled up with zeros
to a multiple of 128 entries and cut into blocks whose lengths are the powers of two in that number, the largest first:
at most 127 entries are padding. (Padding the whole vector to a power of two, as is often done, can double it.) Where
to cut is our choice; both ends know it from d. The zeros stand at the end of the first block, so that no short block is
made of few entries: those are where a rotation by signs and a transform is furthest from a uniformly random one, and
the scale that is unbiased under that one is not so. Of Laplace entries at one bit, the squared bias is 1e-4 of the
squared norm with 128 to a block, 1e-3 with 65, 1e-2 with ten. A model of at most 128 entries is one block of 128,
mostly padding if it has few.

A block of n entries x becomes ``y = H D x / sqrt(n)``. D are signs that both ends draw from the agreed seed, a fresh
set for each payload. Every entry y is replaced by an entry q of a codebook, and x decoded as ``S D H q / sqrt(n)``:

``unbiased``: ``S = ||x||^2 / <q, y>``, so that what is lost is orthogonal to x;
``min_mse``: ``S = <q, y> / <q, q>``, which makes ``||x - decoded||`` least, and shrinks the update.

The transform adds and subtracts float32 numbers in an order that is fixed, so that every machine, with any number of
threads, decodes a payload to the same numbers; a product of matrices would not.

References:
    Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher, "DRIVE: One-bit Distributed Mean Estimation",
    NeurIPS 2021; "EDEN: Communication-Efficient and Robust Distributed Mean Estimation for Federated Learning",
    ICML 2022 (rotation and both scales).
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.seeds import stream
from harness.core.types import Agreed, Float32

Scale = Literal["unbiased", "min_mse"]
Uint8 = NDArray[np.uint8]

_LARGEST = float(np.finfo(np.float32).max)
_LEAST_BLOCK = 128
_CHUNK = 2**14  # entries that are transformed at a time, so that they stay in the cache


def check_scale(scale: str) -> None:
    """Refuse an unknown rule."""
    if scale not in ("unbiased", "min_mse"):
        raise ValueError(f"scale must be unbiased or min_mse (got {scale})")


def block_sizes(d: int) -> list[int]:
    """Lengths of the blocks that `d` entries are cut into, each a power of two, at least 128; only the first is padded.

    >>> block_sizes(9610)
    [8192, 1024, 512]
    """
    padded = -(-d // _LEAST_BLOCK) * _LEAST_BLOCK
    return [1 << bit for bit in reversed(range(padded.bit_length())) if padded >> bit & 1]


def quantise_rotated(
    values: Float32, agreed: Agreed, indices_of: Callable[[Float32], Uint8], codebook: Float32, scale: Scale
) -> tuple[NDArray[np.float64], Uint8]:
    """Scales and indices that encode a vector.

    Args:
        values: float32, shape (d,), finite.
        agreed: what the signs are drawn from.
        indices_of: from rotated entries with a mean square of 1 to indices into the codebook.
        codebook: float32; a positive rotated entry must get a positive one, a negative one a negative one.
        scale: which S.

    Returns:
        One S per block, at least 0, at most the largest float32; indices, one per entry, padding included.
    """
    sizes = block_sizes(values.size)
    signs = _sign_bits(sum(sizes), agreed)
    scales = np.zeros(len(sizes))
    indices = np.empty(sum(sizes), dtype=np.uint8)
    for number, (place, entries) in enumerate(_places(values.size)):
        n = place.stop - place.start
        block, exponent = _scaled(values[entries], n)
        energy = _dot(block, block)
        block = hadamard(_flipped(block, signs[place]))
        if energy > 0:
            block *= np.float32(1 / math.sqrt(energy))
        indices[place] = indices_of(block)
        sent = codebook[indices[place]]
        # `block` is y sqrt(n) / ||x|| now; energies and products are those of x and y over 2**exponent.
        product = _dot(sent, block) * math.sqrt(energy / n)
        if product > 0:
            ratio = energy / product if scale == "unbiased" else product / _dot(sent, sent)
            scales[number] = min(_LARGEST, math.ldexp(ratio, exponent))
    return scales, indices


def rotated_back(scales: Float32, indices: Uint8, codebook: Float32, d: int, agreed: Agreed) -> Float32:
    """The vector of `d` entries that scales and indices encode, within the range of float32."""
    signs = _sign_bits(sum(block_sizes(d)), agreed)
    values = np.empty(d, dtype=np.float32)
    for (place, entries), scale in zip(_places(d), scales.tolist(), strict=True):
        block = _flipped(hadamard(codebook[indices[place]]), signs[place])
        with np.errstate(over="ignore", under="ignore"):
            np.multiply(block, scale / math.sqrt(block.size), out=block, dtype=np.float64, casting="same_kind")
        np.clip(block, -_LARGEST, _LARGEST, out=block)
        values[entries] = block[: entries.stop - entries.start]
    return values


def hadamard(values: Float32) -> Float32:
    """The Walsh-Hadamard transform in Sylvester's order, unnormalised: applied twice, it multiplies by n.

    Args:
        values: float32, shape (n,), n a power of two, contiguous; transformed in place, and returned.

    >>> hadamard(np.array([1, 2, 3, 4], dtype=np.float32)).tolist()
    [10.0, -2.0, -4.0, 0.0]
    """
    chunks = values.reshape(-1, min(values.size, _CHUNK))
    n_rows = 1 << (chunks.shape[1].bit_length() - 1) // 2
    for chunk in chunks:
        square = chunk.reshape(n_rows, -1)
        square[...] = _along_columns(_along_columns(square).T).T
    width = max(_CHUNK // len(chunks), 64)
    for start in range(0, chunks.shape[1] if len(chunks) > 1 else 0, width):
        slab = chunks[:, start : start + width]
        slab[...] = _along_columns(slab)
    return values


def _along_columns(matrix: Float32) -> Float32:
    """The transform of each column; the number of rows is a power of two."""
    done, spare = matrix.copy(order="C"), np.empty(matrix.shape, dtype=np.float32)
    half = len(matrix) // 2
    while half:
        pairs, results = (array.reshape(len(matrix) // (2 * half), 2, -1) for array in (done, spare))
        np.add(pairs[:, 0], pairs[:, 1], out=results[:, 0])
        np.subtract(pairs[:, 0], pairs[:, 1], out=results[:, 1])
        done, spare = spare, done
        half //= 2
    return done


def _places(d: int) -> Iterator[tuple[slice, slice]]:
    """Position of each block among all entries, padding included, and of its entries among the `d`."""
    sizes = block_sizes(d)
    n_padding, start = sum(sizes) - d, 0
    for size in sizes:
        yield slice(start, start + size), slice(max(0, start - n_padding), start + size - n_padding)
        start += size


def _sign_bits(count: int, agreed: Agreed) -> Uint8:
    """The agreed random bits, 0 or 1: raw words of the generator, the same under every version of numpy."""
    rng = stream(agreed.seed, f"rotation-{agreed.direction}", agreed.round, agreed.client)
    words = np.asarray(rng.bit_generator.random_raw(-(-count // 64)), dtype="<u8")
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little")


def _flipped(values: Float32, sign_bits: Uint8) -> Float32:
    """`values`, negated in place where the bit is 1."""
    masks = sign_bits.astype(np.uint32)
    masks <<= np.uint32(31)
    values.view(np.uint32)[...] ^= masks
    return values


def _dot(left: Float32, right: Float32) -> float:
    """The inner product in float64, without a copy of either."""
    return float(np.einsum("i,i->", left, right, dtype=np.float64))


def _scaled(values: Float32, n: int) -> tuple[Float32, int]:
    """Values over 2**exponent, below 1 in magnitude so that no sum overflows, padded with zeros to `n`."""
    exponent = math.frexp(max(float(values.max()), -float(values.min())))[1]
    block = np.zeros(n, dtype=np.float32)
    np.multiply(values, 2.0**-exponent, out=block[: values.size], dtype=np.float64, casting="same_kind")
    return block, exponent
