"""Tuning: as many trials for all, on validation alone, the same choice however often it was interrupted."""

import csv
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.cli import app
from harness.commands import tune as tuning
from harness.commands.run import run
from harness.core.errors import EnvironmentLacksError
from harness.ledger.store import Store
from harness.run.engines import local
from harness.run.engines.worker import Failure
from harness.spec.load import load_spec, parse_spec
from harness.spec.plan import plan_cells
from tests.resealed import reseal
from tests.runs import FP32, PoolHere, tiny, write_spec

EF = {"name": "EF", "uplink": {"kind": "error_feedback", "inner": {"kind": "topk", "ratio": 0.01}}}
SEARCH = {
    "trials": 6,
    "seeds": [1000],
    "space": {"lr": {"log": [0.01, 1]}, "local_epochs": {"linear": [1, 2]}},
    "methods": {"EF": {"uplink.inner.ratio": {"log": [0.01, 0.5]}}},
}
N_CELLS = 12


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolHere]:
    pool = PoolHere()
    monkeypatch.setattr(local, "_workers", pool.workers)
    yield pool


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished search, to be copied."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_workers", PoolHere().workers)
        assert tune(folder) == 0
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished search."""
    return Path(shutil.copytree(finished, tmp_path / "again"))


def tune(folder: Path, *options: str, methods: Any = (FP32, EF), search: Any = SEARCH, **changes: Any) -> int:
    path = write_spec(tiny(methods, **changes) | {"tune": search}, folder)
    return app.run(["tune", str(path), "--out", str(folder / "tiny-tune"), "-j", "1", *options])


def trials(folder: Path) -> list[dict[str, str]]:
    with (folder / "tiny-tune" / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def chosen(folder: Path) -> dict[str, dict[str, Any]]:
    tuned = load_spec(folder / "tiny-tuned.yaml").tuned
    assert tuned is not None
    return {name: dict(told.chosen) for name, told in tuned.methods.items()}


def ledgers(folder: Path) -> list[Path]:
    return sorted((folder / "tiny-tune" / "cells").glob("*/ledger"))


def plant(folder: Path, split: str, value_of: Callable[[int], float]) -> None:
    """Other accuracies on one split, in every cell."""
    for number, ledger in enumerate(ledgers(folder)):
        path = ledger / "scores.parquet"
        scores = pd.read_parquet(path)
        scores.loc[(scores["split"] == split) & (scores["metric"] == "accuracy"), "value"] = value_of(number)
        scores.to_parquet(path)
        reseal(ledger)


# --- The search ---


def test_every_method_has_as_many_trials_the_reference_too(finished: Path) -> None:
    rows = trials(finished)
    assert [(row["method"], int(row["trial"])) for row in rows] == list(itertools.product(("fp32", "EF"), range(1, 7)))
    assert {row["seeds"] for row in rows} == {"1000"}
    for row in rows:
        assert 0.01 <= float(row["lr"]) <= 1
        assert row["local_epochs"] in ("1", "2")
        assert (row["uplink.inner.ratio"] == "") == (row["method"] == "fp32")
        assert 0 < float(row["validation_accuracy"]) < 1 and float(row["total_bits"]) > 0
    # Trials are methods of an ordinary results folder.
    store = Store(finished / "tiny-tune")
    names = [f"{method} #{number:02d}" for method in ("fp32", "EF") for number in range(1, 7)]
    assert [(entry.method, entry.seed) for entry in store.index()] == [(name, 1000) for name in names]
    assert [method.name for method in load_spec(finished / "tiny-tune" / "spec.yaml").methods] == names
    last = store.ledger(store.index()[-1].cell_id)
    assert last.cell["federation"]["lr"] == float(rows[-1]["lr"])
    assert last.cell["method"]["uplink"]["inner"]["ratio"] == float(rows[-1]["uplink.inner.ratio"])


def test_the_best_on_validation_is_chosen_and_written(finished: Path) -> None:
    rows = trials(finished)
    for method, settings in chosen(finished).items():
        mine = [row for row in rows if row["method"] == method]
        (best,) = [row for row in mine if row["is_chosen"] == "True"]
        assert float(best["validation_accuracy"]) == max(float(row["validation_accuracy"]) for row in mine)
        assert {path: str(value) for path, value in settings.items()} == {path: best[path] for path in settings}
    spec = load_spec(finished / "tiny-tuned.yaml")
    assert (spec.name, spec.tune, spec.seeds) == ("tiny-tuned", None, (0,))
    assert spec.tuned is not None
    assert (spec.tuned.seeds, spec.tuned.results, len(spec.tuned.digest)) == ((1000,), "tiny-tune", 16)
    assert {name: told.trials for name, told in spec.tuned.methods.items()} == {"fp32": 6, "EF": 6}
    cells = {cell.method: cell.cell for cell in plan_cells(spec)}
    assert cells["fp32"].federation["lr"] == chosen(finished)["fp32"]["lr"]
    assert cells["EF"].method["uplink"]["inner"]["ratio"] == chosen(finished)["EF"]["uplink.inner.ratio"]


def test_a_search_sees_validation_alone(again: Path, pool: PoolHere) -> None:
    before, table = chosen(again), trials(again)
    plant(again, "test", lambda number: number / N_CELLS)
    assert tune(again) == 0
    assert (chosen(again), trials(again)) == (before, table)
    assert pool.scheduled == []


def test_other_scores_on_validation_choose_otherwise(again: Path) -> None:
    assert trials(again)[0]["is_chosen"] == "False"
    first = Store(again / "tiny-tune").index()[0].cell_id
    number = [path.parent.name for path in ledgers(again)].index(first)
    plant(again, "validation", lambda place: 0.999 if place == number else 0.1)
    assert tune(again) == 0
    (best,) = [row for row in trials(again) if row["method"] == "fp32" and row["is_chosen"] == "True"]
    assert best["trial"] == "1"


def test_a_trial_is_worth_its_mean_over_seeds_and_nothing_if_one_of_them_failed(tmp_path: Path) -> None:
    search = {"trials": 2, "seeds": [1000, 1001], "space": {"lr": {"log": [0.01, 1]}}}
    assert tune(tmp_path, methods=[FP32], search=search) == 0
    store = Store(tmp_path / "tiny-tune")
    accuracies: dict[str, list[float]] = {}
    for entry in store.index():
        scores = store.ledger(entry.cell_id).scores
        is_meant = (scores["split"] == "validation") & (scores["metric"] == "accuracy") & (scores["round"] > 0)
        accuracies.setdefault(entry.method, []).append(float(scores[is_meant]["value"].mean()))
    means = [sum(each) / 2 for each in accuracies.values()]
    assert [float(row["validation_accuracy"]) for row in trials(tmp_path)] == pytest.approx(means)
    assert {row["seeds"] for row in trials(tmp_path)} == {"1000 1001"}
    best = max(range(2), key=lambda place: means[place])
    shutil.rmtree(tmp_path / "tiny-tune" / "cells" / store.index()[best].cell_id)
    choices = tuning.tune(load_spec(tmp_path / "tiny.yaml"), tmp_path / "tiny-tune", lambda spec: {})
    assert choices["fp32"].trials[best].accuracy is None
    assert choices["fp32"].best == choices["fp32"].trials[1 - best]


def test_a_machine_that_fails_is_no_bad_trial(tmp_path: Path) -> None:
    spec = load_spec(write_spec(tiny() | {"tune": SEARCH | {"methods": {}}}, tmp_path))
    failure = Failure("No space left on device", "", is_environment=True)
    with pytest.raises(EnvironmentLacksError, match="No space left on device"):
        tuning.tune(spec, tmp_path / "tiny-tune", lambda trials: {"0": failure})


# --- Going on ---


def test_a_search_that_lost_half_of_its_cells_runs_these_and_chooses_the_same(again: Path, pool: PoolHere) -> None:
    before, table = chosen(again), trials(again)
    lost = ledgers(again)[::2]
    for path in lost:
        shutil.rmtree(path)
    (again / "tiny-tuned.yaml").unlink()
    assert tune(again) == 0
    assert (chosen(again), trials(again)) == (before, table)
    assert len(pool.scheduled) == len(lost) == N_CELLS // 2


def test_a_search_that_was_stopped_after_a_batch_goes_on(
    finished: Path, tmp_path: Path, pool: PoolHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_runs = itertools.count()

    def stopped(*arguments: Any) -> Any:
        if next(n_runs) == 1:
            raise KeyboardInterrupt
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("harness.cli.run_with_progress.run", stopped)
        assert tune(tmp_path) == 130
    assert len(pool.scheduled) == 2 * tuning.BATCH
    # Any number of jobs asks the same questions.
    assert tune(tmp_path, "--jobs", "3") == 0
    assert len(pool.scheduled) == N_CELLS
    assert (chosen(tmp_path), trials(tmp_path)) == (chosen(finished), trials(finished))


# --- What goes wrong ---


def test_a_trial_that_diverges_is_the_worst_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = {"trials": 5, "seeds": [7], "space": {"lr": {"choice": [0.1, 1000]}, "server.lr": {"choice": [1, 1000]}}}
    wild = {"name": "wild", "uplink": {"kind": "signsgd"}}
    assert tune(tmp_path, methods=[wild], search=search, federation={"rounds": 6}) == 0
    rows = trials(tmp_path)
    lost = [row for row in rows if row["validation_accuracy"] == ""]
    assert 0 < len(lost) < len(rows) == 5
    assert all(row["total_bits"] == "" and row["is_chosen"] == "False" for row in lost)
    assert sum(row["is_chosen"] == "True" for row in rows) == 1
    assert "next: harness compare" in capsys.readouterr().out


def test_where_all_trials_of_a_method_fail_nothing_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = {"trials": 1, "seeds": [7], "space": {"lr": {"choice": [1000]}}}
    wild = {"name": "wild", "uplink": {"kind": "signsgd"}, "server": {"kind": "mean", "lr": 1000}}
    assert tune(tmp_path, methods=[wild], search=search, federation={"rounds": 6}) == 3
    assert "no trial of wild finished" in capsys.readouterr().err
    assert [row["is_chosen"] for row in trials(tmp_path)] == ["False"]
    assert not (tmp_path / "tiny-tuned.yaml").exists()


def test_settings_that_do_not_go_together_are_a_trial_of_no_worth(tmp_path: Path, pool: PoolHere) -> None:
    space = {"uplink.buckets": {"choice": ["width", "mass"]}, "uplink.reconstruction": {"choice": ["centre", "mean"]}}
    method = {"name": "Q", "uplink": {"kind": "quantfl", "levels": 64, "reconstruction": "mean"}}
    assert tune(tmp_path, methods=[method], search={"trials": 6, "seeds": [7], "space": space}) == 0
    tried = [(row["uplink.buckets"], row["uplink.reconstruction"]) for row in trials(tmp_path)]
    is_refused = [pair == ("mass", "centre") for pair in tried]
    assert 0 < sum(is_refused) < len(tried) == 6
    assert [row["validation_accuracy"] == "" for row in trials(tmp_path)] == is_refused
    # Trials of equal settings share a cell.
    assert len(pool.scheduled) == len(set(tried)) - 1


def test_a_definition_without_a_search_is_told_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_spec(tiny(), tmp_path)
    assert app.run(["tune", str(path)]) == 2
    assert "has no tune" in capsys.readouterr().err


def test_the_written_definition_goes_where_it_is_asked_for(again: Path) -> None:
    assert tune(again, "--write", str(again / "own" / "mine.yaml")) == 0
    text = (again / "own" / "mine.yaml").read_text(encoding="utf-8")
    assert parse_spec(text, "f").tuned == load_spec(again / "tiny-tuned.yaml").tuned


def test_the_border_of_a_space_is_said(again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(again) == 0
    out = " ".join(capsys.readouterr().out.split())
    tuned = load_spec(again / "tiny-tuned.yaml").tuned
    assert tuned is not None
    assert any(told.at_border for told in tuned.methods.values())
    for name, told in tuned.methods.items():
        for path in told.chosen:
            said = f"{path} of {name} was chosen at the border of its space"
            assert (said in out) == (path in told.at_border)
