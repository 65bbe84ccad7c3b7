"""Puts codecs into a Flower app: a mod for its clients, a strategy around its strategy. Two lines make an app QuantFL.

::

    app = ClientApp(mods=[CodedClient("quantfl", downlink="quantfl")])
    strategy = CodedStrategy(FedAvg(), "quantfl", downlink="quantfl")

Payloads are those of `harness.run.federation.link`, byte for byte: at equal seeds and client numbers a federation over
a network sends what the simulation counts. Both ends name the codecs; settings are part of the checksum, so that a
client with others is refused. A client's number is its ``partition-id``. Evaluation sends the model coded as well.
Downlink mode ``delta`` and codecs whose server must miss nothing (ef21) are for the simulation only.

References:
    Beutel et al., "Flower: A Friendly Federated Learning Research Framework", arXiv 2007.14390, 2020; the message API
    of flwr 1.41.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.core.codec_facts import facts_of
from harness.core.errors import PayloadError
from harness.core.protocols import Codec, ServerRule, State
from harness.core.types import SERVER, Agreed, Float32
from harness.flower.records import (
    LINK,
    Signature,
    app,
    client_of,
    is_about_model,
    load_state,
    only_arrays,
    payload_of,
    save_state,
)
from harness.parts import registry
from harness.run.federation.link import Coder
from harness.run.federation.rounds import aggregate

_LOG = logging.getLogger("flwr")
_MOD_FAILED_PRECONDITION = 6
"""Flower's error code of a reply that a part around the app refused (flwr.common.constant.ErrorCode)."""


def is_running_statistic(name: str) -> bool:
    """Whether an array is measured rather than trained, by the names that torch gives buffers of batch norms.

    >>> is_running_statistic("bn1.running_mean"), is_running_statistic("bn1.weight")
    (True, False)
    """
    return name.endswith(("running_mean", "running_var"))


