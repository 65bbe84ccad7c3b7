"""Tiny benchmarks on the real digits, and ways to run them: in this process, or as a user would."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from harness.ledger.store import Store
from harness.run.cell import Cell
from harness.run.engines.worker import Failure, run_cell, start_worker
from harness.spec.plan import PlannedCell, plan_cells
from harness.spec.spec import BenchmarkSpec

REPOSITORY = Path(__file__).parent.parent

SIX_BIT = {"kind": "quantfl", "levels": 64}
FP32 = {"name": "fp32"}
BOTH_WAYS = {"name": "six", "uplink": SIX_BIT, "downlink": {"codec": SIX_BIT, "mode": "model"}}
SIGN = {"name": "sign", "uplink": {"kind": "error_feedback", "inner": {"kind": "signsgd"}}}
DIVERGES = {"name": "diverges", "uplink": {"kind": "signsgd"}, "server": {"kind": "mean", "lr": 1000}}
"""Overflows within six rounds at a learning rate of 1000."""

_TINY: dict[str, Any] = {
    "name": "tiny",
    "task": {"kind": "digits", "model": "mlp", "clients": 90, "partition": {"kind": "iid"}},
    "federation": {"rounds": 3, "cohort": 2, "local_epochs": 1, "batch_size": 16, "lr": 0.1, "score_every": 2},
    "methods": [FP32],
    "seeds": [0],
    "meter": "cpu_time",
    "scenarios": {"radios": ["lte"], "grids": ["NOR"]},
}


def tiny(methods: Sequence[Mapping[str, Any]] = (FP32,), **changes: Any) -> dict[str, Any]:
    """The mapping of a benchmark whose cells take a tenth of a second; mappings in `changes` are merged."""
    values = copy.deepcopy(_TINY) | {"methods": [dict(method) for method in methods]}
    for key, change in changes.items():
        values[key] = values[key] | change if isinstance(change, dict) else change
    return values


def planned(values: Mapping[str, Any]) -> list[PlannedCell]:
    """The cells of a benchmark, its data in the cache."""
    spec = BenchmarkSpec.model_validate(values)
    spec.task.prepare(spec.seeds)
    return plan_cells(spec)


def write_spec(values: Mapping[str, Any], folder: Path) -> Path:
    """The benchmark as a YAML file in `folder`; JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{values['name']}.yaml"
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")
    return path


def run_here(cell: PlannedCell, root: Path) -> Failure | None:
    """Run one cell in this process, on one thread as in a worker."""
    start_worker("cpu_time")
    return run_cell(cell.cell, cell.cell_id, root, "cpu_time")


class PoolHere:
    """A pool of no processes: work is done here, when it is scheduled."""

    def __init__(self) -> None:
        self.scheduled: list[Sequence[Any]] = []

    def schedule(self, function: Any, args: Sequence[Any]) -> Future[Any]:
        self.scheduled.append(args)
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    @contextmanager
    def workers(self, jobs: int, meter: str) -> Iterator["PoolHere"]:
        """In place of `harness.run.engines.local._workers`."""
        start_worker(meter)
        yield self


def run_cell_or_die(cell: Cell, cell_id: str, root: Path, meter: str, n_threads: int) -> Failure | None:
    """In place of `worker.run_cell` in a real worker: the cell of seed 1 is killed as if memory had run out."""
    if cell.seed == 1:
        Store(root).claim(cell_id)
        os.kill(os.getpid(), signal.SIGKILL)
    return run_cell(cell, cell_id, root, meter, n_threads)


def run_cell_in_company(cell: Cell, cell_id: str, root: Path, meter: str, n_threads: int) -> Failure | None:
    """In place of `worker.run_cell` in two real workers: neither begins before the other is there."""
    root.mkdir(exist_ok=True)
    (root / f"ready-{cell_id}").touch()
    end = time.monotonic() + 60
    while len(list(root.glob("ready-*"))) < 2:
        if time.monotonic() > end:
            raise TimeoutError("the other worker never came")
        time.sleep(0.001)
    return run_cell(cell, cell_id, root, meter, n_threads)


# In every Python process of a run, workers too: a socket that leaves the machine fails and is written down.
_NO_NETWORK = """
import os, socket, sys

def refuse(event, args):
    remote = event in ("socket.connect", "socket.sendto") and args[0].family != socket.AF_UNIX
    if remote or event in ("socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["NETWORK_ATTEMPTS"], "a") as file:
            file.write(f"{event} {args}\\n")
        raise OSError("no network")

sys.addaudithook(refuse)
"""


def start_harness(*arguments: str | Path, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command line in `folder`, without network, in a process group of its own."""
    site = folder / "site"
    site.mkdir(parents=True, exist_ok=True)
    (site / "sitecustomize.py").write_text(_NO_NETWORK)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)]),
        "NETWORK_ATTEMPTS": str(folder / "network_attempts"),
        "COLUMNS": "120",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=folder,
        env=environment | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell in the background hands on that Ctrl-C is ignored; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread runs here
    )


def harness(*arguments: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder` to its end, without network."""
    process = start_harness(*arguments, folder=folder, **variables)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def wait_for_rounds(process: subprocess.Popen[str], results: Path, n_rounds: int) -> None:
    """Wait until some cell of a run in `results` has finished `n_rounds` rounds."""

    def is_there() -> bool:
        for path in results.glob("cells/*/attempts/*/rounds.jsonl"):
            # A cell may be published in between.
            with suppress(FileNotFoundError):
                if path.read_text().count("\n") > n_rounds:
                    return True
        return False

    _wait_until(is_there, process)


def wait_for_workers(process: subprocess.Popen[str], n_workers: int) -> None:
    """Wait until a run has workers that are importing: they have used a tenth of a second of CPU time."""
    children = psutil.Process(process.pid).children
    _wait_until(lambda: sum(_is_importing(child) for child in children()) >= n_workers, process)


def _is_importing(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(process.cmdline()) and process.cpu_times().user >= 0.1
    return False


def _wait_until(is_there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 180
    while not is_there():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        if process.returncode is not None or time.monotonic() > end:
            raise AssertionError(f"it never came so far: {process.communicate()}")


def digests(results: Path) -> dict[tuple[str, int], str]:
    """Facts digest of every finished cell in a results folder, by method and seed."""
    store = Store(results)
    return {
        (entry.method, entry.seed): store.ledger(entry.cell_id).facts_digest
        for entry in store.index()
        if store.is_finished(entry.cell_id)
    }


def read_context(results: Path) -> dict[str, Any]:
    """``context.json`` of the report in `results`."""
    context: dict[str, Any] = json.loads((results / "tables" / "context.json").read_text())
    return context
