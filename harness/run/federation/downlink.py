"""Implements the downlink: how the clients of a round get the global model.

``model``: the coded model is sent in every round, the same payload to all clients of the round.

``delta``: closed loop. The server keeps its float32 master and r, what the clients have put together so far. Round 0
gives every client of the population the initial model, whole. In round t the server codes ``master - r`` and adds what
a client will decode to r, so that the error of one round is part of what the next one codes: the loop is error feedback
by itself, and a codec adds its own. A client adds the
differences in their order and holds r bit for bit: float32 addition of equal numbers in equal order. One that sat out
is sent every difference it missed, or r as a whole in float32, whichever takes fewer bytes (the differences if equal),
and is charged for it. The server forgets a difference once no client can need it. Statistics are replaced, not added.

A client's model is therefore r of the round it last took part in; nothing is kept here per client but that number.

``since_start``: round 0 gives every client of the population the initial model, whole, and clients keep it. In round t
the server codes what training has changed since then, ``master - start``, the same payload to all clients of the
round. Fine-tuning changes weights by little, so that a step in proportion to the change is finer than one in proportion
to the weights; and a client that sat out lacks nothing. Statistics are replaced, not added. The change is also known as
the task vector (Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023).
"""

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np

from harness.core.errors import UpdateError
from harness.core.protocols import State
from harness.core.types import Float32
from harness.ledger.ledger import Facts
from harness.run.federation.link import Link
from harness.wire.frame import FRAME_BYTES

Mode = Literal["model", "delta", "since_start"]


class Broadcast(Protocol):
    """One way to bring the global model to the clients."""

    def provision(self, model: Float32, n_clients: int) -> None:
        """Give all clients what they need before round 1, as transfers of round 0."""

    def send(self, model: Float32, round: int, cohort: Sequence[int]) -> None:
        """Code `model`, float32 of shape (layout.size,), for the clients of `round`.

        Raises:
            UpdateError: there is NaN or infinity in what would be sent; names the round.
        """

    def receive(self, round: int, client: int, facts: Facts | None = None) -> Float32:
        """The model that `client` of the cohort decodes, in a fresh array; recorded in `facts` or those of the link."""

    def preview(self, model: Float32, round: int) -> Float32:
        """The model that a client would decode if `model` were sent in `round`; nothing is sent."""


class ModelBroadcast:
    """Mode ``model``: the model itself, in every round."""

    def __init__(self, link: Link) -> None:
        """Send over `link`."""
        self._link, self._state, self._payload = link, link.coder.init(), b""

    def provision(self, model: Float32, n_clients: int) -> None:
        """Nothing is lacking at the start: the first broadcast brings it all."""

    def send(self, model: Float32, round: int, cohort: Sequence[int]) -> None:
        """Code the model, once for all clients."""
        self._payload, self._state = _send(self._link, model, self._state, round)

    def receive(self, round: int, client: int, facts: Facts | None = None) -> Float32:
        """The model as coded."""
        with self._link.window(round, "decode", client, facts):
            model = self._link.decode(self._payload, round)
        self._link.count(self._payload, round, client, facts=facts)
        return model

    def preview(self, model: Float32, round: int) -> Float32:
        """The model as it would be coded."""
        return self._link.preview(model, self._state, round)


class SinceStartBroadcast:
    """Mode ``since_start``: what has changed since round 0."""

    def __init__(self, link: Link, whole: Link, n_trained: int) -> None:
        """Send the change over `link`, and the initial model over `whole`.

        Args:
            link: the downlink's codec.
            whole: float32.
            n_trained: trained entries of the model; statistics stand behind.
        """
        self._change, self._whole, self._n_trained = ModelBroadcast(link), whole, n_trained
        self._start: Float32 = np.zeros(0, dtype=np.float32)

    def provision(self, model: Float32, n_clients: int) -> None:
        """The initial model, whole, to every client of the population."""
        self._start = _give_whole(self._whole, model, n_clients)

    def send(self, model: Float32, round: int, cohort: Sequence[int]) -> None:
        """Code what training has changed, once for all clients."""
        self._change.send(_lacking(model, self._start, self._n_trained), round, cohort)

    def receive(self, round: int, client: int, facts: Facts | None = None) -> Float32:
        """The initial model with the change added, in float32."""
        return _added(self._start, self._change.receive(round, client, facts), self._n_trained)

    def preview(self, model: Float32, round: int) -> Float32:
        """The initial model with the change as it would be coded."""
        change = self._change.preview(_lacking(model, self._start, self._n_trained), round)
        return _added(self._start, change, self._n_trained)


class Sent(NamedTuple):
    """A payload on its way to a client: a difference of the round it was made in, or the whole model of this round."""

    round: int
    payload: bytes
    is_whole: bool


