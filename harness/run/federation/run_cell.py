"""Runs all rounds of one cell, from its plain spec to facts: unmetered, without a ledger, in any process."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.core.protocols import Task
from harness.ledger.ledger import Facts
from harness.parts import registry
from harness.run.cell import Cell
from harness.run.federation.channel import Channel
from harness.run.federation.deadline import Deadline
from harness.run.federation.rounds import run_rounds
from harness.run.federation.schedule import Budget, Schedule
from harness.run.federation.stopwatch import Stopwatch
from harness.run.federation.update_recorder import Recorder, RecordSettings

TRAINING_KEYS = (
    "local_epochs",
    "batch_size",
    "lr",
    "local_steps",
    "momentum",
    "weight_decay",
    "proximal",
    "norm_momentum",
    "augment",
)


def run_once(
    cell: Cell, facts: Facts, on_round: Callable[[int], None], folder: Path | None = None, n_threads: int = 1
) -> Channel:
    """Run all rounds of `cell` into `facts`, unmetered. Returns the channel with the state it ended in.

    Args:
        cell: what to run.
        facts: where its facts go.
        on_round: called with the number of each finished round, 0 included.
        folder: where recorded updates go; None records none.
        n_threads: clients of a round that train at a time.
    """
    with Stopwatch(facts).window(0, "setup"):
        task: Task = registry.build("task", cell.task)
        training = training_settings(cell)
        problem = task.build(cell.seed, training)
        facts.work = problem.work()
        channel = Channel(
            uplink=registry.build("codec", cell.method["uplink"]),
            downlink=registry.build("codec", cell.method["downlink"]["codec"]),
            layout=problem.layout,
            seed=cell.seed,
            facts=facts,
            mode=cell.method["downlink"]["mode"],
            also_code=cell.method["also_code"],
            deadline=_deadline(cell.federation),
        )
        rule = registry.build("server", cell.method["server"])
        recorder = Recorder(
            _record_settings(cell.record), problem.layout, facts, folder, init=cell.method["init"] or ""
        )
    run_rounds(problem, channel, rule, _schedule(cell.federation), recorder, on_round, n_threads)
    return channel


def training_settings(cell: Cell) -> dict[str, Any]:
    """The fields of `harness.run.tasks.local_training.LocalTraining`, as the federation of `cell` has them."""
    return {key: cell.federation[key] for key in TRAINING_KEYS}


def _schedule(federation: Mapping[str, Any]) -> Schedule:
    settings = {key: value for key, value in federation.items() if key not in (*TRAINING_KEYS, "deadline")}
    budget = None if settings["budget"] is None else Budget(**settings["budget"])
    return Schedule(**{**settings, "budget": budget, "test_rounds": tuple(settings["test_rounds"])})


def _deadline(federation: Mapping[str, Any]) -> Deadline | None:
    settings = federation.get("deadline")
    return None if settings is None else Deadline(**settings)


def _record_settings(record: Mapping[str, Any]) -> RecordSettings:
    return RecordSettings(**{**record, "updates_at": tuple(record["updates_at"])})
