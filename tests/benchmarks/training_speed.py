"""Images a second of training EfficientNet-Lite0 at 32, 64 and 96 pixels: whole, last five blocks, last layer.

``python -m tests.benchmarks.training_speed`` trains clients of 64 images in batches of 32, on one thread, and on two:
two clients at a time, a thread each. The images are random; what the fixed part makes of them was computed before, as
in a run. All settings take turns, and medians over the turns are printed, with CPU seconds beside wall.
"""

import argparse
import os
import time
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from harness.core.types import Examples
from harness.run.engines.worker import start_worker
from harness.run.tasks.client_threads import in_order
from harness.run.tasks.efficientnet_lite import EfficientNetLite0
from harness.run.tasks.local_training import LocalTraining, TorchProblem
from harness.run.tasks.settings import Trained
from harness.run.tasks.trainable import cut

PIXELS = (32, 64, 96)
TRAINED = {"whole": Trained(), "last five blocks": Trained(blocks=5), "last layer": Trained("head")}
CLIENT_IMAGES, LABELS = 64, 100


class Case(NamedTuple):
    """What is timed."""

    pixels: int
    trained: str
    threads: int


def problem_of(pixels: int, trained: str) -> TorchProblem:
    """Two clients with `CLIENT_IMAGES` images each, as the trained part of the network takes them."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(size=(2 * CLIENT_IMAGES, 3, pixels, pixels)).astype(np.float32))
    network = cut(EfficientNetLite0(LABELS), TRAINED[trained], "_fc")
    network.module.eval()
    with torch.inference_mode():
        seen = network.activations(images).numpy()
    if seen.ndim == 4:
        # Channels last, as the cache has them.
        seen = np.moveaxis(np.ascontiguousarray(np.moveaxis(seen, 1, -1)), -1, 1)
    return TorchProblem(
        lambda: EfficientNetLite0(LABELS),
        np.split(np.arange(2 * CLIENT_IMAGES), 2),
        Examples(seen, rng.integers(0, LABELS, len(seen))),
        {},
        LocalTraining(1, 32, 0.01),
        seed=0,
        pretrained=None,
        cut=lambda module: cut(module, TRAINED[trained], "_fc"),
        images=images,
    )


def measured(turns: int) -> Iterator[tuple[Case, float, float]]:
    """Each case with images a second of wall and of CPU time of all threads, turn by turn; the first warms up."""
    problems = {(pixels, trained): problem_of(pixels, trained) for pixels in PIXELS for trained in TRAINED}
    for turn in range(turns + 1):
        for (pixels, trained), problem in problems.items():
            start = problem.initial_model()
            # Short ones are repeated, so that a turn takes some tenths of a second.
            clients = [0, 1] * (1 if trained == "whole" else 3)
            for threads in (1, 2):
                wall, cpu = time.perf_counter(), time.process_time()
                for _ in in_order(lambda client, p=problem, s=start: p.train(s, client, 1), clients, threads):
                    pass
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                if turn:
                    n_images = CLIENT_IMAGES * len(clients)
                    yield Case(pixels, trained, threads), n_images / wall, n_images / cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="turns of each setting (default 5)")
    options = parser.parse_args()
    start_worker("cpu_time")
    found: dict[Case, list[tuple[float, float]]] = {}
    for case, by_wall, by_cpu in measured(options.turns):
        found.setdefault(case, []).append((by_wall, by_cpu))
    table = Table()
    for heading in ("pixels", "trained", "threads", "images/s", "images per CPU s", "two threads / one"):
        table.add_column(heading, justify="left" if heading == "trained" else "right")
    for case, speeds in found.items():
        alone = found[case._replace(threads=1)]
        ratios = [both[0] / one[0] for both, one in zip(speeds, alone, strict=True)]
        by_wall, by_cpu = (median(speed[place] for speed in speeds) for place in (0, 1))
        ratio = f"{median(ratios):.2f}" if case.threads == 2 else ""
        table.add_row(str(case.pixels), case.trained, str(case.threads), f"{by_wall:,.0f}", f"{by_cpu:,.0f}", ratio)
    Console().print(table)
    print(f"load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
