"""Who is timed: every codec of ours, and what a user would otherwise reach for. All take and give float32 vectors."""

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
import pyarrow as pa
import torch

from harness.core.errors import UsageError
from harness.core.protocols import Codec, State
from harness.core.types import Float32, Layout, Update
from harness.parts import registry
from harness.wire.frame import seal, unseal
from tests.factories import AGREED, settings_bytes


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    Attributes:
        group: heading that it stands under.
        name: what it is, in a few words.
        encode: vector to whatever travels.
        decode: what travels back to a vector.
        n_bytes: length of what travels.
    """

    group: str
    name: str
    encode: Callable[[Float32], Any]
    decode: Callable[[Any], Float32]
    n_bytes: Callable[[Any], int] = len


OTHER_SETTINGS: tuple[dict[str, Any], ...] = (
    {"kind": "topk", "ratio": 0.01},
    {"kind": "error_feedback", "inner": {"kind": "signsgd"}},
    {"kind": "error_feedback", "inner": {"kind": "topk", "ratio": 0.01}},
    {"kind": "ef21", "inner": {"kind": "topk", "ratio": 0.01}},
    {"kind": "stc", "ratio": 0.01},
    {"kind": "quantfl", "step": 0.55},
    {"kind": "quantfl", "step": 0.55, "vectors": "coded"},
    {"kind": "quantfl", "levels": 256},
    {"kind": "quantfl", "levels": 16, "reconstruction": "mean"},
    {"kind": "quantfl", "levels": 64, "coding": "ans"},
    {"kind": "qsgd", "coding": "elias"},
    {"kind": "qsgd", "coding": "ans"},
    {"kind": "eden", "coding": "ans"},
)
"""Beside each kind and preset as it is by default."""

ANS_STEP_SIGMAS = 0.55
"""Step of the integers given to bare constriction, in standard deviations: about 2.9 bits on a Laplace source."""


def ours(layout: Layout) -> Iterator[Contender]:
    """Every registered codec and preset that has default settings, in these, and a few other settings."""
    for kind in registry.choices("codec"):
        with suppress(UsageError):
            yield of_codec(kind, registry.build("codec", kind), layout)
    for described in OTHER_SETTINGS:
        yield of_codec(_title(described), registry.build("codec", described), layout)


def of_codec(name: str, codec: Codec, layout: Layout) -> Contender:
    """A codec with its frame, as the channel calls it; after its first call a client has a state, as in most rounds."""
    agreed = settings_bytes(codec)
    states: list[State] = []

    def encode(values: Float32) -> bytes:
        update, rng = Update(values, layout), np.random.Generator(np.random.Philox(1))
        body, after = codec.encode(update, states[0] if states else codec.init(layout), rng, AGREED)
        if not states:
            states.append(after)
        return seal(body, codec.wire_id, agreed)

    def decode(payload: bytes) -> Float32:
        return codec.decode(unseal(payload, codec.wire_id, agreed), layout, AGREED).values

    return Contender("ours", name, encode, decode)


def alternatives(layout: Layout) -> Iterator[Contender]:
    """What moves or packs the same floats without a codec, and bare entropy coding."""
    n_bytes = layout.reference_bytes
    yield Contender("floats", "memory copy", np.copy, np.copy, lambda copy: copy.nbytes)
    yield Contender("floats", "torch.save", _torch_save, _torch_load)
    yield Contender("floats", "zlib level 1", lambda v: zlib.compress(v.data, 1), lambda p: _floats(zlib.decompress(p)))
    for level in (1, 9):
        zstd = pa.Codec("zstd", compression_level=level)
        yield Contender(
            "floats",
            f"zstd level {level}",
            lambda v, zstd=zstd: zstd.compress(v, asbytes=True),
            lambda p, zstd=zstd: _floats(zstd.decompress(p, n_bytes, asbytes=True)),
        )
    yield _bare_ans()


def _bare_ans() -> Contender:
    """Constriction alone: integers and their exact distribution are given, and nothing else is sent or computed."""
    given: list[Any] = []

    def encode(values: Float32) -> Any:
        if not given:
            step = ANS_STEP_SIGMAS * values.std()
            indices = np.rint(values / step).astype(np.int32)
            low = indices.min()
            counts = np.bincount(indices - low)
            model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
            given.extend([np.ascontiguousarray(indices - low), model, low, step])
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(given[0], given[1])
        return coder.get_compressed()

    def decode(words: Any) -> Any:
        return constriction.stream.stack.AnsCoder(words).decode(given[1], given[0].size)

    def as_values(symbols: Any) -> Float32:
        return ((symbols + given[2]) * given[3]).astype(np.float32)

    return Contender("floats", "constriction, bare", encode, _Then(decode, as_values), lambda words: words.nbytes)


@dataclass(frozen=True)
class _Then:
    """A decoder whose result is made a vector outside the timing."""

    timed: Callable[[Any], Any]
    afterwards: Callable[[Any], Float32]

    def __call__(self, sent: Any) -> Any:
        return self.timed(sent)


def as_vector(contender: Contender, decoded: Any) -> Float32:
    """What a decoder returned, as the vector that it stands for."""
    return contender.decode.afterwards(decoded) if isinstance(contender.decode, _Then) else decoded


def _floats(data: bytes) -> Float32:
    return np.frombuffer(data, dtype=np.float32)


def _torch_save(values: Float32) -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.from_numpy(values), buffer)
    return buffer.getvalue()


def _torch_load(saved: bytes) -> Float32:
    return torch.load(io.BytesIO(saved), weights_only=True).numpy()


def _title(described: dict[str, Any]) -> str:
    settings = [
        _title(value) if isinstance(value, dict) else f"{key} {value}"
        for key, value in described.items()
        if key != "kind"
    ]
    return f"{described['kind']}: {', '.join(settings)}" if settings else described["kind"]
