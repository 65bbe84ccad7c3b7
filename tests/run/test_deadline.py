"""Deadlines: who is late by hand, what it costs, and that everything else stays as it was."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import harness.run.federation.deadline
from baselines.ef21 import Ef21
from baselines.error_feedback import ErrorFeedback
from baselines.signsgd import ScaledSign
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.errors import UsageError
from harness.core.facts import Transfer
from harness.core.types import SERVER
from harness.ledger.ledger import Facts
from harness.run.cell import Cell, cell_id
from harness.run.federation.channel import Channel
from harness.run.federation.deadline import Deadline, slowness
from harness.run.federation.downlink import Mode
from harness.run.federation.run_cell import run_once
from harness.run.federation.schedule import Budget, Schedule
from harness.run.federation.server_rules import FedAvgM
from harness.run.federation.update_recorder import RecordSettings
from harness.spec.load import parse_spec
from harness.spec.plan import expand
from harness.spec.spec import BenchmarkSpec
from quantfl.codec import QuantFL
from tests.factories import make_layout
from tests.run.test_federation import LR, MESSAGE_MBIT, TARGETS, Normed, Quadratic, Watched, run

GENEROUS = Deadline(1e6, uplink_mbps=1, downlink_mbps=1, step_s=1)
TIGHT = Deadline(4.5, uplink_mbps=MESSAGE_MBIT / 2, downlink_mbps=MESSAGE_MBIT, step_s=0.5)
"""One second down, two up, half a second a step: of clients that do 1 to 5 steps, two take longer than 4.5 s."""
NEVER = Deadline(1e-9, uplink_mbps=1, downlink_mbps=1, step_s=1)
"""Every client is late."""
EVERYBODY = Schedule(3, 5)


class Uneven(Quadratic):
    """Client c does c + 1 steps."""

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        return super().train(model, client, round, lr_scale)[0], client + 1


class UnevenNormed(Normed):
    """Client c does c + 1 steps, and has statistics."""

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        return super().train(model, client, round, lr_scale)[0], client + 1


def late(transfers: list[Transfer]) -> list[tuple[int, int, str]]:
    return [(t.round, t.client, t.direction) for t in transfers if t.is_late]


@pytest.fixture
def factors(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[float, float]]:
    """Slowness of link and computing by client, in place of what would be drawn."""
    given: dict[int, tuple[float, float]] = {}
    monkeypatch.setattr(
        harness.run.federation.deadline, "slowness", lambda seed, client, spread: given.get(client, (1.0, 1.0))
    )
    return given


@pytest.mark.parametrize("mode", ["model", "delta", "since_start"])
@pytest.mark.parametrize("uplink", [Float32(), QuantFL(levels=4), ErrorFeedback(ScaledSign())], ids=repr)
def test_a_deadline_that_nobody_misses_changes_nothing(uplink: Any, mode: Mode) -> None:
    model, facts = run(Quadratic(), uplink, QuantFL(levels=4), mode=mode)
    same, under = run(Quadratic(), uplink, QuantFL(levels=4), mode=mode, deadline=GENEROUS)
    assert under.digest() == facts.digest() and under.transfers == facts.transfers
    assert same.tobytes() == model.tobytes() and late(under.transfers) == []


def test_the_times_of_a_client_add_up() -> None:
    """80 Mbit down at 10 Mbit/s, 40 steps of 0.05 s, 8 Mbit up at 2 Mbit/s: 8 + 2 + 4 s."""
    deadline = Deadline(60, uplink_mbps=2, downlink_mbps=10, step_s=0.05)
    assert deadline.client_s(0, 7, downlink_bytes=10_000_000, n_steps=40, uplink_bytes=1_000_000) == pytest.approx(14)


def test_a_slow_link_stretches_both_ways_and_a_slow_processor_the_steps(
    factors: dict[int, tuple[float, float]],
) -> None:
    factors |= {1: (3.0, 1.0), 2: (1.0, 5.0), 3: (3.0, 5.0)}
    deadline = Deadline(60, uplink_mbps=2, downlink_mbps=10, step_s=0.05, spread=2)
    seconds = [deadline.client_s(0, client, 10_000_000, 40, 1_000_000) for client in range(4)]
    assert seconds == pytest.approx([8 + 2 + 4, 24 + 2 + 12, 8 + 10 + 4, 24 + 10 + 12])


def test_exactly_the_clients_that_take_longer_are_late() -> None:
    """3 s of link and 0.5 s a step: 3.5, 4, 4.5, 5 and 5.5 s. Who needs 4.5 s is just in time."""
    _, facts = run(Uneven(), schedule=EVERYBODY, deadline=TIGHT)
    assert late(facts.transfers) == [(number, client, "uplink") for number in (1, 2, 3) for client in (3, 4)]


def test_slow_clients_are_late_by_their_own_factors(factors: dict[int, tuple[float, float]]) -> None:
    """Three steps each, 4.5 s; a link 10 % slower takes 4.8 s, and a processor 10 % faster 4.35 s."""
    factors |= {0: (1.1, 0.9), 2: (1.1, 1.0), 4: (1.0, 0.9)}
    _, facts = run(Quadratic(), schedule=Schedule(1, 5), deadline=TIGHT)
    # Client 0: 3.3 + 1.35 = 4.65 s.
    assert late(facts.transfers) == [(1, 0, "uplink"), (1, 2, "uplink")]


def test_what_late_clients_send_is_counted_in_full() -> None:
    _, facts = run(Uneven(), schedule=EVERYBODY, deadline=TIGHT)
    _, without = run(Uneven(), schedule=EVERYBODY)
    sizes = [(t.round, t.client, t.direction, t.payload_bytes, t.frame_bytes) for t in facts.transfers]
    assert sizes == [(t.round, t.client, t.direction, t.payload_bytes, t.frame_bytes) for t in without.transfers]
    assert sum(t.payload_bytes for t in facts.transfers if t.is_late) == 3 * 2 * 36
    # In the first round, before the models differ, they are the very same bytes.
    first = [[t.payload_digest for t in found.transfers if t.round == 1] for found in (facts, without)]
    assert first[0] == first[1]


def test_the_budget_counts_what_came_too_late() -> None:
    schedule = Schedule(9, 5, budget=Budget("uplink", 10 * MESSAGE_MBIT))
    _, facts = run(Uneven(), schedule=schedule, deadline=TIGHT)
    assert max(t.round for t in facts.transfers) == 2


def test_the_mean_is_that_of_a_cohort_of_the_clients_on_time() -> None:
    """Clients 0, 1 and 2 hold 1, 2 and 3 examples: shares 1/6, 2/6 and 3/6, though they hold 6 of 15."""
    rule = Watched()
    model, _ = run(Uneven(), schedule=Schedule(1, 5), rule=rule, deadline=TIGHT)
    start = Quadratic().initial_model().astype(np.float64)
    updates = LR * (TARGETS.astype(np.float64) - start)
    expected = start + (1 * updates[0] + 2 * updates[1] + 3 * updates[2]) / 6
    np.testing.assert_allclose(model, expected, rtol=0, atol=1e-6)
    ((_, decoded, weights),) = rule.given
    assert len(decoded) == 3 and weights == pytest.approx([1 / 15, 2 / 15, 3 / 15])


def test_statistics_are_averaged_over_the_clients_on_time() -> None:
    """(1 * 0 + 2 * 1 + 3 * 2) / 6 = 4 / 3."""
    model, _ = run(UnevenNormed(), schedule=Schedule(1, 5), deadline=TIGHT)
    assert model[4:] == pytest.approx([4 / 3, 40 / 3], rel=1e-6)


def test_where_all_are_late_model_and_momentum_stay() -> None:
    start = Normed().initial_model()
    rule, watched = FedAvgM(), Watched()
    model, facts = run(Normed(), schedule=EVERYBODY, rule=rule, deadline=NEVER)
    assert model.tobytes() == start.tobytes()
    assert len(late(facts.transfers)) == 15 and not [w for w in facts.windows if w.phase == "aggregate"]
    assert [s.round for s in facts.scores if (s.split, s.metric) == ("validation", "loss")] == [0, 1, 2, 3]
    run(Normed(), schedule=EVERYBODY, rule=watched, deadline=NEVER)
    assert watched.given == []


def test_what_came_too_late_is_not_decoded() -> None:
    _, facts = run(Uneven(), schedule=Schedule(1, 5), deadline=TIGHT)
    assert sum(w.phase == "decode" and w.client == SERVER for w in facts.windows) == 3
    assert sum(w.phase == "encode" and w.client != SERVER for w in facts.windows) == 5


def test_a_client_does_not_know_that_it_was_late() -> None:
    """Its residual and what it sends next are those of a client that was on time."""
    layout, rng = make_layout((4, 8)), np.random.default_rng(3)
    channels = [
        Channel(ErrorFeedback(ScaledSign()), Float32(), layout, 0, Facts(), deadline=deadline)
        for deadline in (None, NEVER)
    ]
    for number in (1, 2, 3):
        update = rng.normal(size=32).astype(np.float32)
        decoded = [channel.send_update(update, number, 5, n_steps=1) for channel in channels]
        assert decoded[0] is not None and decoded[1] is None
    on_time, too_late = ([t.payload_digest for t in channel.facts.transfers] for channel in channels)
    assert on_time == too_late and len(set(on_time)) == 3
    residuals = [channel.states() for channel in channels]
    np.testing.assert_equal(residuals[0], residuals[1])


def test_a_late_client_has_the_differences_that_it_was_sent() -> None:
    """Client 4 is late in every round, and is sent one payload a round like everybody else."""
    _, facts = run(Uneven(), downlink=QuantFL(levels=4), schedule=Schedule(4, 5), mode="delta", deadline=TIGHT)
    assert late(facts.transfers)
    for client in range(5):
        received = [t.round for t in facts.transfers if (t.client, t.direction) == (client, "downlink")]
        assert received == [0, 1, 2, 3, 4]


def second_round(deadline: Deadline | None) -> tuple[list[np.ndarray | None], list[int]]:
    """Client 1 sits out the first of two rounds: what the server decodes of both, and bytes that they received."""
    channel = Channel(Float32(), QuantFL(levels=2), make_layout((4, 8)), 0, Facts(), "delta", deadline=deadline)
    model = np.random.default_rng(0).normal(size=32).astype(np.float32)
    channel.provision(np.zeros(32, dtype=np.float32), 2)
    for number, cohort in ((1, [0]), (2, [0, 1])):
        channel.send_model(number * model, number, cohort)
        for client in cohort:
            channel.receive_model(number, client)
    decoded = [channel.send_update(model, 2, client) for client in (0, 1)]
    down = [t for t in channel.facts.transfers if t.round == 2 and t.direction == "downlink"]
    return decoded, [sum(t.payload_bytes for t in down if t.client == client) for client in (0, 1)]


def test_differences_that_a_client_missed_take_time_too() -> None:
    """Client 1 is sent both differences, and is late where the deadline lies between the one's time and the other's."""
    _, (one, both) = second_round(None)
    assert both > one
    # At 8 bits a second, a byte takes a second; sending is next to free.
    deadline = Deadline((one + both) / 2, uplink_mbps=1e6, downlink_mbps=8e-6, step_s=0)
    decoded, _ = second_round(deadline)
    assert decoded[0] is not None and decoded[1] is None


def test_the_distribution_of_updates_is_recorded_for_late_clients_too() -> None:
    record = RecordSettings(statistics_every=1, clients=5)
    _, facts = run(Uneven(), schedule=Schedule(1, 5), record=record)
    _, under = run(Uneven(), schedule=Schedule(1, 5), record=record, deadline=TIGHT)
    assert under.statistics == facts.statistics and {row.client for row in under.statistics} == {0, 1, 2, 3, 4}


def test_every_method_has_the_same_late_clients_where_payloads_are_equally_long() -> None:
    deadline = Deadline(4.5, MESSAGE_MBIT / 2, MESSAGE_MBIT, step_s=0.5, spread=2)

    def found(seed: int, rule: Any) -> list[tuple[int, int, str]]:
        return late(run(Quadratic(), schedule=Schedule(6, 3), seed=seed, rule=rule, deadline=deadline)[1].transfers)

    assert found(0, FedAvgM()) == found(0, Watched()) != found(1, Watched())
    # Three steps for everybody: a client is late in each of its rounds or in none.
    _, facts = run(Quadratic(), schedule=EVERYBODY, deadline=deadline)
    rounds = {
        client: [t.is_late for t in facts.transfers if (t.client, t.direction) == (client, "uplink")]
        for client in range(5)
    }
    assert all(len(set(each)) == 1 for each in rounds.values()) and len({each[0] for each in rounds.values()}) == 2


def test_spread_is_the_upper_quantile_over_the_median() -> None:
    """20,000 draws: the logarithm's standard deviation is ln(2) / 1.96 = 0.3537, known to 0.5 %."""
    drawn = np.array([slowness(11, client, 2.0) for client in range(20_000)])
    assert np.median(drawn, axis=0) == pytest.approx([1, 1], abs=0.02)
    assert np.quantile(drawn, 0.975, axis=0) == pytest.approx([2, 2], rel=0.03)
    assert np.log(drawn).std(axis=0) == pytest.approx([math.log(2) / 1.96] * 2, rel=0.02)
    assert abs(np.corrcoef(np.log(drawn).T)[0, 1]) < 0.03


