"""Running what is missing: failures are named, the rest goes on, nothing is done twice."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.commands.run import run as run_benchmark
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.ledger.store import Store
from harness.run.engines import local
from harness.run.engines import worker as cell_module
from harness.run.engines.local import Event, LocalEngine, prepare, run_missing
from harness.run.engines.worker import Failure
from harness.run.tasks import image_problem
from harness.spec.plan import PlannedCell, plan_cells
from harness.spec.spec import BenchmarkSpec
from tests.faults import fault
from tests.runs import BOTH_WAYS, DIVERGES, FP32, PoolHere, planned, run_cell_or_die, tiny


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> PoolHere:
    """Cells run in this process."""
    here = PoolHere()
    monkeypatch.setattr(local, "_workers", here.workers)
    return here


def run(cells: list[PlannedCell], folder: Path, jobs: int = 1) -> tuple[dict[str, Failure], list[Event]]:
    events: list[Event] = []
    store = Store(folder)
    missing = {cell.cell_id: cell.cell for cell in cells if not store.is_finished(cell.cell_id)}
    prepare(missing.values())
    found = run_missing(missing, store, "cpu_time", jobs, events.append)
    return found, [event for event in events if event.kind != "tick"]


def test_a_failed_cell_is_named_and_the_others_finish(pool: PoolHere, tmp_path: Path) -> None:
    first, broken, last = planned(tiny([FP32, DIVERGES, BOTH_WAYS], federation={"lr": 1000, "rounds": 6}))
    failures, events = run([first, broken, last], tmp_path)
    assert list(failures) == [broken.cell_id]
    assert "training diverged" in failures[broken.cell_id].error
    assert {event.cell_id: event.kind for event in events if event.cell_id} == {
        first.cell_id: "finished",
        broken.cell_id: "failed",
        last.cell_id: "finished",
    }
    assert [Store(tmp_path).is_finished(cell.cell_id) for cell in (first, broken, last)] == [True, False, True]


def test_a_failed_cell_is_tried_again_and_a_finished_one_is_not(pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(tiny([FP32, BOTH_WAYS]))
    with fault(cell_module, "run_once", RuntimeError("once"), nth=2):
        failures, _ = run(cells, tmp_path)
    assert list(failures) == [cells[1].cell_id]
    ledger = tmp_path / "cells" / cells[0].cell_id / "ledger" / "status.json"
    before = ledger.stat().st_mtime_ns
    pool.scheduled.clear()
    failures, _ = run(cells, tmp_path)
    assert failures == {}
    assert [args[1] for args in pool.scheduled] == [cells[1].cell_id]
    assert ledger.stat().st_mtime_ns == before


def test_nothing_is_run_where_nothing_is_missing(pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(tiny())
    run(cells, tmp_path)
    pool.scheduled.clear()
    assert run(cells, tmp_path)[0] == {}
    assert pool.scheduled == []


def test_methods_with_equal_settings_are_run_once(pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(tiny([FP32, {"name": "the same"}]))
    assert cells[0].cell_id == cells[1].cell_id
    run(cells, tmp_path)
    assert len(pool.scheduled) == 1


def test_pretraining_is_done_once_for_all_cells_and_kept_with_the_results(
    pool: PoolHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    task = {"init": "pretrained", "pretraining": {"epochs": 1}}
    spec = BenchmarkSpec.model_validate(tiny([FP32, BOTH_WAYS], task=task))

    def kinds(folder: Path) -> list[str]:
        events: list[Event] = []
        assert run_benchmark(spec, folder, LocalEngine(1), events.append) == {}
        return [event.kind for event in events]

    assert kinds(tmp_path / "results").count("pretraining") == 1
    assert "pretraining" not in kinds(tmp_path / "other results")
    (record,) = Store(tmp_path / "results").pretraining()
    assert record["settings"]["epochs"] == 1 and record["reading"]["cpu_seconds"] > 0
    assert Store(tmp_path / "other results").pretraining() == [record]


def test_a_failed_pretraining_is_one_line_for_each_cell_that_needs_it(
    pool: PoolHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    cells = planned(tiny(task={"init": "pretrained"}))
    with fault(image_problem, "_pretrain_into", OSError(errno.ENOSPC, "")):
        failures, _ = run(cells, tmp_path / "results")
    assert set(failures) == {cell.cell_id for cell in cells}
    for failure in failures.values():
        assert (
            failure.error == "pre-training for task digits failed: No space left on device" and failure.is_environment
        )


def test_a_failed_pretraining_leaves_cells_that_start_elsewhere(
    pool: PoolHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    cells = planned(tiny([FP32, {"name": "pre-trained", "init": "pretrained"}]))
    with fault(image_problem, "_pretrain_into", RuntimeError("of no use")):
        failures, _ = run(cells, tmp_path / "results")
    assert list(failures) == [cells[1].cell_id]
    assert [Store(tmp_path / "results").is_finished(cell.cell_id) for cell in cells] == [True, False]


def test_an_impossible_partition_stops_the_run_before_any_cell(pool: PoolHere, tmp_path: Path) -> None:
    values = tiny(task={"clients": 450, "partition": {"kind": "dirichlet", "alpha": 0.01}})
    cells = plan_cells(BenchmarkSpec.model_validate(values))
    with pytest.raises(UsageError, match=r"^task\.partition: "):
        run(cells, tmp_path)
    assert pool.scheduled == []


def test_a_cache_that_cannot_be_written_says_what_to_set(
    pool: PoolHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = planned(tiny())
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EnvironmentLacksError, match="set HARNESS_CACHE to a folder with space"):
        run(cells, tmp_path / "results")


@contextmanager
def no_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    """`ProcessPool` replaced by a note of how it was to be made."""
    made: list[dict[str, object]] = []

    class Pool:
        def __init__(self, **settings: object) -> None:
            made.append(settings | {name: os.environ.get(name) for name in local.THREAD_VARIABLES})

        active = True

        def stop(self) -> None: ...

        def join(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(local, "ProcessPool", Pool)
        yield made


def test_workers_are_limited_to_one_thread_and_the_caller_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with no_processes(monkeypatch) as made, local._workers(2, "cpu_time"):
        pass
    assert made[0]["max_workers"] == 2
    assert [made[0][name] for name in local.THREAD_VARIABLES] == ["1", "1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_a_meter_of_the_whole_machine_has_cells_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.meters.codecarbon.has_readable_rapl", lambda: True)
    with no_processes(monkeypatch) as made, local._workers(8, "codecarbon"):
        pass
    assert made[0]["max_workers"] == 1


def test_a_worker_that_is_killed_fails_its_own_cell_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes: the second of three cells is killed as the kernel does when memory runs out."""
    monkeypatch.setattr(local, "run_cell", run_cell_or_die)
    cells = planned(tiny(seeds=[0, 1, 2]))
    failures, _ = run(cells, tmp_path)
    assert list(failures) == [cells[1].cell_id]
    assert "its process died" in failures[cells[1].cell_id].error
    assert [Store(tmp_path).is_finished(cell.cell_id) for cell in cells] == [True, False, True]
    (attempt,) = Store(tmp_path).attempts(cells[1].cell_id)
    assert attempt.state == "killed"
