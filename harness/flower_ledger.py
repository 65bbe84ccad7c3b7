"""A ledger of a Flower federation: a strategy around another that logs what it sends and receives, and scores.

::

    with OpenLedger("results/flower", method="QuantFL", seed=0) as ledger:
        strategy = LoggedStrategy(CodedStrategy(FedAvg(), "quantfl"), ledger)
        strategy.start(grid, arrays, num_rounds=3, evaluate_fn=score)

Bytes are those of the arrays' data as they travel: of a coded message the payload, of any other what the app sends.
Flower's own bytes around them are an assumption, ``transport: flower`` of a radio. Logged is what the server handed
over or was handed: the model for every client that it addressed, also one that is lost later, and every update that
came back in time, also one that is refused. What comes after Flower's timeout is not seen.
"""

from collections.abc import Callable, Iterable
from typing import Any

from harness.core.types import Direction, Split
from harness.extras import require
from harness.flower_records import LINK
from harness.open_ledger import OpenLedger

_METRICS = ("accuracy", "loss")


class LoggedStrategy:
    """Logs a federation around any strategy, coded or not; stands outside of `harness.flower.CodedStrategy`.

    A client's number in the ledger is its own where it sends one, as `harness.flower.CodedClient` does. Others are
    numbered as they answer, each with the lowest number that is free; a client that has never answered by the end of a
    round comes after those that have.

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
        self._sent: dict[int, bytes] = {}

    def start(
        self, grid: Any, *args: Any, evaluate_fn: Callable[[int, Any], Any] | None = None, **settings: Any
    ) -> Any:
        """Run the federation as Flower's strategies do, scores of `evaluate_fn` logged."""
        from flwr.serverapp.strategy import Strategy

        scored = None if evaluate_fn is None else self._logging(evaluate_fn)
        return Strategy.start(self, grid, *args, evaluate_fn=scored, **settings)  # type: ignore[arg-type,unused-ignore]

    def summary(self) -> None:
        """As the strategy inside."""
        self.strategy.summary()

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """Note what is sent to whom; it is logged with the replies, which say who is who."""
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        self._sent = {message.metadata.dst_node_id: _data(message.content) for message in messages}
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """Log the round in the order of the clients' numbers, then aggregate."""
        arrived = list(replies)
        came = {reply.metadata.src_node_id: reply for reply in arrived if not reply.has_error()}
        self._number(came)
        for node in sorted(self._sent, key=self._numbers.__getitem__):
            self._log(server_round, node, "downlink", self._sent[node])
            if node in came:
                self._log(server_round, node, "uplink", _data(came[node].content))
        self.ledger.flush()
        arrays, metrics = self.strategy.aggregate_train(server_round, arrived)
        return arrays, metrics

    def configure_evaluate(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        """The model that evaluation sends is on the air as well; what comes back holds metrics only."""
        messages = list(self.strategy.configure_evaluate(server_round, arrays, config, grid))
        for message in messages:
            self._number_others([message.metadata.dst_node_id])
            self._log(server_round, message.metadata.dst_node_id, "downlink", _data(message.content))
        return messages

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Any]) -> Any:
        """As the strategy inside."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    def _log(self, round: int, node: int, direction: Direction, data: bytes) -> None:
        self.ledger.transfer(round, self._numbers[node], direction, len(data), content=data)

    def _number(self, came: dict[int, Any]) -> None:
        """Give numbers to the nodes of a round: their own, where they say it."""
        for node, reply in came.items():
            link = reply.content.get(LINK)
            if link is not None and "client" in link:
                self._numbers[node] = int(link["client"])
        self._number_others(sorted(came))
        self._number_others(sorted(self._sent))

    def _number_others(self, nodes: Iterable[int]) -> None:
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


def _data(content: Any) -> bytes:
    """The data of all arrays of a message, in order."""
    return b"".join(bytes(array.data) for record in content.array_records.values() for array in record.values())
