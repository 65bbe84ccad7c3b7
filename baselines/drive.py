"""Implements DRIVE: one bit per entry, the sign after a random rotation, and one scale per rotated block.

The rotation makes the entries of any update nearly Gaussian, so that the sign loses the same share of it whatever the
update was: ``E ||x - decoded||^2 / ||x||^2`` is ``pi/2 - 1`` (.571) with the unbiased scale, ``1 - 2/pi`` (.363) with
the least-squares one. Nothing is kept between rounds. An entropy coder gains nothing: the signs are fair coin tosses.

Wire format: for each block of the rotation (`baselines.rotation`: all trained entries as one vector, cut into few
blocks), float32 scale, at least 0; then, for all rotated entries in order, padding included, one bit, 1 for negative,
least significant bit first, zero bits at the end. Little-endian: ``4 B + ceil(n / 8)`` bytes with B blocks of n entries
in all, ``n <= d + 127``.

References:
    Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher, "DRIVE: One-bit Distributed Mean Estimation",
    NeurIPS 2021.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from baselines.rotation import Scale, block_sizes, check_scale, quantise_rotated, rotated_back
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import pack, packed_bytes, unpack_narrow

_CODEBOOK = np.array([1, -1], dtype=np.float32)


@dataclass(frozen=True)
class Drive:
    """DRIVE: the sign of each entry after a random rotation, one bit each.

    Attributes:
        scale: ``unbiased``, or ``min_mse`` for the least squared error of a single update.
    """

    scale: Scale = "unbiased"

    kind: ClassVar[str] = "drive"
    wire_id: ClassVar[int] = 12
    version: ClassVar[int] = 1
    bias: ClassVar[str] = (
        "unbiased over the agreed signs (exactly for a uniformly random rotation, up to vanishing terms for this "
        "one); min_mse shrinks the update by 2/pi on average."
    )
    work: ClassVar[Work] = "dense"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse an unknown scale."""
        check_scale(self.scale)

    def nominal_bits(self, layout: Layout) -> float:
        """One bit an entry."""
        return 1.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; its length depends on d only. See `harness.core.protocols.Codec`."""
        check_finite(update)
        scales, is_negative = quantise_rotated(update.values, agreed, _is_negative, _CODEBOOK, self.scale)
        return float32_bytes(scales) + pack(is_negative, 1), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The scaled signs, rotated back; see `harness.core.protocols.Codec`."""
        sizes = block_sizes(layout.size)
        reader = BodyReader(body)
        scales = reader.float32(len(sizes), "scales")
        if np.signbit(scales).any():
            raise PayloadError("a scale in the body is negative")
        is_negative = unpack_narrow(reader.take(packed_bytes(sum(sizes), 1), "signs"), sum(sizes), 1)
        reader.finish()
        return Update(rotated_back(scales, is_negative, _CODEBOOK, layout.size, agreed), layout)


def _is_negative(rotated: Float32) -> np.typing.NDArray[np.uint8]:
    return (rotated < 0).astype(np.uint8)
