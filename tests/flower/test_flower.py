"""QuantFL in a Flower app, server and clients in this process: payloads, state, refusals and the ledger."""

import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import EnvironmentLacksError
from harness.core.types import Float32, Layout
from harness.flower.codecs import CodedClient, CodedStrategy, is_running_statistic
from harness.flower.ledger import LoggedStrategy
from harness.flower.records import LINK, PAYLOAD, Signature, load_state, save_state
from harness.ledger.external_logger import OpenLedger
from harness.ledger.external_runs import read_open
from harness.ledger.ledger import Ledger
from harness.ledger.store import Store, read_rounds
from harness.spec.spec import BenchmarkSpec
from tests.run.test_ray import without
from tests.runs import planned, run_here, tiny

pytest.importorskip("flwr")

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import strategy as strategies
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

N_CLIENTS = 4
FEDERATION = {"rounds": 3, "cohort": N_CLIENTS, "score_every": 1, "test_rounds": [1, 2, 3]}
SIGNS = {"kind": "error_feedback", "inner": {"kind": "signsgd"}}
Fault = Callable[[Message, int, int], Message | None]
"""What becomes of the reply of a client in a round; None if it never comes."""


def intact(reply: Message, client: int, round: int) -> Message | None:
    return reply


def lost(client: int, rounds: Collection[int]) -> Fault:
    return lambda reply, who, round: None if who == client and round in rounds else reply


def damaged(client: int, at: int) -> Fault:
    def fault(reply: Message, who: int, round: int) -> Message:
        if who == client and round == at:
            array = reply.content["arrays"][PAYLOAD]
            array.data = array.data[:-1] + bytes([array.data[-1] ^ 1])
        return reply

    return fault


def saying(client: int, at: int, number: int) -> Fault:
    """In one round a client says another number than its own."""

    def fault(reply: Message, who: int, round: int) -> Message:
        if who == client and round == at and LINK in reply.content:
            reply.content[LINK] = ConfigRecord({"client": number})
        return reply

    return fault


def witnessed(crossed: Counter[tuple[int, int, str]], fault: Fault) -> Fault:
    """Counts what really crossed the air: round, client, direction."""

    def seen(reply: Message, client: int, round: int) -> Message | None:
        crossed[round, client, "downlink"] += 1
        answer = fault(reply, client, round)
        crossed[round, client, "uplink"] += answer is not None and bool(answer.content.array_records)
        return answer

    return seen


class Picks(FedAvg):
    """Trains the named nodes of each round."""

    def __init__(self, *picks: Iterable[int]) -> None:
        super().__init__(fraction_evaluate=0.0)
        self._picks = picks

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Message]:
        content = RecordDict({"arrays": arrays, "config": config})
        config["server-round"] = server_round
        return self._construct_messages(content, [100 + place for place in self._picks[server_round - 1]], "train")


class Here:
    """A grid of no network: each node is a context, and the app runs here. Nodes 100, 101, … have partition 0, 1, …"""

    def __init__(self, app: ClientApp, fault: Fault = intact, partitions: Iterable[int] = range(N_CLIENTS)) -> None:
        self._app, self._fault, self._round = app, fault, 0
        self._contexts = {
            100 + place: Context(1, 100 + place, {"partition-id": number}, RecordDict(), {})
            for place, number in enumerate(partitions)
        }

    def get_node_ids(self) -> list[int]:
        return list(self._contexts)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return [reply for message in messages if (reply := self._answer(message)) is not None]

    def _answer(self, message: Message) -> Message | None:
        context = self._contexts[message.metadata.dst_node_id]
        content = RecordDict(dict(message.content.items()))
        round = content["config"]["server-round"]
        sent = Message(content, dst_node_id=message.metadata.dst_node_id, message_type=message.metadata.message_type)
        return self._fault(self._app(sent, context), int(context.node_config["partition-id"]), round)


@pytest.fixture(autouse=True)
def _identity() -> Iterator[None]:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    yield


def to_record(model: Float32, layout: Layout) -> ArrayRecord:
    return ArrayRecord({tensor.name: Array(model[place].reshape(tensor.shape)) for tensor, place in layout.slices()})


def to_vector(record: ArrayRecord) -> Float32:
    return np.concatenate([array.numpy().reshape(-1) for array in record.values()])


