"""Codes one direction between server and clients: vectors to payloads, and back. The only caller of codecs.

A payload is, byte by byte::

    offset  size     content
    0       12       frame (`harness.wire.frame`)
    12      b        body of the codec, for the trained tensors only; its module documents it
    12 + b  4 * s    the s entries of all statistics (batch norm), float32, little-endian, in model order

The frame's checksum also covers the settings of the codec, as JSON with sorted keys; they are not sent. Statistics
travel as they are under every codec and are charged like every other byte: a coarse codec would break the model, and
they are few. The receiver knows s from the layout, so that b need not be sent. Which payload it is (round, client,
direction; a difference or a whole model) is stated by the message around it, as in any deployment.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import numpy as np

from harness.core.errors import PayloadError
from harness.core.facts import CodecTiming, Shadow, Transfer
from harness.core.protocols import Codec, State
from harness.core.seeds import stream
from harness.core.types import SERVER, Agreed, Direction, Float32, Layout, Phase, Update
from harness.ledger.ledger import Facts
from harness.parts import registry
from harness.parts.recoding import recoded
from harness.run.federation.stopwatch import Stopwatch, WindowNote
from harness.wire.body import BodyReader, check_finite, float32_bytes
from harness.wire.frame import FRAME_BYTES, seal, unseal


class Coder:
    """A codec with its frame, and statistics next to its body."""

    def __init__(self, codec: Codec, layout: Layout) -> None:
        """Code vectors of `layout`, statistics included, with `codec`."""
        self.codec, self.trained = codec, layout.trained
        self._statistics = Layout(tuple(tensor for tensor in layout.tensors if tensor.is_statistic))
        self._n_trained, self._n_statistics = self.trained.size, self._statistics.size
        self._settings = settings_bytes(codec)

    def init(self) -> State:
        """State of an encoder that has not sent anything yet."""
        return self.codec.init(self.trained)

    def encode(self, values: Float32, state: State, agreed: Agreed) -> tuple[bytes, State]:
        """Payload of `values`, float32 of shape (layout.size,), and the state to keep.

        Raises:
            UpdateError: `values` holds NaN or infinity; names the tensor.
        """
        rng = stream(agreed.seed, f"codec-{agreed.direction}", agreed.round, agreed.client)
        body, state = self.codec.encode(Update(values[: self._n_trained], self.trained), state, rng, agreed)
        if self._n_statistics:
            statistics = values[self._n_trained :]
            check_finite(Update(statistics, self._statistics))
            body += float32_bytes(statistics)
        return seal(body, self.codec.wire_id, self._settings), state

    def decode(self, payload: bytes, agreed: Agreed) -> Float32:
        """The vector that `payload` encodes, float32 of shape (layout.size,), in a fresh array.

        Raises:
            PayloadError: damaged, of another codec or other settings, or too short for the statistics.
        """
        body = unseal(payload, self.codec.wire_id, self._settings)
        if not self._n_statistics:
            return self.codec.decode(body, self.trained, agreed).values
        n_bytes = len(body) - 4 * self._n_statistics
        if n_bytes < 0:
            raise PayloadError(
                f"body of {len(body)} bytes is shorter than its {self._n_statistics} statistics, "
                f"which take {4 * self._n_statistics}"
            )
        values = self.codec.decode(body[:n_bytes], self.trained, agreed).values
        return np.concatenate([values, BodyReader(body[n_bytes:]).float32(self._n_statistics, "statistics")])


class Link:
    """One direction of a cell: codes, times and counts its payloads, and what they would take in other codings.

    Attributes:
        coder: what makes and reads the payloads.
    """

    def __init__(
        self,
        codec: Codec,
        layout: Layout,
        direction: Direction,
        seed: int,
        facts: Facts,
        also_code: Sequence[str] = (),
    ) -> None:
        """Open a direction.

        Args:
            codec: what codes the vectors.
            layout: shape of the model.
            direction: uplink or downlink.
            seed: evaluation seed of the cell.
            facts: where transfers, shadows and compute windows are recorded, unless a call names other facts.
            also_code: further codings whose length is logged, where the codec has them.
        """
        self.coder = Coder(codec, layout)
        others = {coding: recoded(codec, coding) for coding in also_code}
        self._shadows = {coding: Coder(other, layout) for coding, other in others.items() if other is not None}
        self._direction: Direction = direction
        self._seed, self._facts, self._reference_bytes = seed, facts, layout.reference_bytes
        self._last: tuple[Float32, State, Agreed] | None = None

    def agreed(self, round: int, sender: int = SERVER) -> Agreed:
        """What both ends know of the payload that `sender` makes in `round`."""
        return Agreed(self._seed, round, sender, self._direction)

    def window(
        self, round: int, phase: Phase, client: int = SERVER, facts: Facts | None = None
    ) -> AbstractContextManager[WindowNote]:
        """Time the body of a ``with`` as a phase of `client`, into `facts` or those of the link."""
        return Stopwatch(self._into(facts)).window(round, phase, client)

    def send(
        self, values: Float32, state: State, round: int, sender: int = SERVER, facts: Facts | None = None
    ) -> tuple[bytes, State]:
        """The payload of `values`, timed as work of `sender`, and the encoder's new state.

        Args:
            values: float32, shape (layout.size,).
            state: what the encoder kept.
            round: round in which it is made.
            sender: who makes it.
            facts: where it is recorded; None takes those of the link.

        Raises:
            UpdateError: `values` holds NaN or infinity.
        """
        agreed = self.agreed(round, sender)
        with self.window(round, "encode", sender, facts):
            payload, after = self.coder.encode(values, state, agreed)
        self._last = (values, state, agreed)
        for coding, coder in self._shadows.items():
            with self.window(round, "codec_timing", facts=facts):
                shadow, _ = coder.encode(values, state, agreed)
                self._check_shadow(coding, coder, shadow, payload, agreed)
            found = Shadow(agreed.round, agreed.client, self._direction, coding, len(shadow))
            self._into(facts).shadows.append(found)
        return payload, after

    def preview(self, values: Float32, state: State, round: int) -> Float32:
        """What a receiver would decode of `values`: nothing is sent, counted or timed, and no state changes."""
        agreed = self.agreed(round)
        payload, _ = self.coder.encode(values, state, agreed)
        return self.coder.decode(payload, agreed)

    def decode(self, payload: bytes, round: int, sender: int = SERVER) -> Float32:
        """Decode a payload that `sender` made in `round`; not timed. See `Coder.decode`."""
        return self.coder.decode(payload, self.agreed(round, sender))

    def count(
        self,
        payload: bytes,
        round: int,
        client: int,
        is_complete: bool = True,
        is_late: bool = False,
        facts: Facts | None = None,
    ) -> None:
        """Record that `payload` crossed the air from or to `client` in `round`.

        Args:
            payload: frame included.
            round: round in which it was sent, which may be later than the one it was made in.
            client: at one of the two ends.
            is_complete: whether the receiver has its vector with this payload; raw float32 would have been sent once.
            is_late: whether it came after the deadline.
            facts: where it is recorded; None takes those of the link.
        """
        digest = hashlib.sha256(payload).hexdigest()[:16]
        reference = self._reference_bytes if is_complete else 0
        self._into(facts).transfers.append(
            Transfer(round, client, self._direction, len(payload), FRAME_BYTES, digest, reference, is_late)
        )

    def time_codec(self, at_least_s: float) -> list[CodecTiming]:
        """CPU time of encoding and decoding the last payload, repeated; empty if nothing was sent. Changes no state."""
        if self._last is None:
            return []
        values, state, agreed = self._last
        payload, _ = self.coder.encode(values, state, agreed)
        encode = _repeat(partial(self.coder.encode, values, state, agreed), at_least_s)
        decode = _repeat(partial(self.coder.decode, payload, agreed), at_least_s)
        return [
            CodecTiming(self._direction, "encode", *encode),
            CodecTiming(self._direction, "decode", *decode),
        ]

    def _into(self, facts: Facts | None) -> Facts:
        return self._facts if facts is None else facts

    def _check_shadow(self, coding: str, coder: Coder, shadow: bytes, payload: bytes, agreed: Agreed) -> None:
        if coder.decode(shadow, agreed).tobytes() != self.coder.decode(payload, agreed).tobytes():
            raise RuntimeError(
                f"{self._direction} codec {coder.codec.kind} decodes to other values with coding {coding}: "
                "its codings must carry the same indices"
            )


def settings_bytes(codec: Codec) -> bytes:
    """What the two ends of a link agree on: every setting of the codec, as JSON with sorted keys."""
    return json.dumps(registry.describe(codec), sort_keys=True).encode()


def _repeat(operation: Callable[[], object], at_least_s: float) -> tuple[int, float]:
    """Calls and CPU seconds of `operation` repeated for at least `at_least_s`, after one call to warm up."""
    operation()
    calls, start = 0, time.thread_time()
    while (elapsed := time.thread_time() - start) < at_least_s:
        operation()
        calls += 1
    return calls, elapsed
