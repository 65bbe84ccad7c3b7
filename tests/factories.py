"""Tiny layouts and updates as functions. Everything is seeded; nothing touches a disk or a network."""

import json
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from harness.core.protocols import Codec, State
from harness.core.types import Agreed, Layout, TensorSpec, Update
from harness.parts import registry

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
    """Body and new state, with a fresh stream; without `state`, that of a client that has not sent anything yet."""
    before = codec.init(update.layout) if state is None else state
    return codec.encode(update, before, np.random.default_rng(seed), AGREED)


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


def settings_bytes(codec: Codec) -> bytes:
    """What both ends of a frame agree on: the settings of the codec."""
    return json.dumps(registry.describe(codec), sort_keys=True).encode()


_LARGEST = np.finfo(np.float32).max
_SMALLEST = np.finfo(np.float32).smallest_subnormal
_DENORMALS = np.array([1, -3, 0, 7]) * float(_SMALLEST)

HOSTILE_UPDATES: Mapping[str, Callable[[], Update]] = {
    "no_tensors": update_of,
    "empty": lambda: update_of(np.zeros((0,)), np.zeros((3, 0))),
    "empty_between": lambda: update_of([1.0, -2.0], np.zeros((0, 4)), [[3.0]]),
    "scalar": lambda: update_of(-0.25),
    "constant": lambda: update_of(np.full((24, 20), -0.3), np.full(40, 1e-8)),
    "zeros": lambda: update_of(np.zeros((24, 20)), np.full(33, -0.0)),
    "huge": lambda: update_of(np.resize([_LARGEST, -_LARGEST, 1.0, 0.0, 3e38], (24, 20)), np.full(9, _LARGEST)),
    "denormal": lambda: update_of(np.resize(_DENORMALS, (24, 20)), np.resize(_DENORMALS[:3], 50)),
    "mixed_magnitudes": lambda: update_of(np.logspace(-44, 38, 100).reshape(10, 10), -np.logspace(-44, 38, 77)),
    "one_outlier": lambda: update_of(np.concatenate([np.full(479, 1e-38), [1e38]]).reshape(24, 20)),
    "odd_sizes": lambda: make_update(make_layout((3, 5), (1,), (13,), (2, 3, 7))),
    "digits": lambda: make_update(digits_layout()),
}
"""Updates that a codec must carry without harm, by name, each made afresh.

Matrices are long enough to be coded by every codec, and most have a vector beside them.
"""
