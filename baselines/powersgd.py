"""PowerSGD, one-shot: the two factors of a low-rank approximation of each matrix, by one step of power iteration.

A tensor M of two or more dimensions is a matrix (n, m) = (first dimension, product of the others). With Q from the last
round: ``P = orthonormalised(M Q)``, ``Q = M^T P``, and ``P Q^T`` is decoded. Tensors of fewer dimensions, and matrices
whose factors would not be shorter (``rank * (n + m) >= n * m``), go as they are.

The published algorithm averages P over all workers before Q is computed, which takes two exchanges a round. In
federated learning a client that is heard once a round sends factors of its own: the same uplink bytes, one message, no
downlink in between; but the average of the decoded updates has a rank up to the number of clients, and it is not the
same algorithm. The name says so.

Wire format: for each tensor, in model order, float32 numbers: P (n, rank) and Q (m, rank), row by row; or the entries.
Little-endian: 4 bytes times the sum of ``rank * (n + m)`` or the size. All of it follows from the layout.
Bias: biased; use with error feedback.
State: the Q of all factored matrices, float32, the warm start of a client's next update. Before a client's first
update it is None, and Q is drawn from the standard normal distribution.

References:
    Vogels, Karimireddy, Jaggi, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization",
    NeurIPS 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, TensorSpec, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class PowerSgd:
    """PowerSGD, one-shot: each client's own low-rank factors of each matrix; meant for error feedback.

    Attributes:
        rank: columns of the factors, at least 1.
    """

    rank: int = 2

    kind: ClassVar[str] = "powersgd"
    wire_id: ClassVar[int] = 11

    def __post_init__(self) -> None:
        """Refuse a rank out of range."""
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1 (got {self.rank})")

    def nominal_bits(self, layout: Layout) -> float:
        """Float32 factors and uncompressed tensors, over all entries."""
        n_numbers = sum(
            self.rank * sum(shape) if shape else place.stop - place.start for _, place, shape in self._plan(layout)
        )
        return 32 * n_numbers / max(layout.size, 1)

    def init(self, layout: Layout) -> State:
        """None: the first update draws its own Q."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`, its length depends on the layout only; and the new Q of all matrices.

        Raises:
            UpdateError: `update` holds NaN or infinity.
            ValueError: `state` is none of this codec's for this layout.
        """
        check_finite(update)
        plan = list(self._plan(update.layout))
        n_state = sum(self.rank * shape[1] for _, _, shape in plan if shape)
        if state is None:
            state = rng.standard_normal(n_state).astype(np.float32)
        if not isinstance(state, np.ndarray) or state.shape != (n_state,):
            raise ValueError(f"a state of this codec for this layout has {n_state} numbers")
        numbers, factors, start = [], [np.zeros(0, dtype=np.float32)], 0
        for _, place, shape in plan:
            if shape is None:
                numbers.append(update.values[place])
                continue
            before = state[start : start + self.rank * shape[1]]
            start += len(before)
            left, right = _power_step(update.values[place].reshape(shape), before.reshape(-1, self.rank))
            numbers += [left, right]
            factors.append(right.reshape(-1))
        return b"".join(map(float32_bytes, numbers)), np.concatenate(factors)

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The products of the factors; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        values = np.empty(layout.size, dtype=np.float32)
        for tensor, place, shape in self._plan(layout):
            if shape is None:
                values[place] = reader.float32(tensor.size, f"entries of {tensor.name}")
                continue
            left, right = (
                reader.float32(self.rank * side, f"factors of {tensor.name}").reshape(-1, self.rank).astype(np.float64)
                for side in shape
            )
            values[place] = np.clip(left @ right.T, -_LARGEST, _LARGEST).reshape(-1)
        reader.finish()
        return Update(values, layout)

    def _plan(self, layout: Layout) -> Iterator[tuple[TensorSpec, slice, tuple[int, int] | None]]:
        """Each tensor with its place, and the shape of its matrix; None if it goes as it is."""
        for tensor, place in layout.slices():
            shape = None
            if len(tensor.shape) > 1 and tensor.size:
                sides = tensor.shape[0], tensor.size // tensor.shape[0]
                if self.rank * sum(sides) < tensor.size:
                    shape = sides
            yield tensor, place, shape


def _power_step(matrix: Float32, before: Float32) -> tuple[Float32, Float32]:
    """P and Q as sent. In float64, in which no product of float32 numbers overflows."""
    exact = matrix.astype(np.float64)
    left: NDArray[np.float64] = np.linalg.qr(exact @ before.astype(np.float64))[0]
    sent = left.astype(np.float32)
    # Q is fitted to P as the receiver has it.
    right = np.clip(exact.T @ sent.astype(np.float64), -_LARGEST, _LARGEST)
    return sent, right.astype(np.float32)
