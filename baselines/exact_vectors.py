"""Sends matrices through another codec, and biases, other vectors and scalars as exact float32.

Vectors are a few in a thousand of a model's entries, and a codec spends a scale each on them or sums them up with
entries of another size; practice often leaves them out of compression. `quantfl` does so by itself (``vectors``), and
`baselines.powersgd` too; this gives any other codec the same. Tensors of two or more dimensions go through the inner
codec, as a model of their own. In front of error feedback or within it: the residual of an exact entry is zero.

Wire format: the body of the inner codec for the layout without vectors, then the entries of tensors of fewer than two
dimensions, in model order, float32, little-endian; under the inner codec's wire id. A receiver that knows of no vectors
has other settings, and the frame's checksum covers these.
State: that of the inner codec, for matrices only.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from baselines.wrapper import Wrapping
from harness.core.codec_facts import facts_of, layers
from harness.core.errors import PayloadError
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Layout, Update
from harness.wire.body import BodyReader, check_finite, float32_bytes


@dataclass(frozen=True)
class ExactVectors(Wrapping):
    """Wraps another codec: it gets the matrices, while biases and other vectors travel as float32.

    Attributes:
        inner: the codec of tensors of two or more dimensions; any but ef21, which belongs around this one.
    """

    kind: ClassVar[str] = "exact_vectors"
    version: ClassVar[int] = 1
    bias: ClassVar[str] = "those of the inner codec on matrices, none on vectors."

    def __post_init__(self) -> None:
        """Refuse increments of matrices mixed with updates of vectors, and a codec that has exact vectors already."""
        for layer in layers(self.inner):
            advice = "once is enough" if isinstance(layer, ExactVectors) else ""
            if facts_of(layer).needs_server is not None:  # a server rule that adds increments
                advice = f"put exact_vectors into {layer.kind} instead"
            if advice:
                raise ValueError(f"inner must be a codec without {layer.kind}; {advice}")

    @property
    def keeps_residual(self) -> bool | None:
        """As the inner codec."""
        return facts_of(self.inner).keeps_residual

    def nominal_bits(self, layout: Layout) -> float:
        """That of the inner codec for the matrices, as the literature quotes it."""
        return self.inner.nominal_bits(_part(layout, is_vector=False))

    def init(self, layout: Layout) -> State:
        """That of the inner codec."""
        return self.inner.init(_part(layout, is_vector=False))

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """The inner codec's body of the matrices, the vectors; and the inner codec's state."""
        vectors = _taken(update, is_vector=True)
        check_finite(vectors)
        body, state = self.inner.encode(_taken(update, is_vector=False), state, rng, agreed)
        return body + float32_bytes(vectors.values), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """What the inner codec decodes, and the vectors; see `harness.core.protocols.Codec`."""
        n_inner = len(body) - _part(layout, is_vector=True).reference_bytes
        if n_inner < 0:
            raise PayloadError(f"body of {len(body)} bytes is shorter than its vectors")
        reader = BodyReader(body[n_inner:])
        matrices = self.inner.decode(body[:n_inner], _part(layout, is_vector=False), agreed).values
        values: Float32 = np.empty(layout.size, dtype=np.float32)
        start = 0
        for tensor, place in layout.slices():
            if _is_vector(tensor.shape):
                values[place] = reader.float32(tensor.size, f"entries of {tensor.name}")
            else:
                values[place] = matrices[start : start + tensor.size]
                start += tensor.size
        return Update(values, layout)


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) < 2


def _part(layout: Layout, is_vector: bool) -> Layout:
    return Layout(tuple(tensor for tensor in layout.tensors if _is_vector(tensor.shape) == is_vector))


def _taken(update: Update, is_vector: bool) -> Update:
    """The vectors or the matrices of an update, copied."""
    parts = [update.values[place] for tensor, place in update.layout.slices() if _is_vector(tensor.shape) == is_vector]
    return Update(np.concatenate([np.zeros(0, dtype=np.float32), *parts]), _part(update.layout, is_vector))
