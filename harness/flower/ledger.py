"""Logs a Flower federation: wraps a strategy and records what it sends, receives and scores.

::

    with OpenLedger("results/flower", method="QuantFL", seed=0) as ledger:
        strategy = LoggedStrategy(CodedStrategy(FedAvg(), "quantfl"), ledger)
        strategy.start(grid, arrays, num_rounds=3, evaluate_fn=score)

Bytes are those of the arrays' data as they travel: of a coded message the payload, of any other what the app sends.
Flower's own bytes around them are an assumption, ``transport: flower`` of a radio. Logged is what the server handed
over or was handed: the model for every client that it addressed, also one that is lost later, and every update that
came back in time, also one that is refused. What comes after Flower's timeout is not seen, and messages without arrays,
as those with metrics of an evaluation, are not logged.

A model that is sent for evaluation is logged as one more payload to its client. It is priced as more bytes of the model
for training in that round: the two share a radio session and Flower's bytes, and are compared with one uncompressed
model.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from harness.core.extras import require
from harness.core.types import Direction, Split
from harness.flower.records import LINK, client_of
from harness.ledger.external_logger import Digest, OpenLedger

_METRICS = ("accuracy", "loss")


class _Row(NamedTuple):
    """A payload that crossed the air for a node, without its content."""

    round: int
    node: int
    direction: Direction
    n_bytes: int
    digest: Digest

    @classmethod
    def of(cls, round: int, node: int, direction: Direction, message: Any) -> "_Row":
        """What a message carries."""
        data = _data(message.content)
        return cls(round, node, direction, len(data), Digest.of(data))


class LoggedStrategy:
    """Logs a federation around any strategy, coded or not; stands outside of `harness.flower.CodedStrategy`.

    A client's number in the ledger is its own, which `harness.flower.CodedClient` sends, unless another node has it
    already. In a coded federation, what crossed the air for a node without a number is held back until it says one, or
    until the end, where it gets one that is free; a process that is killed does not log it. Nodes of an app that does
    not code are numbered as they answer, each with the lowest number that is free; those that have never answered by
    the end of a round come after those that have.

    Attributes:
        strategy: the strategy inside.
        ledger: where facts go; the caller closes it.
        split: what ``evaluate_fn`` scores on.
    """

    def __init__(self, strategy: Any, ledger: OpenLedger, split: Split = "test") -> None:
        """Wrap a strategy."""
        require("flwr.app", "flower", "harness.flower_ledger")
        self.strategy, self.ledger, self.split = strategy, ledger, split
        self._numbers: dict[int, int] = {}
        self._sent: list[_Row] = []
        self._held: list[_Row] = []
        self._is_coded = False

    def start(
        self, grid: Any, *args: Any, evaluate_fn: Callable[[int, Any], Any] | None = None, **settings: Any
    ) -> Any:
        """Run the federation as Flower's strategies do, scores of `evaluate_fn` logged."""
        from flwr.serverapp.strategy import Strategy

        scored = None if evaluate_fn is None else self._logging(evaluate_fn)
        try:
            return Strategy.start(self, grid, *args, evaluate_fn=scored, **settings)  # type: ignore[arg-type,unused-ignore]
        finally:
            self.end()

    def end(self) -> None:
        """Log what is still held back, under numbers that are free; `start` does so itself."""
        self._number_others(sorted({row.node for row in self._held}))
        self._log_known()

    def summary(self) -> None:
        """As the strategy inside."""
        self.strategy.summary()

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """Note what is sent to whom; it is logged with the replies, which say who is who."""
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        self._sent = self._rows_of(server_round, messages)
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """Log the round in the order of the clients' numbers, then aggregate."""
        arrived = list(replies)
        came = [reply for reply in arrived if not reply.has_error()]
        for reply in came:
            self._take_number(reply.metadata.src_node_id, client_of(reply))
        received = [
            _Row.of(server_round, reply.metadata.src_node_id, "uplink", reply) for reply in came if _has_arrays(reply)
        ]
        self._held += [*self._sent, *received]
        if not self._is_coded:
            for rows in (received, self._sent):
                self._number_others(sorted({row.node for row in rows}))
        self._log_known()
        self.ledger.flush()
        arrays, metrics = self.strategy.aggregate_train(server_round, arrived)
        return arrays, metrics

    def configure_evaluate(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """The model that evaluation sends is on the air as well; what comes back holds metrics only."""
        messages = list(self.strategy.configure_evaluate(server_round, arrays, config, grid))
        sent = self._rows_of(server_round, messages)
        self._held += sent
        if not self._is_coded:
            self._number_others([row.node for row in sent])
        self._log_known()
        return messages

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Any]) -> Any:
        """As the strategy inside."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    def _rows_of(self, round: int, messages: Iterable[Any]) -> list[_Row]:
        """What messages of the server put on the air. Coded ones request the numbers of clients."""
        with_arrays = [message for message in messages if _has_arrays(message)]
        self._is_coded |= any(LINK in message.content for message in with_arrays)
        return [_Row.of(round, message.metadata.dst_node_id, "downlink", message) for message in with_arrays]

    def _log_known(self) -> None:
        """Log what is held back of the nodes that have a number."""
        known = [row for row in self._held if row.node in self._numbers]
        self._held = [row for row in self._held if row.node not in self._numbers]
        for row in sorted(known, key=lambda row: (row.round, self._numbers[row.node])):
            self.ledger.transfer(row.round, self._numbers[row.node], row.direction, row.n_bytes, content=row.digest)

    def _take_number(self, node: int, number: int | None) -> None:
        """Give a node the number that it sent, unless it has one or another node has that."""
        if number is not None and node not in self._numbers and number not in self._numbers.values():
            self._numbers[node] = number

    def _number_others(self, nodes: Iterable[int]) -> None:
        """Give nodes without a number the lowest that are free."""
        for node in nodes:
            if node not in self._numbers:
                taken = set(self._numbers.values())
                self._numbers[node] = next(number for number in range(len(taken) + 1) if number not in taken)

    def _logging(self, evaluate: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def scored(server_round: int, arrays: Any) -> Any:
            found = evaluate(server_round, arrays)
            for metric in _METRICS:
                if found is not None and metric in found:
                    self.ledger.score(server_round, self.split, metric, found[metric])  # type: ignore[arg-type]
            return found

        return scored


def _has_arrays(message: Any) -> bool:
    return bool(message.content.array_records)


def _data(content: Any) -> bytes:
    """The data of all arrays of a message, in order."""
    return b"".join(bytes(array.data) for record in content.array_records.values() for array in record.values())
