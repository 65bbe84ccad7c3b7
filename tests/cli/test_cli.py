"""The command line: exit codes, one clear line for each thing that can go wrong, and nothing heavy for small things."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import typer

from harness import __version__
from harness.cli import app
from harness.commands import price as pricing
from harness.commands import render as rendering
from harness.commands import run as running
from harness.core import cache as cache_module
from harness.ledger import ledger as ledger_module
from harness.ledger import store as store_module
from harness.ledger.ledger import LedgerWriter
from harness.ledger.store import Store
from harness.parts import registry
from harness.run.engines import local
from tests.faults import fault
from tests.runs import BOTH_WAYS, FP32, PoolHere, digests, tiny, write_spec

COMMANDS = sorted(typer.main.get_command(app.app).commands)
HEAVY = ("torch", "pandas", "scipy", "matplotlib", "datasets", "sklearn", "codecarbon", "ray", "flwr", "optuna")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, cells included; gives exit code, output and errors."""
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    monkeypatch.delenv("HARNESS_DEBUG", raising=False)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = app.run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def made(run, shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A benchmark of one cell and its results, made once for all tests."""

    def make(draft: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(rendering, "render", lambda tables, results: [])
            path = write_spec(tiny(task={"init": "pretrained"}), draft)
            assert run("compare", path, "--out", draft / "results")[0] == 0

    return cache_module.make_once(shared_folder / "one cell", make)


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    """A copy of those results."""
    return shutil.copytree(made / "results", tmp_path / "results")


def error_line(err: str) -> str:
    """The one line that explains an error; there must be no other, and no traceback."""
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in err
    return line


def loaded_by(code: str) -> set[str]:
    """Heavy packages that a fresh process has loaded after `code`."""
    script = f"import sys, json\n{code}\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_small_things_load_nothing_heavy_and_a_list_no_more_than_its_tables() -> None:
    asked = "(['--help'], ['--version'], ['compare', '--help'], ['tune', '--help'])"
    small = f"for arguments in {asked}: app.run(arguments)"
    then = f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    script = f"import sys, json\nfrom harness.cli import app\n{small}\n{then}\napp.run(['list', 'radios'])\n{then}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert before == []
    assert set(after) <= {"pandas"}


def test_pricing_loads_no_torch(made: Path) -> None:
    asked = ["price", str(made / "results"), "-r", "wifi", "-g", "NOR"]
    loaded = loaded_by(f"from harness.cli import app\napp.run({asked})")
    assert "pandas" in loaded  # the command did run
    assert not loaded & {"torch", "datasets", "sklearn", "codecarbon", "matplotlib"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command: str) -> None:
    found = typer.main.get_command(app.app).commands[command]
    assert found.help and found.help.endswith(".")
    for parameter in found.params:
        record = getattr(parameter, "help", None)
        assert record, f"{command}: {parameter.name} has no help"


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)], ids=str)
def test_help_is_asked_for_in_two_ways(run, command: list[str], flag: str) -> None:
    code, out, _ = run(*command, flag)
    assert code == 0 and "Usage: harness" in out


def test_no_arguments_show_the_help(run) -> None:
    code, out, err = run()
    assert code == 2
    assert all(command in out + err for command in COMMANDS)


def test_the_version(run) -> None:
    assert run("--version") == (0, f"harness {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["compare", "quickstrat"], "Did you mean quickstart?"),
        (["plan", "quickstrat"], "Did you mean quickstart?"),
        (["validate", "quickstrat"], "Did you mean quickstart?"),
        (["price", "RESULTS", "--radio", "wify"], "Did you mean wifi?"),
        (["price", "RESULTS", "--grid", "norwai"], "Did you mean NOR (Norway)?"),
        (["price", "RESULTS", "--device", "raspbery_pi_4"], "Did you mean raspberry_pi_4?"),
        (["report", "RESULTS", "--radio", "wify"], "Did you mean wifi?"),
        (["list", "radio"], "there are: benchmarks"),
        (["price", "nowhere"], "nowhere: no results folder"),
    ],
    ids=str,
)
def test_a_wrong_name_is_one_line_with_what_was_meant(run, finished: Path, arguments: list[str], text: str) -> None:
    code, out, err = run(*(str(finished) if word == "RESULTS" else word for word in arguments))
    assert code == 2 and out == ""
    assert text in error_line(err)


@pytest.mark.parametrize("arguments", [["no-such-command"], ["compare"], ["compare", "x", "--jobs", "0"]], ids=str)
def test_a_wrong_command_line_leaves_with_two(run, arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2 and "Traceback" not in err


def test_validate_counts_the_cells(run, tmp_path: Path) -> None:
    path = write_spec(tiny([FP32, BOTH_WAYS], seeds=[0, 3, 5]), tmp_path)
    assert run("validate", path) == (0, f"{path}: valid; 2 methods, 3 seeds: 6 cells\n", "")


def test_validate_tells_all_mistakes(run, tmp_path: Path) -> None:
    path = write_spec(tiny(meter="codecarbn", scenarios={"grids": ["Narnia"]}), tmp_path)
    code, _, err = run("validate", path)
    assert code == 2
    assert len(re.findall(rf"{re.escape(str(path))}:\d+:\d+ ", err)) == 2


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("benchmarks", ["quickstart"]),
        ("codecs", registry.names("codec")),
        ("radios", registry.names("radio")),
        ("tasks", registry.names("task")),
        ("servers", registry.names("server")),
        ("meters", registry.names("meter")),
        ("devices", ["raspberry_pi_4"]),
        ("grids", ["NOR", "Norway", "DEU"]),
    ],
)
def test_list_shows_what_can_be_named(run, what: str, names: list[str]) -> None:
    code, out, _ = run("list", what)
    assert code == 0
    for name in names:
        assert re.search(rf"\b{name}\b", out)


def test_list_shows_everything_but_the_long_table_of_grids(run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert "quantfl" in out and "wifi" in out and "Norway" not in out


def test_a_plan_shows_states_and_expectations(run, finished: Path, tmp_path: Path) -> None:
    path = write_spec(tiny([FP32, BOTH_WAYS], task={"init": "pretrained"}), tmp_path)
    code, out, _ = run("plan", path, "--out", finished)
    assert code == 0
    assert "finished" in out and "missing" in out and "1 of 2 cells to run" in out
    assert list(digests(finished)) == [("fp32", 0)]


def test_a_dry_run_is_a_plan(run, tmp_path: Path) -> None:
    code, out, _ = run("compare", write_spec(tiny(), tmp_path), "--dry-run", "--out", tmp_path / "results")
    assert code == 0 and "1 of 1 cells to run" in out
    assert not (tmp_path / "results").exists()


def test_price_writes_nothing(run, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    code, out, _ = run("price", finished, "--radio", "wifi", "--grid", "DEU")
    assert code == 0
    assert "Wi-Fi" in out and "DEU" in out and "LTE" not in out and "NOR" not in out
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_a_report_can_go_elsewhere_with_other_assumptions(run, finished: Path, tmp_path: Path) -> None:
    code, out, _ = run("report", finished, "-r", "wifi", "-g", "DEU", "--out", tmp_path / "other")
    assert code == 0
    written = pd.read_csv(tmp_path / "other" / "tables" / "breakdown.csv")
    assert set(written["radio"]) == {"wifi"} and set(written["grid"]) == {"DEU"}
    assert (tmp_path / "other" / "report.html").is_file() and "report.html" in out


def test_a_folder_in_use_is_refused(run, made: Path, finished: Path) -> None:
    with Store(finished).lock():
        code, _, err = run("compare", made / "tiny.yaml", "--out", finished)
    assert code == 2
    assert "another harness is working in this folder" in error_line(err)


def test_a_broken_pipe_is_no_error(tmp_path: Path) -> None:
    """As in `harness list grids | head`: the reader is gone before the first line."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "list", "grids"],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_shows_its_traceback_and_leaves_with_one(run, finished: Path) -> None:
    with fault(pricing, "price", ZeroDivisionError("oh")):
        code, _, err = run("price", finished)
    assert code == 1
    assert "ZeroDivisionError: oh" in err and "this is a bug of the harness" in err


def test_debug_shows_the_traceback_of_an_explained_error(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DEBUG", "")  # taken back at the end of the test
    code, _, err = run("--debug", "price", "nowhere")
    assert code == 2 and "Traceback" in err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=repr)
def test_ctrl_c_is_one_line(run, finished: Path, error: BaseException) -> None:
    with fault(pricing, "price", error):
        code, _, err = run("price", finished)
    assert code == 130
    assert err == "interrupted. What is finished is kept; the same command goes on from there\n"


def test_a_failed_cell_leaves_with_three_and_is_named(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "render", lambda tables, results: [])
    path = write_spec(tiny([FP32, BOTH_WAYS]), tmp_path)
    with fault(LedgerWriter, "append", ValueError("odd"), nth=6):
        code, _, err = run("compare", path, "--out", tmp_path / "results")
    assert code == 3
    assert error_line(err) == (
        "error: 1 cell failed: ValueError: odd. What is finished is kept; the same command tries the rest again"
    )
    assert "failed   six, seed 0: ValueError: odd" in err
    assert list(pd.read_csv(tmp_path / "results" / "tables" / "cells.csv")["method"]) == ["fp32"]


# Every place where `harness compare` writes, in order: where the task's data, models and records go, then the results.
WRITES: dict[str, tuple[Any, str, int]] = {
    "results folder": (Path, "mkdir", 1),
    "spec.yaml": (running, "write_text", 1),
    "index.json": (store_module, "write_json", 1),
    "cache entry": (cache_module.tempfile, "mkdtemp", 1),
    "first array of the cache": (np, "save", 1),
    "last array of the cache": (np, "save", 10),
    "rename in the cache": (Path, "rename", 1),
    "record of the pre-training": (store_module, "write_json", 2),
    "attempt": (store_module.Store, "claim", 1),
    "lines": (LedgerWriter, "__init__", 1),
    "first line": (LedgerWriter, "append", 1),
    "last line": (LedgerWriter, "append", 4),
    "table": (pyarrow.parquet, "write_table", 2),
    "sync of a table": (ledger_module, "_sync", 1),
    "status": (ledger_module, "write_json", 1),
    "rename of the cell": (store_module.Store, "publish", 1),
    "csv": (pd.DataFrame, "to_csv", 3),
    "context.json": (rendering, "write_json", 1),
    "report": (rendering, "render", 1),
}


@pytest.mark.parametrize(("name", "number"), zip(WRITES, cycle([errno.ENOSPC, errno.EROFS])), ids=str)
def test_a_disk_that_fails_is_one_line_and_loses_nothing(
    run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """One seed is finished and a second is asked for; the disk is full or read-only, in turns."""
    before, write = digests(finished), WRITES[name]
    if "cache" in name or "pre-training" in name:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    path = write_spec(tiny(seeds=[0, 1], task={"init": "pretrained"}), tmp_path)
    if name != "report":
        monkeypatch.setattr(rendering, "render", lambda tables, results: [])
    with fault(*write[:2], OSError(number, os.strerror(number)), write[2]):
        code, _, err = run("compare", path, "--out", finished)
    assert code == 5
    assert os.strerror(number) in error_line(err)
    assert digests(finished).items() >= before.items()
    assert run("price", finished)[0] == 0


def test_a_file_where_the_results_folder_should_be(run, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    code, _, err = run("compare", write_spec(tiny(), tmp_path), "--out", tmp_path / "results")
    assert code == 5
    (line,) = err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'results'}")
