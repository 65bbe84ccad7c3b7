"""Tiny layouts and updates as functions. Everything is seeded; nothing touches a disk or a network."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from harness.core.protocols import Codec, State
from harness.core.types import Agreed, Layout, TensorSpec, Update

DIGITS_MLP_SHAPES = ((128, 64), (128,), (10, 128), (10,))
"""The MLP of the digits task: 8192 + 128 + 1280 + 10 = 9610 parameters."""

AGREED = Agreed(seed=0, round=1, client=0, direction="uplink")


def make_layout(*shapes: tuple[int, ...]) -> Layout:
    """A layout of tensors named t0, t1, ..."""
    return Layout(tuple(TensorSpec(f"t{number}", shape) for number, shape in enumerate(shapes)))


def digits_layout() -> Layout:
    """The layout of the digits MLP."""
    return make_layout(*DIGITS_MLP_SHAPES)


def make_update(layout: Layout, seed: int = 0, scale: float = 0.01) -> Update:
    """An update with Laplace entries, which real updates resemble."""
    values = np.random.default_rng(seed).laplace(scale=scale, size=layout.size)
    return Update(values.astype(np.float32), layout)


def update_of(*tensors: ArrayLike) -> Update:
    """An update made of the given tensors."""
    arrays = [np.asarray(tensor, dtype=np.float32) for tensor in tensors]
    values = np.concatenate([np.zeros(0, dtype=np.float32), *(array.reshape(-1) for array in arrays)])
    return Update(values, make_layout(*(array.shape for array in arrays)))


def encode(codec: Codec, update: Update, state: State = None, seed: int = 0) -> tuple[bytes, State]:
    """Body and new state, with a fresh stream."""
    return codec.encode(update, state, np.random.default_rng(seed), AGREED)


def round_trip(codec: Codec, update: Update) -> Update:
    """What the other end decodes."""
    return codec.decode(encode(codec, update)[0], update.layout, AGREED)


def rounds(codec: Codec, updates: Iterable[Update]) -> tuple[list[Update], State]:
    """The decoded updates of one client over several rounds, and its last state."""
    decoded = []
    state: State = None
    for update in updates:
        body, state = encode(codec, update, state)
        decoded.append(codec.decode(body, update.layout, AGREED))
    return decoded, state
