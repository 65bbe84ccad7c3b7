"""The ledger: written line by line, finished as a whole, read back as it was."""

import errno
import hashlib
import json
import math
import os
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.facts import ComputeWindow, EnergyReading, Score, Shadow, TrainingWork, Transfer, UpdateStatistic
from harness.core.files import write_json, write_text
from harness.core.types import SERVER
from harness.ledger.integrity import STATUS_FILE
from harness.ledger.ledger import (
    ROUNDS_FILE,
    SCHEMA_VERSION,
    Facts,
    Host,
    LedgerWriter,
)
from harness.ledger.reader import read_ledger, read_status
from harness.ledger.store import read_rounds
from harness.run.engines.worker import describe_failure
from tests.faults import fault

CELL = {"task": {}, "federation": {}, "method": {}, "seed": 3}
READING = EnergyReading(2.0, 1.5, None, None, "not_measured", "this process", "none", None, None, "CPU time")
CODE = {"version": "0.1.0", "commit": None, "is_dirty": None}
HOST = Host("0" * 12, "invented", 2, False, 20.0, "Linux", {"python": "3.11"})
FULL_DISK = Path("/dev/full")


def make_facts() -> Facts:
    return Facts(
        transfers=[
            Transfer(1, 0, "downlink", 100, 12, "a" * 16, 400),
            Transfer(1, 0, "uplink", 50, 12, "b" * 16, 400),
        ],
        windows=[ComputeWindow(1, "local_training", 0, 0.5, 0.25, 7)],
        scores=[Score(0, "validation", "accuracy", 0.1), Score(1, "validation", "accuracy", 1 / 3)],
        shadows=[Shadow(1, SERVER, "downlink", "ans", 70)],
        statistics=[UpdateStatistic(1, 0, "bias", 10, 0.5, 3.25, 2.0, 4.5, 1e-3, 1.75)],
    )


def write(folder: Path, facts: Facts) -> None:
    writer = LedgerWriter(folder, facts)
    writer.append(1, 0.5)
    writer.finish("0" * 16, CELL, READING, HOST, CODE)


def without_seal(folder: Path) -> None:
    """The ledger as it was before files had digests of their own."""
    status = read_status(folder)
    del status["record_digests"]
    write_json(folder / STATUS_FILE, status)


def test_a_finished_ledger_reads_back_as_it_was(tmp_path: Path) -> None:
    facts = make_facts()
    write(tmp_path, facts)
    ledger = read_ledger(tmp_path)
    assert ledger.cell_id == "0" * 16 and ledger.cell == CELL
    assert ledger.reading == READING and ledger.host == HOST
    assert ledger.facts_digest == facts.digest()
    for table, rows in (
        (ledger.transfers, facts.transfers),
        (ledger.windows, facts.windows),
        (ledger.scores, facts.scores),
        (ledger.shadows, facts.shadows),
        (ledger.statistics, facts.statistics),
    ):
        assert table.to_dict("records") == [vars(row) for row in rows]


def test_what_a_step_takes_and_how_fast_memory_is_read_back(tmp_path: Path) -> None:
    facts = make_facts()
    facts.work = TrainingWork(99_803_136.0, 2_315_900)
    writer = LedgerWriter(tmp_path, facts)
    host = replace(HOST, copy_gb_per_s=12.5)
    writer.finish("0" * 16, CELL, READING, host, CODE)
    ledger = read_ledger(tmp_path)
    assert ledger.work == TrainingWork(99_803_136.0, 2_315_900) and ledger.host == host


def test_what_a_step_takes_is_no_part_of_the_digest() -> None:
    """A run is the same run whether its operations were counted or not."""
    counted = make_facts()
    counted.work = TrainingWork(1.0, 1)
    assert counted.digest() == make_facts().digest()


def test_a_ledger_from_before_steps_were_counted_is_read(tmp_path: Path) -> None:
    write(tmp_path, make_facts())
    status = read_status(tmp_path)
    assert "work" not in status
    del status["host"]["copy_gb_per_s"], status["record_digests"]
    write_json(tmp_path / STATUS_FILE, status)
    ledger = read_ledger(tmp_path)
    assert ledger.work is None and ledger.host.copy_gb_per_s is None


def test_tables_without_rows_have_their_columns(tmp_path: Path) -> None:
    write(tmp_path, Facts())
    ledger = read_ledger(tmp_path)
    for table, kind in ((ledger.shadows, Shadow), (ledger.statistics, UpdateStatistic), (ledger.transfers, Transfer)):
        assert list(table.columns) == [field.name for field in fields(kind)] and table.empty
    assert ledger.statistics["sigma"].dtype == "float64" and ledger.shadows["payload_bytes"].dtype == "int64"


def test_what_has_no_value_stays_so(tmp_path: Path) -> None:
    facts = make_facts()
    facts.statistics[0] = UpdateStatistic(1, 0, "bias", 10, 0.0, math.nan, math.nan, 0.0, 1e-3, 0.0)
    write(tmp_path, facts)
    (row,) = read_ledger(tmp_path).statistics.to_dict("records")
    assert math.isnan(row["kurtosis"]) and math.isnan(row["absmax_sigmas"]) and row["sigma"] == 0
    (line,) = read_rounds(tmp_path)
    assert line["statistics"][0]["kurtosis"] is None and line["statistics"][0]["sigma"] == 0.0


def test_lines_are_strict_json(tmp_path: Path) -> None:
    """NaN is no JSON, and other readers than Python's refuse the line."""
    facts = make_facts()
    facts.statistics[0] = UpdateStatistic(1, 0, "bias", 10, 0.0, math.nan, math.nan, 0.0, 1e-3, 0.0)
    write(tmp_path, facts)

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    for line in (tmp_path / ROUNDS_FILE).read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)