@dataclass(frozen=True)
class CodedClient:
    """A mod: the app sees the decoded model, and what leaves is its coded update.

    Messages that are about neither training nor evaluation pass as they are. What the uplink codec keeps for the client
    lies in the state of its context.

    Attributes:
        uplink: codec of updates: name, settings or part, as in a definition.
        downlink: codec of the model.
    """

    uplink: object
    downlink: object = "float32"

    def __post_init__(self) -> None:
        """Refuse codecs that there are not.

        Raises:
            UsageError: see `harness.parts.registry.build`.
            EnvironmentLacksError: Flower is not installed.
        """
        app()
        _codec(self.uplink)
        _codec(self.downlink)

    def __call__(self, message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
        """Decode what arrives, let the app work, encode what leaves.

        Raises:
            PayloadError: what arrived is damaged or was made with other settings; Flower reports it to the server.
            UpdateError: training gave NaN or infinity.
        """
        if not is_about_model(message):
            return call_next(message, context)
        key, record = only_arrays(message.content)
        if LINK not in message.content:
            raise PayloadError("the server does not code: its strategy is no CodedStrategy")
        link = message.content[LINK]
        seed, round = int(link["seed"]), int(link["round"])
        signature = Signature.unpack(link["signature"])
        down, up = Coder(_codec(self.downlink), signature.layout), Coder(_codec(self.uplink), signature.layout)
        model = down.decode(payload_of(record), Agreed(seed, round, SERVER, "downlink"))
        message.content[key] = signature.record(model, record)
        del message.content[LINK]
        reply = call_next(message, context)
        if reply.has_error() or not message.metadata.message_type.startswith("train"):
            return reply
        reply_key, trained = only_arrays(reply.content)
        client = _number_of(context)
        values = signature.vector(trained)
        values[: up.trained.size] -= model[: up.trained.size]
        before = load_state(context.state, up.init())
        payload, after = up.encode(values, before, Agreed(seed, round, client, "uplink"))
        save_state(after, context.state)
        reply.content[reply_key] = signature.sealed(payload, trained)
        reply.content[LINK] = app().ConfigRecord({"client": client})
        return reply


class _Arrived(NamedTuple):
    """What the server has of a client: number, update as decoded, its message with the model in it."""

    client: int
    update: Float32
    message: Any


class CodedStrategy:
    """A strategy around another: codes the model for the clients, and decodes their updates before they are aggregated.

    The server keeps its model in float32, also where the strategy inside computes in float64. To that strategy, a
    client's model is the server's plus the update that was decoded, so that FedAvg adds the mean update. A payload that
    cannot be decoded is refused, with its client's number in Flower's log, and becomes a reply with an error: the
    strategy inside deals with it as with any other.

    Attributes:
        strategy: the strategy inside; it samples clients, and aggregates unless there is a `server` rule.
    """

    def __init__(
        self,
        strategy: Any,
        uplink: object,
        downlink: object = "float32",
        *,
        server: object = None,
        seed: int = 0,
        weighted_by: str = "num-examples",
        is_statistic: Callable[[str], bool] = is_running_statistic,
    ) -> None:
        """Wrap a strategy.

        Args:
            strategy: any strategy of Flower's message API.
            uplink: codec of updates, as the clients name it.
            downlink: codec of the model, likewise.
            server: server rule that aggregates, as in a definition, sums in float64; None leaves it to `strategy`.
            seed: what random rounding and agreed rotations depend on.
            weighted_by: metric of a reply by which `server` weights it.
            is_statistic: whether an array, by its name, is measured rather than trained.

        Raises:
            ValueError: a codec whose server must miss nothing: clients of a network are lost; or a server rule of
                another codec.
            UsageError: see `harness.parts.registry.build`.
            EnvironmentLacksError: Flower is not installed.
        """
        app()
        self.strategy = strategy
        self._up, self._down = _codec(uplink), _codec(downlink)
        self._rule: ServerRule | None = None if server is None else _rule_for(self._up, server)
        self._seed, self._weighted_by, self._is_statistic = seed, weighted_by, is_statistic
        self._state: State = None
        self._rule_state: State = None
        self._known: Signature | None = None
        self._model: Float32 = np.zeros(0, dtype=np.float32)

    def start(self, grid: Any, *args: Any, **settings: Any) -> Any:
        """Run the federation as Flower's strategies do; see ``flwr.serverapp.strategy.Strategy.start``."""
        from flwr.serverapp.strategy import Strategy

        return Strategy.start(self, grid, *args, **settings)  # type: ignore[arg-type,unused-ignore]

    def summary(self) -> None:
        """Log the codecs, then the summary of the wrapped strategy."""
        _LOG.info("\t├──> Codecs: uplink %s, downlink %s", self._up.kind, self._down.kind)
        self.strategy.summary()

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """The messages of the strategy inside, each with the coded model."""
        self._open(arrays)
        messages = self.strategy.configure_train(server_round, arrays, config, grid)
        coded, self._state = self._coded(arrays, server_round)
        return self._sealed(messages, coded, server_round)

    def configure_evaluate(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """Likewise; what the downlink's codec keeps stays as training left it."""
        self._open(arrays)
        messages = list(self.strategy.configure_evaluate(server_round, arrays, config, grid))
        return self._sealed(messages, self._coded(arrays, server_round)[0], server_round) if messages else []

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """Decode, then aggregate by the server rule, or by the strategy inside."""
        arrived, others = list[_Arrived](), list[Any]()
        for reply in replies:
            if reply.has_error() or not is_about_model(reply):
                others.append(reply)
                continue
            try:
                arrived.append(self._decoded(reply, server_round, {each.client for each in arrived}))
            except PayloadError as error:
                others.append(_refused(reply, server_round, error))
        arrived.sort(key=lambda each: each.client)
        messages = [each.message for each in arrived] + others
        weights = [_weight(each.message, self._weighted_by) for each in arrived] if self._rule else []
        arrays, metrics = self.strategy.aggregate_train(server_round, messages)
        if self._rule is not None and arrived:
            arrays = self._stepped(self._rule, arrived, weights)
        return None if arrays is None else self._signature.in_float32(arrays), metrics

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Any]) -> Any:
        """As the strategy inside does."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    @property
    def _signature(self) -> Signature:
        if self._known is None:
            raise RuntimeError("configure_train comes before aggregate_train")
        return self._known

    def _open(self, arrays: Any) -> None:
        """Take over the server's model, and at the first time its signature."""
        if self._known is None:
            self._known = Signature.of(arrays, self._is_statistic)
            layout = self._signature.layout
            self._up_coder, self._down_coder = Coder(self._up, layout), Coder(self._down, layout)
            self._state = self._down_coder.init()
        self._model, self._others = self._signature.vector(arrays), arrays
        if self._rule is not None and self._rule_state is None:
            self._rule_state = self._rule.init(self._model[: self._signature.layout.trained.size])

    def _coded(self, arrays: Any, round: int) -> tuple[Any, State]:
        """The record with the coded model, and what the codec would keep."""
        agreed = Agreed(self._seed, round, SERVER, "downlink")
        payload, state = self._down_coder.encode(self._model, self._state, agreed)
        return self._signature.sealed(payload, arrays), state

    def _sealed(self, messages: Iterable[Any], coded: Any, round: int) -> list[Any]:
        link = app().ConfigRecord({"round": round, "seed": self._seed, "signature": self._signature.pack()})
        ready = list(messages)
        for message in filter(is_about_model, ready):
            key, _ = only_arrays(message.content)
            message.content[key], message.content[LINK] = coded, link
        return ready

    def _decoded(self, reply: Any, round: int, taken: Collection[int]) -> _Arrived:
        """The update in a reply, and the reply with a model of the app's own form.

        Raises:
            PayloadError: damaged, of other settings, not coded, or of a client in `taken`, which has answered already.
        """
        key, record = only_arrays(reply.content)
        client = client_of(reply)
        if client is None:
            raise PayloadError("it does not say which client sent it; has its app a CodedClient?")
        if client in taken:
            raise PayloadError("another node answered as this client; each needs a partition-id of its own")
        if lacking := [name for name, _, kind in self._signature.arrays if kind == "other" and name not in record]:
            raise PayloadError(f"array {lacking[0]} is missing")
        update = self._up_coder.decode(payload_of(record), Agreed(self._seed, round, client, "uplink"))
        model, n_trained = update.copy(), self._signature.layout.trained.size
        model[:n_trained] += self._model[:n_trained]
        reply.content[key] = self._signature.record(model, record)
        del reply.content[LINK]
        return _Arrived(client, update, reply)

    def _stepped(self, rule: ServerRule, arrived: Sequence[_Arrived], weights: Sequence[float]) -> Any:
        shares = np.array(weights, dtype=np.float64) / sum(weights)
        updates = [each.update for each in arrived]
        trained = self._signature.layout.trained
        model, self._rule_state = aggregate(rule, trained, self._model, updates, shares, self._rule_state, 1.0)
        return self._signature.record(model, self._others)


