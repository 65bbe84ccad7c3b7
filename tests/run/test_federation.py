"""The round loop, on a problem so small that every number can be worked out."""

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from baselines.signsgd import ScaledSign
from baselines.uncompressed import Float32
from harness.core.errors import UpdateError
from harness.core.facts import Transfer
from harness.core.protocols import Codec, ServerRule, State
from harness.core.types import Layout, TensorSpec, Update
from harness.ledger.ledger import Facts
from harness.run.federation.channel import Channel
from harness.run.federation.deadline import Deadline
from harness.run.federation.downlink import Mode
from harness.run.federation.rounds import draw_cohort, run_rounds
from harness.run.federation.schedule import Budget, Course, Schedule
from harness.run.federation.server_rules import MajorityVote, Mean
from harness.run.federation.update_recorder import Recorder, RecordSettings
from quantfl.codec import QuantFL
from tests.factories import make_layout

LR = 0.25
N_EXAMPLES = (1, 2, 3, 4, 5)
TARGETS = np.random.default_rng(7).normal(size=(5, 6)).astype(np.float32)


class Quadratic:
    """Client c wants the model to be ``TARGETS[c]`` and goes a quarter of the way."""

    layout = make_layout((2, 2), (2,))
    n_examples = N_EXAMPLES

    def __init__(self) -> None:
        self.received: list[np.ndarray] = []
        self.scored: list[tuple[str, np.ndarray]] = []
        self.lr_scales: list[float] = []

    def initial_model(self) -> np.ndarray:
        return np.linspace(-1, 1, 6, dtype=np.float32)

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        self.received.append(model)
        self.lr_scales.append(lr_scale)
        return model + np.float32(LR) * (TARGETS[client] - model), 3

    def evaluate(self, model: np.ndarray, split: str) -> Mapping[str, float]:
        self.scored.append((split, model))
        return {"accuracy": 0.5, "loss": float(np.square(model).mean())}

    def frozen(self) -> None:
        return None

    def work(self) -> None:
        return None


class OneStep(Quadratic):
    """Every client adds one to every parameter of what it received."""

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        self.received.append(model)
        return model + np.float32(1), 1


class BreaksAt(Quadratic):
    """One client produces NaN in one round."""

    def __init__(self, round: int, client: int) -> None:
        super().__init__()
        self.at = (round, client)

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        trained, steps = super().train(model, client, round)
        if (round, client) == self.at:
            trained[3] = np.nan
        return trained, steps


class Diverges(Quadratic):
    """Scores of the second round are infinite."""

    def evaluate(self, model: np.ndarray, split: str) -> Mapping[str, float]:
        self.scored.append((split, model))
        return {"accuracy": 0.5, "loss": float("inf") if len(self.scored) > 2 else 1.0}


