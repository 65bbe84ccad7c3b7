"""The round loop of one cell: federated averaging with real payloads in both directions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.channel import Channel, Stopwatch
from harness.core.errors import UpdateError
from harness.core.protocols import FederatedProblem, ServerRule
from harness.core.seeds import stream
from harness.core.types import Float32, Int64, Score, Split
from harness.ledger import Facts


@dataclass(frozen=True)
class Schedule:
    """When what happens.

    Attributes:
        rounds: number of rounds, at least 1.
        cohort: clients per round, at least 1 and at most the population.
        score_every: validation is scored at round 0, at every such round and at the last.
        test_rounds: rounds after which test is scored too; it always is after the last.
    """

    rounds: int
    cohort: int
    score_every: int = 1
    test_rounds: tuple[int, ...] = field(default=())

    def splits_due(self, round: int) -> list[Split]:
        """Splits to score after `round`."""
        is_last = round == self.rounds
        due: list[Split] = []
        if round % self.score_every == 0 or is_last:
            due.append("validation")
        if is_last or round in self.test_rounds:
            due.append("test")
        return due


def run_rounds(
    problem: FederatedProblem,
    channel: Channel,
    rule: ServerRule,
    schedule: Schedule,
    on_round: Callable[[int], None],
) -> Float32:
    """Train, and leave every fact in the channel's facts.

    Args:
        problem: initial model, clients and scores.
        channel: codecs, seed and facts of the cell.
        rule: how decoded updates become the next model.
        schedule: rounds, cohort size and when to score.
        on_round: called with the number of each finished round, 0 included.

    Returns:
        The final global model, float32 of shape (d,).

    Raises:
        UpdateError: training produced NaN or infinity; names round and client.
    """
    watch = Stopwatch(channel.facts)
    model = problem.initial_model()
    state = rule.init(model)
    _score(problem, model, 0, schedule, channel.facts)
    on_round(0)
    for round in range(1, schedule.rounds + 1):
        cohort = draw_cohort(len(problem.n_examples), schedule.cohort, channel.seed, round)
        payload = channel.encode_model(model, round)
        decoded = []
        for client in map(int, cohort):
            received = channel.receive_model(payload, round, client)
            with watch.window(round, "local_training", client) as note:
                trained, note.n_steps = problem.train(received, client, round)
                update = trained - received
            decoded.append(channel.send_update(update, round, client))
        with watch.window(round, "aggregate"):
            weights = np.array([problem.n_examples[client] for client in cohort], dtype=np.float64)
            model, state = rule.step(model, decoded, weights, state)
        _score(problem, model, round, schedule, channel.facts)
        on_round(round)
    return model


def draw_cohort(n_clients: int, size: int, seed: int, round: int) -> Int64:
    """The clients of one round, uniformly without replacement, in ascending order; the same for every method."""
    return np.sort(stream(seed, "cohort", round).choice(n_clients, size=size, replace=False)).astype(np.int64)


def _score(problem: FederatedProblem, model: Float32, round: int, schedule: Schedule, facts: Facts) -> None:
    for split in schedule.splits_due(round):
        with Stopwatch(facts).window(round, "evaluate"):
            scores = problem.evaluate(model, split)
        for metric, value in scores.items():
            if not np.isfinite(value):
                raise UpdateError(f"round {round}: {split} {metric} is {value}; training diverged, lower lr")
            facts.scores.append(Score(round, split, metric, float(value)))
