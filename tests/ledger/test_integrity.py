"""Ledgers that were damaged, swapped or changed: refused in one line that names them, or what they say is the same."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.cli import app
from harness.commands import run as run_module
from harness.commands.price import price
from harness.core.errors import EnvironmentLacksError, HarnessError, LedgerError, UsageError
from harness.ledger.integrity import STATUS_FILE, TABLES
from harness.ledger.reader import read_ledger
from harness.ledger.store import Store, read_rounds
from harness.results.inspect_cell import cells_of, facts_rows, round_rows
from harness.results.merge import merge
from harness.results.published_digests import not_as_published, write_digests
from harness.run.engines.local import LocalEngine
from harness.spec.load import load_spec
from tests.resealed import reseal, with_status, with_table
from tests.results.test_merge import results
from tests.runs import BOTH_WAYS, FP32, SIGN

N_DAMAGES = 60
FILES = [STATUS_FILE, *(f"{name}.parquet" for name in TABLES)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods at one seed, and a folder beside it that can be joined with it."""
    root = tmp_path_factory.mktemp("whole")
    results(root / "other", [SIGN])
    return results(root / "tiny", [FP32, BOTH_WAYS])


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


def ledgers(folder: Path) -> list[Path]:
    return sorted(folder.glob("cells/*/ledger"))


# --- Whatever happens to a file ---


