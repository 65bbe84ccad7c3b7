"""Runs missing cells on this machine: prepares data, pre-trains, then spawns a worker process for each core.

Nothing is decided here about what a cell is (`harness.spec.plan`) or how it runs (`harness.run.engines.worker`).
"""

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pebble import ProcessExpired, ProcessPool

from harness.core.errors import EnvironmentLacksError
from harness.ledger.store import Store
from harness.parts import from_file, registry
from harness.run.cell import Cell
from harness.run.engines.worker import (
    Failure,
    compute_activations,
    describe_failure,
    run_cell,
    run_pretraining,
    start_worker,
)
from harness.run.federation.run_cell import training_settings

if TYPE_CHECKING:
    from harness.run.engines.cost_probe import Probe

_TICK_S = 0.25
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries size their thread pools by; each worker computes on one thread."""


@dataclass(frozen=True)
class Event:
    """Something a progress view shows.

    Attributes:
        kind: ``preparing``, ``starting``, ``pretraining``, ``finished``, ``failed`` or ``tick``.
        cell_id: the cell it is about; empty for the others.
        failure: why, for ``failed``.
    """

    kind: str
    cell_id: str = ""
    failure: Failure | None = None


class Engine(Protocol):
    """Where cells run: processes of this machine, or a cluster."""

    def __call__(
        self, missing: Mapping[str, Cell], store: Store, meter: str, on_event: Callable[[Event], None]
    ) -> dict[str, Failure]:
        """Run cells; see `run_missing`."""


@dataclass(frozen=True)
class LocalEngine:
    """Worker processes of this machine.

    Attributes:
        jobs: cells at a time, at least 1.
    """

    jobs: int

    def __call__(
        self, missing: Mapping[str, Cell], store: Store, meter: str, on_event: Callable[[Event], None]
    ) -> dict[str, Failure]:
        """Run cells; see `run_missing`."""
        return run_missing(missing, store, meter, self.jobs, on_event)


def default_jobs() -> int:
    """Hardware threads that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def effective_jobs(meter: str, jobs: int) -> int:
    """Cells at a time: `jobs`, or 1 if the meter sees the whole machine and would bill each cell for the others."""
    return 1 if registry.build("meter", meter).is_whole_machine() else jobs


def prepare(cells: Iterable[Cell]) -> None:
    """Leave the data and partitions of `cells` in the cache.

    Raises:
        UsageError: the data cannot be partitioned as requested.
        EnvironmentLacksError: the data or the cache is not usable.
    """
    for task, seeds in distinct_tasks(cells):
        try:
            registry.build("task", task).prepare(seeds)
        except OSError as error:
            raise EnvironmentLacksError(
                f"data of task {task['kind']} cannot be prepared: {describe_failure(error).error} "
                "(set HARNESS_CACHE to a folder with space and write permission)"
            ) from error


