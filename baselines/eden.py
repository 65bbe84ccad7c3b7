"""Implements EDEN: b bits per entry, the nearest of 2**b Gaussian centroids after a random rotation, a scale per block.

The rotation makes the entries of any update nearly Gaussian, so one codebook, the Lloyd-Max quantiser of the standard
normal distribution, fits every update, and nothing but scales and indices is sent. With D its distortion, the error
``E ||x - decoded||^2 / ||x||^2`` is ``D / (1 - D)`` with the unbiased scale (.5708, .1331, .0358, .0096 at 1 to 4
bits) and D with the least-squares one. At one bit it is DRIVE. Nothing is kept between rounds.
Widths of whole bits only; the paper also mixes two widths, and sends less than a bit by sampling entries.

Wire format: for each block of the rotation (`baselines.rotation`: all trained entries as one vector, cut into few
blocks), float32 scale, at least 0; then one index for each rotated entry in order, padding included, 0 for the lowest
centroid: ``packed`` at b bits (`harness.wire.packing`), or ``ans`` (`baselines.streams`). Little-endian; packed:
``4 B + packed_bytes(n, b)`` bytes with B blocks of n entries in all, ``n <= d + 127``.

References:
    Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher, "EDEN: Communication-Efficient and Robust
    Distributed Mean Estimation for Federated Learning", ICML 2022 (with its entropy-coded variant).
    Max, "Quantizing for Minimum Distortion", IRE Transactions on Information Theory, 1960 (the centroids).
"""

import math
from dataclasses import dataclass
from functools import cache, partial
from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from baselines.coded import Coded
from baselines.rotation import Scale, Uint8, block_sizes, check_scale, quantise_rotated, rotated_back
from baselines.streams import read_runs, write_runs
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import pack, packed_bytes, unpack_narrow

_N_STEPS = 8  # the sixth moves no centroid by more than 1e-12
_GRAIN = 2.0**-20
_REACH = 6  # beyond the last end of 256 cells
_STRIPS_PER_UNIT = 256
_CHUNK = 2**16  # entries at a time, so that what is made on the way stays in the cache


