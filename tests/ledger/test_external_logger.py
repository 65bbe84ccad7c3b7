"""Open ledgers: what other people's code logs is kept through a kill, refused if it cannot be, and read as it was."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import pandas as pd
import pytest

from harness.core.errors import LedgerError, UsageError
from harness.core.facts import ComputeWindow, Score, Transfer
from harness.core.types import Metric
from harness.ledger import external_logger as module
from harness.ledger.external_logger import OpenLedger
from harness.ledger.external_runs import (
    NOT_RECORDED,
    OPEN_FILE,
    bare_ledger,
    is_open,
    is_open_ledger,
    open_cell,
    priceable,
    read_open,
    unfinished_open,
)
from harness.ledger.json_schema import ledger_schema
from harness.ledger.ledger import ROUNDS_FILE, LedgerWriter
from harness.ledger.store import Store, read_rounds
from tests.faults import Killed, fault

EXAMPLE = """
from harness.ledger.external_logger import OpenLedger

with OpenLedger("results/theirs", method="FedAvg", seed=0) as ledger:
    for round in range(1, 3):
        for client in range(2):
            ledger.transfer(round, client, "downlink", 400_000, content=f"model {round}")
            ledger.compute(round, client, "local_training", cpu_seconds=1.5)
            ledger.transfer(round, client, "uplink", 100_000)
        ledger.score(round, "test", "accuracy", 0.9)
"""


def attempt_of(folder: Path) -> Path:
    (attempt,) = sorted(folder.glob("cells/*/attempts/*"))[-1:]
    return attempt


def log_round(ledger: OpenLedger, number: int, n_bytes: int = 100) -> None:
    ledger.transfer(number, 0, "downlink", n_bytes)
    ledger.compute(number, 0, "local_training", 0.5)
    ledger.score(number, "test", "accuracy", number / 10)


def test_the_example_of_the_guide_logs_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLE, {})  # noqa: S102 - what the guide prints
    folder = Path("results/theirs")
    assert is_open(folder) and unfinished_open(folder) == {}
    ((method, ledger),) = read_open(folder)
    assert method == "FedAvg" and ledger.cell["seed"] == 0
    sent = ledger.transfers.groupby("direction")["payload_bytes"].agg(["sum", "count"])
    assert sent.to_dict("index") == {"downlink": {"sum": 1_600_000, "count": 4}, "uplink": {"sum": 400_000, "count": 4}}
    assert ledger.windows["cpu_seconds"].sum() == 6.0
    assert ledger.scores["value"].tolist() == [0.9, 0.9]
    # One broadcast per round could serve both clients; nothing is known of the uplinks, so they all differ.
    digests = ledger.transfers.groupby("direction")["payload_digest"].nunique()
    assert digests.to_dict() == {"downlink": 2, "uplink": 4}


def test_the_logger_loads_nothing_heavy_before_it_closes(tmp_path: Path) -> None:
    script = f"""
