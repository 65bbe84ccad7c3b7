"""One cell in its worker: facts, failures, and who is to blame for them."""

import errno
import multiprocessing
import os
import re
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.core.errors import EnvironmentLacksError, HarnessError
from harness.ledger.ledger import Facts
from harness.ledger.reader import read_ledger
from harness.ledger.store import Store, read_rounds
from harness.run.engines import worker as cell_module
from harness.run.engines.cost_probe import probe_cell
from harness.run.engines.worker import (
    describe_failure,
    run_cell,
    run_pretraining,
    worker_host,
    worker_meter,
    write_cell,
)
from harness.run.federation.run_cell import run_once
from harness.run.federation.update_recorder import UPDATES_FOLDER
from harness.run.meters.cpu_time import Window
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


def test_what_a_step_takes_is_recorded_once(tmp_path: Path) -> None:
    """128 hidden units on 64 pixels and 10 digits; weights 8192 and 1280, and the gradient of the hidden layer.

    Batches of b: 4 b (8192 + 1280) operations for products and gradients of weights, 2 b x 1280 for the rest.
    """
    (cell,) = planned(tiny())
    run_here(cell, tmp_path)
    ledger = Store(tmp_path).ledger(cell.cell_id)
    assert ledger.work is not None
    batch = ledger.work.flops_per_step / (4 * (8192 + 1280) + 2 * 1280)
    assert batch == int(batch) and 1 <= batch <= cell.cell.federation["batch_size"]
    # Parameters, gradients and the model as received: three times 9610 floats.
    assert ledger.work.training_bytes > 3 * 4 * 9610


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


DELTA = {"name": "delta", "uplink": SIGN["uplink"], "downlink": {"codec": {"kind": "signsgd"}, "mode": "delta"}}


def test_a_delta_downlink_starts_with_a_model_for_each_client_of_the_population(tmp_path: Path) -> None:
    (cell,) = planned(tiny([DELTA], federation={"rounds": 6, "cohort": 30, "score_every": 6}))
    assert run_here(cell, tmp_path) is None
    transfers = Store(tmp_path).ledger(cell.cell_id).transfers
    first = transfers[transfers["round"] == 0]
    assert first["client"].tolist() == list(range(90)) and set(first["direction"]) == {"downlink"}
    assert set(first["payload_bytes"]) == {4 * 9610 + 12} and first["payload_digest"].nunique() == 1
    down = transfers[(transfers["direction"] == "downlink") & (transfers["round"] > 0)]
    assert set(down["payload_bytes"]) == {12 + 4 * 4 + 1202}  # 9610 signs, 4 scales
    last = dict.fromkeys(range(90), 0)
    for (number, client), count in down.groupby(["round", "client"]).size().items():
        assert count == number - last[client]
        last[client] = number


def test_facts_repeat_under_every_new_setting(tmp_path: Path) -> None:
    """What a cell sends and scores follows from its settings alone; what is logged beside changes neither."""
    (cell,) = planned(
        tiny([DELTA], federation={"lr_schedule": "cosine", "budget": {"direction": "total", "mbit": 0.2}})
    )
    recorded = replace(cell.cell, record={"statistics_every": 1, "clients": 1, "step": 1e-3, "updates_at": [1]})
    digests = []
    for run in (cell.cell, cell.cell, recorded):
        facts = Facts()
        run_once(run, facts, lambda round: None, tmp_path)
        digests.append(facts.digest())
    assert len(set(digests)) == 1


QSGD = {"name": "qsgd", "uplink": {"kind": "qsgd"}, "downlink": {"codec": {"kind": "qsgd"}, "mode": "delta"}}


def test_other_codings_are_logged_beside_and_change_no_fact(tmp_path: Path) -> None:
    plain, beside = planned(tiny([QSGD, QSGD | {"name": "beside", "also_code": ["ans"]}]))
    assert run_here(plain, tmp_path) is None and run_here(beside, tmp_path) is None
    without, ledger = (Store(tmp_path).ledger(cell.cell_id) for cell in (plain, beside))
    assert without.facts_digest == ledger.facts_digest and without.shadows.empty
    shadows = ledger.shadows
    assert set(shadows["coding"]) == {"ans"}
    assert shadows.groupby(["direction", "round"]).size().to_dict() == {
        (way, number): count for way, count in (("downlink", 1), ("uplink", 2)) for number in (1, 2, 3)
    }
    both = ledger.transfers.merge(shadows, on=["round", "client", "direction"])
    assert len(both) == 6 and (both["payload_bytes_y"] < both["payload_bytes_x"]).all()


def test_what_is_recorded_is_published_with_the_ledger(tmp_path: Path) -> None:
    record = {"updates_at": (1, 3), "clients": 1, "statistics_every": 2}
    (cell,) = planned(tiny([SIGN]) | {"record": record})
    assert run_here(cell, tmp_path) is None
    ledger = Store(tmp_path).ledger(cell.cell_id)
    folder = tmp_path / "cells" / cell.cell_id / "ledger" / UPDATES_FOLDER
    first = ledger.transfers.groupby("round")["client"].min()
    assert sorted(path.name for path in folder.iterdir()) == [
        f"round-{number:04d}-client-{first[number]:04d}.safetensors" for number in (1, 3)
    ]
    rows = ledger.statistics
    assert rows["round"].tolist() == [number for number in (1, 2, 3) for _ in range(4)]
    assert rows["size"].tolist()[:4] == [8192, 128, 1280, 10]
    assert ledger.cell["record"]["updates_at"] == [1, 3]


def test_lines_of_a_running_cell_hold_what_is_logged_beside(tmp_path: Path) -> None:
    (cell,) = planned(tiny([SIGN]) | {"record": {"statistics_every": 1}})
    write_cell(cell.cell, cell.cell_id, tmp_path, worker_meter("cpu_time"), worker_host())
    lines = read_rounds(tmp_path)
    assert [len(line["statistics"]) for line in lines] == [0, 8, 8, 8]
    assert all(line["shadows"] == [] for line in lines)


def test_a_spent_budget_ends_a_cell_and_is_foreseen(tmp_path: Path) -> None:
    """Two float32 updates a round are 0.615 Mbit: three rounds fit into 2 Mbit, of 50."""
    budget = {"direction": "uplink", "mbit": 2.0}
    plan = tiny(federation={"rounds": 50, "budget": budget, "score_every": 50})
    (cell,), (whole,) = planned(plan), planned(tiny(federation={"rounds": 50, "score_every": 50}))
    assert run_here(cell, tmp_path) is None
    ledger = Store(tmp_path).ledger(cell.cell_id)
    assert ledger.transfers["round"].max() == 3
    assert ledger.scores.groupby("split")["round"].max().to_dict() == {"test": 3, "validation": 3}
    assert probe_cell(cell.cell).seconds < probe_cell(whole.cell).seconds


def test_states_of_any_shape_are_foreseen() -> None:
    """Error feedback keeps an update for each of 90 clients."""
    (cell,) = planned(tiny([SIGN]))
    assert probe_cell(cell.cell).residual_bytes == 90 * 4 * 9610


def test_the_models_that_a_cohort_holds_are_foreseen() -> None:
    """In mode delta, one for each of the two clients of a round, on top of the residuals."""
    (cell,) = planned(tiny([DELTA]))
    assert probe_cell(cell.cell).residual_bytes == (90 + 2) * 4 * 9610
