"""The harness: its round loop with float32 payloads both ways, every byte counted, on as many threads as asked."""

import time

START_S = time.perf_counter()

import sys  # noqa: E402 - start-up is measured from here
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch  # noqa: E402

from harness.run.tasks.models import build_model  # noqa: E402
from tests.benchmarks.fedavg_speed import problem_of, run_by_rounds  # noqa: E402
from tests.benchmarks.simulators import job  # noqa: E402

PATH, ROUNDS, THREADS = job.settings()
torch.set_num_threads(1)
problem = problem_of(PATH)
start_s = time.perf_counter() - START_S
with run_by_rounds(problem, ROUNDS, THREADS) as steps:
    next(steps)
    laps = job.Laps()
    for _ in range(ROUNDS):
        model = next(steps)
        laps.lap()
network = build_model("cnn", (1, 28, 28), 10)
torch.nn.utils.vector_to_parameters(torch.from_numpy(model), network.parameters())
_, _, images, labels = job.arrays(PATH)
job.tell("this harness", laps, job.accuracy(network, images, labels), start_s)
