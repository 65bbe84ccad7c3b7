"""Runs the round loop of one cell: federated averaging with real payloads in both directions.

Under a deadline the server goes on with what has arrived: weights, rule and statistics are those of a round whose
cohort were the clients on time. Where nobody was, model and rule stay as they were.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UpdateError
from harness.core.facts import Score
from harness.core.protocols import FederatedProblem, ServerRule, State
from harness.core.seeds import stream
from harness.core.types import Float32, Int64, Layout, Metric, Split, Update
from harness.ledger.ledger import Facts
from harness.run.federation.channel import Channel
from harness.run.federation.schedule import Course, Schedule
from harness.run.federation.stopwatch import Stopwatch
from harness.run.federation.update_recorder import Recorder
from harness.run.tasks.client_threads import in_order

_AS_SENT: Mapping[Metric, Metric] = {"accuracy": "sent_accuracy", "loss": "sent_loss"}


def run_rounds(
    problem: FederatedProblem,
    channel: Channel,
    rule: ServerRule,
    schedule: Schedule,
    recorder: Recorder,
    on_round: Callable[[int], None],
    n_threads: int = 1,
) -> Float32:
    """Train, and leave every fact in the channel's facts.

    Args:
        problem: initial model, clients and scores.
        channel: codecs, seed and facts of the cell.
        rule: how decoded updates become the next model.
        schedule: rounds, budget, cohort size, learning rate and when to score.
        recorder: keeps updates and their distribution.
        on_round: called with the number of each finished round, 0 included.
        n_threads: clients of a round that train at a time, at least 1; the facts are the same for any number.

    Returns:
        The final global model, float32 of shape (d,).

    Raises:
        UpdateError: training produced NaN or infinity; names round and client.
    """
    facts, watch, course = channel.facts, Stopwatch(channel.facts), Course(schedule)
    model = problem.initial_model()
    channel.provision(model, len(problem.n_examples), problem.frozen())
    layout = problem.layout.trained
    n_trained = layout.size
    state = rule.init(model[:n_trained])
    _score(problem, model, 0, schedule.splits_due(0, is_last=False), facts)
    on_round(0)
    shares = np.array(problem.n_examples, dtype=np.float64) / sum(problem.n_examples)
    round, is_over = 0, course.is_over
    while not is_over:
        round += 1
        before, lr_scale = len(facts.transfers), course.lr_scale()
        arrived: dict[int, Float32] = {}
        cohort = draw_cohort(len(shares), schedule.cohort, channel.seed, round)
        channel.send_model(model, round, cohort.tolist())
        received = (_received(channel, round, client) for client in cohort.tolist())
        train = partial(_trained, problem, round, lr_scale)
        for client, update, n_steps, own in in_order(train, received, n_threads):
            recorder.see(client, update)
            decoded = channel.send_update(update, round, client, n_steps, own)
            if decoded is not None:
                arrived[client] = decoded
            facts.take(own)
        if arrived:
            with watch.window(round, "aggregate"):
                weights = shares[list(arrived)]
                model, state = aggregate(rule, layout, model, list(arrived.values()), weights, state, lr_scale)
        course.finish(facts.transfers[before:])
        is_over = course.is_over
        recorder.finish(round, is_over)
        splits = schedule.splits_due(round, is_over)
        _score(problem, model, round, splits, facts)
        if is_over:
            _score_as_sent(problem, channel, model, round, splits)
        on_round(round)
    return model


def draw_cohort(n_clients: int, size: int, seed: int, round: int) -> Int64:
    """The clients of one round, uniformly without replacement, in ascending order; the same for every method."""
    return np.sort(stream(seed, "cohort", round).choice(n_clients, size=size, replace=False)).astype(np.int64)


def _received(channel: Channel, round: int, client: int) -> tuple[int, Float32, Facts]:
    """A client with the model that it received, and facts of its own: while it trains, the next one receives."""
    own = Facts()
    return client, channel.receive_model(round, client, own), own


def _trained(
    problem: FederatedProblem, round: int, lr_scale: float, sent: tuple[int, Float32, Facts]
) -> tuple[int, Float32, int, Facts]:
    """A client with what it sends after local training from what it received, optimiser steps done, and its facts."""
    client, received, own = sent
    with Stopwatch(own).window(round, "local_training", client) as note:
        trained, note.n_steps = problem.train(received, client, round, lr_scale)
        return client, _update(trained, received, problem.layout.trained.size), note.n_steps, own


def _update(trained: Float32, received: Float32, n_trained: int) -> Float32:
    """What a client sends: what training changed, and its statistics as they are."""
    if n_trained == len(trained):
        return trained - received
    return np.concatenate([trained[:n_trained] - received[:n_trained], trained[n_trained:]])


def aggregate(
    rule: ServerRule,
    layout: Layout,
    model: Float32,
    decoded: Sequence[Float32],
    weights: NDArray[np.float64],
    state: State,
    lr_scale: float,
) -> tuple[Float32, State]:
    """The next model: trained tensors by the rule, statistics as the weighted mean of what clients measured.

    A weighted mean of variances is never below 0: they arrive bit for bit, and nothing is subtracted.
    """
    n_trained = layout.size
    updates = [Update(values[:n_trained], layout) for values in decoded]
    stepped, state = rule.step(model[:n_trained], updates, weights, state, lr_scale)
    if n_trained == len(model):
        return stepped, state
    measured = np.stack([values[n_trained:] for values in decoded])
    mean = np.average(measured, axis=0, weights=weights)
    return np.concatenate([stepped, mean.astype(np.float32)]), state


def _score_as_sent(
    problem: FederatedProblem, channel: Channel, model: Float32, round: int, splits: Sequence[Split]
) -> None:
    """Score the final model as a client would decode it, where that is another than the server's."""
    sent = channel.preview_model(model, round + 1)
    if sent is None:
        return
    _score(problem, sent, round, splits, channel.facts, names=_AS_SENT)


def _score(
    problem: FederatedProblem,
    model: Float32,
    round: int,
    splits: Sequence[Split],
    facts: Facts,
    names: Mapping[Metric, Metric] = MappingProxyType({}),
) -> None:
    """Score `model`; `names` holds what metrics are called in the facts, where that is other than by the problem."""
    for split in splits:
        with Stopwatch(facts).window(round, "evaluate"):
            scores = problem.evaluate(model, split)
        for metric, value in scores.items():
            if not np.isfinite(value):
                raise UpdateError(f"round {round}: {split} {metric} is {value}; training diverged, lower lr")
            facts.scores.append(Score(round, split, names.get(metric, metric), float(value)))