def flipped(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def deleted(path: Path, rng: random.Random) -> None:
    path.unlink()


def made_a_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def swapped(path: Path, rng: random.Random) -> None:
    first, second = (each / path.name for each in ledgers(path.parents[3]))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def one_number_changed(path: Path, rng: random.Random) -> None:
    if path.suffix == ".json":
        status = json.loads(path.read_text())
        part, key = rng.choice([("reading", "cpu_seconds"), ("host", "gemm_gflops"), ("cell", "seed")])
        status[part][key] += 1
        path.write_text(json.dumps(status))
        return
    table = pd.read_parquet(path)
    columns = [name for name in table.columns if table[name].dtype.kind in "if"]
    if len(table) and columns:
        name, row = rng.choice(columns), rng.randrange(len(table))
        table.loc[row, name] = table.loc[row, name] / 2 if table[name].dtype.kind == "f" else table.loc[row, name] + 1
    table.to_parquet(path)


DAMAGES = (flipped, cut, deleted, made_a_folder, swapped, one_number_changed)


def priced(folder: Path) -> str:
    found = price(folder)
    context = {key: value for key, value in found.context.items() if key != "provenance"}
    return json.dumps(context) + "".join(found.frames[name].to_csv() for name in sorted(found.frames))


def shown(folder: Path) -> str:
    cells = cells_of(folder)
    told = [[row for row in facts_rows(cell) if row[0] != "folder"] for cell in cells]
    return str(told) + str([list(round_rows(cell.ledger)) for cell in cells if cell.ledger])


def joined(folder: Path) -> str:
    out = folder.parent / "joined"
    merge([folder, folder.parent / "other"], out)
    return shown(out)


def resumed(folder: Path) -> str:
    assert run_module.run(load_spec(folder / "spec.yaml"), folder, LocalEngine(1), lambda event: None) == {}
    return shown(folder)


@pytest.fixture(scope="module")
def undamaged(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Callable[[Path], str], str]:
    copy = Path(shutil.copytree(whole.parent, tmp_path_factory.mktemp("copy") / "copy")) / "tiny"
    return {read: read(copy) for read in (priced, shown, joined, resumed)}


@pytest.mark.parametrize("number", range(N_DAMAGES))
def test_damage_is_refused_with_its_place_or_changes_nothing(
    number: int, whole: Path, tmp_path: Path, undamaged: dict[Callable[[Path], str], str]
) -> None:
    rng = random.Random(number)  # noqa: S311 - damage, not secrets
    damage, read = DAMAGES[number % len(DAMAGES)], list(undamaged)[number // len(DAMAGES) % len(undamaged)]
    copy = Path(shutil.copytree(whole.parent, tmp_path / "copy")) / "tiny"
    path = rng.choice(ledgers(copy)) / rng.choice(FILES)
    damage(path, rng)
    try:
        found = read(copy)
    except HarnessError as error:
        assert isinstance(error, LedgerError | UsageError | EnvironmentLacksError)
        line = str(error)
        assert "\n" not in line
        assert any(each.parent.name in line for each in ledgers(copy)) or path.name in line
    else:
        assert found == undamaged[read], f"{damage.__name__} of {path.name} went unseen by {read.__name__}"


@pytest.mark.parametrize("number", range(12))
def test_facts_of_a_ledger_without_seals_are_still_held_to_their_digest(number: int, folder: Path) -> None:
    """As published ones are: bytes and scores have a digest, seconds have none."""
    ledger = ledgers(folder)[0]
    status = json.loads((ledger / STATUS_FILE).read_text())
    del status["record_digests"]
    (ledger / STATUS_FILE).write_text(json.dumps(status))
    assert read_ledger(ledger).doubt == ""
    rng = random.Random(number)  # noqa: S311 - damage, not secrets
    path = ledger / f"{rng.choice(['transfers', 'scores'])}.parquet"
    before = pd.read_parquet(path)
    (flipped if number % 2 else cut)(path, rng)
    try:
        table = read_ledger(ledger)
    except LedgerError as error:
        assert ledger.parent.name in str(error)
    else:
        columns = [name for name in before if name not in ("frame_bytes", "reference_bytes")]
        found = table.transfers if path.stem == "transfers" else table.scores
        pd.testing.assert_frame_equal(found[columns], before[columns])


# --- What is said, and what is done when told to go on ---


def tenth(ledger: Path) -> None:
    """Divide the bytes of a cell by ten, as somebody might whom they do not please."""
    path = ledger / "transfers.parquet"
    table = pd.read_parquet(path)
    table.assign(payload_bytes=table["payload_bytes"] // 10).to_parquet(path)


def swap(folder: Path) -> None:
    first, second = ledgers(folder)
    first.rename(folder / "held")
    second.rename(first)
    (folder / "held").rename(second)


@pytest.mark.parametrize("command", [["price"], ["report"], ["show"], ["compare"]])
def test_changed_facts_are_one_line_and_exit_code_5(
    command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ledgers(folder)[0]
    tenth(ledger)
    source = [str(folder / "spec.yaml"), "--out"] if command == ["compare"] else []
    assert app.run([*command, *source, str(folder)]) == 5
    *_, line = capsys.readouterr().err.splitlines()  # after what `compare` says of its progress
    assert ledger.parent.name in line and "transfers.parquet" in line and "--trust-ledgers" in line


def test_a_ledger_in_the_folder_of_another_cell_is_told_so(folder: Path) -> None:
    ids = [ledger.parent.name for ledger in ledgers(folder)]
    swap(folder)
    with pytest.raises(LedgerError, match="it is the ledger of another cell, ") as caught:
        price(folder)
    assert all(cell_id in str(caught.value) for cell_id in ids)


def test_who_trusts_is_told_of_it_everywhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ledgers(folder)[0]
    tenth(ledger)
    (method,) = (entry.method for entry in Store(folder).index() if entry.cell_id == ledger.parent.name)
    said = f"{method}, seed 0 (cell {ledger.parent.name}) was trusted, though transfers.parquet is not"
    for command in (["price"], ["show"], ["report"]):
        assert app.run([*command, str(folder), "--trust-ledgers"]) == 0
        if command != ["report"]:
            assert said in " ".join(capsys.readouterr().out.split())
    (note,) = json.loads((folder / "tables" / "context.json").read_text())["notes"]
    assert note["kind"] == "warning" and said in note["text"]
    assert said in (folder / "report.md").read_text(encoding="utf-8")
    against_another = price(folder, reference=method, trusts_ledgers=True).context["notes"]
    assert said in against_another[0]["text"], "another reference takes no note away"
    stated = json.loads((ledger / STATUS_FILE).read_text())["facts_digest"]
    assert Store(folder, trusts_ledgers=True).ledger(ledger.parent.name).facts_digest != stated


def test_a_merge_says_what_it_trusted(folder: Path, whole: Path, tmp_path: Path) -> None:
    tenth(ledgers(folder)[0])
    with pytest.raises(LedgerError, match=r"transfers\.parquet"):
        merge([folder, whole.parent / "other"], tmp_path / "out")
    with pytest.raises(UsageError, match="other facts in "):
        merge([whole, folder], tmp_path / "out", trusts_ledgers=True)
    assert len(merge([folder, whole.parent / "other"], tmp_path / "out", trusts_ledgers=True).notes) == 1


# --- Numbers that cannot be ---


def setting(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**{column: [value, *table[column][1:]]})


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("transfers", "payload_bytes", -1),
        ("transfers", "payload_bytes", 2**53),
        ("transfers", "round", -1),
        ("transfers", "client", -2),
        ("transfers", "direction", "sideways"),
        ("transfers", "payload_bytes", 1.5),
        ("scores", "value", 1.5),
        ("scores", "value", -0.1),
        ("scores", "value", float("nan")),
        ("windows", "cpu_seconds", -1.0),
        ("windows", "seconds", float("inf")),
        ("windows", "seconds", float("nan")),
        ("windows", "phase", "lunch"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_place(
    table: str, column: str, value: object, folder: Path
) -> None:
    ledger = ledgers(folder)[0]
    if table == "scores":
        with_table(ledger, "scores", lambda scores: scores[scores["metric"] == "accuracy"])
    with_table(ledger, table, setting(column, value))
    with pytest.raises(LedgerError, match=rf"damaged \({table}\.parquet.*{column} is ") as caught:
        read_ledger(ledger)
    assert "\n" not in str(caught.value)


def test_seconds_of_a_meter_that_cannot_be_are_refused(folder: Path) -> None:
    with_status(ledgers(folder)[0], lambda status: status["reading"].update(cpu_seconds=-1.0))
    with pytest.raises(LedgerError, match=r"status\.json, reading: cpu_seconds is -1\.0"):
        read_ledger(ledgers(folder)[0])


# --- Files beside the ledgers ---


def test_what_may_not_be_read_is_not_called_damaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(EnvironmentLacksError, match=r"status\.json: cannot be read: Permission denied") as caught:
        read_ledger(ledgers(folder)[0])
    assert "damaged" not in str(caught.value) and "delete" not in str(caught.value)


def test_strays_and_damaged_tries_change_nothing_else(folder: Path) -> None:
    before = shown(folder)
    attempts = ledgers(folder)[0].parent / "attempts"
    attempts.mkdir(exist_ok=True)
    for stray in (attempts / ".DS_Store", folder / "cells" / ".DS_Store", folder / "pretraining" / "._a.json"):
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"\x00\xff")
    assert shown(folder) == before
    price(folder)
    (attempts / "001").mkdir()
    (attempts / "001" / "rounds.jsonl").write_bytes(b'{"round": 1, "cpu_seconds": 2}\n\xff{"round"\n{"round": 3}\n')
    (attempts / "001" / STATUS_FILE).write_text("[]")
    (attempts / "002" / "rounds.jsonl").mkdir(parents=True)
    assert [line["round"] for line in read_rounds(attempts / "001")] == [1]
    found = Store(folder).attempts(attempts.parent.name)
    assert [(each.state, each.rounds, each.cpu_seconds) for each in found] == [("killed", 1, 2.0), ("killed", 0, 0.0)]
    price(folder)


def test_an_entry_that_stands_twice_counts_once_and_two_cells_of_one_run_are_refused(folder: Path) -> None:
    path, before = folder / "index.json", priced(folder)
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([*entries, entries[0]]))
    assert priced(folder) == before
    for wrong in ({**entries[0], "cell_id": entries[1]["cell_id"]}, {**entries[0], "seed": "0"}, {"method": "fp32"}, 7):
        path.write_text(json.dumps([*entries, wrong]))
        with pytest.raises(UsageError, match=r"index\.json: damaged \(.*\); restore it"):
            price(folder)


def test_a_damaged_record_of_a_pretraining_is_one_line(folder: Path, whole: Path, tmp_path: Path) -> None:
    (folder / "pretraining").mkdir()
    (folder / "pretraining" / "a.json").write_text("{")
    for read in (priced, lambda source: merge([source, whole.parent / "other"], tmp_path / "out")):
        with pytest.raises(UsageError, match=r"a\.json: damaged \(.*\); restore it, or delete it"):
            read(folder)


# --- Published studies ---


def test_what_was_published_is_listed_and_compared(folder: Path) -> None:
    assert not_as_published(folder.parent) == []
    write_digests(folder.parent)
    assert not_as_published(folder.parent) == []
    gone, other = ledgers(folder)
    shutil.rmtree(gone)
    with_table(other, "scores", lambda scores: scores.assign(value=scores["value"] / 2))
    reseal(other)
    missing, changed = not_as_published(folder.parent)
    assert missing.startswith(f"tiny, cell {gone.parent.name}: is in digests.csv and has no ledger")
    assert changed.startswith(f"tiny, cell {other.parent.name}: its facts are not those that were published")
