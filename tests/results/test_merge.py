"""Results folders joined: what is taken once, what is refused, what stays untouched, and what machines keep apart."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.cli import app
from harness.commands.price import price
from harness.core.errors import LedgerError, UsageError
from harness.core.files import write_text
from harness.ledger.store import IndexEntry, Store
from harness.results.merge import merge
from harness.results.runs import open_results
from harness.spec.load import dump_spec
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec
from harness.tables.pairs import OTHER_MACHINES
from tests.resealed import on_another_machine, with_table
from tests.runs import BOTH_WAYS, FP32, SIGN, run_here, tiny

FACTS = "transfers.parquet"


def results(folder: Path, methods: Sequence[Mapping[str, Any]] = (FP32,), **changes: Any) -> Path:
    """A results folder whose cells have run in this process."""
    spec = BenchmarkSpec.model_validate(tiny(methods, **changes))
    spec.task.prepare(spec.seeds)
    planned = plan_cells(spec)
    for cell in {cell.cell_id: cell for cell in planned}.values():
        assert run_here(cell, folder) is None
    write_text(folder / "spec.yaml", dump_spec(spec))
    Store(folder).write_index([IndexEntry(cell.method, cell.cell.seed, cell.cell_id) for cell in planned])
    return folder


def with_other_facts(folder: Path) -> Path:
    """The folder with other scores in its cells, as if training had drawn other numbers."""
    for ledger in folder.glob("cells/*/ledger"):
        with_table(ledger, "scores", lambda scores: scores.assign(value=scores["value"] / 2))
    return folder


def elsewhere(folder: Path) -> Path:
    """The folder with cells that ran on another machine."""
    for ledger in folder.glob("cells/*/ledger"):
        on_another_machine(ledger)
    return folder


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Seeds 0 and 1 of two methods; seeds 1 and 2 of one of them and of a third."""
    root = tmp_path_factory.mktemp("pair")
    first = results(root / "a", [FP32, BOTH_WAYS], seeds=[0, 1])
    return first, results(root / "b", [FP32, SIGN], seeds=[1, 2])