def test_a_wider_spread_keeps_the_order_of_clients() -> None:
    narrow, wide = (np.array([slowness(0, client, spread) for client in range(50)]) for spread in (1.5, 4.0))
    assert (np.argsort(narrow, axis=0) == np.argsort(wide, axis=0)).all()
    np.testing.assert_allclose(np.log(wide) / np.log(narrow), math.log(4) / math.log(1.5), rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"round_s": 0}, "round_s must be above 0 and finite, got 0"),
        ({"round_s": math.inf}, "round_s must be above 0 and finite, got inf"),
        ({"uplink_mbps": -1}, "uplink_mbps must be above 0 and finite, got -1"),
        ({"downlink_mbps": math.nan}, "downlink_mbps must be above 0 and finite, got nan"),
        ({"step_s": -0.1}, "step_s must be at least 0 and finite, got -0.1"),
        ({"spread": 0.99}, "spread must be at least 1 and finite, got 0.99"),
    ],
)
def test_impossible_settings_are_refused(changes: Mapping[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Deadline(**{"round_s": 60, "uplink_mbps": 2, "downlink_mbps": 10, "step_s": 0.05, **changes})


def test_a_channel_refuses_a_codec_whose_server_must_miss_nothing() -> None:
    with pytest.raises(ValueError, match=r"^deadline must be None for uplink ef21"):
        Channel(Ef21(TopK(ratio=0.5)), Float32(), make_layout((2, 2)), 0, Facts(), deadline=GENEROUS)


IN_SPEC = {"round_s": 60.0, "uplink_mbps": 2.0, "downlink_mbps": 10.0, "step_s": 0.05, "spread": 2.0}
EF21 = {"name": "ef21", "uplink": {"kind": "ef21", "inner": {"kind": "topk", "ratio": 0.1}}, "server": "ef21"}


SIGN = {"name": "sign", "uplink": {"kind": "error_feedback", "inner": {"kind": "signsgd"}}}


def tiny(methods: Sequence[Mapping[str, Any]] = ({"name": "fp32"},), **federation: Any) -> dict[str, Any]:
    """The mapping of a benchmark whose cells take a tenth of a second."""
    return {
        "name": "tiny",
        "task": {"kind": "digits", "model": "mlp", "clients": 90, "partition": {"kind": "iid"}},
        "federation": {"rounds": 3, "cohort": 2, "lr": 0.1, "score_every": 2, **federation},
        "methods": [dict(method) for method in methods],
        "seeds": [0],
        "meter": "cpu_time",
        "scenarios": {"radios": ["lte"], "grids": ["NOR"]},
    }


def planned(values: Mapping[str, Any]) -> Cell:
    """The one cell of a benchmark, its data in the cache."""
    spec = BenchmarkSpec.model_validate(values)
    spec.task.prepare(spec.seeds)
    (cell,) = expand(spec)
    return cell


def with_deadline(changes: Mapping[str, Any] | None = None, methods: Any = ({"name": "fp32"},)) -> dict[str, Any]:
    return tiny(methods, deadline={**IN_SPEC, **(changes or {})})


def errors(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with a definition, without the positions."""
    with pytest.raises(UsageError) as caught:
        parse_spec(json.dumps(values), "f")
    return [line.partition(" ")[2] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"round_s": 0}, "round_s: 0.0 is out of range; allowed: above 0 and at most 1,000,000,000"),
        ({"uplink_mbps": 0}, "uplink_mbps: 0.0 is out of range; allowed: above 0 and at most 1,000,000"),
        ({"step_s": -1}, "step_s: -1.0 is out of range; allowed: 0 to 1,000,000"),
        ({"spread": 0.5}, "spread: 0.5 is out of range; allowed: 1 to 1,000"),
        ({"spread": "2"}, 'spread: "2" is text; a number is needed: leave the quotes out'),
        ({"radio": "lte"}, "radio: unknown key; allowed: round_s, uplink_mbps, downlink_mbps, step_s, spread."),
    ],
)
def test_a_definition_with_an_impossible_deadline_is_told_so(changes: Mapping[str, Any], line: str) -> None:
    assert errors(with_deadline(changes)) == [f"federation.deadline.{line}"]


def test_a_method_whose_server_must_miss_nothing_is_refused_under_a_deadline_unless_it_has_none() -> None:
    text = (
        "methods[1].uplink: ef21 does not go with a deadline: client and server would no longer keep the same after a "
        "late update. Leave deadline out, or set it to null for this method"
    )
    assert errors(with_deadline(methods=[{"name": "fp32"}, EF21])) == [text]
    assert errors(tiny([{"name": "fp32"}, EF21 | {"federation": {"deadline": IN_SPEC}}])) == [text]
    spec = BenchmarkSpec.model_validate(
        with_deadline(methods=[{"name": "fp32"}, EF21 | {"federation": {"deadline": None}}])
    )
    assert spec.federation_of(spec.methods[0]).deadline is not None
    assert spec.federation_of(spec.methods[1]).deadline is None
    assert BenchmarkSpec.model_validate(tiny([EF21])).federation.deadline is None


def test_a_cell_tells_its_deadline_and_one_without_looks_as_ever() -> None:
    plain = BenchmarkSpec.model_validate(tiny())
    under = BenchmarkSpec.model_validate(with_deadline())
    (cell,), (other,) = expand(plain), expand(under)
    assert "deadline" not in cell.federation and "deadline" not in plain.resolved()["federation"]
    assert other.federation == {**cell.federation, "deadline": IN_SPEC}
    assert BenchmarkSpec.model_validate(under.resolved()) == under
    assert expand(BenchmarkSpec.model_validate(tiny(deadline=None))) == (cell,)


def test_a_deadline_makes_another_cell() -> None:
    ids = [cell_id(planned(values)) for values in (tiny(), with_deadline(), with_deadline({"round_s": 61}))]
    assert len(set(ids)) == 3


def test_a_cell_runs_under_the_deadline_of_its_definition() -> None:
    def facts(values: Mapping[str, Any]) -> Facts:
        found = Facts()
        run_once(planned(values), found, lambda round: None)
        return found

    without = facts(tiny([SIGN]))
    assert facts(with_deadline({"round_s": 1e9, "spread": 1}, [SIGN])).digest() == without.digest()
    none_in_time = facts(with_deadline({"round_s": 1e-6}, [SIGN]))
    assert len(late(none_in_time.transfers)) == 3 * 2
    losses = {s.value for s in none_in_time.scores if (s.split, s.metric) == ("validation", "loss")}
    assert len(losses) == 1 < len({s.value for s in without.scores if (s.split, s.metric) == ("validation", "loss")})