def test_a_finished_ledger_is_tables_and_a_status_beside_its_lines(tmp_path: Path) -> None:
    """The lines go when the ledger is published; until then they say what the attempt cost."""
    write(tmp_path, make_facts())
    names = sorted(path.name for path in tmp_path.iterdir())
    tables = ["scores.parquet", "shadows.parquet", "statistics.parquet", "transfers.parquet", "windows.parquet"]
    assert names == sorted(["rounds.jsonl", "status.json", *tables])


def test_each_line_holds_what_came_in_since_the_last(tmp_path: Path) -> None:
    facts = Facts()
    writer = LedgerWriter(tmp_path, facts)
    facts.scores.append(Score(0, "validation", "accuracy", 0.1))
    writer.append(0, 0.25)
    facts.transfers += make_facts().transfers
    facts.shadows += make_facts().shadows
    writer.append(1, 0.75)
    first, second = read_rounds(tmp_path)  # while the file is still open
    assert (first["round"], first["cpu_seconds"], second["round"], second["cpu_seconds"]) == (0, 0.25, 1, 0.75)
    assert (len(first["scores"]), len(first["transfers"]), len(first["shadows"])) == (1, 0, 0)
    assert second["shadows"] == [asdict(shadow) for shadow in facts.shadows] != []
    assert second["transfers"] == [asdict(transfer) for transfer in facts.transfers] and second["scores"] == []
    writer.close()


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "rounds.jsonl").write_text('{"round": 0}\n{"round": 1}\n{"round": 2, "cpu_sec')
    assert [line["round"] for line in read_rounds(tmp_path)] == [0, 1]


def test_no_lines_are_no_rounds(tmp_path: Path) -> None:
    assert read_rounds(tmp_path) == []


def test_the_digest_changes_with_every_fact_and_with_nothing_else() -> None:
    digest = make_facts().digest()
    for change in (
        lambda facts: facts.transfers.pop(),
        lambda facts: facts.transfers.append(Transfer(1, 1, "uplink", 50, 12, "b" * 16, 400)),
        lambda facts: facts.transfers.__setitem__(0, Transfer(1, 0, "downlink", 101, 12, "a" * 16, 400)),
        lambda facts: facts.transfers.__setitem__(0, Transfer(1, 0, "downlink", 100, 12, "c" * 16, 400)),
        lambda facts: facts.transfers.reverse(),
        lambda facts: facts.scores.__setitem__(0, Score(0, "validation", "accuracy", 0.1 + 2**-53)),
        lambda facts: facts.scores.__setitem__(0, Score(0, "test", "accuracy", 0.1)),
    ):
        facts = make_facts()
        change(facts)
        assert facts.digest() != digest
    late = make_facts()
    late.transfers[1] = replace(late.transfers[1], is_late=True)
    assert late.digest() != digest
    slower = make_facts()
    slower.windows[0] = ComputeWindow(1, "local_training", 0, 50.0, 25.0, 7)
    assert slower.digest() == digest
    assert Facts(transfers=slower.transfers, scores=slower.scores).digest() == digest


def test_where_nobody_is_late_the_digest_is_that_of_before_there_were_deadlines() -> None:
    lines = [
        "t 1 0 downlink 100 aaaaaaaaaaaaaaaa",
        "t 1 0 uplink 50 bbbbbbbbbbbbbbbb",
        "s 0 validation accuracy 0.1",
        "s 1 validation accuracy 0.3333333333333333",
    ]
    assert make_facts().digest() == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_who_was_late_is_read_back_and_is_nobody_in_an_older_ledger(tmp_path: Path) -> None:
    facts = make_facts()
    facts.transfers[1] = replace(facts.transfers[1], is_late=True)
    write(tmp_path, facts)
    table = read_ledger(tmp_path).transfers
    assert table["is_late"].dtype == "bool" and table["is_late"].tolist() == [False, True]
    (tmp_path / "older").mkdir()
    write(tmp_path / "older", make_facts())
    without_seal(tmp_path / "older")
    table.drop(columns="is_late").to_parquet(tmp_path / "older" / "transfers.parquet")
    older = read_ledger(tmp_path / "older").transfers
    assert older["is_late"].dtype == "bool" and older["is_late"].tolist() == [False, False]
    assert [Transfer(**row) for row in older.to_dict("records")] == make_facts().transfers


def test_another_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, make_facts())
    status = json.loads((tmp_path / STATUS_FILE).read_text())
    write_json(tmp_path / STATUS_FILE, status | {"schema_version": SCHEMA_VERSION + 1})
    for read in (read_ledger, read_status):
        with pytest.raises(UsageError, match=r"status\.json: ledger schema 3, this version reads 2; use the version"):
            read(tmp_path)


@pytest.mark.parametrize("name", ["rounds.jsonl", "transfers.parquet", "scores.parquet", "statistics.parquet"])
def test_a_full_disk_is_told_as_one(tmp_path: Path, name: str) -> None:
    """The kernel's own full device in place of each file."""
    (tmp_path / name).symlink_to(FULL_DISK)
    with pytest.raises(OSError) as caught:
        write(tmp_path, make_facts())
    assert caught.value.errno == errno.ENOSPC
    failure = describe_failure(caught.value)
    assert failure.is_environment and "No space left on device" in failure.error


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write_file", [write_json, write_text])
def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path: Path, write_file, after: bool) -> None:
    path = tmp_path / "index.json"
    write_file(path, "old")
    before = path.read_text()
    with fault(os, "fsync", OSError(errno.ENOSPC, "full"), after=after), pytest.raises(OSError):
        write_file(path, "new")
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
    write_file(path, "new")
    assert "new" in path.read_text()
