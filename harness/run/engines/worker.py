"""Runs one cell in its worker process: from a plain spec to the files of its ledger.

A worker is spawned once, warms its meter with one discarded measurement, and then runs cell after cell on one thread.
"""

import errno
import functools
import multiprocessing
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import EnvironmentLacksError, HarnessError
from harness.core.protocols import EnergyMeter, Task
from harness.ledger.ledger import Facts, Host, LedgerWriter
from harness.ledger.store import Store
from harness.parts import registry
from harness.run.cell import Cell
from harness.run.engines.host import describe_facts_code, describe_host
from harness.run.federation.run_cell import run_once
from harness.run.federation.stopwatch import Stopwatch
from harness.run.meters.cpu_time import cpu_seconds_of_process

_ENVIRONMENT_ERRNOS = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Failure:
    """Why a piece of work ended early.

    Attributes:
        error: one line.
        traceback: for ``--debug``; empty for errors that are the user's to mend.
        is_environment: whether the machine is at fault: disk full, read-only, permission.
    """

    error: str
    traceback: str
    is_environment: bool


@functools.cache
def worker_meter(kind: str) -> EnergyMeter:
    """The meter of this process, warmed."""
    meter: EnergyMeter = registry.build("meter", kind)
    meter.warm_up()
    return meter


@functools.cache
def worker_host() -> Host:
    """The machine of this process."""
    return describe_host()


@functools.cache
def worker_code() -> Mapping[str, Any]:
    """The code of this process."""
    return describe_facts_code()


def start_worker(meter: str) -> None:
    """Set up a freshly spawned worker: one thread, warm meter and counter, known host."""
    import torch

    from harness.run.tasks import training_cost

    torch.set_num_threads(1)
    training_cost.warm_up()
    worker_host()
    worker_code()
    worker_meter(meter)


def run_cell(cell: Cell, cell_id: str, root: Path, meter: str, n_threads: int = 1) -> Failure | None:
    """Run `cell` and publish its ledger in the results folder `root`; `n_threads` clients of a round train at a time.

    Returns:
        None when the ledger is published, else why not. Whatever was computed before stays as an attempt.
    """
    store = Store(root)
    attempt = None
    try:
        attempt = store.claim(cell_id)
        write_cell(cell, cell_id, attempt, worker_meter(meter), worker_host(), n_threads)
        store.publish(attempt, cell_id)
    except Exception as error:
        failure = describe_failure(error)
        if attempt is not None:
            _note_failure(store, attempt, cell_id, failure)
        return failure
    return None


def write_cell(
    cell: Cell,
    cell_id: str,
    folder: Path,
    meter: EnergyMeter,
    host: Host,
    n_threads: int = 1,
    after_round: Callable[[], None] = lambda: None,
) -> None:
    """Run `cell` and leave its finished ledger in `folder`: no shared disk, no store, no other state needed.

    Args:
        cell: what to run.
        cell_id: its content address.
        folder: exists and is empty.
        meter: measures the whole cell.
        host: this machine.
        n_threads: clients of a round that train at a time.
        after_round: called when the line of a round is written.
    """
    facts = Facts()
    writer = LedgerWriter(folder, facts)
    try:
        with meter.window() as window:
            start = cpu_seconds_of_process()

            def on_round(round: int) -> None:
                writer.append(round, cpu_seconds_of_process() - start)
                _stop_if_orphaned()
                after_round()

            channel = run_once(cell, facts, on_round, folder, n_threads)
            with Stopwatch(facts).window(facts.scores[-1].round, "codec_timing"):
                facts.codec_timings += channel.time_codecs()
        writer.finish(cell_id, asdict(cell), window.reading, host, worker_code())
    finally:
        writer.close()


def run_pretraining(task: Mapping[str, Any], meter: str) -> Failure | None:
    """Pre-train the model of `task` unless the cache has it. Returns None, or why it failed."""
    try:
        part: Task = registry.build("task", task)
        part.pretrain(worker_meter(meter))
    except Exception as error:
        return describe_failure(error)
    return None


def compute_activations(task: Mapping[str, Any], seed: int, training: Mapping[str, Any]) -> Failure | None:
    """Compute what the fixed part of a task's model gives unless the cache has it. Returns None, or why it failed."""
    try:
        part: Task = registry.build("task", task)
        part.compute_activations(seed, training)
    except Exception as error:
        return describe_failure(error)
    return None


def describe_failure(error: BaseException) -> Failure:
    """One line for `error`, and whether the machine is at fault."""
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRNOS:
        where = f"{error.filename}: " if error.filename else ""
        return Failure(f"{where}{os.strerror(error.errno)}", "", is_environment=True)
    if isinstance(error, HarnessError):
        return Failure(str(error), "", is_environment=isinstance(error, EnvironmentLacksError))
    if _is_out_of_memory(error):
        message = str(error).partition("\n")[0]
        advice = "lower --jobs, the batch size, or the size of images"
        return Failure(f"out of memory{': ' + message if message else ''}; {advice}", "", is_environment=False)
    return Failure(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)), is_environment=False)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or torch ran out of memory; torch has an exception class for it on a GPU only."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError")
    )


def _note_failure(store: Store, attempt: Path, cell_id: str, failure: Failure) -> None:
    try:
        store.fail(attempt, cell_id, failure.error, failure.traceback)
    except OSError:
        # The disk that failed the cell cannot take the note either; the caller still gets the failure.
        return


def _stop_if_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise HarnessError("the harness that started this cell is gone")
