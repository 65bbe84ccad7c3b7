"""The job that simulators are timed on: FedAvg on MNIST, 100 clients of 600 images, 10 a round, batches of 32.

The model is the small CNN of 80,202 parameters, SGD with a learning rate of 0.05. Needs NumPy and torch only, so that
other projects' environments can import it.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CLIENTS, COHORT, BATCH, LR, EXAMPLES = 100, 10, 32, 0.05, 600
MEAN, DEVIATION = 0.1307, 0.3081
"""Published moments of MNIST's training images."""


MARK = "MEASURED "


class Network(nn.Module):
    """Two 5 x 5 convolutions, each with pooling, and two linear layers, as every tutorial writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 5), nn.Conv2d(16, 32, 5)
        self.hidden, self.head = nn.Linear(512, 128), nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, 10) for images of shape (n, 1, 28, 28)."""
        values = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        values = functional.max_pool2d(functional.relu(self.conv2(values)), 2)
        return self.head(functional.relu(self.hidden(values.flatten(1))))


def arrays(path: str | Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, test images and labels; images float32 of shape (n, 1, 28, 28)."""
    with np.load(path) as file:
        images, labels, test_images, test_labels = (torch.from_numpy(file[name]) for name in file.files)
    scaled = [(pixels[:, None].float() / 255 - MEAN) / DEVIATION for pixels in (images, test_images)]
    return scaled[0], labels, scaled[1], test_labels


def shares() -> list[Tensor]:
    """Positions of the images of each client: 600 at random."""
    order = np.random.default_rng(0).permutation(CLIENTS * EXAMPLES)
    return list(torch.from_numpy(order).split(EXAMPLES))


def cohorts(rounds: int) -> list[list[int]]:
    """The clients of each round."""
    rng = np.random.default_rng(1)
    return [rng.choice(CLIENTS, COHORT, replace=False).tolist() for _ in range(rounds)]


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of the images that are recognised."""
    network.eval()
    with torch.inference_mode():
        found = torch.cat([network(part).argmax(1) for part in images.split(1000)])
    return float((found == labels).float().mean())


def cpu_seconds() -> float:
    """CPU seconds so far of this process, its threads, and all its children that are known to have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Laps:
    """Wall and CPU seconds of one round after the other."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin a round."""
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()

    def lap(self) -> None:
        """End a round, and begin the next."""
        self.wall_s.append(time.perf_counter() - self._wall)
        self.cpu_s.append(cpu_seconds() - self._cpu)
        self.start()


def tell(name: str, laps: Laps, score: float, start_s: float) -> None:
    """Print what was measured, as one line that the caller looks for; see `python -m tests.benchmarks.simulators`."""
    print(
        MARK
        + json.dumps({"name": name, "wall_s": laps.wall_s, "cpu_s": laps.cpu_s, "accuracy": score, "start_s": start_s})
    )


def settings() -> tuple[Path, int, int]:
    """The file of arrays, rounds and threads, as the caller gave them on the command line."""
    path, rounds, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    return Path(path), int(rounds), int(threads)
