"""The random rotation of DRIVE and EDEN: random signs, then a Walsh-Hadamard transform, block by block.

The vector of all trained entries is rotated as one, as the authors do, not tensor by tensor. It is cut into blocks
whose lengths are powers of two, the largest first, until padding what is left to the next power of two adds at most 31
entries: so the number of entries sent is at most d + 31. (31 entries of a bit cost less than the scale of another
block. Padding the whole vector at once, as is often done, can double it.) Where to cut is our choice; both ends know it
from d.

A block of n entries x becomes ``y = H D x / sqrt(n)``. D are signs that both ends draw from the agreed seed, a fresh
set for each payload. Every entry y is replaced by an entry q of a codebook, and x decoded as ``S D H q / sqrt(n)``:

``unbiased``: ``S = ||x||^2 / <q, y>``, so that what is lost is orthogonal to x;
``min_mse``: ``S = <q, y> / <q, q>``, which makes ``||x - decoded||`` least, and shrinks the update.

References:
    Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher, "DRIVE: One-bit Distributed Mean Estimation",
    NeurIPS 2021; "EDEN: Communication-Efficient and Robust Distributed Mean Estimation for Federated Learning",
    ICML 2022 (rotation and both scales).
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.seeds import stream
from harness.core.types import Agreed, Float32

Scale = Literal["unbiased", "min_mse"]
Uint8 = NDArray[np.uint8]

_LARGEST = float(np.finfo(np.float32).max)
_STAGE = 32  # five stages of the butterfly at once: small enough for the cache, large enough for a matrix product
_MOST_PADDING = 31


def check_scale(scale: str) -> None:
    """Refuse an unknown rule."""
    if scale not in ("unbiased", "min_mse"):
        raise ValueError(f"scale must be unbiased or min_mse (got {scale})")


def block_sizes(d: int) -> list[int]:
    """Lengths of the blocks that `d` entries are cut into, each a power of two; only the last one may be padded.

    >>> block_sizes(9610)
    [8192, 1024, 256, 128, 16]
    """
    sizes: list[int] = []
    left = d
    while left > 0:
        padded = 1 << (left - 1).bit_length()
        sizes.append(padded if padded - left <= _MOST_PADDING else padded // 2)
        left -= sizes[-1]
    return sizes


def quantise_rotated(
    values: Float32, agreed: Agreed, indices_of: Callable[[Float32], Uint8], codebook: Float32, scale: Scale
) -> tuple[NDArray[np.float64], Uint8]:
    """Scales and indices that stand for a vector.

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
    start = 0
    for number, n in enumerate(sizes):
        place = slice(start, start + n)
        block, exponent = _scaled(values[place], n)
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
        start += n
    return scales, indices


def rotated_back(scales: Float32, indices: Uint8, codebook: Float32, d: int, agreed: Agreed) -> Float32:
    """The vector of `d` entries that scales and indices stand for, within the range of float32."""
    sizes = block_sizes(d)
    signs = _sign_bits(sum(sizes), agreed)
    values = np.empty(d, dtype=np.float32)
    start = 0
    for n, scale in zip(sizes, scales.tolist(), strict=True):
        place = slice(start, start + n)
        block = _flipped(hadamard(codebook[indices[place]]), signs[place])
        with np.errstate(over="ignore", under="ignore"):
            np.multiply(block, scale / math.sqrt(n), out=block, dtype=np.float64, casting="same_kind")
        np.clip(block, -_LARGEST, _LARGEST, out=block)
        values[place] = block[: d - start]
        start += n
    return values


def hadamard(values: Float32) -> Float32:
    """The Walsh-Hadamard transform in Sylvester's order, unnormalised: applied twice, it multiplies by n.

    Args:
        values: float32, shape (n,), n a power of two, contiguous; overwritten.

    >>> hadamard(np.array([1, 2, 3, 4], dtype=np.float32)).tolist()
    [10.0, -2.0, -4.0, 0.0]
    """
    n, done, spare = values.size, 1, np.empty_like(values)
    while done < n:
        width = min(_STAGE, n // done)
        if done == 1:
            # The matrix is symmetric, so the first stage may multiply from the right, where the rows are contiguous.
            np.matmul(values.reshape(-1, width), _matrix(width), out=spare.reshape(-1, width))
        else:
            np.matmul(_matrix(width), values.reshape(-1, width, done), out=spare.reshape(-1, width, done))
        values, spare = spare, values
        done *= width
    return values


@cache
def _matrix(n: int) -> Float32:
    matrix = np.ones((1, 1), dtype=np.float32)
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    matrix.flags.writeable = False
    return matrix


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
