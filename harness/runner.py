"""Run what is missing: prepare data, pre-train, then the cells, a spawned worker process for each core.

Nothing is decided here about what a cell is (`harness.plan`) or how it runs (`harness.cell`).
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from harness import registry
from harness.cell import Failure, describe_failure, run_cell, run_pretraining, start_worker
from harness.core.errors import EnvironmentLacksError
from harness.plan import Cell
from harness.store import Store

if TYPE_CHECKING:
    from harness.probe import Probe

_TICK_S = 0.25
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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


def default_jobs() -> int:
    """Hardware threads that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def effective_jobs(meter: str, jobs: int) -> int:
    """Cells at a time: `jobs`, or 1 if the meter sees the whole machine and would bill each cell for the others."""
    return 1 if registry.build("meter", meter).is_whole_machine() else jobs


def prepare(cells: Iterable[Cell]) -> None:
    """Leave the data and partitions of `cells` in the cache.

    Raises:
        UsageError: the data cannot be partitioned as asked.
        EnvironmentLacksError: the data or the cache is not usable.
    """
    for task, seeds in _distinct_tasks(cells):
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
        on_event: told what happens, and about four times a second that time goes by.

    Returns:
        The failures by cell id; empty when all cells are finished.

    Raises:
        EnvironmentLacksError: pre-training failed, so no cell can run.
    """
    if not missing:
        return {}
    on_event(Event("starting"))
    with _workers(min(jobs, len(missing)), meter) as pool:
        _pretrain(pool, _distinct_tasks(missing.values()), meter, on_event)
        return _run_cells(pool, missing, store.root, meter, on_event)


def probe(cells: Sequence[Cell], meter: str, jobs: int) -> "list[Probe | Failure]":
    """What each of `cells` is expected to take, from a few of its rounds.

    Prepares the data and pre-trains where that is still to be done, as a run would; what is in the cache then is not
    done again.

    Raises:
        UsageError, EnvironmentLacksError: as `prepare` and `run_missing`.
    """
    from harness.probe import probe_cell

    if not cells:
        return []
    prepare(cells)
    with _workers(min(jobs, len(cells)), meter) as pool:
        _pretrain(pool, _distinct_tasks(cells), meter, lambda event: None)
        probes: list[Any] = [pool.schedule(probe_cell, args=[cell]) for cell in cells]
        return [_outcome(probed) for probed in probes]


def _distinct_tasks(cells: Iterable[Cell]) -> list[tuple[Mapping[str, Any], list[int]]]:
    tasks: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
    for cell in cells:
        _, seeds = tasks.setdefault(str(cell.task), (cell.task, []))
        if cell.seed not in seeds:
            seeds.append(cell.seed)
    return list(tasks.values())


def _pretrain(
    pool: ProcessPool,
    tasks: Sequence[tuple[Mapping[str, Any], list[int]]],
    meter: str,
    on_event: Callable[[Event], None],
) -> None:
    for mapping, _ in tasks:
        folder = registry.build("task", mapping).pretraining_folder()
        if folder is not None and not folder.is_dir():
            on_event(Event("pretraining"))
            failure = _outcome(pool.schedule(run_pretraining, args=[mapping, meter]))
            if failure is not None:
                raise EnvironmentLacksError(f"pre-training for task {mapping['kind']} failed: {failure.error}")


def _run_cells(
    pool: ProcessPool, missing: Mapping[str, Cell], root: Path, meter: str, on_event: Callable[[Event], None]
) -> dict[str, Failure]:
    waiting: dict[Future[Failure | None], str] = {
        pool.schedule(run_cell, args=[cell, key, root, meter]): key for key, cell in missing.items()
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
    """What a piece of work returned, or the failure that stands for its death."""
    try:
        return future.result()
    except ProcessExpired as error:
        return Failure(f"its process died ({error}); if the machine ran out of memory, lower --jobs", "", False)
    except Exception as error:
        return describe_failure(error)


@contextmanager
def _workers(jobs: int, meter: str) -> Iterator[ProcessPool]:
    # Libraries size their thread pools when they are imported, so the variables must be there before a worker starts.
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    jobs = effective_jobs(meter, jobs)
    with _deaf_children():
        pool = ProcessPool(max_workers=jobs, initializer=start_worker, initargs=[meter], context=get_context("spawn"))
        pool.active  # noqa: B018 - asking starts the workers
    try:
        yield pool
    finally:
        # On the way out of Ctrl-C there is no waiting for cells; on the ordinary way there is none left.
        pool.stop()
        pool.join()
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