@dataclass(frozen=True)
class Eden(Coded):
    """EDEN: the nearest of 2**bits Gaussian centroids after a random rotation.

    Attributes:
        bits: bits per entry, 1 to 8.
        scale: ``unbiased``, or ``min_mse`` for the least squared error of a single update.
        coding: indices ``packed`` at `bits` bits, or entropy-coded (``ans``); what is decoded is the same.
    """

    bits: int = 4
    scale: Scale = "unbiased"
    coding: Literal["packed", "ans"] = "packed"

    kind: ClassVar[str] = "eden"
    wire_id: ClassVar[int] = 13
    version: ClassVar[int] = 1
    bias: ClassVar[str] = (
        "unbiased over the agreed signs (exactly for a uniformly random rotation, up to vanishing terms for this "
        "one); min_mse shrinks the update by D on average."
    )
    keeps_residual: ClassVar[bool] = False

    @property
    def work(self) -> Work:
        """The rotation; independent of the coding."""
        return "dense"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if not 1 <= self.bits <= 8:
            raise ValueError(f"bits must be 1 to 8 (got {self.bits})")
        check_scale(self.scale)
        if self.coding not in ("packed", "ans"):
            raise ValueError(f"coding must be packed or ans (got {self.coding})")

    def nominal_bits(self, layout: Layout) -> float:
        """The width of an index."""
        return float(self.bits)

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        codebook = gaussian_centroids(self.bits)
        scales, indices = quantise_rotated(update.values, agreed, partial(_nearest, self.bits), codebook, self.scale)
        coded = pack(indices, self.bits) if self.coding == "packed" else write_runs([indices], len(codebook))
        return float32_bytes(scales) + coded, state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The scaled centroids, rotated back; see `harness.core.protocols.Codec`."""
        sizes = block_sizes(layout.size)
        codebook = gaussian_centroids(self.bits)
        reader = BodyReader(body)
        scales = reader.float32(len(sizes), "scales")
        if np.signbit(scales).any():
            raise PayloadError("a scale in the body is negative")
        if self.coding == "packed":
            n = sum(sizes)
            indices = unpack_narrow(reader.take(packed_bytes(n, self.bits), "indices"), n, self.bits)
        else:
            indices = read_runs(reader.rest(), [sum(sizes)], len(codebook), "indices").astype(np.uint8, copy=False)
        reader.finish()
        return Update(rotated_back(scales, indices, codebook, layout.size, agreed), layout)


@cache
def gaussian_centroids(bits: int) -> Float32:
    """The 2**bits values with the least mean squared error for a standard normal variable, ascending.

    Each is the mean of its cell, whose ends lie midway to its neighbours. By Newton's method on the positive half, from
    the spacing that is best for very many values, in float64; then rounded to 2**-20, so that it does not matter how
    a machine rounds exponentials.
    """
    n = 2 ** (bits - 1)
    # Best for many values: a density proportional to the cube root of the normal one, which is normal with variance 3.
    half = np.array([math.sqrt(3) * NormalDist().inv_cdf(0.5 + (i + 0.5) / (2 * n)) for i in range(n)])
    for _ in range(_N_STEPS):
        half -= _newton_step(half)
    half = np.rint(half / _GRAIN) * _GRAIN
    codebook = np.concatenate([-half[::-1], half]).astype(np.float32)
    codebook.flags.writeable = False
    return codebook


def _newton_step(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """J^-1 F for ``F_i = c_i - m_i``, m_i the mean of the cell of c_i, and J the derivative of F by c."""
    ends = np.concatenate([[0.0], (half[1:] + half[:-1]) / 2])
    density = np.append(np.exp(-(ends**2) / 2) / math.sqrt(2 * math.pi), 0.0)
    above = np.array([*(math.erfc(end / math.sqrt(2)) / 2 for end in ends.tolist()), 0.0])
    probability = above[:-1] - above[1:]
    means = (density[:-1] - density[1:]) / probability
    # An end moves by half of what either centroid beside it moves; the first end, 0, stays.
    by_upper = (ends[1:] - means[:-1]) * density[1:-1] / probability[:-1] / 2
    by_lower = (means[1:] - ends[1:]) * density[1:-1] / probability[1:] / 2
    jacobian = np.eye(len(half)) - np.diag(np.append(by_upper, 0.0)) - np.diag(np.insert(by_lower, 0, 0.0))
    jacobian -= np.diag(by_upper, 1) + np.diag(by_lower, -1)
    return np.linalg.solve(jacobian, half - means)


def _nearest(bits: int, entries: Float32) -> Uint8:
    """Index of the nearest centroid. A table of narrow strips of the line, no two ends in one, beats a search."""
    ends, first_above = _strips(bits)
    nearest = np.empty(entries.size, dtype=np.uint8)
    for start in range(0, entries.size, _CHUNK):
        chunk = entries[start : start + _CHUNK]
        strips = chunk * np.float32(_STRIPS_PER_UNIT)
        strips += np.float32(len(first_above) // 2)
        np.clip(strips, 0, len(first_above) - 1, out=strips)
        indices = first_above[strips.astype(np.uint16)]
        nearest[start : start + _CHUNK] = indices + (chunk > ends[indices])
    return nearest


@cache
def _strips(bits: int) -> tuple[Float32, Uint8]:
    """The upper end of each cell, and for each strip the cell that its lower end lies in."""
    codebook = gaussian_centroids(bits)
    ends = (codebook[1:] + codebook[:-1]) / 2
    lower = np.arange(-_REACH, _REACH, 1 / _STRIPS_PER_UNIT, dtype=np.float32)
    return np.append(ends, np.float32(np.inf)), np.searchsorted(ends, lower).astype(np.uint8)
