"""The channel: the only caller of codecs and the only counter of bits.

What goes on the air is bytes. The receiver decodes those bytes and nothing else, and the ledger records their length.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from harness.core.errors import UpdateError
from harness.core.protocols import Codec, State
from harness.core.seeds import stream
from harness.core.types import (
    SERVER,
    Agreed,
    CodecTiming,
    ComputeWindow,
    Direction,
    Float32,
    Layout,
    Phase,
    Transfer,
    Update,
)
from harness.ledger import Facts
from harness.wire.frame import FRAME_BYTES, seal, unseal


@dataclass
class Stopwatch:
    """Times the phases of a cell into its facts."""

    facts: Facts

    @contextmanager
    def window(self, round: int, phase: Phase, client: int = SERVER) -> Iterator["WindowNote"]:
        """Time the body of a ``with`` in wall and thread CPU seconds."""
        note = WindowNote()
        wall, cpu = time.perf_counter(), time.thread_time()
        yield note
        seconds, cpu_seconds = time.perf_counter() - wall, time.thread_time() - cpu
        self.facts.windows.append(ComputeWindow(round, phase, client, seconds, cpu_seconds, note.n_steps))


@dataclass
class WindowNote:
    """What the body of a window says about itself."""

    n_steps: int = 0


@dataclass
class Channel:
    """Both directions between the server and its clients, for one cell.

    Attributes:
        uplink: codec of updates; its state is kept per client, and survives rounds that the client sits out.
        downlink: codec of the global model (``model`` mode: the coded model is sent in every round).
        layout: shape of the model.
        seed: evaluation seed of the cell.
        facts: where transfers and compute windows are recorded.
    """

    uplink: Codec
    downlink: Codec
    layout: Layout
    seed: int
    facts: Facts
    _residuals: dict[int, State] = field(default_factory=dict)
    _server_state: State = None
    _last: dict[Direction, tuple[Float32, State, Agreed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up the state of the server's encoder."""
        self._stopwatch = Stopwatch(self.facts)
        self._server_state = self.downlink.init(self.layout)

    def encode_model(self, model: Float32, round: int) -> bytes:
        """The payload that every client of this round receives."""
        agreed = Agreed(self.seed, round, SERVER, "downlink")
        with self._stopwatch.window(round, "encode"):
            payload, state = self._encode(model, self._server_state, agreed)
        self._last["downlink"] = (model, self._server_state, agreed)
        self._server_state = state
        return payload

    def receive_model(self, payload: bytes, round: int, client: int) -> Float32:
        """The model that `client` decodes from the broadcast `payload`."""
        with self._stopwatch.window(round, "decode", client):
            model = self._decode(payload, Agreed(self.seed, round, SERVER, "downlink"))
        self._count(payload, round, client, "downlink")
        return model.values

    def send_update(self, values: Float32, round: int, client: int) -> Update:
        """The update that the server decodes from what `client` sends.

        Raises:
            UpdateError: `values` holds NaN or infinity; names round and client.
        """
        agreed = Agreed(self.seed, round, client, "uplink")
        before = self._residuals[client] if client in self._residuals else self.uplink.init(self.layout)
        with self._stopwatch.window(round, "encode", client):
            try:
                payload, self._residuals[client] = self._encode(values, before, agreed)
            except UpdateError as error:
                raise UpdateError(f"round {round}, client {client}: {error}") from error
        self._last["uplink"] = (values, before, agreed)
        self._count(payload, round, client, "uplink")
        with self._stopwatch.window(round, "decode"):
            return self._decode(payload, agreed)

    def time_codecs(self, at_least_s: float = 0.05) -> list[CodecTiming]:
        """CPU time of each codec operation on the last payload of each direction; changes no state and counts no bits.

        Args:
            at_least_s: how long to repeat each operation, CPU seconds.
        """
        timings = []
        for direction, (values, state, agreed) in self._last.items():
            payload, _ = self._encode(values, state, agreed)
            encode, decode = partial(self._encode, values, state, agreed), partial(self._decode, payload, agreed)
            timings.append(CodecTiming(direction, "encode", *_repeat(encode, at_least_s)))
            timings.append(CodecTiming(direction, "decode", *_repeat(decode, at_least_s)))
        return timings

    def states(self) -> list[State]:
        """What the uplink codec keeps for each client seen so far: the memory that clients pay for the method."""
        return list(self._residuals.values())

    def _count(self, payload: bytes, round: int, client: int, direction: Direction) -> None:
        digest = hashlib.sha256(payload).hexdigest()[:16]
        self.facts.transfers.append(
            Transfer(round, client, direction, len(payload), FRAME_BYTES, digest, self.layout.reference_bytes)
        )

    def _encode(self, values: Float32, state: State, agreed: Agreed) -> tuple[bytes, State]:
        codec = self._codec(agreed.direction)
        rng = stream(self.seed, f"codec-{agreed.direction}", agreed.round, agreed.client)
        body, state = codec.encode(Update(values, self.layout), state, rng, agreed)
        return seal(body, codec.wire_id), state

    def _decode(self, payload: bytes, agreed: Agreed) -> Update:
        codec = self._codec(agreed.direction)
        return codec.decode(unseal(payload, codec.wire_id), self.layout, agreed)

    def _codec(self, direction: Direction) -> Codec:
        return self.uplink if direction == "uplink" else self.downlink


def _repeat(operation: Callable[[], object], at_least_s: float) -> tuple[int, float]:
    """Calls and CPU seconds of `operation` repeated for at least `at_least_s`, after one call to warm up."""
    operation()
    calls, start = 0, time.thread_time()
    while (elapsed := time.thread_time() - start) < at_least_s:
        operation()
        calls += 1
    return calls, elapsed