def test_methods_and_seeds_are_joined_and_equal_cells_taken_once(pair: tuple[Path, Path], tmp_path: Path) -> None:
    before = [digest(folder) for folder in pair]
    made = merge(pair, tmp_path / "out")
    assert (made.n_cells, made.n_shared, made.n_missing, made.n_machines) == (7, 1, 2, 1)
    assert [digest(folder) for folder in pair] == before, "only read"
    spec, store = open_results(tmp_path / "out")
    assert ([method.name for method in spec.methods], list(spec.seeds)) == (["fp32", "six", "sign"], [0, 1, 2])
    index = [(entry.method, entry.seed) for entry in store.index()]
    assert index == [
        *(("fp32", 0), ("six", 0)),
        *(("fp32", 1), ("six", 1), ("sign", 1)),
        *(("fp32", 2), ("sign", 2)),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"], "no draft is left"


def test_what_was_joined_prices_reports_and_goes_on(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert app.run(["merge", *map(str, pair), "--out", str(out)]) == 0
    cells = price(out).frames["cells"]
    assert cells.groupby("method")["seed"].nunique().to_dict() == {"fp32": 3, "six": 2, "sign": 2}
    alone = price(pair[0]).frames["cells"]
    columns = ["method", "seed", "total_bits", "test_accuracy", "facts_digest"]
    assert alone[columns].merge(cells[columns], on=columns).shape[0] == len(alone)
    assert app.run(["report", str(out)]) == 0
    spec, store = open_results(out)
    missing = [cell for cell in plan_cells(spec) if not store.is_finished(cell.cell_id)]
    assert [(cell.method, cell.cell.seed) for cell in missing] == [("sign", 0), ("six", 2)]


def test_a_cell_with_two_kinds_of_facts_is_refused_with_both_digests(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = with_other_facts(Path(shutil.copytree(pair[0], tmp_path / "other")))
    cell_id = Store(other).index()[0].cell_id
    ours, theirs = (Store(folder).ledger(cell_id).facts_digest for folder in (pair[0], other))
    assert ours != theirs
    with pytest.raises(UsageError) as caught:
        merge([pair[0], other], tmp_path / "out")
    line = str(caught.value)
    assert line.startswith("fp32, seed 0: other facts in ")
    assert f"cell {cell_id}, digest {ours[:16]}" in line
    assert f"digest {theirs[:16]}" in line
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


def test_other_facts_of_a_cell_under_another_name_are_refused(tmp_path: Path) -> None:
    """Methods that differ in name only have equal cells: the last copy must not stand for the first."""
    ours = results(tmp_path / "ours", [FP32])
    theirs = with_other_facts(results(tmp_path / "theirs", [FP32, {**FP32, "name": "renamed"}]))
    entries = [entry for entry in Store(theirs).index() if entry.method == "renamed"]
    Store(theirs).write_index(entries)
    with pytest.raises(UsageError, match="other facts in "):
        merge([ours, theirs], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"federation": {"lr": 0.2}}, "federation.lr is 0.2, not 0.1"),
        ({"name": "other"}, 'name is "other", not "tiny"'),
        ({"scenarios": {"grids": ["DEU"]}}, 'scenarios.grids[0] is "DEU", not "NOR"'),
        ({"methods": [{"name": "fp32", "uplink": "float16"}]}, "method fp32 is another than in "),
    ],
)
def test_other_benchmarks_are_refused_with_what_differs(
    changes: dict[str, Any], text: str, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    methods = changes.pop("methods", [FP32])
    spec = BenchmarkSpec.model_validate(tiny(methods, **changes))
    other = tmp_path / "other"
    other.mkdir()
    write_text(other / "spec.yaml", dump_spec(spec))
    Store(other).write_index([])
    with pytest.raises(UsageError) as caught:
        merge([pair[0], other], tmp_path / "out")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_cannot_be_merged_are_one_line(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for folders, out, text in (
        (pair[:1], "out", "at least two"),
        (pair, "full", "is there already"),
        ([pair[0], tmp_path / "full"], "out", "no results folder"),
        ([pair[0], tmp_path / "gone"], "out", "no results folder"),
    ):
        with pytest.raises(UsageError, match=text):
            merge(list(folders), tmp_path / out)
    with Store(pair[1]).lock(), pytest.raises(UsageError, match="a run is working in it"):
        merge(pair, tmp_path / "out")
    broken = Path(shutil.copytree(pair[1], tmp_path / "broken"))
    next(broken.glob(f"cells/*/ledger/{FACTS}")).write_bytes(b"x")
    with pytest.raises(LedgerError, match=r"transfers\.parquet is not what its digests state"):
        merge([pair[0], broken], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_may_be_the_target(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert merge(pair, tmp_path / "out").n_cells == 7


def test_tries_that_failed_are_kept_once(pair: tuple[Path, Path], tmp_path: Path) -> None:
    first = Path(shutil.copytree(pair[0], tmp_path / "a"))
    store = Store(first)
    cell_id = store.index()[0].cell_id
    store.fail(store.claim(cell_id), cell_id, "it broke", "")
    second = Path(shutil.copytree(first, tmp_path / "b"))
    Store(second).fail(Store(second).claim(cell_id), cell_id, "it broke again", "")
    merge([first, second], tmp_path / "out")
    assert [attempt.error for attempt in Store(tmp_path / "out").attempts(cell_id)] == ["it broke", "it broke again"]


def test_joules_of_two_machines_are_not_compared_and_bits_are(pair: tuple[Path, Path], tmp_path: Path) -> None:
    methods = [FP32, BOTH_WAYS]
    first = results(tmp_path / "a", methods[:1], seeds=[0, 1])
    second = elsewhere(results(tmp_path / "b", methods[1:], seeds=[0, 1]))
    made = merge([first, second], tmp_path / "out")
    assert made.n_machines == 2
    frames = price(tmp_path / "out").frames
    pairs = frames["pairs"].set_index("quantity")
    assert pairs.loc["total_bits", "n_pairs"] == 2
    assert pairs.loc["test_accuracy", "n_pairs"] == 2
    assert pairs.loc["radio_energy_j", "n_pairs"] == 2
    for quantity in ("device_energy_j", "deployment_energy_j", "carbon_g"):
        assert (pairs.loc[quantity, "n_pairs"], pairs.loc[quantity, "note"]) == (0, OTHER_MACHINES)
        assert pd.isna(pairs.loc[quantity, "estimate"])
    steps = frames["compute"][frames["compute"]["operation"] == "optimiser step"]
    assert steps["machine"].nunique() == 2
    assert set(steps["n_cells"]) == {2}, "pooled within each machine only"
    assert app.run(["report", str(tmp_path / "out")]) == 0
    assert OTHER_MACHINES in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
