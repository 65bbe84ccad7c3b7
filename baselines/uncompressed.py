"""Sends every entry as float32: the reference that every ratio divides by.

Wire format: d float32, little-endian, in model order. Nothing else: ``4 d`` bytes.

References:
    McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017
    (federated averaging, which sends its updates so).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.core.protocols import State
from harness.core.types import Agreed, Layout, Update, Work
from harness.wire.body import BodyReader, check_finite, float32_bytes


@dataclass(frozen=True)
class Float32:
    """Raw float32: the reference that every ratio divides by."""

    kind: ClassVar[str] = "float32"
    wire_id: ClassVar[int] = 1
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "none; the decoded update equals the update bit for bit."
    work: ClassVar[Work] = "memory"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False
    is_exact: ClassVar[bool] = True

    def nominal_bits(self, layout: Layout) -> float:
        """32."""
        return 32.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`, ``4 d`` bytes; see `harness.core.protocols.Codec`."""
        check_finite(update)
        return float32_bytes(update.values), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The update itself; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        values = reader.float32(layout.size, "values")
        reader.finish()
        return Update(values, layout)