def _codec(named: object) -> Codec:
    codec: Codec = registry.build("codec", named)
    if facts_of(codec).needs_server is not None:
        raise ValueError(f"codec {codec.kind} is for the simulation only: its server must miss nothing that is sent")
    return codec


def _rule_for(codec: Codec, named: object) -> ServerRule:
    rule: ServerRule = registry.build("server", named)
    needed = getattr(rule, "needs_codec", codec.kind)
    if needed != codec.kind:
        raise ValueError(f"{codec.kind} does not go with server {rule.kind}, which needs uplink {needed}")
    return rule


def _number_of(context: Any) -> int:
    """The client's number.

    Raises:
        ValueError: its node was started without one.
    """
    number = context.node_config.get("partition-id")
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"--node-config needs partition-id, a number from 0 (got {number!r}): the client's number")
    return number


def _weight(message: Any, name: str) -> float:
    metrics: Mapping[str, Any] = next(iter(message.content.metric_records.values()), {})
    if name not in metrics:
        raise ValueError(f"a reply has no metric {name!r} to be weighted by; set weighted_by of CodedStrategy")
    return float(metrics[name])


def _refused(reply: Any, round: int, error: Exception) -> Any:
    """The reply of a client whose payload cannot be decoded, as an error."""
    flwr, node = app(), reply.metadata.src_node_id
    client = client_of(reply)
    text = f"round {round}: payload of client {'?' if client is None else client} (node {node}) refused: {error}"
    _LOG.warning(text)
    return flwr.Message(error=flwr.Error(_MOD_FAILED_PRECONDITION, text), metadata=reply.metadata)