def spec(method: Mapping[str, Any]) -> dict[str, Any]:
    return tiny([{"name": "method", **method}], task={"clients": N_CLIENTS}, federation=FEDERATION)


def federate(
    folder: Path,
    mods: list[Any],
    wrap: Callable[[FedAvg], Any],
    fault: Fault = intact,
    partitions: Iterable[int] = range(N_CLIENTS),
    fraction_evaluate: float = 0.0,
) -> Ledger:
    """Three rounds of the digits task as a Flower app of plain federated averaging. Returns the ledger of it."""
    settings = spec({})
    task = BenchmarkSpec.model_validate(settings).task
    task.prepare([0])
    digits = task.build(0, {key: settings["federation"][key] for key in ("local_epochs", "batch_size", "lr")})
    app = ClientApp(mods=mods)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        client = int(context.node_config["partition-id"])
        model, _ = digits.train(to_vector(message.content["arrays"]), client, message.content["config"]["server-round"])
        metrics = MetricRecord({"num-examples": digits.n_examples[client]})
        return Message(RecordDict({"arrays": to_record(model, digits.layout), "metrics": metrics}), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        found = dict(digits.evaluate(to_vector(message.content["arrays"]), "validation"))
        return Message(RecordDict({"metrics": MetricRecord({"num-examples": 1, **found})}), reply_to=message)

    plain = FedAvg(fraction_evaluate=fraction_evaluate, min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1)
    with OpenLedger(folder, "QuantFL", n_parameters=digits.layout.size) as ledger:
        LoggedStrategy(wrap(plain), ledger).start(
            Here(app, fault, partitions),
            to_record(digits.initial_model(), digits.layout),
            num_rounds=3,
            evaluate_fn=lambda round, arrays: MetricRecord(dict(digits.evaluate(to_vector(arrays), "test"))),
        )
    ((_, read),) = read_open(folder)
    return read


def simulated(method: Mapping[str, Any], folder: Path) -> Ledger:
    (cell,) = planned(spec(method))
    assert run_here(cell, folder) is None
    return Store(folder).ledger(cell.cell_id)


def payloads(ledger: Ledger) -> set[tuple[Any, ...]]:
    found = ledger.transfers[["round", "client", "direction", "payload_bytes", "payload_digest"]]
    assert not found.duplicated(["round", "client", "direction"]).any()
    return set(found.itertuples(index=False, name=None))


def scores(ledger: Ledger) -> "pd.Series[float]":
    """Of the server's model: what clients decode of the last one, only the simulation scores."""
    found = ledger.scores.query("split == 'test' and round > 0 and metric in ('accuracy', 'loss')")
    return found.set_index(["round", "metric"])["value"].sort_index()


@pytest.mark.parametrize(
    ("uplink", "downlink"), [("quantfl", "quantfl"), (SIGNS, "float32"), ("qsgd", "float16"), ("drive", "float32")]
)
def test_a_flower_app_sends_the_payloads_of_the_simulation(uplink: Any, downlink: str, tmp_path: Path) -> None:
    """Random rounding, agreed rotations and residuals included: with our server rule it is the same federation."""
    wanted = simulated({"uplink": uplink, "downlink": {"codec": downlink}}, tmp_path / "simulation")
    mods = [CodedClient(uplink, downlink=downlink)]
    found = federate(tmp_path / "flower", mods, lambda plain: CodedStrategy(plain, uplink, downlink, server="mean"))
    assert payloads(found) == payloads(wanted)
    assert scores(found).equals(scores(wanted))


def test_aggregated_by_the_strategy_inside_the_scores_are_the_same_to_float_tolerance(tmp_path: Path) -> None:
    wanted = simulated({"uplink": "quantfl", "downlink": {"codec": "quantfl"}}, tmp_path / "simulation")
    mods = [CodedClient("quantfl", downlink="quantfl")]
    found = federate(tmp_path / "flower", mods, lambda plain: CodedStrategy(plain, "quantfl", "quantfl"))
    first = {row for row in payloads(wanted) if row[0] == 1}
    assert {row for row in payloads(found) if row[0] == 1} == first
    assert scores(found).to_numpy() == pytest.approx(scores(wanted).to_numpy(), rel=1e-3)


def test_a_damaged_payload_is_refused_with_its_client_and_the_round_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was refused had crossed the air: the ledger has it."""
    received: list[int] = []

    class Counted(CodedStrategy):
        def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
            inside = self.strategy.aggregate_train
            self.strategy.aggregate_train = lambda round, messages: (
                received.append(sum(not each.has_error() for each in messages)) or inside(round, messages)
            )
            try:
                return super().aggregate_train(server_round, replies)
            finally:
                self.strategy.aggregate_train = inside

    caplog.set_level("WARNING", logger="flwr")
    logging.getLogger("flwr").propagate = True
    ledger = federate(
        tmp_path, [CodedClient("quantfl")], lambda plain: Counted(plain, "quantfl", server="mean"), damaged(2, at=2)
    )
    assert received == [4, 3, 4]
    assert "round 2: payload of client 2 (node 102) refused: checksum mismatch" in caplog.text
    assert len(payloads(ledger)) == 3 * 2 * N_CLIENTS


def test_a_client_that_never_answers_is_in_the_ledger_with_what_it_was_sent(tmp_path: Path) -> None:
    ledger = federate(
        tmp_path,
        [CodedClient("quantfl")],
        lambda plain: CodedStrategy(plain, "quantfl", server="mean"),
        lost(1, rounds=[2, 3]),
    )
    sent = ledger.transfers.groupby(["round", "direction"])["client"].apply(list)
    assert sent[2, "downlink"] == sent[3, "downlink"] == [0, 1, 2, 3]
    assert sent[2, "uplink"] == sent[3, "uplink"] == [0, 2, 3]
    assert scores(ledger).loc[(3, "accuracy")] > 0.2


def test_a_round_without_any_answer_leaves_the_model(tmp_path: Path) -> None:
    ledger = federate(
        tmp_path,
        [CodedClient("quantfl")],
        lambda plain: CodedStrategy(plain, "quantfl", server="mean"),
        lambda reply, client, round: None if round == 2 else reply,
    )
    found = scores(ledger)
    assert found[1, "loss"] == found[2, "loss"] != found[3, "loss"]


@pytest.mark.parametrize(
    ("mods", "said"),
    [
        ([CodedClient({"kind": "quantfl", "step": 0.7})], "or its sender has other codec settings"),
        ([CodedClient("float32")], "payload of codec"),
    ],
)
def test_a_client_with_other_settings_is_refused(
    mods: list[Any], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("flwr").propagate = True
    federate(tmp_path, mods, lambda plain: CodedStrategy(plain, "quantfl", server="mean"))
    assert caplog.text.count("refused") >= 12 and said in caplog.text


def test_two_nodes_with_one_number_are_not_taken_for_one_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor are they billed as one: the one that was second to say it has another in the ledger."""
    logging.getLogger("flwr").propagate = True
    ledger = federate(
        tmp_path, [CodedClient("quantfl")], lambda plain: CodedStrategy(plain, "quantfl"), partitions=[0, 1, 1, 3]
    )
    assert caplog.text.count("refused: another node answered as this client") >= 3
    assert len(payloads(ledger)) == 3 * 2 * N_CLIENTS
    assert set(ledger.transfers["client"]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        (lambda: FedAvg(fraction_train=0.5, fraction_evaluate=1.0), intact),
        (lambda: FedAvg(fraction_train=0.5, fraction_evaluate=0.5), intact),
        (lambda: Picks((2, 3), (0, 3), (3, 1)), lost(3, rounds=[1, 2])),
        (lambda: Picks((1, 2), (1, 2), (0, 3)), saying(1, at=1, number=-7)),
        (lambda: Picks((0, 1), (0, 1), (0, 1)), saying(1, at=2, number=-7)),
        (lambda: Picks((2, 3), (0, 2), (2, 1)), saying(2, at=2, number=0)),
    ],
    ids=["all evaluated", "half evaluated", "lost at first", "no number at first", "no number later", "another's"],
)
def test_the_ledger_has_each_payload_under_its_client_whoever_speaks_first(
    inside: Callable[[], FedAvg], fault: Fault, tmp_path: Path
) -> None:
    crossed: Counter[tuple[int, int, str]] = Counter()
    random.seed(3)
    ledger = federate(
        tmp_path,
        [CodedClient("quantfl")],
        lambda plain: CodedStrategy(inside(), "quantfl", server="mean"),
        witnessed(crossed, fault),
    )
    found = ledger.transfers[["round", "client", "direction"]].itertuples(index=False, name=None)
    assert Counter(found) == +crossed