class Normed(Quadratic):
    """The first four entries are trained as ever; the last two are statistics, and client c measures c and 10 c."""

    layout = Layout((TensorSpec("weight", (2, 2)), TensorSpec("norm.var", (2,), is_statistic=True)))

    def train(self, model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        trained, steps = super().train(model, client, round)
        trained[4:] = [client, 10 * client]
        return trained, steps


class Watched(Mean):
    """The mean, and what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[np.ndarray, list[Update], np.ndarray]] = []
        self.lr_scales: list[float] = []

    def step(
        self, model: np.ndarray, decoded: list[Update], weights: np.ndarray, state: State, lr_scale: float = 1.0
    ) -> tuple[np.ndarray, State]:
        self.given.append((model, decoded, weights))
        self.lr_scales.append(lr_scale)
        return super().step(model, decoded, weights, state, lr_scale)


def run(
    problem: Quadratic,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
    rule: ServerRule | None = None,
    mode: Mode = "model",
    on_round: Callable[[int], None] = lambda round: None,
    deadline: Deadline | None = None,
    record: RecordSettings | None = None,
) -> tuple[np.ndarray, Facts]:
    channel = Channel(
        uplink or Float32(), downlink or Float32(), problem.layout, seed, Facts(), mode, deadline=deadline
    )
    recorder = Recorder(record or RecordSettings(), problem.layout, channel.facts)
    model = run_rounds(problem, channel, rule or Mean(), schedule or Schedule(4, 3), recorder, on_round)
    return model, channel.facts


def test_float32_both_ways_is_fedavg() -> None:
    model, facts = run(Quadratic())
    expected = Quadratic().initial_model().astype(np.float64)
    for number in range(1, 5):
        cohort = sorted({t.client for t in facts.transfers if t.round == number})
        shares = np.array([N_EXAMPLES[client] for client in cohort]) / sum(N_EXAMPLES[client] for client in cohort)
        expected = sum(
            share * (expected + LR * (TARGETS[client] - expected)) for share, client in zip(shares, cohort, strict=True)
        )
    assert model.dtype == np.float32
    np.testing.assert_allclose(model, expected, rtol=0, atol=1e-6)


def test_an_update_is_measured_from_the_model_that_the_client_decoded() -> None:
    """However coarse the downlink, clients that add one move the server's model by one a round."""
    problem = OneStep()
    model, _ = run(problem, downlink=QuantFL(levels=2))
    server = problem.initial_model()
    assert np.abs(problem.received[0] - server).max() > 0.1
    np.testing.assert_allclose(model, server + 4, rtol=0, atol=1e-6)


def test_clients_receive_the_decoded_broadcast() -> None:
    problem = Quadratic()
    run(problem, downlink=QuantFL(levels=2), schedule=Schedule(1, 5))
    assert len(np.unique(problem.received[0][:4])) == 2
    for received in problem.received:
        np.testing.assert_array_equal(received, problem.received[0])


def test_every_method_has_the_same_cohorts_at_a_seed() -> None:
    def cohorts(seed: int, uplink: Codec) -> list[tuple[int, int]]:
        _, facts = run(Quadratic(), uplink, seed=seed, schedule=Schedule(8, 2))
        return [(t.round, t.client) for t in facts.transfers if t.direction == "uplink"]

    assert cohorts(0, Float32()) == cohorts(0, QuantFL(levels=4)) == cohorts(0, ErrorFeedback(ScaledSign()))
    assert cohorts(0, Float32()) != cohorts(1, Float32())


def test_a_cohort_has_distinct_clients_in_ascending_order() -> None:
    drawn = [draw_cohort(20, 10, seed=3, round=number).tolist() for number in range(1, 30)]
    for cohort in drawn:
        assert cohort == sorted(set(cohort)) and len(cohort) == 10
    assert {client for cohort in drawn for client in cohort} == set(range(20))
    assert draw_cohort(5, 5, seed=0, round=1).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("uplink", [Float32(), QuantFL(levels=64), ErrorFeedback(ScaledSign())], ids=repr)
def test_a_broken_update_names_round_and_client(uplink: Codec) -> None:
    with pytest.raises(UpdateError, match=r"^round 2, client 4: tensor t0: 1 of 4 entries"):
        run(BreaksAt(2, 4), uplink, schedule=Schedule(3, 5))


def test_a_score_that_is_no_number_names_round_and_split() -> None:
    with pytest.raises(UpdateError, match=r"^round 2: validation loss is inf; training diverged, lower lr$"):
        run(Diverges())


def test_scores_follow_the_schedule() -> None:
    schedule = Schedule(rounds=7, cohort=2, score_every=3, test_rounds=(0, 4))
    _, facts = run(Quadratic(), schedule=schedule)
    scored = [(score.round, score.split) for score in facts.scores if score.metric == "loss"]
    assert scored == [
        (0, "validation"),
        (0, "test"),
        (3, "validation"),
        (4, "test"),
        (6, "validation"),
        (7, "validation"),
        (7, "test"),
    ]


def test_the_model_of_a_round_is_scored_after_its_update() -> None:
    problem = OneStep()
    run(problem, schedule=Schedule(2, 1))
    first = problem.initial_model().mean()
    means = [round(float(model.mean() - first), 5) for split, model in problem.scored if split == "validation"]
    assert means == [0, 1, 2]


def test_every_finished_round_is_told() -> None:
    told: list[int] = []
    run(Quadratic(), schedule=Schedule(3, 2), on_round=told.append)
    assert told == [0, 1, 2, 3]


def test_work_is_booked_on_whom_a_deployment_would_have_do_it() -> None:
    _, facts = run(Quadratic(), schedule=Schedule(1, 5))
    clients = {
        phase: [w.client for w in facts.windows if w.phase == phase]
        for phase in ("local_training", "encode", "decode", "aggregate", "evaluate")
    }
    assert clients == {
        "local_training": [0, 1, 2, 3, 4],
        "encode": [-1, 0, 1, 2, 3, 4],  # the broadcast, then each update
        "decode": [0, -1, 1, -1, 2, -1, 3, -1, 4, -1],  # each client its broadcast, the server each update
        "aggregate": [-1],
        "evaluate": [-1, -1, -1],
    }
    assert [w.n_steps for w in facts.windows if w.phase == "local_training"] == [3] * 5
    assert all(w.seconds >= 0 and w.cpu_seconds >= 0 for w in facts.windows)


def test_a_seed_repeats_its_facts() -> None:
    def digest(seed: int) -> str:
        return run(Quadratic(), ErrorFeedback(ScaledSign()), seed=seed)[1].digest()

    assert digest(0) == digest(0) != digest(1)


def test_weights_are_shares_of_the_examples_of_all_clients() -> None:
    rule = Watched()
    _, facts = run(Quadratic(), schedule=Schedule(3, 2), rule=rule)
    for number, (_, _, weights) in enumerate(rule.given, start=1):
        cohort = [t.client for t in facts.transfers if t.round == number and t.direction == "uplink"]
        np.testing.assert_allclose(weights, [N_EXAMPLES[client] / 15 for client in cohort], rtol=1e-12)


@pytest.mark.parametrize("mode", ["model", "delta", "since_start"])
def test_statistics_are_averaged_outside_the_rule(mode: Mode) -> None:
    """sum(n c) / sum(n) = (0 + 2 + 6 + 12 + 20) / 15 = 8 / 3, however coarse the codecs."""
    rule, problem = Watched(), Normed()
    model, _ = run(problem, ErrorFeedback(ScaledSign()), QuantFL(levels=2), Schedule(2, 5), rule=rule, mode=mode)
    assert model[4:] == pytest.approx([8 / 3, 80 / 3], rel=1e-6)
    for given, decoded, _ in rule.given:
        assert given.shape == (4,)
        assert {update.layout for update in decoded} == {problem.layout.trained}
    for received in problem.received[5:]:
        assert received[4:].tobytes() == model[4:].tobytes()


def test_a_mean_of_variances_is_never_below_zero() -> None:
    problem = Normed()
    problem.n_examples = (10**9, 1, 1, 1, 1)
    model, _ = run(problem, schedule=Schedule(1, 5))
    assert (model[4:] >= 0).all() and model[5] == pytest.approx(1e-7, rel=1e-6)


def test_a_constant_learning_rate_is_one() -> None:
    problem = Quadratic()
    run(problem)
    assert set(problem.lr_scales) == {1.0}


def test_a_cosine_falls_over_the_rounds() -> None:
    problem, rule = Quadratic(), Watched()
    run(problem, schedule=Schedule(4, 1, lr_schedule="cosine"), rule=rule)
    assert problem.lr_scales == pytest.approx([0.5 * (1 + math.cos(math.pi * r / 4)) for r in range(4)])
    assert rule.lr_scales == problem.lr_scales


def test_a_cosine_reaches_rules_whose_step_does_not_grow_with_updates() -> None:
    """Votes move by lr times 1, 0.5: the model ends 1.5 steps from where it started, in every parameter."""
    model, _ = run(OneStep(), schedule=Schedule(2, 5, lr_schedule="cosine"), rule=MajorityVote(lr=0.5))
    np.testing.assert_allclose(model, OneStep().initial_model() + 0.75, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["model", "delta", "since_start"])
def test_the_final_model_is_also_scored_as_clients_would_decode_it(mode: Mode) -> None:
    """No bits are counted for it; with a float32 downlink it is the server's model, and scored once."""
    model, facts = run(Quadratic(), downlink=QuantFL(levels=2, coding="packed"), schedule=Schedule(3, 2), mode=mode)
    scores = {(score.round, score.split, score.metric): score.value for score in facts.scores}
    sent = {key for key in scores if key[2].startswith("sent_")}
    assert sent == set(itertools.product([3], ["validation", "test"], ["sent_accuracy", "sent_loss"]))
    assert scores[3, "test", "loss"] == pytest.approx(Quadratic().evaluate(model, "test")["loss"])
    assert scores[3, "test", "sent_loss"] != scores[3, "test", "loss"]
    assert max(transfer.round for transfer in facts.transfers) == 3
    _, plain = run(Quadratic(), schedule=Schedule(3, 2), mode=mode)
    assert {score.metric for score in plain.scores} == {"accuracy", "loss"}


MESSAGE_MBIT = 8 * (4 * 6 + 12) / 1e6
"""A float32 payload of the problem: 36 bytes, 288 bits."""


def test_a_budget_ends_a_run_before_it_is_exceeded() -> None:
    """Two clients send 576 bits a round: three rounds are 1728 bits, a fourth would make 2304."""
    problem = Quadratic()
    schedule = Schedule(9, 2, score_every=5, budget=Budget("uplink", 7.5 * MESSAGE_MBIT), lr_schedule="cosine")
    _, facts = run(problem, schedule=schedule)
    assert [t.round for t in facts.transfers if t.direction == "uplink"] == [1, 1, 2, 2, 3, 3]
    # The fourth round that the budget does not pay for is no part of the course.
    spent = np.repeat([0, 1 / 3, 2 / 3], 2)
    assert problem.lr_scales == pytest.approx(0.5 * (1 + np.cos(np.pi * spent)))
    scored = [(score.round, score.split) for score in facts.scores if score.metric == "loss"]
    assert scored == [(0, "validation"), (3, "validation"), (3, "test")]


@pytest.mark.parametrize(("messages", "rounds"), [(0.5, 1), (3.99, 1), (4, 2), (5.9, 2), (6, 3), (1e6, 5)])
def test_a_budget_of_exactly_some_rounds_is_used_up(messages: float, rounds: int) -> None:
    """The first round always runs; one that fits exactly runs too."""
    _, facts = run(Quadratic(), schedule=Schedule(5, 2, budget=Budget("uplink", messages * MESSAGE_MBIT)))
    assert max(t.round for t in facts.transfers) == rounds


@pytest.mark.parametrize(("sizes", "rounds"), [((100, 40, 40), 2), ((40, 100, 40), 2), ((40, 40, 40, 40, 40), 5)])
def test_the_largest_round_so_far_says_whether_another_fits(sizes: tuple[int, ...], rounds: int) -> None:
    """Of 200 bytes: after 140, a round as large as the largest would not fit, though one like the last would."""
    course = Course(Schedule(9, 1, budget=Budget("uplink", 8 * 200 / 1e6)))
    done = 0
    for number, size in enumerate(sizes, start=1):
        if course.is_over:
            break
        course.finish([Transfer(number, 0, "uplink", size, 12, "0" * 16, 400)])
        done += 1
    assert done == rounds and course.is_over


def test_a_total_budget_counts_both_directions_and_missed_differences_but_not_round_0() -> None:
    transfers = run(Quadratic(), QuantFL(levels=4), QuantFL(levels=4), Schedule(6, 2), mode="delta")[1].transfers
    bits = [sum(8 * t.payload_bytes for t in transfers if t.round == number) for number in range(7)]
    budget = Budget("total", (sum(bits[1:4]) + bits[3] - 1) / 1e6)
    _, facts = run(Quadratic(), QuantFL(levels=4), QuantFL(levels=4), Schedule(6, 2, budget=budget), mode="delta")
    assert max(t.round for t in facts.transfers) == 3 and bits[0] > 0
    assert budget.bits(transfers) == sum(bits[1:])


def test_the_rounds_drive_the_cosine_where_they_end_first() -> None:
    course = Course(Schedule(2, 1, lr_schedule="cosine", budget=Budget("uplink", 1e6)))
    course.finish([])
    assert course.lr_scale() == pytest.approx(0.5) and not course.is_over
    course.finish([])
    assert course.is_over