def run_missing(
    missing: Mapping[str, Cell], store: Store, meter: str, jobs: int, on_event: Callable[[Event], None]
) -> dict[str, Failure]:
    """Run cells whose data is prepared; a failed one is named and the rest go on.

    Args:
        missing: the cells to run, by id.
        store: the results folder, locked by the caller.
        meter: kind of the meter.
        jobs: worker processes, at least 1; see `effective_jobs`.
        on_event: called with each event, and about four times a second with a tick.

    Returns:
        The failures by cell id; empty when all cells are finished.
    """
    if not missing:
        return {}
    on_event(Event("starting"))
    with _workers(min(jobs, len(missing)), meter) as pool:
        failures = _lay_grounds(pool, missing, meter, on_event)
        ready = {key: cell for key, cell in missing.items() if key not in failures}
        # Cells come first; where there are fewer than workers, the clients of a round share what is left.
        n_threads = max(1, effective_jobs(meter, jobs) // max(1, len(ready)))
        return failures | _run_cells(pool, ready, store.root, meter, n_threads, on_event)


def probe(cells: Sequence[Cell], meter: str, jobs: int) -> "list[Probe | Failure]":
    """What each of `cells` is expected to take, from a few of its rounds.

    Prepares the data and pre-trains where that is still to be done, as a run would; what is in the cache then is not
    done again.

    Raises:
        UsageError, EnvironmentLacksError: as `prepare` and `run_missing`.
    """
    from harness.run.engines.cost_probe import probe_cell

    if not cells:
        return []
    prepare(cells)
    with _workers(min(jobs, len(cells)), meter) as pool:
        numbered = {str(number): cell for number, cell in enumerate(cells)}
        failures = _lay_grounds(pool, numbered, meter, lambda event: None)
        probes = {key: pool.schedule(probe_cell, args=[cell]) for key, cell in numbered.items() if key not in failures}
        return [failures.get(key) or _outcome(probes[key]) for key in numbered]


def distinct_tasks(cells: Iterable[Cell]) -> list[tuple[Mapping[str, Any], list[int]]]:
    """The tasks of `cells`, each once, with the seeds that they are run at."""
    tasks: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
    for cell in cells:
        _, seeds = tasks.setdefault(str(cell.task), (cell.task, []))
        if cell.seed not in seeds:
            seeds.append(cell.seed)
    return list(tasks.values())


def _lay_grounds(
    pool: ProcessPool, missing: Mapping[str, Cell], meter: str, on_event: Callable[[Event], None]
) -> dict[str, Failure]:
    """Pre-train, and compute what fixed parts of models give, where the cache has neither.

    Returns:
        The failures by cell id: of cells that cannot run without what failed.
    """
    failures: dict[str, Failure] = {}
    known: dict[str, Failure | None] = {}
    for key, cell in missing.items():
        for name, what, function, arguments in _grounds(cell, meter):
            if name not in known:
                on_event(Event("pretraining"))
                known[name] = _named(what, _outcome(pool.schedule(function, args=arguments)))
            failure = known[name]
            if failure is not None:
                failures[key] = failure
                on_event(Event("failed", key, failure))
                break
    return failures


def _grounds(cell: Cell, meter: str) -> Iterator[tuple[str, str, Callable[..., Failure | None], list[Any]]]:
    """What `cell` still lacks before it can run: for each piece its name, what it is, and the call that makes it."""
    task, training, kind = registry.build("task", cell.task), training_settings(cell), cell.task["kind"]
    folder = task.pretraining_folder()
    if folder is not None and not folder.is_dir():
        yield str(folder), f"pre-training for task {kind}", run_pretraining, [cell.task, meter]
    if task.needs_activations(cell.seed, training):
        name = json.dumps([cell.task, cell.seed, training["augment"]], sort_keys=True)
        yield name, f"the fixed part of task {kind}", compute_activations, [cell.task, cell.seed, training]


def _named(what: str, failure: Failure | None) -> Failure | None:
    return None if failure is None else replace(failure, error=f"{what} failed: {failure.error}")


def _run_cells(
    pool: ProcessPool,
    missing: Mapping[str, Cell],
    root: Path,
    meter: str,
    n_threads: int,
    on_event: Callable[[Event], None],
) -> dict[str, Failure]:
    waiting: dict[Future[Failure | None], str] = {
        pool.schedule(run_cell, args=[cell, key, root, meter, n_threads]): key for key, cell in missing.items()
    }
    failures: dict[str, Failure] = {}
    while waiting:
        done, _ = wait(waiting, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        for future in done:
            key = waiting.pop(future)
            failure = _outcome(future)
            if failure is None:
                on_event(Event("finished", key))
            else:
                failures[key] = failure
                on_event(Event("failed", key, failure))
        on_event(Event("tick"))
    return failures


def _outcome(future: "Future[Any]") -> Any:
    """What a piece of work returned, or the failure that represents its death."""
    try:
        return future.result()
    except ProcessExpired as error:
        return Failure(f"its process died ({error}); if the machine ran out of memory, lower --jobs", "", False)
    except Exception as error:
        return describe_failure(error)


@contextmanager
def _workers(jobs: int, meter: str) -> Iterator[ProcessPool]:
    jobs = effective_jobs(meter, jobs)
    with worker_environment():
        with _deaf_children():
            pool = ProcessPool(
                max_workers=jobs, initializer=start_worker, initargs=[meter], context=get_context("spawn")
            )
            pool.active  # noqa: B018 - asking starts the workers
        try:
            yield pool
        finally:
            # On the way out of Ctrl-C there is no waiting for cells; on the ordinary way there is none left.
            pool.stop()
            pool.join()


@contextmanager
def worker_environment() -> Iterator[None]:
    """What workers need that are started in the body: files of definitions in the cache, one thread each."""
    from_file.keep()
    # Libraries size their thread pools when they are imported, so the variables must be there before a worker starts.
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes and threads started in the body never get SIGINT: only the parent answers Ctrl-C, in its one line.

    A worker ignores the signal once it runs; without this, one that is still importing would print a traceback.
    """
    # Where it is running already, the tracker that every spawned process needs leaves the signal mask alone.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