def test_a_run_that_breaks_off_keeps_what_was_held_back(tmp_path: Path) -> None:
    """Client 3 has not said its number when the server ends in round 2."""

    def fault(reply: Message, client: int, round: int) -> Message | None:
        if round == 2:
            raise KeyboardInterrupt
        return None if client == 3 else reply

    with pytest.raises(KeyboardInterrupt):
        federate(
            tmp_path, [CodedClient("quantfl")], lambda plain: CodedStrategy(Picks((2, 3), (2, 3)), "quantfl"), fault
        )
    (attempt,) = (tmp_path / "cells").glob("*/attempts/*")
    rows = [row for line in read_rounds(attempt) for row in line["transfers"]]
    assert [(row["client"], row["direction"]) for row in rows] == [(2, "downlink"), (2, "uplink"), (0, "downlink")]


def test_an_app_that_does_not_code_is_logged_as_it_is(tmp_path: Path) -> None:
    """Arrays of numpy's format: 4 bytes a parameter and a header of 128 for each of the four tensors."""
    ledger = federate(tmp_path, [], lambda plain: plain)
    assert (ledger.transfers["payload_bytes"] == 4 * 9610 + 4 * 128).all()
    assert len(payloads(ledger)) == 3 * 2 * N_CLIENTS


def test_the_model_that_evaluation_sends_is_coded_and_counted(tmp_path: Path) -> None:
    ledger = federate(
        tmp_path,
        [CodedClient("quantfl", downlink="quantfl")],
        lambda plain: CodedStrategy(plain, "quantfl", "quantfl"),
        fraction_evaluate=1.0,
    )
    down = ledger.transfers.query("direction == 'downlink'")
    assert down.groupby(["round", "client"]).size().eq(2).all()
    assert down["payload_bytes"].max() < 9610