import sys
from harness.ledger.external_logger import OpenLedger
ledger = OpenLedger({str(tmp_path)!r}, "A")
ledger.transfer(1, 0, "uplink", 5)
ledger.flush()
heavy = [name for name in ("torch", "pandas", "pyarrow", "scipy", "matplotlib", "pydantic") if name in sys.modules]
ledger.close()
print(heavy, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_what_nobody_recorded_is_unknown_and_never_zero(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, "A") as open_one:
        open_one.transfer(1, 0, "uplink", 5)
        open_one.compute(1, 0, "encode", 0.25)
    ((_, ledger),) = read_open(tmp_path)
    assert is_open_ledger(ledger) and ledger.cell["method"]["init"] == NOT_RECORDED
    assert ledger.host.machine == ledger.reading.meter == ledger.code["version"] == NOT_RECORDED
    unknown = [ledger.host.gemm_gflops, ledger.reading.seconds, ledger.reading.cpu_seconds, *ledger.windows["seconds"]]
    assert all(map(math.isnan, unknown)) and ledger.reading.cpu_j is None
    # On disk as null: JSON knows no NaN.
    (status,) = tmp_path.glob("cells/*/ledger/status.json")
    assert "NaN" not in status.read_text(encoding="utf-8")


def test_what_is_given_is_kept(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, "A", 3, n_parameters=10, population=50, gemm_gflops=np.float32(8)) as open_one:
        open_one.transfer(np.int64(1), 0, "uplink", np.int32(5), is_late=True)
        open_one.transfer(1, 0, "uplink", 7)
        open_one.compute(1, 0, "local_training", 0.25, seconds=0.5, n_steps=4)
    ((_, ledger),) = read_open(tmp_path)
    assert ledger.host.gemm_gflops == 8.0 and ledger.cell["task"] == {"clients": 50} and ledger.cell["seed"] == 3
    # A model that comes in two payloads is one model of 4 x 10 bytes.
    assert ledger.transfers["reference_bytes"].tolist() == [40, 0]
    assert ledger.transfers["is_late"].tolist() == [True, False]
    assert ledger.windows.drop(columns="phase").iloc[0].tolist() == [1, 0, 0.5, 0.25, 4]


def test_methods_and_seeds_share_a_folder_in_the_order_in_which_they_were_started(tmp_path: Path) -> None:
    outer = OpenLedger(tmp_path, "Z")
    for method, seed in (("A", 0), ("Z", 1), ("<b>🚀</b>", 0)):
        with OpenLedger(tmp_path, method, seed) as ledger:
            log_round(ledger, 1)
    assert unfinished_open(tmp_path) == {("Z", 0): "not closed; logged to round 0"}
    log_round(outer, 1)
    outer.close()
    found = [(method, ledger.cell["seed"]) for method, ledger in read_open(tmp_path)]
    assert found == [("Z", 0), ("A", 0), ("Z", 1), ("<b>🚀</b>", 0)]


def _log_one(folder: Path, seed: int) -> None:
    with OpenLedger(folder, "A", seed) as ledger:
        log_round(ledger, 1)


def test_loggers_of_many_processes_do_not_lose_each_other(tmp_path: Path) -> None:
    processes = [get_context("fork").Process(target=_log_one, args=(tmp_path, seed)) for seed in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(ledger.cell["seed"] for _, ledger in read_open(tmp_path)) == list(range(6))


def test_a_killed_run_keeps_all_rounds_but_the_one_it_was_in(tmp_path: Path) -> None:
    script = f"""
import os, signal
from harness.ledger.external_logger import OpenLedger
with OpenLedger({str(tmp_path)!r}, "A") as ledger:
    for number in (1, 2, 3):
        ledger.transfer(number, 0, "uplink", number)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    lines = read_rounds(attempt_of(tmp_path))
    assert [[row["payload_bytes"] for row in line["transfers"]] for line in lines] == [[1], [2]]
    assert unfinished_open(tmp_path) == {("A", 0): "not closed; logged to round 2"}
    with pytest.raises(UsageError, match="no ledger is closed yet"):
        read_open(tmp_path)


def test_a_run_that_raises_keeps_what_it_logged_and_why_it_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyError), OpenLedger(tmp_path, "A") as ledger:
        log_round(ledger, 1)
        raise KeyError("client 7\nis gone")
    assert len(read_rounds(attempt_of(tmp_path))) == 1
    assert unfinished_open(tmp_path) == {("A", 0): "KeyError: 'client 7\\nis gone'"}
    with pytest.raises(ValueError, match="is closed"):
        ledger.flush()


def test_a_run_goes_on_from_the_round_of_its_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Killed), OpenLedger(tmp_path, "A", n_parameters=1) as ledger:
        for number in (1, 2, 3):
            log_round(ledger, number)
        raise Killed
    OpenLedger(tmp_path, "A")  # started and killed at once: it reached no round
    with OpenLedger(tmp_path, "A", n_parameters=1, resume_from=2) as ledger:
        assert [line["round"] for line in read_rounds(attempt_of(tmp_path))] == [1, 2]
        ledger.transfer(2, 0, "downlink", 7)
        log_round(ledger, 3, 300)
    ((_, resumed),) = read_open(tmp_path)
    assert resumed.transfers[["round", "payload_bytes", "reference_bytes"]].to_numpy().tolist() == [
        [1, 100, 4],
        [2, 100, 4],
        [2, 7, 0],
        [3, 300, 4],
    ]
    assert resumed.scores["value"].tolist() == [0.1, 0.2, 0.3]
    assert resumed.windows["seconds"].isna().all() and resumed.windows["cpu_seconds"].tolist() == [0.5, 0.5, 0.5]


def test_a_run_cannot_go_on_from_a_round_that_was_not_logged(tmp_path: Path) -> None:
    with pytest.raises(Killed), OpenLedger(tmp_path, "A") as ledger:
        log_round(ledger, 1)
        raise Killed
    with pytest.raises(UsageError, match="logged to round 1; it cannot go on from round 2"):
        OpenLedger(tmp_path, "A", resume_from=2)
    with pytest.raises(UsageError, match="logged to round 0"):
        OpenLedger(tmp_path, "B", resume_from=1)


def test_a_resumed_run_has_the_facts_of_one_that_was_never_killed(tmp_path: Path) -> None:
    for folder, is_killed in ((tmp_path / "whole", False), (tmp_path / "parts", True)):
        if is_killed:
            with pytest.raises(Killed), OpenLedger(folder, "A") as ledger:
                log_round(ledger, 1)
                raise Killed
        with OpenLedger(folder, "A", resume_from=int(is_killed)) as ledger:
            for number in range(1 + is_killed, 4):
                log_round(ledger, number)
    whole, parts = (read_open(tmp_path / name)[0][1] for name in ("whole", "parts"))
    assert whole.facts_digest == parts.facts_digest and whole.cell_id == parts.cell_id
    pd.testing.assert_frame_equal(whole.transfers, parts.transfers)


def test_many_facts_of_one_round_do_not_wait_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LINE_ROWS", 3)
    ledger = OpenLedger(tmp_path, "A")
    for client in range(7):
        ledger.transfer(1, client, "uplink", 1)
    assert [len(line["transfers"]) for line in read_rounds(attempt_of(tmp_path))] == [3, 3]
    ledger.flush()
    assert [len(line["transfers"]) for line in read_rounds(attempt_of(tmp_path))] == [3, 3, 1]
    ledger.flush()
    ledger.close()
    assert len(read_open(tmp_path)[0][1].transfers) == 7


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("owner", "name"), [(LedgerWriter, "write_tables"), (module, "write_json"), (Store, "publish")]
)
def test_a_kill_while_closing_leaves_the_whole_ledger_or_what_can_be_resumed(
    tmp_path: Path, owner: Any, name: str, after: bool
) -> None:
    ledger = OpenLedger(tmp_path, "A")
    log_round(ledger, 1)
    with pytest.raises(Killed), fault(owner, name, Killed(), after=after):
        ledger.close()
    if not (owner is Store and after):
        with OpenLedger(tmp_path, "A", resume_from=1):
            pass
    ((_, found),) = read_open(tmp_path)
    assert found.transfers["payload_bytes"].tolist() == [100]


MISTAKES: dict[str, Callable[[OpenLedger], None]] = {
    "round must be a whole number from 1, got 0": lambda log: log.transfer(0, 0, "uplink", 1),
    "round must be a whole number from 1, got 1.0": lambda log: log.transfer(1.0, 0, "uplink", 1),  # type: ignore[arg-type]
    "client must be a whole number from 0, got -1": lambda log: log.transfer(1, -1, "uplink", 1),
    "client must be a whole number from 0, got 'a'": lambda log: log.transfer(1, "a", "uplink", 1),  # type: ignore[arg-type]
    f"client must be a whole number from 0, got {2**63}": lambda log: log.transfer(1, 2**63, "uplink", 1),
    "direction must be one of uplink, downlink, got 'uplinks'. Did you mean uplink?": lambda log: log.transfer(
        1,
        0,
        "uplinks",
        1,  # type: ignore[arg-type]
    ),
    "direction must be one of uplink, downlink, got None.": lambda log: log.transfer(1, 0, None, 1),  # type: ignore[arg-type]
    "n_bytes must be a whole number from 0, got -1": lambda log: log.transfer(1, 0, "uplink", -1),
    "n_bytes must be a whole number from 0, got 12.5": lambda log: log.transfer(1, 0, "uplink", 12.5),  # type: ignore[arg-type]
    "client must be a whole number from -1, got -2": lambda log: log.compute(1, -2, "aggregate", 1.0),
    "phase must be one of setup, local_training, encode, decode, aggregate, evaluate, codec_timing, got 'train'.": (
        lambda log: log.compute(1, 0, "train", 1.0)  # type: ignore[arg-type]
    ),
    "cpu_seconds must be a finite number from 0, got -0.5": lambda log: log.compute(1, 0, "encode", -0.5),
    "cpu_seconds must be a finite number from 0, got nan": lambda log: log.compute(1, 0, "encode", math.nan),
    "cpu_seconds must be a number from 0, got None": lambda log: log.compute(1, 0, "encode", None),  # type: ignore[arg-type]
    "seconds must be a finite number from 0, got inf": lambda log: log.compute(1, 0, "encode", 1, seconds=math.inf),
    "n_steps must be a whole number from 0, got -1": lambda log: log.compute(1, 0, "encode", 1, n_steps=-1),
    "value must be an accuracy from 0 to 1, got 91: a share, not per cent": lambda log: log.score(
        1, "test", "accuracy", 91
    ),
    f"metric must be one of {', '.join(get_args(Metric))}, got 'acuracy'. Did you mean accuracy?": lambda log: (
        log.score(
            1,
            "test",
            "acuracy",  # type: ignore[arg-type]
            0.5,
        )
    ),
    "split must be one of validation, test, got 'train'.": lambda log: log.score(1, "train", "loss", 0.5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("told", MISTAKES)
def test_what_cannot_be_is_refused_in_one_line_and_not_logged(tmp_path: Path, told: str) -> None:
    ledger = OpenLedger(tmp_path, "A")
    with pytest.raises(ValueError) as caught:
        MISTAKES[told](ledger)
    assert str(caught.value) == told
    ledger.flush()
    assert read_rounds(attempt_of(tmp_path)) == []


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "bell\a", "half \ud83d", "line\u2028end", 7])
def test_names_that_no_table_could_show_are_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(ValueError, match=r"^method must be a name on one line, got "):
        OpenLedger(tmp_path, name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{"seed": -1}, {"n_parameters": 1.5}, {"gemm_gflops": 0}, {"resume_from": -1}])
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} must be "):
        OpenLedger(tmp_path, "A", **settings)
    assert not any(tmp_path.iterdir())


def test_a_run_is_logged_once(tmp_path: Path) -> None:
    rival = OpenLedger(tmp_path, "A")
    rival.transfer(1, 0, "uplink", 2)
    with OpenLedger(tmp_path, "A") as ledger:
        ledger.transfer(1, 0, "uplink", 1)
    with pytest.raises(UsageError, match="'A', seed 0 is logged already; take another seed"):
        OpenLedger(tmp_path, "A")
    with pytest.raises(UsageError, match="is logged already"):
        rival.close()
    assert read_open(tmp_path)[0][1].transfers["payload_bytes"].tolist() == [1]


def test_a_run_without_a_transfer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'A' has no transfer"), OpenLedger(tmp_path, "A") as ledger:
        ledger.score(0, "test", "accuracy", 0.1)
    assert unfinished_open(tmp_path) == {("A", 0): "no transfer was logged"}


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, "A") as ledger:
        ledger.transfer(1, 0, "uplink", 1)
        ledger.close()
    ledger.close()
    with pytest.raises(ValueError, match="the ledger of 'A', seed 0 is closed"):
        ledger.transfer(2, 0, "uplink", 1)
    assert len(read_open(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "told"), [("spec.yaml", "results of a benchmark"), ("thesis.doc", "not of the harness")]
)
def test_folders_of_others_are_left_alone(tmp_path: Path, file: str, told: str) -> None:
    (tmp_path / file).touch()
    with pytest.raises(UsageError, match=told):
        OpenLedger(tmp_path, "A")
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_folder_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    assert not is_open(tmp_path) and not is_open(tmp_path / "none")
    with pytest.raises(UsageError, match=re.escape(f"it has no {OPEN_FILE}")):
        read_open(tmp_path)


def test_a_damaged_ledger_is_told_in_one_line(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, "A") as ledger:
        ledger.transfer(1, 0, "uplink", 1)
    (tables,) = tmp_path.glob("cells/*/ledger/transfers.parquet")
    tables.write_bytes(b"")
    with pytest.raises(
        LedgerError, match=r"'A', seed 0: .*transfers\.parquet is not .*: restore the folder, or delete it"
    ) as caught:
        read_open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_ledger_of_a_later_schema_is_told_as_such(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, "A") as ledger:
        ledger.transfer(1, 0, "uplink", 1)
    (path,) = tmp_path.glob("cells/*/ledger/status.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(UsageError, match="ledger schema 99, this version reads"):
        read_open(tmp_path)


def test_a_bare_ledger_has_empty_tables_with_all_their_columns() -> None:
    ledger = bare_ledger("0" * 16, open_cell("A", 0, "logged"), pd.DataFrame(), pd.DataFrame())
    assert list(ledger.windows.columns) == [field.name for field in fields(ComputeWindow)]
    assert ledger.windows["round"].dtype == "int64" and ledger.statistics["sigma"].dtype == "float64"


PHASES: tuple[Any, ...] = ("decode", "local_training", "encode")


@pytest.mark.parametrize(
    ("phases", "gflops", "told"),
    [
        ((), 8.0, ""),
        ((), None, ""),
        (PHASES, 8.0, ""),
        (PHASES, None, "the matrix rate of its machine is not recorded"),
        (("local_training",), 8.0, "client 1 moved downlink payloads in round 2 and has no time of decode"),
        (("decode", "local_training"), 8.0, "client 1 moved uplink payloads in round 2 and has no time of encode"),
    ],
)
def test_computing_is_priced_whole_or_not_at_all(
    tmp_path: Path, phases: tuple[Any, ...], gflops: float | None, told: str
) -> None:
    with OpenLedger(tmp_path, "A", gemm_gflops=gflops) as log:
        for way in ("downlink", "uplink"):
            log.transfer(2, 1, way, 10)  # type: ignore[arg-type]
        for phase in phases:
            log.compute(2, 1, phase, 1.0)
        log.compute(2, -1, "aggregate", 1.0)
    ((_, ledger),) = read_open(tmp_path)
    found, reason = priceable(ledger)
    assert reason == (f"computing was logged but is in no figure: {told}" if told else "")
    assert found.windows["phase"].tolist() == [*([] if told else phases), "aggregate"]
    assert (found is ledger) == (not told)


# The schema.


def test_the_schema_has_every_column_of_the_facts_with_what_it_means() -> None:
    schema = ledger_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for table, kind in {"transfers": Transfer, "windows": ComputeWindow, "scores": Score}.items():
        columns = schema["properties"][table]["items"]["properties"]
        assert list(columns) == [field.name for field in fields(kind)]
        assert all(len(column["description"]) > 5 for column in columns.values())


def test_every_column_in_bytes_or_seconds_says_so() -> None:
    tables = ledger_schema()["properties"].values()
    for name, column in [pair for table in tables for pair in table["items"]["properties"].items()]:
        expected = "byte" if name.endswith("_bytes") else "s" if name.endswith("seconds") else None
        assert column.get("unit") == expected, name


def test_what_a_logger_writes_is_of_the_schema(tmp_path: Path) -> None:
    ledger = OpenLedger(tmp_path, "A")
    for number in (1, 2):
        ledger.compute(number, -1, "aggregate", 0.1)
        log_round(ledger, number)
    ledger.flush()
    lines = [json.loads(line) for line in (attempt_of(tmp_path) / ROUNDS_FILE).read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        jsonschema.validate(line, ledger_schema())


@pytest.mark.parametrize(
    ("column", "value"), [("payload_bytes", -1), ("direction", "up"), ("round", 1.5), ("client", None), ("extra", 1)]
)
def test_a_row_that_cannot_be_is_not_of_the_schema(column: str, value: object) -> None:
    row = vars(Transfer(1, 0, "uplink", 5, 0, "0" * 16, 0))
    jsonschema.validate({"transfers": [row]}, ledger_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"transfers": [row | {column: value}]}, ledger_schema())
