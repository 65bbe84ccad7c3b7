"""Implements QSGD: fractions of a block's norm, rounded to one of s levels at random so that the mean is kept.

Entry v of a block with norm m and level count s is sent as ``i = sign(v) * (floor(a) or floor(a) + 1)`` with
``a = s |v| / m``, the upper one with probability ``a - floor(a)``, and decoded as ``m i / s``. FedPAQ is this codec on
updates after several local steps, with averaging.

Wire format, little-endian. Tensors are cut into blocks of `bucket` entries, the last of a tensor is what is left; s,
norm, bucket and coding are agreed beforehand.
1. The norm of each block, in model order, float32. An L2 norm beyond float32 goes as the largest float32.
2. The levels i, in model order, as `coding` says (`baselines.signed_levels`). ``packed``: ``ceil(log2(2 s + 1))`` bits
   an entry; ``elias``: the paper's code, Elias-coded distances between levels other than zero, magnitudes and signs, in
   one run over all blocks; ``ans``: our entropy coder.
``packed`` takes ``4 * blocks + packed_bytes(d, bits)`` bytes; the others depend on the content.
Error of an entry: below ``m / s``, plus the rounding to float32. Of a block of n entries:
``E ||decoded - v||^2 <= omega ||v||^2``, for ``l2`` with
``omega = min(n / s^2, sqrt(n) / s)`` (lemma 3.1 of the paper). For ``linf`` the same argument gives
``omega = min((n - 1) / (4 s^2), sqrt(n - 1) / (2 s))``: an entry at fraction f between two levels has variance
``(m / s)^2 f (1 - f)``, at most a quarter of ``(m / s)^2`` and at most ``m |v| / s``, and the largest entry has none;
the sum of the n - 1 others is at most ``sqrt(n - 1)`` times their L2 norm r, and ``m r / (m^2 + r^2) <= 1 / 2``.
With ``contraction``, for ``l2`` only, what is decoded is divided by ``1 + omega``, so that
``E ||decoded - v||^2 <= omega / (1 + omega) ||v||^2``: biased, and what error feedback needs, which around so few l2
levels that omega is 1 or more may diverge without it.
With ``linf`` error feedback needs no such thing: what is left of an entry of ``x + e`` is below ``max |x + e| / s``, so
that from two levels on no entry of the residual exceeds ``max |x| / (s - 1)``. Division by ``1 + omega``, a bound for
the worst block, would leave far more behind, and is refused. The fair rows of QSGD in error feedback are plain ``linf``
and contracted ``l2``.

References:
    Alistarh, Grubic, Li, Tomioka, Vojnovic, "QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding",
    NeurIPS 2017.
    Reisizadeh, Mokhtari, Hassani, Jadbabaie, Pedarsani, "FedPAQ: A Communication-Efficient Federated Learning Method
    with Periodic Averaging and Quantization", AISTATS 2020.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from baselines.blocks import Norm, block_norms, block_sizes, reciprocals, rounded_at_random, times_steps
from baselines.coded import Coded
from baselines.signed_levels import Coding, check_settings, read_levels, write_levels
from harness.core.protocols import State
from harness.core.types import Agreed, Int64, Layout, Update
from harness.wire.body import check_finite
from harness.wire.packing import bits_for


@dataclass(frozen=True)
class Qsgd(Coded):
    """QSGD, and FedPAQ's quantiser: levels of a block's norm, rounded at random without bias.

    Attributes:
        levels: s, levels above zero, 1 to 32767; 7 fill 4 bits with their signs.
        norm: ``linf``, the largest magnitude, as in the paper's experiments; or ``l2``, as in its theory.
        bucket: entries of a block, at least 1; empty for one block per tensor.
        coding: ``packed``, ``elias`` as in the paper's theory, or ``ans``; the decoded update is the same.
        contraction: with norm ``l2``, whether to decode to less than was sent, which makes it fit for error feedback.
    """

    levels: int = 7
    norm: Norm = "linf"
    bucket: int | None = 512
    coding: Coding = "packed"
    contraction: bool = False

    kind: ClassVar[str] = "qsgd"
    wire_id: ClassVar[int] = 7
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "none (to 2**-24 of a step); the rounding is random."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_settings(self.levels, 32767, self.bucket, self.coding)
        if self.norm not in ("l2", "linf"):
            raise ValueError(f"norm must be l2 or linf (got {self.norm})")
        if self.contraction and self.norm == "linf":
            raise ValueError(
                "contraction goes with norm l2 only: with linf, error feedback is bounded without it, and worse with it"
            )

    def nominal_bits(self, layout: Layout) -> float:
        """``ceil(log2(2 s + 1))``."""
        return float(bits_for(2 * self.levels + 1))

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        sizes = block_sizes(update.layout, self.bucket)
        norms = block_norms(update.values, sizes, self.norm)
        symbols = rounded_at_random(update.values, self.levels * reciprocals(norms), sizes, self.levels, rng)
        return write_levels(norms, symbols, self.levels, self.coding, update.layout), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The rounded update; see `harness.core.protocols.Codec`."""
        sizes = block_sizes(layout, self.bucket)
        norms, symbols = read_levels(body, sizes, self.levels, self.coding, layout)
        steps = norms.astype(np.float64) / self.levels
        if self.contraction:
            steps /= 1 + omega_l2(self.levels, sizes)
        grid = np.arange(-self.levels, self.levels + 1, dtype=np.float64)
        return Update(times_steps(symbols, grid, steps, sizes), layout)


def omega_l2(levels: int, sizes: Int64) -> NDArray[np.float64]:
    """Bound on ``E ||decoded - v||^2 / ||v||^2`` for blocks of these sizes, norm ``l2``, no contraction."""
    n = sizes.astype(np.float64)
    return np.minimum(n / levels**2, np.sqrt(n) / levels)