class DeltaBroadcast:
    """Mode ``delta``: what has changed since the round before.

    Attributes:
        model: r, what a client of the last round holds: float32, shape (layout.size,).
    """

    def __init__(self, link: Link, whole: Link, n_trained: int) -> None:
        """Send differences over `link`, and models over `whole` where these are smaller.

        Args:
            link: the downlink's codec.
            whole: float32.
            n_trained: trained entries of the model; statistics stand behind.
        """
        self._link, self._whole, self._n_trained = link, whole, n_trained
        self._state = link.coder.init()
        self.model: Float32 = np.zeros(0, dtype=np.float32)
        self._whole_payload: bytes | None = None
        self._deltas: deque[Sent] = deque()
        self._before_deltas = self.model
        self._last_round: list[int] = []
        self._held: dict[int, Float32] = {}

    def provision(self, model: Float32, n_clients: int) -> None:
        """The initial model, whole, to every client of the population."""
        self.model = self._before_deltas = _give_whole(self._whole, model, n_clients)
        self._last_round = [0] * n_clients

    def send(self, model: Float32, round: int, cohort: Sequence[int]) -> None:
        """Code what the clients' model lacks, and follow what they will decode."""
        payload, self._state = _send(self._link, _lacking(model, self.model, self._n_trained), self._state, round)
        before, self._whole_payload = self.model, None
        with self._link.window(round, "decode"):
            self.model = _added(before, self._link.decode(payload, round), self._n_trained)
        self._deltas.append(Sent(round, payload, is_whole=False))
        with self._link.window(round, "codec_timing"):
            # Work of the benchmark: in a deployment the clients themselves hold what they decoded last.
            self._forget(len(model))
            self._held = self._held_by(cohort)

    def due(self, round: int, client: int) -> list[Sent]:
        """What `client` is sent in `round`, in this order."""
        n_missed = round - self._last_round[client]
        if n_missed <= len(self._deltas):
            return list(self._deltas)[-n_missed:]
        if self._whole_payload is None:
            self._whole_payload, _ = _send(self._whole, self.model, self._whole.coder.init(), round)
        return [Sent(round, self._whole_payload, is_whole=True)]

    def receive(self, round: int, client: int, facts: Facts | None = None) -> Float32:
        """The model as `client` puts it together from what it held and the bytes it is sent."""
        model, due = self._held.get(self._last_round[client], self._before_deltas), self.due(round, client)
        for sent in due:
            link = self._whole if sent.is_whole else self._link
            with link.window(round, "decode", client, facts):
                decoded = link.decode(sent.payload, sent.round)
                model = decoded if sent.is_whole else _added(model, decoded, self._n_trained)
            link.count(sent.payload, round, client, is_complete=sent is due[-1], facts=facts)
        if model.tobytes() != self.model.tobytes():
            raise RuntimeError(f"round {round}, client {client}: its model is not the one that the server follows")
        self._last_round[client] = round
        return model

    def preview(self, model: Float32, round: int) -> Float32:
        """The clients' model with what it lacks as it would be coded."""
        lacking = _lacking(model, self.model, self._n_trained)
        return _added(self.model, self._link.preview(lacking, self._state, round), self._n_trained)

    def _forget(self, n_entries: int) -> None:
        """Drop the differences that no client can need: older than all of them, or longer than a model."""
        whole_bytes = FRAME_BYTES + 4 * n_entries
        n_bytes = sum(len(sent.payload) for sent in self._deltas)
        oldest = min(self._last_round)
        while self._deltas and (n_bytes > whole_bytes or self._deltas[0].round <= oldest):
            sent = self._deltas.popleft()
            n_bytes -= len(sent.payload)
            self._before_deltas = _added(
                self._before_deltas, self._link.decode(sent.payload, sent.round), self._n_trained
            )

    def _held_by(self, cohort: Sequence[int]) -> dict[int, Float32]:
        """The models that clients of `cohort` hold, by the round they are of; whole ones are sent to the others."""
        rounds = {self._last_round[client] for client in cohort}
        held, model = {}, self._before_deltas
        for sent in list(self._deltas)[:-1]:
            if sent.round > max(rounds, default=0):
                break
            model = _added(model, self._link.decode(sent.payload, sent.round), self._n_trained)
            if sent.round in rounds:
                held[sent.round] = model
        return held


def _lacking(model: Float32, held: Float32, n_trained: int) -> Float32:
    """What `held` lacks to be `model`: differences of trained entries, and statistics as they are."""
    # An overflow becomes infinity, which the codec refuses by tensor name.
    with np.errstate(over="ignore", invalid="ignore"):
        return _joined(model[:n_trained] - held[:n_trained], model)


def _added(model: Float32, decoded: Float32, n_trained: int) -> Float32:
    with np.errstate(over="ignore", invalid="ignore"):
        return _joined(model[:n_trained] + decoded[:n_trained], decoded)


def _joined(trained: Float32, statistics_of: Float32) -> Float32:
    if len(trained) == len(statistics_of):
        return trained
    return np.concatenate([trained, statistics_of[len(trained) :]])


def _give_whole(whole: Link, model: Float32, n_clients: int) -> Float32:
    """What clients decode of the initial model, which every client of the population is sent."""
    payload, _ = _send(whole, model, whole.coder.init(), 0)
    for client in range(n_clients):
        whole.count(payload, 0, client)
    return whole.decode(payload, 0)


def _send(link: Link, values: Float32, state: State, round: int) -> tuple[bytes, State]:
    try:
        return link.send(values, state, round)
    except UpdateError as error:
        raise UpdateError(f"round {round}, downlink: {error}") from error
