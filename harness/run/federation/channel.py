"""Carries both directions of a cell, and is the only counter of bits.

What goes on the air is bytes. The receiver decodes those bytes and nothing else, and the ledger records their length,
also where they come too late to be decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.core.codec_facts import facts_of
from harness.core.errors import UpdateError
from harness.core.facts import CodecTiming
from harness.core.protocols import Codec, State
from harness.core.types import Float32, Layout, Update
from harness.ledger.ledger import Facts
from harness.parts import registry
from harness.run.federation.deadline import Deadline
from harness.run.federation.downlink import Broadcast, DeltaBroadcast, Mode, ModelBroadcast, SinceStartBroadcast
from harness.run.federation.link import Link


@dataclass
class Channel:
    """Both directions between the server and its clients, for one cell.

    Vectors have the shape (layout.size,): trained entries, then statistics. On the uplink the trained entries are an
    update and the statistics are as the client measured them.

    Attributes:
        uplink: codec of updates; its state is kept per client, and survives rounds that the client sits out.
        downlink: codec of what the server sends.
        layout: shape of the model.
        seed: evaluation seed of the cell.
        facts: where transfers, shadows and compute windows are recorded.
        mode: what the server sends, see `harness.run.federation.downlink`.
        also_code: further codings whose length is logged, where a codec has them.
        deadline: when what clients send comes too late; None for never.
    """

    uplink: Codec
    downlink: Codec
    layout: Layout
    seed: int
    facts: Facts
    mode: Mode = "model"
    also_code: Sequence[str] = ()
    deadline: Deadline | None = None
    _residuals: dict[int, State] = field(default_factory=dict)
    _received_bytes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open both directions.

        Raises:
            ValueError: there is a deadline, and the server must see all that the uplink codec sends.
        """
        if self.deadline is not None and facts_of(self.uplink).needs_server is not None:
            raise ValueError(f"deadline must be None for uplink {self.uplink.kind}, whose server must miss nothing")
        self._up = Link(self.uplink, self.layout, "uplink", self.seed, self.facts, self.also_code)
        self._down = Link(self.downlink, self.layout, "downlink", self.seed, self.facts, self.also_code)
        self._broadcast: Broadcast = ModelBroadcast(self._down)
        if self.mode != "model":
            whole = Link(registry.build("codec", "float32"), self.layout, "downlink", self.seed, self.facts)
            n_trained = self.layout.trained.size
            if self.mode == "delta":
                self._broadcast = DeltaBroadcast(self._down, whole, n_trained)
            else:
                self._broadcast = SinceStartBroadcast(self._down, whole, n_trained)

    def provision(self, model: Float32, n_clients: int, frozen: Update | None = None) -> None:
        """Give all clients of the population what they need before round 1, as transfers of round 0.

        Args:
            model: what the first round starts from, float32 of shape (layout.size,).
            n_clients: clients of the population.
            frozen: what never changes and no round brings, sent as float32 to each.
        """
        if frozen is not None:
            link = Link(registry.build("codec", "float32"), frozen.layout, "downlink", self.seed, self.facts)
            payload, _ = link.send(frozen.values, link.coder.init(), 0)
            for client in range(n_clients):
                link.count(payload, 0, client)
        self._broadcast.provision(model, n_clients)

    def send_model(self, model: Float32, round: int, cohort: Sequence[int]) -> None:
        """Code the global model for the clients of `round`.

        Raises:
            UpdateError: there is NaN or infinity in what would be sent; names the round.
        """
        self._broadcast.send(model, round, cohort)

    def receive_model(self, round: int, client: int, facts: Facts | None = None) -> Float32:
        """The model that `client` decodes from what it is sent in `round`; each payload is counted.

        Args:
            round: round number, from 1; its model has been sent.
            client: client number, from 0.
            facts: where it is recorded; None takes those of the cell.
        """
        facts = self.facts if facts is None else facts
        before = len(facts.transfers)
        model = self._broadcast.receive(round, client, facts)
        self._received_bytes[client] = sum(transfer.payload_bytes for transfer in facts.transfers[before:])
        return model

    def preview_model(self, model: Float32, round: int) -> Float32 | None:
        """The model that a client would decode if `model` were sent in `round`; None where that is `model` itself.

        Nothing is sent, and no bits are counted.
        """
        return None if facts_of(self.downlink).is_exact else self._broadcast.preview(model, round)

    def send_update(
        self, values: Float32, round: int, client: int, n_steps: int = 0, facts: Facts | None = None
    ) -> Float32 | None:
        """What the server decodes from what `client` sends; None if it comes after the deadline.

        A client does not learn that it was late: what its codec keeps is as after any other update.

        Args:
            values: float32, shape (layout.size,).
            round: round number, from 1.
            client: client number, from 0; it has received the model of `round`.
            n_steps: optimiser steps that it did in `round`, which take time before a deadline.
            facts: where it is recorded; None takes those of the cell.

        Raises:
            UpdateError: `values` holds NaN or infinity; names round and client.
        """
        before = self._residuals[client] if client in self._residuals else self._up.coder.init()
        try:
            payload, self._residuals[client] = self._up.send(values, before, round, client, facts)
        except UpdateError as error:
            raise UpdateError(f"round {round}, client {client}: {error}") from error
        is_late = self._is_late(client, n_steps, len(payload))
        self._up.count(payload, round, client, is_late=is_late, facts=facts)
        if is_late:
            return None
        with self._up.window(round, "decode", facts=facts):
            return self._up.decode(payload, round, client)

    def time_codecs(self, at_least_s: float = 0.05) -> list[CodecTiming]:
        """CPU time of each codec operation on the last payload of each direction; changes no state and counts no bits.

        Args:
            at_least_s: how long to repeat each operation, CPU seconds.
        """
        return [*self._down.time_codec(at_least_s), *self._up.time_codec(at_least_s)]

    def states(self) -> list[State]:
        """What the uplink codec keeps for each client seen so far: the memory that clients pay for the method.

        Not in it: what the server keeps for the downlink, and the model itself, which a client keeps between rounds in
        modes ``delta`` and ``since_start``.
        """
        return list(self._residuals.values())

    def _is_late(self, client: int, n_steps: int, uplink_bytes: int) -> bool:
        received_bytes = self._received_bytes.pop(client, 0)
        if self.deadline is None:
            return False
        return self.deadline.is_missed(self.seed, client, received_bytes, n_steps, uplink_bytes)
