"""Clients of a round on several threads: in their order, few at a time, errors at their place, the same facts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from harness.core.types import Examples
from harness.ledger.ledger import Facts
from harness.parts import registry
from harness.run.federation.channel import Channel
from harness.run.federation.rounds import run_rounds
from harness.run.federation.run_cell import run_once
from harness.run.federation.schedule import Schedule
from harness.run.federation.server_rules import Mean
from harness.run.federation.update_recorder import Recorder, RecordSettings
from harness.run.tasks.client_threads import in_order
from harness.run.tasks.efficientnet_lite import EfficientNetLite0
from harness.run.tasks.local_training import LocalTraining, TorchProblem
from harness.run.tasks.settings import Trained
from harness.run.tasks.trainable import Trainable, cut, whole
from tests.runs import planned, tiny


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_threads: int) -> None:
    """The first item ends last: it waits until every other that may run beside it has ended."""
    n_ended, others_ended = 0, threading.Semaphore(0)

    def work(item: int) -> int:
        nonlocal n_ended
        if item == 0 and n_threads > 1:
            for _ in range(n_threads - 1):
                assert others_ended.acquire(timeout=30)
        n_ended += 1
        others_ended.release()
        return 10 * item

    assert list(in_order(work, range(7), n_threads)) == [10 * item for item in range(7)]
    assert n_ended == 7


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_no_more_is_in_work_than_there_are_threads(n_threads: int) -> None:
    n_drawn = 0

    def items() -> Iterator[int]:
        nonlocal n_drawn
        for item in range(9):
            n_drawn += 1
            yield item

    for number, result in enumerate(in_order(lambda item: item, items(), n_threads)):
        assert result == number
        assert n_drawn <= number + n_threads


def test_one_thread_is_the_callers() -> None:
    mine = threading.get_ident()
    assert set(in_order(lambda _: threading.get_ident(), range(3), 1)) == {mine}
    assert mine not in set(in_order(lambda _: threading.get_ident(), range(3), 2))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_an_error_is_raised_at_its_place(n_threads: int) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise RuntimeError("the third")
        return item

    drawn = in_order(work, range(6), n_threads)
    assert [next(drawn), next(drawn)] == [0, 1]
    with pytest.raises(RuntimeError, match="the third"):
        next(drawn)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_among_the_items_is_the_callers_and_leaves_no_thread(n_threads: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no more"):
        list(in_order(abs, items(), n_threads))
    assert threading.active_count() == before


def test_whoever_stops_drawing_leaves_no_thread() -> None:
    before = threading.active_count()
    drawn = in_order(abs, range(9), 3)
    next(drawn)
    drawn.close()
    assert threading.active_count() == before


METHODS = (
    {"name": "ef", "uplink": {"kind": "error_feedback", "inner": {"kind": "signsgd"}}},
    {"name": "both", "uplink": "quantfl", "downlink": {"codec": {"kind": "qsgd"}, "mode": "delta"}},
)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_the_digits_have_the_same_facts_on_any_number_of_threads(method: dict[str, object]) -> None:
    """Payloads, scores, and the order of transfers and windows: a client's are appended together, when it is done."""
    (cell,) = planned(
        tiny([method], federation={"cohort": 7, "momentum": 0.9, "proximal": 0.1, "rounds": 2, "score_every": 1})
    )
    found = []
    for n_threads in (1, 2, 3):
        facts = Facts()
        run_once(cell.cell, facts, lambda round: None, n_threads=n_threads)
        windows = [(window.round, window.phase, window.client, window.n_steps) for window in facts.windows]
        found.append((facts.digest(), facts.transfers, facts.scores, windows))
    assert found[0] == found[1] == found[2]
    rounds = [[t.client for t in found[2][1] if t.round == number] for number in (1, 2)]
    assert rounds == [sorted(clients) for clients in rounds]


def run_on(n_threads: int, make_problem: Callable[[], TorchProblem]) -> str:
    """Digest of the facts of a round of four clients."""
    problem, facts = make_problem(), Facts()
    channel = Channel(registry.build("codec", "quantfl"), registry.build("codec", "float32"), problem.layout, 3, facts)
    recorder = Recorder(RecordSettings(), problem.layout, facts)
    run_rounds(problem, channel, Mean(), Schedule(1, 4), recorder, lambda round: None, n_threads)
    return facts.digest()


def images_of_six(
    make_module: Callable[[], nn.Module], cut: Callable[[nn.Module], Trainable], **settings: object
) -> TorchProblem:
    """Six clients with four images of 32 x 32 pixels each."""
    rng = np.random.default_rng(0)
    train = Examples(rng.normal(size=(24, 3, 32, 32)).astype(np.float32), rng.integers(0, 5, 24))
    splits = {"validation": train, "test": train}
    training = LocalTraining(1, 2, 0.05, momentum=0.9, **settings)  # type: ignore[arg-type]
    return TorchProblem(make_module, np.split(np.arange(24), 6), train, splits, training, 3, None, cut)


def in_front(module: nn.Module) -> Trainable:
    """The last two blocks trained; what is fixed is run in every step, as where images are augmented."""
    network = cut(module, Trained(blocks=2), "_fc")
    return replace(network, fixed=(), rest=(*network.fixed, *network.rest))


@pytest.mark.parametrize("augment", ["none", "flip_and_crop"])
def test_random_frozen_layers_and_statistics_are_the_same_in_every_thread(augment: str) -> None:
    """Each thread has a model of its own: with the same fixed weights, though these were drawn at random."""

    def problem() -> TorchProblem:
        return images_of_six(lambda: EfficientNetLite0(5), in_front, augment=augment)

    assert run_on(1, problem) == run_on(2, problem)


def test_a_module_that_draws_itself_has_the_same_facts_in_every_thread() -> None:
    """Dropout draws from one generator of the whole process: such models train one after the other."""

    def with_dropout() -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 32 * 32, 32), nn.Dropout(0.5), nn.Linear(32, 5)
        )

    def problem() -> TorchProblem:
        return images_of_six(with_dropout, whole)

    assert len({run_on(n_threads, problem) for n_threads in (1, 2, 2, 4)}) == 1
