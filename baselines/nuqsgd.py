"""Implements NUQSGD: fractions of a block's L2 norm, rounded at random to powers of two so that the mean is kept.

With L levels above zero, ``2^(1 - L), ..., 1/4, 1/2, 1`` (the paper's s is L - 1), an entry v of a block with norm m
lies between two neighbours of ``0, 2^(1 - L), ..., 1`` times m; it becomes one of them, the nearer the likelier, such
that the mean is kept. Small fractions, where most entries of a long block are, get finer levels than in QSGD.

Wire format, little-endian. Tensors are cut into blocks of `bucket` entries, the last of a tensor is what is left.
1. The norm of each block, in model order, float32. A norm beyond float32 goes as the largest float32.
2. The levels with their signs, ``-L`` to ``L`` and 0 for zero, level k for ``m 2^(k - L)``, in model order, as `coding`
   says (`baselines.signed_levels`): ``packed``, ``ceil(log2(2 L + 1))`` bits an entry; ``elias`` as in QSGD; ``ans``.
``packed`` takes ``4 * blocks + packed_bytes(d, bits)`` bytes; the others depend on the content.
Error of an entry: at most the distance between the levels around it, that is its own magnitude or ``m 2^(1 - L)``,
whichever is larger.

References:
    Ramezani-Kebrya, Faghri, Markov, Aksenov, Alistarh, Roy, "NUQSGD: Provably Communication-Efficient Data-Parallel SGD
    via Nonuniform Quantization", Journal of Machine Learning Research 22(114), 2021.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from baselines.blocks import block_norms, block_sizes, reciprocals, times_factors, times_steps
from baselines.coded import Coded
from baselines.signed_levels import Coding, check_settings, read_levels, write_levels
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update
from harness.wire.body import check_finite
from harness.wire.packing import bits_for

_MANTISSA_BITS = 23
_EXPONENT_OF_ONE = 127


@dataclass(frozen=True)
class Nuqsgd(Coded):
    """NUQSGD: powers of two of a block's L2 norm, rounded at random without bias.

    Attributes:
        levels: levels above zero, 1 to 32; 7 fill 4 bits with their signs.
        bucket: entries of a block, at least 1; empty for one block per tensor.
        coding: ``packed``, ``elias`` as in the paper, or ``ans``; the decoded update is the same.
    """

    levels: int = 7
    bucket: int | None = 512
    coding: Coding = "packed"

    kind: ClassVar[str] = "nuqsgd"
    wire_id: ClassVar[int] = 14
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "none (to 2**-23 of the distance between two levels); the rounding is random."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_settings(self.levels, 32, self.bucket, self.coding)

    def nominal_bits(self, layout: Layout) -> float:
        """``ceil(log2(2 L + 1))``."""
        return float(bits_for(2 * self.levels + 1))

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        sizes = block_sizes(update.layout, self.bucket)
        norms = block_norms(update.values, sizes, "l2")
        magnitudes = self._rounded(times_factors(np.abs(update.values), reciprocals(norms), sizes), rng)
        np.negative(magnitudes, out=magnitudes, where=update.values < 0)
        symbols = (magnitudes + np.int8(self.levels)).view(np.uint8)
        return write_levels(norms, symbols, self.levels, self.coding, update.layout), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The rounded update; see `harness.core.protocols.Codec`."""
        sizes = block_sizes(layout, self.bucket)
        norms, symbols = read_levels(body, sizes, self.levels, self.coding, layout)
        powers = 2.0 ** np.arange(1 - self.levels, 1)
        grid = np.concatenate([-powers[::-1], [0.0], powers])
        return Update(times_steps(symbols, grid, norms.astype(np.float64), sizes), layout)

    def _rounded(self, fractions: Float32, rng: np.random.Generator) -> NDArray[np.int8]:
        """The level of each fraction of the norm, 0 to `levels`."""
        lowest = np.float32(2.0 ** (1 - self.levels))
        is_low = fractions < lowest
        # Between two powers of two a float32 is the lower one times 1 + mantissa / 2**23. Adding a random number to the
        # mantissa carries into the exponent with just that probability. Fractions between zero and the lowest power are
        # moved up by that power, and rounded between it and its double instead.
        bits = (fractions + lowest * is_low).view(np.uint32)
        bits += rng.integers(0, 1 << _MANTISSA_BITS, size=fractions.size, dtype=np.uint32)
        magnitudes = (bits >> np.uint32(_MANTISSA_BITS)).astype(np.int32)
        magnitudes += self.levels - _EXPONENT_OF_ONE
        magnitudes -= is_low
        return np.minimum(magnitudes, self.levels).astype(np.int8)