def test_statistics_are_averaged_and_counts_travel_as_they_are() -> None:
    """A model with a batch norm: trained arrays first in the payload, the app's order for the app."""
    model = ArrayRecord(
        {
            "bn.running_mean": Array(np.array([1, 2], np.float32)),
            "bn.weight": Array(np.array([3, 4], np.float32)),
            "bn.num_batches_tracked": Array(np.array(7)),
        }
    )
    signature = Signature.of(model, is_running_statistic)
    assert signature == Signature.unpack(signature.pack())
    assert signature.vector(model).tolist() == [3, 4, 1, 2]
    assert [tensor.is_statistic for tensor in signature.layout.tensors] == [False, True]
    again = signature.record(np.array([5, 6, 7, 8], np.float32), model)
    assert {name: array.numpy().tolist() for name, array in again.items()} == {
        "bn.running_mean": [7, 8],
        "bn.weight": [5, 6],
        "bn.num_batches_tracked": 7,
    }
    assert set(signature.sealed(b"abc", model)) == {PAYLOAD, "bn.num_batches_tracked"}


def test_the_state_of_a_codec_survives_in_the_context() -> None:
    state = (np.arange(3, dtype=np.float32), (None, np.ones(2, np.float32)))
    records = RecordDict()
    assert load_state(records, None) is None
    save_state(state, records)
    residual, (nothing, inner) = load_state(records, None)  # type: ignore[misc]
    assert np.array_equal(residual, state[0]) and nothing is None and np.array_equal(inner, state[1][1])


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^codec ef21 is for the simulation only"):
        CodedClient({"kind": "ef21", "inner": {"kind": "topk", "ratio": 0.1}})
    with pytest.raises(ValueError, match=r"^the model has no float32 array that is trained"):
        Signature.of(ArrayRecord({"a": Array(np.zeros(2))}), is_running_statistic)
    message = Message(
        RecordDict({"arrays": ArrayRecord(), "config": ConfigRecord()}), dst_node_id=1, message_type="train"
    )
    with pytest.raises(Exception, match=r"^the server does not code: its strategy is no CodedStrategy$"):
        CodedClient("quantfl")(message, None, lambda message, context: message)


def test_a_server_rule_of_another_codec_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^quantfl does not go with server ef21, which needs uplink ef21$"):
        CodedStrategy(FedAvg(), "quantfl", server="ef21")


