"""Implements sparse ternary compression (STC): the entries of largest magnitude, as one magnitude, and coded gaps.

The k entries that top-k would keep (`baselines.topk`: the whole vector, ``k = max(1, round(ratio * d))``) are sent as
their sign times ``mu``, the mean of their magnitudes; the rest decodes to zero. Meant for error feedback, and for both
directions: the authors compress the broadcast in the same way.

Wire format: float32 mu, at least 0; k sign bits, 1 for negative, least significant bit first, zero bits at the end;
then the positions (`baselines.positions`): in Golomb's code (``golomb``), or as an entropy-coded bitmap (``ans``). What
is decoded is the same. Little-endian; an empty model takes nothing.
Error: ``||x - decoded||^2 = ||x||^2 - k mu^2``.

References:
    Sattler, Wiedemann, Mueller, Samek, "Robust and Communication-Efficient Federated Learning from Non-i.i.d. Data",
    IEEE Transactions on Neural Networks and Learning Systems, 2020.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from baselines.coded import Coded
from baselines.positions import (
    Positions,
    check_ratio,
    code_ans,
    code_golomb,
    golomb_bits,
    golomb_head_bytes,
    largest,
    n_kept,
    read_ans,
    read_golomb,
)
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.packing import pack, packed_bytes, unpack_narrow


@dataclass(frozen=True)
class SparseTernary(Coded):
    """Sparse ternary compression: the largest entries, all with one magnitude; meant for error feedback.

    Attributes:
        ratio: share of the entries that is kept, above 0, at most 1.
        coding: positions in Golomb's code (``golomb``), or entropy-coded (``ans``); what is decoded is the same.
    """

    ratio: float
    coding: Literal["golomb", "ans"] = "golomb"

    kind: ClassVar[str] = "stc"
    wire_id: ClassVar[int] = 10
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "biased; use with error feedback."
    keeps_residual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_ratio(self.ratio)
        if self.coding not in ("golomb", "ans"):
            raise ValueError(f"coding must be golomb or ans (got {self.coding})")

    def nominal_bits(self, layout: Layout) -> float:
        """The authors' figure: share of kept entries times sign and expected length of a Golomb-coded gap."""
        d = layout.size
        k = n_kept(self.ratio, d)
        return k / d * (1 + golomb_bits(k, d)) if d else 0.0

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; its length depends on the positions of the entries. See `harness.core.protocols.Codec`."""
        check_finite(update)
        d = update.layout.size
        if d == 0:
            return b"", state
        positions = largest(update.values, n_kept(self.ratio, d))
        kept = update.values[positions]
        mean = np.abs(kept).mean(dtype=np.float64)
        coded = code_golomb(positions, d) if self.coding == "golomb" else code_ans(positions, d)
        return float32_bytes(np.array([mean])) + pack((kept < 0).view(np.uint8), 1) + coded, state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """Plus or minus the mean magnitude where entries were kept; see `harness.core.protocols.Codec`."""
        d = layout.size
        k = n_kept(self.ratio, d)
        values = np.zeros(d, dtype=np.float32)
        n_head = (4 + packed_bytes(k, 1) + golomb_head_bytes(k, d)) if d and self.coding == "golomb" else len(body)
        reader = BodyReader(body[:n_head])
        if d:
            (mean,) = reader.float32(1, "mean magnitude")
            if np.signbit(mean):
                raise PayloadError("the mean magnitude in the body is negative")
            is_negative = unpack_narrow(reader.take(packed_bytes(k, 1), "signs"), k, 1)
            values[self._positions(reader, body[n_head:], k, d)] = np.array([mean, -mean])[is_negative]
        reader.finish()
        return Update(values, layout)

    def _positions(self, reader: BodyReader, rest: bytes, k: int, d: int) -> Positions:
        return read_golomb(reader, rest, k, d) if self.coding == "golomb" else read_ans(reader.rest(), k, d)
