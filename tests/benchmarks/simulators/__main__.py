"""Other simulators of federated learning, and the harness, on one job; ``make bench-peers``.

Each runs in an environment of its own: the interpreter that ``$BENCH_FLOWER``, ``$BENCH_FLUKE``, ``$BENCH_PFL`` or
``$BENCH_FEDLAB`` names, else ``.peers/<name>/bin/python``. Where there is none, one line says what to install. They
take turns, and of each turn the first two rounds are left out. The job is in `tests.benchmarks.simulators.job`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.fedavg_speed import write_arrays
from tests.benchmarks.simulators.job import MARK

FOLDER = Path(__file__).parent
_LEFT_OUT = 2
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Contender:
    """A simulator that is timed.

    Attributes:
        script: what runs the job in its environment.
        threads: threads, or actors of one thread each, at a time.
        install: how its environment is made, after ``pip install torch`` of a CPU build; empty for our own.
    """

    script: str
    threads: int
    install: str = ""

    @property
    def key(self) -> str:
        """Name of its environment."""
        return self.script.removeprefix("run_").removesuffix(".py")

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        own = os.environ.get(f"BENCH_{self.key.upper()}", str(Path(".peers") / self.key / "bin" / "python"))
        return own if self.install else sys.executable


CONTENDERS = (
    Contender("run_harness.py", 1),
    Contender("run_pfl.py", 1, "pip install 'pfl[pytorch]==0.6.0'"),
    Contender("run_fluke.py", 1, "pip install fluke-fl==0.8.1"),
    Contender("run_fedlab.py", 1, "pip install munch pandas scikit-learn tqdm; pip install --no-deps fedlab==1.3.0"),
    Contender("run_harness.py", 2),
    Contender("run_flower.py", 2, "pip install 'flwr[simulation]==1.41.0'"),
)


def measured(contender: Contender, arrays: Path, rounds: int) -> Mapping[str, Any] | str:
    """What a contender says of one turn, or one line why there is nothing."""
    command = [contender.python, "-W", "ignore", str(FOLDER / contender.script), str(arrays), str(rounds)]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            [*command, str(contender.threads)],
            env=os.environ | one_thread,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return f"{contender.key} was left out: no {contender.python}. Make an environment there: {contender.install}"
    except subprocess.TimeoutExpired:
        return f"{contender.key} was left out: it took longer than {_TIMEOUT_S} s"
    for line in done.stdout.splitlines():
        if MARK in line:
            found: Mapping[str, Any] = json.loads(line.partition(MARK)[2])
            return found
    last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
    return f"{contender.key} was left out: it ended with {done.returncode}: {last}"


def turns(arrays: Path, rounds: int, n_turns: int, words: list[str]) -> Iterator[tuple[Contender, Any]]:
    """Every contender in every turn; one that failed is not asked again."""
    waiting = [c for c in CONTENDERS if not words or any(word in c.script for word in words)]
    for _ in range(n_turns):
        for contender in list(waiting):
            found = measured(contender, arrays, rounds)
            if isinstance(found, str):
                waiting.remove(contender)
            yield contender, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only scripts with one of these in their name")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of a turn, the first two left out (default 7)")
    parser.add_argument("--turns", type=int, default=3, help="how often each is run (default 3)")
    options = parser.parse_args()
    found: dict[Contender, list[Mapping[str, Any]]] = {}
    notes = []
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "mnist.npz"
        write_arrays(arrays)
        for contender, said in turns(arrays, options.rounds, options.turns, options.words):
            if isinstance(said, str):
                notes.append(said)
            else:
                print(contender.script, file=sys.stderr)
                found.setdefault(contender, []).append(said)
    _print_table(found)
    for note in notes:
        print(note)
    print(f"load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores")


def _print_table(found: Mapping[Contender, list[Mapping[str, Any]]]) -> None:
    table = Table()
    for heading in ("", "threads", "s/round", "CPU s/round", "first round s", "start s", "accuracy"):
        table.add_column(heading, justify="right" if heading else "left")
    for contender, said in found.items():
        wall_s, cpu_s = (median(value for one in said for value in one[key][_LEFT_OUT:]) for key in ("wall_s", "cpu_s"))
        first, start, score = (
            median(values)
            for values in zip(*((one["wall_s"][0], one["start_s"], one["accuracy"]) for one in said), strict=True)
        )
        table.add_row(
            said[0]["name"],
            str(contender.threads),
            *(f"{value:.2f}" for value in (wall_s, cpu_s, first, start)),
            f"{score:.4f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
