"""Engines side by side: a study of twelve MNIST cells with one job, two jobs, and Ray with two CPUs, in one run.

``python -m tests.benchmarks.engines [--rounds N]`` prints wall seconds of the whole command, start of workers and
report included, and checks that all engines leave the same facts. Data is prepared before. Beside stands how many of
the machine's CPUs were busy on average: more than the engine asked for is other work, and makes the row worthless.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from harness.spec.spec import BenchmarkSpec
from tests.runs import BOTH_WAYS, FP32, REPOSITORY, SIGN, digests, tiny, write_spec

_ENGINES = {
    "local, 1 job": ("--jobs", "1"),
    "local, 2 jobs": ("--jobs", "2"),
    "Ray, 2 CPUs": ("--engine", "ray", "--jobs", "2"),
}


def study(rounds: int) -> dict[str, Any]:
    """Three methods at four seeds."""
    return tiny(
        [FP32, BOTH_WAYS, SIGN],
        seeds=[0, 1, 2, 3],
        task={"kind": "mnist", "model": "cnn", "clients": 100},
        federation={"rounds": rounds, "cohort": 5, "batch_size": 32, "lr": 0.05},
    )


def timed(options: Sequence[str], folder: Path) -> tuple[float, float]:
    """Wall seconds of a comparison, and busy CPUs of the machine meanwhile."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "harness", "compare", "tiny.yaml", *options]
    psutil.cpu_percent()
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start, psutil.cpu_percent() / 100 * (os.cpu_count() or 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    values = study(options.rounds)
    spec = BenchmarkSpec.model_validate(values)
    spec.task.prepare(spec.seeds)
    print(f"12 MNIST cells of {options.rounds} rounds; {os.cpu_count()} CPUs")
    found = []
    for name, settings in _ENGINES.items():
        with tempfile.TemporaryDirectory() as folder:
            write_spec(values, Path(folder))
            wall_s, n_busy = timed(settings, Path(folder))
            found.append(digests(Path(folder) / "results" / "tiny"))
        print(f"{name:15} {wall_s:7.1f} s wall, {n_busy:.2f} CPUs busy", flush=True)
    print("facts are the same" if all(each == found[0] for each in found) else "FACTS DIFFER")


if __name__ == "__main__":
    main()
