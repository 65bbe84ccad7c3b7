"""What the round loop takes beside bare SGD: FedAvg on MNIST, 100 clients, 10 a round, the CNN of 80,202 parameters.

``python -m tests.benchmarks.fedavg_speed`` runs every round twice, one right after the other: by the harness (float32
payloads both ways, counted, decoded and averaged; the ledger's line of the round written), and by a loop in plain torch
over the same batches from the same start. The medians of the paired ratios are printed, wall and CPU seconds, and how
far apart the two models are in the end. Then rounds on one and on two threads of a cohort, in turns.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.core.seeds import torch_seed
from harness.core.types import Examples, Float32
from harness.ledger.ledger import Facts, LedgerWriter
from harness.parts import registry
from harness.run.engines.worker import start_worker
from harness.run.federation.channel import Channel
from harness.run.federation.rounds import draw_cohort, run_rounds
from harness.run.federation.schedule import Schedule
from harness.run.federation.server_rules import Mean
from harness.run.federation.update_recorder import Recorder, RecordSettings
from harness.run.tasks.local_training import LocalTraining, TorchProblem
from harness.run.tasks.mnist import Mnist
from harness.run.tasks.models import build_model
from harness.run.tasks.trainable import whole
from tests.benchmarks.simulators import job

_NEVER = 10**6


def write_arrays(path: Path) -> None:
    """MNIST as the arrays that every contender reads: all 60,000 training images in their own order, and the test's.

    Raises:
        EnvironmentLacksError: MNIST is neither in ``$HARNESS_DATA`` nor on the hub.
    """
    splits = replace(Mnist().source(), keeps_bytes=True).load_splits()
    images, labels = (
        np.concatenate([getattr(splits[name], part) for name in ("train", "validation")])
        for part in ("images", "labels")
    )
    test = splits["test"]
    np.savez(path, images=images[:, 0], labels=labels, test_images=test.images[:, 0], test_labels=test.labels)


def problem_of(path: Path) -> TorchProblem:
    """The job as the harness trains it; scored on 100 images only, so that scoring takes no part."""
    images, labels, test_images, test_labels = (values.numpy() for values in job.arrays(path))
    few = Examples(test_images[:100], test_labels[:100])
    return TorchProblem(
        lambda: build_model("cnn", (1, 28, 28), 10),
        [positions.numpy() for positions in job.shares()],
        Examples(images, labels),
        {"validation": few, "test": few},
        LocalTraining(1, job.BATCH, job.LR),
        seed=0,
        pretrained=None,
        cut=whole,
    )


class Bare:
    """FedAvg in plain torch, a client at a time: what is left when everything else is taken away."""

    def __init__(self, path: Path, start: Float32) -> None:
        images, labels, *_ = job.arrays(path)
        shares = job.shares()
        self._images, self._labels = ([values[held] for held in shares] for values in (images, labels))
        self._network = build_model("cnn", (1, 28, 28), 10)
        self.model = torch.from_numpy(start).clone()

    def round(self, number: int) -> None:
        """One round: the clients and batches of the harness."""
        total = torch.zeros_like(self.model)
        parameters = list(self._network.parameters())
        for client in draw_cohort(job.CLIENTS, job.COHORT, 0, number).tolist():
            # A copy, because the parameters become views of what they are given.
            torch.nn.utils.vector_to_parameters(self.model.clone(), parameters)
            self._train(self._images[client], self._labels[client], torch_seed(0, "batches", number, client))
            with torch.no_grad():
                total += torch.nn.utils.parameters_to_vector(parameters)
        self.model = total / job.COHORT

    def _train(self, images: Tensor, labels: Tensor, seed: int) -> None:
        optimiser = torch.optim.SGD(self._network.parameters(), lr=job.LR)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        for batch in order.split(job.BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(self._network(images[batch]), labels[batch]).backward()
            optimiser.step()


@contextmanager
def lap(laps: list[tuple[float, float]]) -> Iterator[None]:
    """Wall and CPU seconds of the body."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    laps.append((time.perf_counter() - wall, time.process_time() - cpu))


