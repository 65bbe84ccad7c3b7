"""One cell in its worker: facts, failures, and who is to blame for them."""

import errno
import multiprocessing
import os
import re
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import cell as cell_module
from harness.cell import describe_failure, run_cell, run_pretraining, worker_host, worker_meter, write_cell
from harness.core.errors import EnvironmentLacksError, HarnessError
from harness.ledger import read_ledger
from harness.meters.cpu_time import Window
from harness.store import Store
from tests.faults import fault
from tests.runs import BOTH_WAYS, DIVERGES, FP32, SIGN, planned, run_here, tiny


def test_a_cell_is_published_with_what_it_was_run_from(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    assert run_here(cell, tmp_path) is None
    ledger = Store(tmp_path).ledger(cell.cell_id)
    assert ledger.cell_id == cell.cell_id
    assert ledger.cell == asdict(cell.cell)
    assert ledger.host == worker_host()
    assert ledger.reading.method == "not_measured"


def test_all_transfers_scores_and_phases_of_a_cell_are_in_its_ledger(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    run_here(cell, tmp_path)
    ledger = Store(tmp_path).ledger(cell.cell_id)
    # 3 rounds, 2 clients, both ways; validation at 0, 2 and 3, test at 3.
    assert len(ledger.transfers) == 12
    assert set(ledger.transfers["payload_bytes"]) == {4 * 9610 + 12}
    assert ledger.scores.groupby("split")["round"].unique().map(list).to_dict() == {
        "test": [3],
        "validation": [0, 2, 3],
    }
    assert set(ledger.windows["phase"]) >= {"setup", "local_training", "encode", "decode", "aggregate", "evaluate"}


def test_the_meter_sees_all_compute_windows(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    run_here(cell, tmp_path)
    ledger = Store(tmp_path).ledger(cell.cell_id)
    assert ledger.windows["cpu_seconds"].sum() <= ledger.reading.cpu_seconds


def test_methods_share_cohorts_and_batches_at_a_seed(tmp_path: Path) -> None:
    cells = planned(tiny([FP32, BOTH_WAYS, SIGN]))
    for cell in cells:
        run_here(cell, tmp_path)
    ledgers = [Store(tmp_path).ledger(cell.cell_id) for cell in cells]
    order = [list(zip(ledger.transfers["round"], ledger.transfers["client"], strict=True)) for ledger in ledgers]
    steps = [ledger.windows["n_steps"].sum() for ledger in ledgers]
    assert order[0] == order[1] == order[2]
    assert steps[0] == steps[1] == steps[2]
    assert len({ledger.facts_digest for ledger in ledgers}) == 3


def test_a_cell_needs_no_store(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    write_cell(cell.cell, cell.cell_id, tmp_path, worker_meter("cpu_time"), worker_host())
    assert read_ledger(tmp_path).cell_id == cell.cell_id


def test_a_diverging_cell_fails_in_one_line_that_names_the_round(tmp_path: Path) -> None:
    (cell,) = planned(tiny([DIVERGES], federation={"lr": 1000, "rounds": 6}))
    failure = run_here(cell, tmp_path)
    assert re.fullmatch(r"round \d: validation loss is nan; training diverged, lower lr", failure.error)
    assert failure.traceback == "" and not failure.is_environment
    (attempt,) = Store(tmp_path).attempts(cell.cell_id)
    assert (attempt.state, attempt.error) == ("failed", failure.error)


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    with fault(cell_module, "run_once", ZeroDivisionError("oh")):
        failure = run_here(cell, tmp_path)
    assert failure.error == "ZeroDivisionError: oh"
    assert "Traceback" in failure.traceback and "run_once" in failure.traceback


def test_a_disk_that_cannot_take_the_note_hides_no_failure(tmp_path: Path) -> None:
    (cell,) = planned(tiny())
    with fault(cell_module, "run_once", OSError(errno.ENOSPC, "full")), fault(Store, "fail", OSError(errno.EROFS, "")):
        failure = run_here(cell, tmp_path)
    assert failure.is_environment and failure.error == os.strerror(errno.ENOSPC)


def test_a_meter_without_a_reading_fails_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Energy is never taken as zero."""
    (cell,) = planned(tiny())
    meter = SimpleNamespace(window=lambda: nullcontext(Window()))
    monkeypatch.setattr(cell_module, "worker_meter", lambda kind: meter)
    failure = run_cell(cell.cell, cell.cell_id, tmp_path, "cpu_time")
    assert failure.error == "the meter gave no reading for this window"
    assert not Store(tmp_path).is_finished(cell.cell_id)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM])
def test_a_machine_at_fault_is_told_with_the_path(number: int) -> None:
    failure = describe_failure(OSError(number, os.strerror(number), "/some/file"))
    assert failure.is_environment
    assert failure.error == f"/some/file: {os.strerror(number)}"
    assert failure.traceback == ""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HarnessError("one line"), "one line"),
        (ValueError("a bug"), "ValueError: a bug"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), "FileNotFoundError: [Errno 2] No such file: 'x'"),
    ],
    ids=repr,
)
def test_other_failures_do_not_blame_the_machine(error: Exception, text: str) -> None:
    failure = describe_failure(error)
    assert not failure.is_environment
    assert failure.error == text


def test_a_missing_package_blames_the_machine() -> None:
    assert describe_failure(EnvironmentLacksError("codec x cannot be loaded")).is_environment


def test_a_cell_stops_when_its_harness_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = planned(tiny())
    gone = SimpleNamespace(is_alive=lambda: False)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: gone)
    assert run_here(cell, tmp_path).error == "the harness that started this cell is gone"
    assert not Store(tmp_path).is_finished(cell.cell_id)


def test_pretraining_tells_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))  # nothing was prepared here
    failure = run_pretraining({"kind": "digits", "init": "pretrained"}, "cpu_time")
    assert failure.error.startswith("FileNotFoundError")
