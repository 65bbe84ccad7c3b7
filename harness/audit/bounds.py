"""Computes what theory allows: the fewest bits per entry at a given error, and the bits that symbols carry.

nMSE is the squared error over the energy of the update; rates are bits an entry.

References:
    Shannon, "Coding Theorems for a Discrete Source With a Fidelity Criterion", IRE National Convention Record, 1959
    (rate-distortion function, lower bound).
    Cover and Thomas, "Elements of Information Theory", 2006, section 10.3 (reverse water-filling).
    Gish and Pierce, "Asymptotically Efficient Quantizing", IEEE Transactions on Information Theory 14(5), 1968.
    Pradier, Olmos, Perez-Cruz, "Entropy-Constrained Scalar Quantization with a Lossy-Compressed Bit",
    Entropy 18(12):449, 2016 (the gap as a number).
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32, Update

Distribution = Literal["gaussian", "laplace"]

ECSQ_GAP_BITS = 0.5 * math.log2(2 * math.pi * math.e / 12)
"""How far an entropy-coded uniform quantiser stays above the bound at high rates: 0.2546 bit (Gish and Pierce)."""

_MOST_SYMBOLS = 1 / 8
"""Share of the entries beyond which the distinct decoded values are numbers rather than symbols."""


def shannon_bits(distribution: Distribution, nmse: float) -> float | None:
    """Least bits an entry at error `nmse`: exact for Gaussian entries, Shannon's lower bound for Laplace ones.

    Returns:
        At least 0; None for an error of zero, which no finite rate reaches.

    >>> shannon_bits("gaussian", 0.25), round(shannon_bits("laplace", 0.25), 3), shannon_bits("laplace", 0.0)
    (1.0, 0.896, None)
    """
    if nmse <= 0:
        return None
    return max(0.0, 0.5 * math.log2(nmse_at_zero_bits(distribution) / nmse))


def nmse_at_zero_bits(distribution: Distribution) -> float:
    """The error at which `shannon_bits` reaches zero: 1, or e / pi for Laplace entries."""
    return 1.0 if distribution == "gaussian" else math.e / math.pi


def gaussian_reference_bits(update: Update, nmse: float) -> float | None:
    """Rate of independent Gaussian entries with the energy of each tensor of `update`, at the same total error.

    The error is spread over tensors by reverse water-filling: each takes the common level, or its own energy where
    that is less. Of all independent entries of these energies, Gaussian ones need the most bits, so this bounds the
    rate that is needed from above, not from below: a good codec may stay under it.

    Returns:
        Bits an entry, at least 0; None for an error of zero.
    """
    if nmse <= 0:
        return None
    tensors = [update.values[place].astype(np.float64) for tensor, place in update.layout.slices() if tensor.size]
    sizes = np.array([tensor.size for tensor in tensors], dtype=np.float64)
    energies = np.array([float(tensor @ tensor) for tensor in tensors])
    level = _water_level(sizes, energies, nmse * float(energies.sum()))
    ratios = np.maximum(energies / sizes / level, 1.0)
    return float(sizes @ (0.5 * np.log2(ratios)) / sizes.sum())


def _water_level(sizes: NDArray[np.float64], energies: NDArray[np.float64], error: float) -> float:
    """The level at which ``sum(min(sizes * level, energies))`` is `error`, above 0; the highest if all is error."""
    variances = energies / sizes
    order = np.argsort(variances)
    spent, rest = 0.0, float(sizes.sum())
    for index in order:
        if spent + rest * float(variances[index]) >= error:
            return (error - spent) / rest
        spent += float(energies[index])
        rest -= float(sizes[index])
    return float(variances[order[-1]])


def symbol_entropy_bits(update: Update, decoded: Float32, payload_bytes: int) -> float | None:
    """Empirical entropy of what an update was decoded to, tensor by tensor, bits an entry.

    The distinct values of a tensor are taken as its symbols. A tensor that came through exactly carries numbers, not
    symbols: it counts with 32 bits an entry.

    Args:
        update: what was sent.
        decoded: what arrived, same shape.
        payload_bytes: what carried it.

    Returns:
        None if the values are no symbols: every tensor came through exactly, there are more distinct values than an
        eighth of the entries, most of these values occur only once, or they hold more than was sent (blocks with
        scales of their own, rotations).
    """
    bits, n_coded, n_distinct, n_single = 0.0, 0, 0, 0
    for tensor, place in update.layout.slices():
        if np.array_equal(update.values[place], decoded[place]):
            bits += 32 * tensor.size
            continue
        counts = np.unique(decoded[place], return_counts=True)[1]
        bits += float(counts @ np.log2(tensor.size / counts))
        n_coded += tensor.size
        n_distinct += counts.size
        n_single += int((counts == 1).sum())
    if n_distinct == 0 or n_distinct > _MOST_SYMBOLS * n_coded or 2 * n_single > n_distinct:
        return None
    return bits / update.layout.size if bits <= 8 * payload_bytes else None
