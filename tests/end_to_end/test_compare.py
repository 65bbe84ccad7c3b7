"""The whole product as a user meets it: real processes, signals, a terminal's streams, and the files it leaves."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.cli import app
from harness.commands import render as rendering
from harness.commands.run import run
from harness.core.cache import make_once
from harness.run.engines import local
from harness.run.engines.local import LocalEngine
from harness.run.meters.codecarbon import has_readable_rapl
from harness.spec.spec import BenchmarkSpec
from tests.runs import (
    DIVERGES,
    FP32,
    SIGN,
    PoolHere,
    digests,
    harness,
    read_context,
    start_harness,
    tiny,
    wait_for_rounds,
    wait_for_workers,
    write_spec,
)

PRETRAINED = {"clients": 30, "init": "pretrained"}


def two_cells(**changes: Any) -> dict[str, Any]:
    """Two cells, the second of which takes a second or two: long enough to be interrupted."""
    return tiny([FP32, SIGN], **{"task": PRETRAINED, "federation": {"rounds": 40, "cohort": 10}, **changes})


def once(shared_folder: Path, name: str, *options: str, **changes: Any) -> Path:
    """A comparison that ran from start to end, made once for all tests that look at it."""

    def make(draft: Path) -> None:
        write_spec(two_cells(**changes), draft)
        done = harness("compare", "tiny.yaml", *options, folder=draft)
        (draft / "stdout").write_text(done.stdout)
        (draft / "stderr").write_text(done.stderr)
        assert done.returncode == 0, done.stderr

    return make_once(shared_folder / name, make)


@pytest.fixture
def whole(shared_folder: Path) -> Path:
    """The folder of a comparison with joules, its cells one at a time."""
    return once(shared_folder, "whole", "--jobs", "1", meter="codecarbon")


def interrupted(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """A comparison that gets a signal, all its processes alike, while a cell is in its tenth round or later."""
    write_spec(two_cells(), folder)
    process = start_harness("compare", "tiny.yaml", "--jobs", "1", folder=folder)
    wait_for_rounds(process, folder / "results" / "tiny", 10)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=180)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def test_a_comparison_leaves_its_report_and_says_where(whole: Path) -> None:
    results = whole / "results" / "tiny"
    assert {"report.md", "report.html", "tables", "cells", "spec.yaml", "index.json"} <= {
        path.name for path in results.iterdir()
    }
    said = (whole / "stdout").read_text()
    assert "wrote results/tiny/report.md" in said and "wrote results/tiny/report.html" in said
    assert "Traceback" not in (whole / "stderr").read_text()


def test_a_comparison_shows_its_progress_line_by_line(whole: Path) -> None:
    lines = (whole / "stderr").read_text().splitlines()
    assert lines[-2:] == ["[1/2] finished fp32, seed 0", "[2/2] finished sign, seed 0"]


def test_no_process_of_a_comparison_asks_the_network(whole: Path) -> None:
    assert not (whole / "network_attempts").exists()


def test_a_comparison_writes_into_its_results_folder_only(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {"results", "site", "stdout", "stderr", "tiny.yaml"}


def test_joules_stand_beside_their_method_and_cover_the_cells(whole: Path) -> None:
    cells = pd.read_csv(whole / "results" / "tiny" / "tables" / "cells.csv")
    assert (cells["testbed_cpu_j"] > 0).all()
    assert cells["testbed_method"].isin(["estimated", "counter"]).all()
    if not has_readable_rapl():
        assert cells["coverage_share"].between(0.9, 1.1).all()


def test_pretraining_stands_apart_with_its_own_energy(whole: Path) -> None:
    (record,) = read_context(whole / "results" / "tiny")["testbed"]["pretraining"]
    assert record["cpu_s"] > 0


def test_two_jobs_give_the_facts_of_one(whole: Path, tmp_path: Path) -> None:
    """Real workers, two at a time."""
    spec = BenchmarkSpec.model_validate(two_cells())
    assert run(spec, tmp_path, LocalEngine(2), lambda event: None) == {}
    assert digests(tmp_path) == digests(whole / "results" / "tiny")


def test_a_second_time_runs_nothing(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = whole / "results" / "tiny"
    before = {path: path.stat().st_mtime_ns for path in results.glob("cells/**/*")}
    monkeypatch.chdir(whole)
    monkeypatch.setattr(rendering, "render", lambda tables, results: [])
    assert app.run(["compare", "tiny.yaml", "--jobs", "1"]) == 0
    err = capsys.readouterr().err
    assert "2 of 2 cells are finished already" in err and "] finished" not in err
    assert {path: path.stat().st_mtime_ns for path in results.glob("cells/**/*")} == before


def test_a_killed_comparison_goes_on_to_the_same_facts(whole: Path, tmp_path: Path) -> None:
    """SIGKILL for every process at once; the lost attempt stays in the footprint of the benchmark."""
    assert interrupted(tmp_path, signal.SIGKILL).returncode == -signal.SIGKILL
    again = harness("compare", "tiny.yaml", "--jobs", "1", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    results = tmp_path / "results" / "tiny"
    assert digests(results) == digests(whole / "results" / "tiny")
    testbed = read_context(results)["testbed"]
    assert testbed["n_attempts"] == 1
    assert testbed["attempts_cpu_s"] > 0


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = interrupted(tmp_path, signal.SIGINT)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1].startswith("interrupted. What is finished is kept")
    assert "Traceback" not in stopped.stderr and stopped.stdout == ""
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    monkeypatch.setattr(rendering, "render", lambda tables, results: [])
    monkeypatch.chdir(tmp_path)
    assert app.run(["compare", "tiny.yaml", "--jobs", "1"]) == 0
    assert digests(tmp_path / "results" / "tiny") == digests(whole / "results" / "tiny")


def test_ctrl_c_while_workers_start_is_one_line(tmp_path: Path) -> None:
    write_spec(two_cells(), tmp_path)
    process = start_harness("compare", "tiny.yaml", "--jobs", "2", folder=tmp_path)
    wait_for_workers(process, 2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert out == "" and err.splitlines()[-1].startswith("interrupted. What is finished is kept")
    assert "Traceback" not in err


def test_a_diverging_method_leaves_with_three_and_the_others_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    monkeypatch.chdir(tmp_path)
    write_spec(tiny([FP32, DIVERGES], federation={"lr": 1000, "rounds": 6}), tmp_path)
    assert app.run(["compare", "tiny.yaml", "--jobs", "1"]) == 3
    err = capsys.readouterr().err
    assert "failed   diverges, seed 0: round " in err
    assert err.splitlines()[-1].startswith("error: 1 cell failed: round ")
    assert "Traceback" not in err
    context = read_context(tmp_path / "results" / "tiny")
    (failed,) = context["cells"]["failed"]
    assert (failed["method"], failed["seed"]) == ("diverges", 0) and "training diverged" in failed["error"]
    assert list(digests(tmp_path / "results" / "tiny")) == [("fp32", 0)]
    assert (tmp_path / "results" / "tiny" / "report.md").is_file()
