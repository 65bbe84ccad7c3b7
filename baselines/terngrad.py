"""Implements TernGrad: entries as -1, 0 or 1 times a tensor's scale, random with the mean kept, outliers clipped.

With ``sigma`` the root mean square of a tensor and c the setting, entries are first clipped to ``c sigma``; the scale
is the largest magnitude that is left. An entry v becomes ``sign(v)`` with probability ``|v| / scale``, else 0.
Sigma is the deviation from zero rather than from the mean: for updates, whose mean is near zero, it is the same, and a
tensor of equal entries, such as a scalar, is not clipped to nothing. The paper lets workers share the largest of their
scales before they send; here each keeps its own, since that takes another exchange.

Wire format, little-endian: for each tensor that has entries, float32 scale, at least 0; then, with ``i + 1`` for the
digit i of an entry,
``packed``: the digits of all entries in model order, five in a byte, ``sum digit_j * 3^j`` for j from 0 to 4; digits 0
after the last entry. ``4 T + ceil(d / 5)`` bytes, 1.6 bits an entry; the paper counts ``log2 3 = 1.585``.
``ans``: entropy-coded, a histogram per tensor, in one stream (`baselines.streams`).
Error of an entry that is not clipped: at most the scale.

References:
    Wen, Xu, Yan, Wu, Wang, Chen, Li, "TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep
    Learning", NeurIPS 2017.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from baselines.blocks import block_norms, block_sizes, reciprocals, rounded_at_random, times_steps
from baselines.coded import Coded
from baselines.streams import read_tensors, write_tensors
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Int64, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.groups import Symbols

_DIGITS_PER_BYTE = 5
_N_BYTES_IN_USE = 3**_DIGITS_PER_BYTE


@dataclass(frozen=True)
class TernGrad(Coded):
    """TernGrad: minus, zero or plus a scale per tensor, at random without bias; outliers are clipped.

    Attributes:
        clip_sigmas: magnitude at which entries are clipped, in root mean squares of their tensor, above 0, at most
            1000; empty for no clipping.
        coding: ``packed``, five entries in a byte, or ``ans``; the decoded update is the same.
    """

    clip_sigmas: float | None = 2.5
    coding: Literal["packed", "ans"] = "packed"

    kind: ClassVar[str] = "terngrad"
    wire_id: ClassVar[int] = 8
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "none (to 2**-24 of the scale) but for the clipping; the choice is random."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.clip_sigmas is not None and not 0 < self.clip_sigmas <= 1000:
            raise ValueError(f"clip_sigmas must be above 0 and at most 1000, or empty (got {self.clip_sigmas})")
        if self.coding not in ("packed", "ans"):
            raise ValueError(f"coding must be packed or ans (got {self.coding})")

    def nominal_bits(self, layout: Layout) -> float:
        """``log2 3``."""
        return math.log2(3)

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        sizes = block_sizes(update.layout, None)
        scales = self._scales(update.values, sizes)
        digits = rounded_at_random(update.values, reciprocals(scales), sizes, 1, rng)
        coded = _packed(digits) if self.coding == "packed" else write_tensors(digits, update.layout, 3)
        return float32_bytes(scales) + coded, state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """Minus, zero or plus the scale; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        sizes = block_sizes(layout, None)
        scales = reader.float32(sizes.size, "scales")
        if np.signbit(scales).any():
            raise PayloadError("a scale in the body is negative")
        if self.coding == "packed":
            digits: Symbols = _unpacked(reader.take(-(-layout.size // _DIGITS_PER_BYTE), "digits"), layout.size)
        else:
            digits = read_tensors(reader.rest(), layout, 3, "digits")
        reader.finish()
        return Update(times_steps(digits, np.array([-1.0, 0.0, 1.0]), scales.astype(np.float64), sizes), layout)

    def _scales(self, values: Float32, sizes: Int64) -> Float32:
        largest = block_norms(values, sizes, "linf")
        if self.clip_sigmas is None or not sizes.size:
            return largest
        squares = np.add.reduceat(np.square(values, dtype=np.float64), np.cumsum(sizes) - sizes)
        return np.minimum(largest, self.clip_sigmas * np.sqrt(squares / sizes)).astype(np.float32)


def _packed(digits: Symbols) -> bytes:
    n_bytes = -(-digits.size // _DIGITS_PER_BYTE)
    padded = np.zeros(n_bytes * _DIGITS_PER_BYTE, dtype=np.uint8)
    padded[: digits.size] = digits
    rows = padded.reshape(n_bytes, _DIGITS_PER_BYTE)
    total = np.zeros(n_bytes, dtype=np.uint8)
    for place in reversed(range(_DIGITS_PER_BYTE)):
        total *= np.uint8(3)
        total += rows[:, place]
    return total.tobytes()


def _unpacked(data: bytes, count: int) -> NDArray[np.uint8]:
    total = np.frombuffer(data, dtype=np.uint8)
    if total.size and int(total.max()) >= _N_BYTES_IN_USE:
        raise PayloadError(f"byte {int(total.max())} in the body is no five ternary digits")
    digits = _TABLE[total].reshape(-1)
    if digits[count:].any():
        raise PayloadError("the digits after the last entry are not zero")
    return digits[:count]


_TABLE = (np.arange(_N_BYTES_IN_USE)[:, None] // 3 ** np.arange(_DIGITS_PER_BYTE) % 3).astype(np.uint8)
"""The digits of each byte, shape (243, 5)."""
