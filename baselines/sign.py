"""Implements sign compression: one bit per entry and nothing else, decoded to -1 or 1; meant for a majority vote.

An entry that is zero (of either sign) gets its bit by the toss of a fair coin: any fixed choice would move entries that
no client wants moved, always in the same direction. Averaged instead of voted on, the decoded entries are the share of
clients for plus less that for minus.

Wire format: for all entries in model order one bit, 1 for negative, least significant bit first, zero bits at the end:
``ceil(d / 8)`` bytes.

References:
    Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex Problems",
    ICML 2018.
    Bernstein, Zhao, Azizzadenesheli, Anandkumar, "signSGD with Majority Vote is Communication Efficient and Fault
    Tolerant", ICLR 2019.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.core.protocols import State
from harness.core.types import Agreed, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite
from harness.wire.packing import pack, packed_bytes, unpack_narrow


@dataclass(frozen=True)
class Sign:
    """One bit per entry, decoded to -1 or 1; meant for the majority vote of signSGD."""

    kind: ClassVar[str] = "sign"
    wire_id: ClassVar[int] = 9
    version: ClassVar[int] = 1
    bias: ClassVar[str] = (
        "biased; the magnitude is lost, so that the server's learning rate alone says how far a step goes."
    )
    work: ClassVar[Work] = "memory"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False
    uplink_only: ClassVar[str] = "it carries no magnitude; signsgd does, in as many bits"

    def nominal_bits(self, layout: Layout) -> float:
        """1."""
        return 1.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`, ``ceil(d / 8)`` bytes; see `harness.core.protocols.Codec`."""
        check_finite(update)
        is_negative = (update.values < 0).view(np.uint8)
        zeros = np.flatnonzero(update.values == 0)
        is_negative[zeros] = rng.integers(0, 2, size=zeros.size, dtype=np.uint8)
        return pack(is_negative, 1), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """Minus or plus one; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        is_negative = unpack_narrow(reader.take(packed_bytes(layout.size, 1), "signs"), layout.size, 1)
        reader.finish()
        return Update(np.array([1.0, -1.0], dtype=np.float32)[is_negative], layout)
