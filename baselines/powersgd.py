"""Implements one-shot PowerSGD: two factors of a low-rank approximation of each matrix, by one step of power iteration.

A tensor M of two or more dimensions is a matrix (n, m) = (first dimension, product of the others). With Q from the last
round: ``P = orthonormalised(M Q)``, ``Q = M^T P``, and ``P Q^T`` is decoded. Tensors of fewer dimensions, and matrices
whose factors would not be shorter (``rank * (n + m) >= n * m``), go as they are.

The published algorithm averages P over all workers before Q is computed, which takes two exchanges a round. In
federated learning a client that is heard once a round sends factors of its own: the same uplink bytes, one message, no
downlink in between; but the average of the decoded updates has a rank up to the number of clients, and it is not the
same algorithm, as the name shows.

Wire format: for each tensor, in model order, float32 numbers: P (n, rank) and Q (m, rank), row by row; or the entries.
Little-endian: 4 bytes times the sum of ``rank * (n + m)`` or the size. All of it follows from the layout. The published
method sends float32. With `factor_bits` 16, our addition, each factor is an i16 exponent and float16 numbers, as in
`baselines.float16`: ``2 + 2 * rank * n`` and ``2 + 2 * rank * m`` bytes; Q is fitted to P as it was sent.
Decoding sums the products of columns in float64, first column first: the same numbers on every machine.
State: the Q of all factored matrices, float32, the warm start of a client's next update. Before a client's first
update it is None, and Q is drawn from the standard normal distribution.

References:
    Vogels, Karimireddy, Jaggi, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization",
    NeurIPS 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from baselines.float16 import as_halves, from_halves
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, TensorSpec, Update, Work
from harness.wire.body import BodyReader, check_finite, float32_bytes

_LARGEST = float(np.finfo(np.float32).max)
_CHUNK = 2**16


@dataclass(frozen=True)
class PowerSgd:
    """PowerSGD, one-shot: each client's own low-rank factors of each matrix; meant for error feedback.

    Attributes:
        rank: columns of the factors, at least 1.
        factor_bits: 32, or 16 for factors in half precision with a scale.
    """

    rank: int = 2
    factor_bits: Literal[32, 16] = 32

    kind: ClassVar[str] = "powersgd"
    wire_id: ClassVar[int] = 11
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "biased; use with error feedback."
    work: ClassVar[Work] = "dense"
    keeps_residual: ClassVar[bool] = False
    is_entropy_coded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1 (got {self.rank})")
        if self.factor_bits not in (16, 32):
            raise ValueError(f"factor_bits must be 32 or 16 (got {self.factor_bits})")

    def nominal_bits(self, layout: Layout) -> float:
        """Factors and float32 tensors, over all entries."""
        n_bits = sum(
            self.factor_bits * self.rank * sum(shape) if shape else 32 * tensor.size
            for tensor, _, shape in self._plan(layout)
        )
        return n_bits / max(layout.size, 1)

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
        parts, factors, start = [], [np.zeros(0, dtype=np.float32)], 0
        for _, place, shape in plan:
            if shape is None:
                parts.append(float32_bytes(update.values[place]))
                continue
            before = state[start : start + self.rank * shape[1]]
            start += len(before)
            matrix = update.values[place].reshape(shape).astype(np.float64)
            # In float64, in which no product of float32 numbers overflows.
            left: NDArray[np.float64] = np.linalg.qr(matrix @ before.reshape(-1, self.rank).astype(np.float64))[0]
            parts.append(self._factor_bytes(left))
            # Q is fitted to P as the receiver has it.
            sent = self._read_factor(BodyReader(parts[-1]), shape[0], "P")
            right = np.clip(matrix.T @ sent.astype(np.float64), -_LARGEST, _LARGEST)
            parts.append(self._factor_bytes(right))
            factors.append(right.astype(np.float32).reshape(-1))
        return b"".join(parts), np.concatenate(factors)

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The products of the factors; see `harness.core.protocols.Codec`."""
        reader = BodyReader(body)
        values = np.empty(layout.size, dtype=np.float32)
        for tensor, place, shape in self._plan(layout):
            if shape is None:
                values[place] = reader.float32(tensor.size, f"entries of {tensor.name}")
                continue
            left, right = (self._read_factor(reader, side, f"factors of {tensor.name}") for side in shape)
            _multiply(left, right, values[place].reshape(shape))
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

    def _factor_bytes(self, factor: NDArray[np.float64]) -> bytes:
        """A factor, shape (side, rank), as it is sent."""
        if self.factor_bits == 32:
            return float32_bytes(factor)
        exponent, halves = as_halves(factor.astype(np.float32).reshape(-1))
        return np.array(exponent, dtype="<i2").tobytes() + halves.tobytes()

    def _read_factor(self, reader: BodyReader, side: int, what: str) -> Float32:
        count = self.rank * side
        if self.factor_bits == 32:
            return reader.float32(count, what).reshape(side, self.rank)
        (exponent,) = np.frombuffer(reader.take(2, what), dtype="<i2").tolist()
        halves = np.frombuffer(reader.take(2 * count, what), dtype="<f2")
        return from_halves(exponent, halves, what).reshape(side, self.rank)


def _multiply(left: Float32, right: Float32, out: Float32) -> None:
    """``left @ right.T`` within the range of float32, summed in float64 in the order of the columns."""
    columns = right.T.astype(np.float64)
    n_rows = max(1, _CHUNK // len(right))
    for start in range(0, len(left), n_rows):
        rows = left[start : start + n_rows].astype(np.float64)
        total = np.zeros((len(rows), len(right)))
        for place, column in enumerate(columns):
            total += rows[:, place, None] * column
        out[start : start + n_rows] = np.clip(total, -_LARGEST, _LARGEST)