COUNTS = {"min_train_nodes": 1, "min_available_nodes": 1, "fraction_evaluate": 0.0}
OF_FLOWER: list[tuple[str, dict[str, Any]]] = [
    ("FedAvg", {}),
    ("FedAvgM", {"server_momentum": 0.5}),
    ("FedAdam", {}),
    ("FedYogi", {}),
    ("FedAdagrad", {}),
    ("FedMedian", {}),
    ("FedTrimmedAvg", {}),
    ("Krum", {"num_malicious_nodes": 1}),
    ("MultiKrum", {"num_malicious_nodes": 1, "num_nodes_to_select": 2}),
    ("Bulyan", {"num_malicious_nodes": 0}),
    ("QFedAvg", {"client_learning_rate": 0.5}),
    ("FedProx", {}),
]


@pytest.mark.parametrize(("name", "settings"), OF_FLOWER, ids=[name for name, _ in OF_FLOWER])
def test_strategies_of_flower_aggregate_coded_updates_as_they_do_others(name: str, settings: dict[str, Any]) -> None:
    """Also those that compute in float64. Updates are small whole numbers, and no two of five are equally central."""

    def trained(mods: list[Any], wrap: Callable[[Any], Any]) -> Float32:
        app = ClientApp(mods=mods)

        @app.train()
        def train(message: Message, context: Context) -> Message:
            update = np.float32(2 ** int(context.node_config["partition-id"]))
            model = {name: Array(array.numpy() + update) for name, array in message.content["arrays"].items()}
            metrics = MetricRecord({"num-examples": 1, "train_loss": 1.0})
            return Message(RecordDict({"arrays": ArrayRecord(model), "metrics": metrics}), reply_to=message)

        initial = ArrayRecord({"w": Array(np.arange(3, dtype=np.float32)), "b": Array(np.ones(2, np.float32))})
        strategy = wrap(getattr(strategies, name)(**COUNTS, **settings))
        arrays = strategy.start(Here(app, partitions=range(5)), initial, num_rounds=3).arrays
        return to_vector(arrays)

    plain = trained([], lambda strategy: strategy)
    coded = trained([CodedClient("float32")], lambda strategy: CodedStrategy(strategy, "float32"))
    assert coded.dtype == np.float32
    assert coded == pytest.approx(plain, rel=1e-5)


def test_messages_of_other_types_pass_as_they_are() -> None:
    """A query carries no model, neither to the client nor in what a strategy sends and gets."""
    query = Message(RecordDict({"config": ConfigRecord({"a": 1})}), dst_node_id=1, message_type="query")
    answer = Message(RecordDict({"metrics": MetricRecord({"b": 2})}), reply_to=query)
    assert CodedClient("quantfl")(query, None, lambda message, context: answer) is answer

    class Asking(FedAvg):
        def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Message]:
            return [query]

        def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> tuple[Any, Any]:
            assert list(replies) == [answer]
            return None, None

    strategy = CodedStrategy(Asking(), "quantfl")
    arrays = ArrayRecord({"w": Array(np.ones(2, np.float32))})
    assert strategy.configure_train(1, arrays, ConfigRecord(), None) == [query]
    assert set(query.content) == {"config"}
    assert strategy.aggregate_train(1, [answer]) == (None, None)


def test_a_node_without_a_number_is_told_what_to_set() -> None:
    context = Context(1, 1, {}, RecordDict(), {})
    arrays = ArrayRecord({"w": Array(np.ones(2, np.float32))})
    strategy = CodedStrategy(FedAvg(min_train_nodes=1, min_available_nodes=1), "float32")
    (message,) = strategy.configure_train(1, arrays, ConfigRecord(), Here(ClientApp(), partitions=[0]))
    assert LINK in message.content
    reply = Message(RecordDict({"arrays": arrays}), reply_to=message)
    with pytest.raises(ValueError, match=r"^--node-config needs partition-id, a number from 0 \(got None\)"):
        CodedClient("float32")(message, context, lambda message, context: reply)


def test_without_the_extra_one_line_says_what_installs_it() -> None:
    with (
        without("flwr"),
        pytest.raises(EnvironmentLacksError, match=r"harness\.flower needs the extra flower .* install it with: pip"),
    ):
        CodedClient("quantfl")
