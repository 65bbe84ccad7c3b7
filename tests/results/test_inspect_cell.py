"""One cell, found by its id or by method and seed, and all that is said of it."""

import shutil
from pathlib import Path

import pytest

from harness.cli import app
from harness.core.errors import UsageError
from harness.ledger.store import Store
from harness.results.inspect_cell import cells_of, facts_rows, find_cell, round_rows
from tests.results.test_merge import results
from tests.runs import FP32, SIGN

HOSTILE = "[red]a/b[/red] <b> $(id) 🦊"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("show") / "results", [FP32, SIGN, {**SIGN, "name": HOSTILE}], seeds=[0, 7])


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "results"))


def test_a_cell_is_found_by_its_id_and_by_method_and_seed(folder: Path) -> None:
    first, sign = cells_of(folder)[:2]
    assert find_cell(folder, first.cell_id).cell_id == first.cell_id
    assert find_cell(folder, first.cell_id[:6]).cell_id == first.cell_id
    assert find_cell(folder, "fp32/0").cell_id == first.cell_id
    assert find_cell(folder, f"{HOSTILE}/0").cell_id == sign.cell_id, "methods with equal settings share a cell"
    assert [entry.method for entry in sign.entries] == ["sign", HOSTILE]


@pytest.mark.parametrize("name", ["fp32/1", "fp23/0", "zzz", "", "/", "fp32", "../../etc"])
def test_a_name_of_no_cell_is_one_line(name: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no cell of .*; a cell is METHOD/SEED") as caught:
        find_cell(folder, name)
    assert "\n" not in str(caught.value)
    if name == "fp23/0":
        assert str(caught.value).endswith("Did you mean fp32/0?")


def test_the_beginning_of_several_ids_is_told(folder: Path) -> None:
    ids = {cell.cell_id for cell in cells_of(folder)}
    store = Store(folder)
    store.write_index(
        [type(entry)(entry.method, entry.seed, f"ab{n}{entry.cell_id}") for n, entry in enumerate(store.index())]
    )
    with pytest.raises(UsageError, match=r"6 cells of .* begin so: ab0"):
        find_cell(folder, "ab")
    assert len(ids) == 4


def test_everything_is_said_of_a_finished_cell(folder: Path) -> None:
    store = Store(folder)
    cell_id = find_cell(folder, "sign/7").cell_id
    store.fail(store.claim(cell_id), cell_id, "it broke", "")
    cell = find_cell(folder, "sign/7")
    assert cell.ledger is not None
    told = dict(facts_rows(cell))
    assert told["state"] == "finished"
    assert told["try 1"] == "failed after 0 rounds, 0.0 CPU s: it broke"
    assert told["facts digest"] == cell.ledger.facts_digest
    assert told["energy"] == "not measured (meter CPU time)"
    sent = cell.ledger.transfers
    bits = 8 * int(sent[sent["direction"] == "uplink"]["payload_bytes"].sum())
    assert told["uplink sent"] == f"{bits:,} bit in 6 payloads"
    rows = list(round_rows(cell.ledger))
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert sum(int(row[2].replace(",", "")) for row in rows) == bits
    assert "test accuracy" in rows[-1][3]


def test_cells_that_did_not_finish_say_so(folder: Path) -> None:
    first, second = (find_cell(folder, name).cell_id for name in ("fp32/0", "fp32/7"))
    shutil.rmtree(folder / "cells" / first / "ledger")
    shutil.rmtree(folder / "cells" / second / "ledger")
    Store(folder).claim(second)
    assert find_cell(folder, "fp32/0").state == "not run"
    assert find_cell(folder, "fp32/7").state == "killed"
    with Store(folder).lock():
        assert find_cell(folder, "fp32/7").state == "running or killed"


def test_the_command_prints_names_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["show", str(folder), f"{HOSTILE}/0"]) == 0
    assert HOSTILE in capsys.readouterr().out
    assert app.run(["show", str(folder)]) == 0
    assert capsys.readouterr().out.count("finished") == 6
    for arguments in (["show", str(folder), "gone"], ["show", "nowhere"], ["show", str(folder.parent)]):
        assert app.run(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
