"""Implements half precision with a power-of-two scale per tensor, so that small updates keep all bits of a float16.

A float16 has 11 significant bits down to 2**-14 only, and a typical update lies below that. Each tensor is therefore
multiplied by the power of two that brings its largest magnitude into [2**14, 2**15), where every entry within a
factor of 2**28 of the largest is a normal float16. Multiplying by a power of two is exact.

Wire format: for each tensor that has entries, i16 exponent s of its scale 2**s (-113 to 163); then, for all entries
in model order, float16 of ``x * 2**s``. Little-endian: ``2 T + 2 d`` bytes, T tensors with entries.
Error of an entry: at most 2**-11 of its magnitude, or 2**-39 of the largest magnitude of its tensor, whichever is
larger.

References:
    IEEE, "IEEE Standard for Floating-Point Arithmetic", IEEE 754-2008 (binary16).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite, refuse_non_finite

_TOP = 15
_EXPONENTS = range(-113, 164)
_LARGEST_BELOW_TOP = np.float32(2**15 - 2**4)


@dataclass(frozen=True)
class Float16:
    """Half precision: float16 with a power-of-two scale per tensor."""

    kind: ClassVar[str] = "float16"
    wire_id: ClassVar[int] = 2
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "deterministic (nearest, ties to even)."
    work: ClassVar[Work] = "memory"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False

    def nominal_bits(self, layout: Layout) -> float:
        """16."""
        return 16.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`, ``2 T + 2 d`` bytes; see `harness.core.protocols.Codec`."""
        check_finite(update)
        sent = [as_halves(update.values[place]) for tensor, place in update.layout.slices() if tensor.size]
        exponents = np.array([exponent for exponent, _ in sent], dtype="<i2")
        return b"".join([exponents.tobytes(), *(halves.tobytes() for _, halves in sent)]), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The rounded update; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        n_filled = sum(tensor.size > 0 for tensor in layout.tensors)
        exponents = iter(np.frombuffer(reader.take(2 * n_filled, "exponents"), dtype="<i2").tolist())
        halves = np.frombuffer(reader.take(2 * layout.size, "values"), dtype="<f2")
        reader.finish()
        values = np.empty(layout.size, dtype=np.float32)
        for tensor, place in layout.slices():
            if tensor.size:
                values[place] = from_halves(next(exponents), halves[place], f"tensor {tensor.name}")
        return Update(values, layout)


def as_halves(values: Float32) -> tuple[int, NDArray[np.float16]]:
    """The exponent s, -113 to 163, and little-endian float16 of ``values * 2**s``; there is at least one value."""
    exponent = _exponent(values)
    scaled = _scaled(values, exponent)
    if exponent == _EXPONENTS[0]:
        # The top half unit of the float32 range would round up to 2**128, which is no float32.
        np.clip(scaled, -_LARGEST_BELOW_TOP, _LARGEST_BELOW_TOP, out=scaled)
    return exponent, scaled.astype("<f2")


def from_halves(exponent: int, halves: NDArray[np.float16], what: str) -> Float32:
    """The values that `as_halves` turned into exponent and halves, rounded.

    Raises:
        PayloadError: the exponent is none of these, or a value is not finite; `what` names them.
    """
    if exponent not in _EXPONENTS:
        raise PayloadError(f"{what}: scale exponent {exponent} is not within -113 to 163")
    return refuse_non_finite(_scaled(halves.astype(np.float32), -exponent), what)


def _exponent(values: Float32) -> int:
    """The s that brings the largest magnitude times 2**s into [2**14, 2**15); 15 if all entries are zero."""
    largest = max(float(values.max()), -float(values.min()))
    return _TOP - math.frexp(largest)[1]


def _scaled(values: Float32, exponent: int) -> Float32:
    """``values * 2**exponent``, in two steps because 2**163 is no float32."""
    half = exponent // 2
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return values * np.float32(2.0**half) * np.float32(2.0 ** (exponent - half))
