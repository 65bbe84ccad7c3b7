"""The round loop, on a problem so small that every number can be worked out."""

from collections.abc import Mapping

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from baselines.signsgd import ScaledSign
from baselines.uncompressed import Float32
from harness.channel import Channel
from harness.core.errors import UpdateError
from harness.core.protocols import Codec
from harness.federation import Schedule, draw_cohort, run_rounds
from harness.ledger import Facts
from harness.server_rules import Mean
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

    def initial_model(self) -> np.ndarray:
        return np.linspace(-1, 1, 6, dtype=np.float32)

    def train(self, model: np.ndarray, client: int, round: int) -> tuple[np.ndarray, int]:
        self.received.append(model)
        return model + np.float32(LR) * (TARGETS[client] - model), 3

    def evaluate(self, model: np.ndarray, split: str) -> Mapping[str, float]:
        self.scored.append((split, model))
        return {"accuracy": 0.5, "loss": float(np.square(model).mean())}


class OneStep(Quadratic):
    """Every client adds one to every parameter of what it received."""

    def train(self, model: np.ndarray, client: int, round: int) -> tuple[np.ndarray, int]:
        self.received.append(model)
        return model + np.float32(1), 1


class BreaksAt(Quadratic):
    """One client produces NaN in one round."""

    def __init__(self, round: int, client: int) -> None:
        super().__init__()
        self.at = (round, client)

    def train(self, model: np.ndarray, client: int, round: int) -> tuple[np.ndarray, int]:
        trained, steps = super().train(model, client, round)
        if (round, client) == self.at:
            trained[3] = np.nan
        return trained, steps


class Diverges(Quadratic):
    """Scores of the second round are infinite."""

    def evaluate(self, model: np.ndarray, split: str) -> Mapping[str, float]:
        self.scored.append((split, model))
        return {"accuracy": 0.5, "loss": float("inf") if len(self.scored) > 2 else 1.0}


def run(
    problem: Quadratic,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, Facts]:
    channel = Channel(uplink or Float32(), downlink or Float32(), problem.layout, seed, Facts())
    model = run_rounds(problem, channel, Mean(), schedule or Schedule(4, 3), lambda round: None)
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
    problem = Quadratic()
    channel = Channel(Float32(), Float32(), problem.layout, 0, Facts())
    run_rounds(problem, channel, Mean(), Schedule(3, 2), told.append)
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