def beside_bare(path: Path, rounds: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]], float]:
    """Laps of the harness and of the bare loop, round by round, and the largest difference of the final models."""
    problem = problem_of(path)
    bare = Bare(path, problem.initial_model())
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with run_by_rounds(problem, rounds, n_threads=1) as steps:
        next(steps)  # round 0
        model = None
        for number in range(1, rounds + 1):
            with lap(ours):
                model = next(steps)
            with lap(theirs):
                bare.round(number)
    return ours, theirs, float(np.abs(model - bare.model.numpy()).max())


@contextmanager
def run_by_rounds(problem: TorchProblem, rounds: int, n_threads: int) -> Iterator[Iterator[Float32]]:
    """A run of the harness that does one round whenever the next model is asked for."""
    from queue import SimpleQueue
    from threading import Thread

    asked: SimpleQueue[bool] = SimpleQueue()
    done: SimpleQueue[Float32] = SimpleQueue()
    rule = _Watched()
    with tempfile.TemporaryDirectory() as folder:
        facts = Facts()
        writer = LedgerWriter(Path(folder), facts)

        def on_round(number: int) -> None:
            writer.append(number, 0.0)
            done.put(rule.model)
            if number < rounds:
                asked.get()

        codecs = [registry.build("codec", "float32") for _ in range(2)]
        channel = Channel(codecs[0], codecs[1], problem.layout, 0, facts)
        recorder = Recorder(RecordSettings(), problem.layout, facts)
        schedule = Schedule(rounds, job.COHORT, score_every=_NEVER)
        arguments = (problem, channel, rule, schedule, recorder, on_round, n_threads)
        thread = Thread(target=run_rounds, args=arguments, daemon=True)
        thread.start()

        def steps() -> Iterator[Float32]:
            yield done.get()
            for _ in range(rounds):
                asked.put(True)
                yield done.get()

        yield steps()
        thread.join()
        writer.close()


class _Watched(Mean):
    """The mean, and the last model that it gave."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "model", None)

    def step(self, *args, **settings):  # type: ignore[no-untyped-def]
        found = super().step(*args, **settings)
        object.__setattr__(self, "model", found[0])
        return found


def threads_in_turns(path: Path, rounds: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Laps of rounds on one thread and on two, in turns."""
    laps: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    with (
        run_by_rounds(problem_of(path), rounds, n_threads=1) as alone,
        run_by_rounds(problem_of(path), rounds, n_threads=2) as together,
    ):
        both = (next(alone), next(together))
        for _ in range(rounds):
            for number, steps in enumerate((alone, together)):
                with lap(laps[number]):
                    both = (*both[:number], next(steps), *both[number + 1 :])
        if both[0].tobytes() != both[1].tobytes():
            raise AssertionError("one and two threads gave different models")
    return laps


def _said(name: str, numerators: list[tuple[float, float]], denominators: list[tuple[float, float]]) -> None:
    """Print medians, and the median of the paired ratios; the first pair warms up and is left out."""
    pairs = list(zip(numerators, denominators, strict=True))[1:]
    for place, unit in enumerate(("wall s", "CPU s")):
        ratios = sorted(ours[place] / theirs[place] for ours, theirs in pairs)
        middle = [median(pair[side][place] for pair in pairs) for side in (0, 1)]
        print(
            f"{name}, {unit} a round: {middle[0]:.3f} / {middle[1]:.3f}, median ratio of {len(pairs)} pairs "
            f"{median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="pairs of rounds, the first of which warms up")
    options = parser.parse_args()
    start_worker("cpu_time")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.npz"
        write_arrays(path)
        ours, theirs, apart = beside_bare(path, options.rounds)
        _said("harness / bare loop", ours, theirs)
        print(f"their models are {apart:.1e} apart at most")
        _said("two threads / one thread", *reversed(threads_in_turns(path, options.rounds)))
    print(f"load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
