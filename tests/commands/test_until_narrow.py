"""Further seeds until intervals are narrow: how many, when it stops, and what is left for the next time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import app
from harness.commands import render as rendering
from harness.commands import until_narrow
from harness.commands.price import price
from harness.commands.until_narrow import Outlook, Width, parse_width
from harness.core.errors import UsageError
from harness.results.runs import open_results
from harness.run.engines import local
from harness.spec.spec import BenchmarkSpec
from tests.runs import BOTH_WAYS, DIVERGES, FP32, SIGN, PoolHere, tiny, write_spec

CONTRAST = {"name": "sign less fp32", "plus": ["sign"], "minus": ["fp32"], "quantity": "test_accuracy"}


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolHere]:
    pool = PoolHere()
    monkeypatch.setattr(local, "_workers", pool.workers)
    yield pool


@pytest.fixture(autouse=True)
def _no_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables alone, but for the test that looks for the report."""
    if "everything_reported" not in request.node.name:
        monkeypatch.setattr(rendering, "render", lambda tables, results: [])


def compare(tmp_path: Path, *options: str, methods: Any = (FP32, SIGN), **changes: Any) -> int:
    path = write_spec(tiny(methods, **({"seeds": [0, 1]} | changes)), tmp_path)
    return app.run(["compare", str(path), "--out", str(tmp_path / "out"), *options])


def seeds(tmp_path: Path) -> list[int]:
    return list(open_results(tmp_path / "out")[0].seeds)


def test_seeds_are_added_until_the_interval_is_met_and_are_in_the_results(
    tmp_path: Path, pool: PoolHere, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, "--until-interval", "15%") == 0
    ran = seeds(tmp_path)
    assert ran == list(range(len(ran)))
    assert 2 < len(ran) < 20
    seen = until_narrow.outlook(tmp_path / "out")
    assert seen.is_met(15)
    assert seen.widths[0].half is not None
    pairs = price(tmp_path / "out").frames["pairs"].set_index("quantity").loc["test_accuracy"]
    assert seen.widths[0].half == pytest.approx(50 * (pairs["high"] - pairs["low"]))
    err = " ".join(capsys.readouterr().err.split())
    assert "2 seeds: 1 of 1 intervals wider than ±15, the widest: test accuracy of sign, ±" in err
    assert "a further seed costs about" in err
    assert f"{len(ran)} seeds: every interval is within ±15" in err
    # The same command again finds the same end and runs nothing.
    n_scheduled = len(pool.scheduled)
    assert compare(tmp_path, "--until-interval", "15%") == 0
    assert (seeds(tmp_path), len(pool.scheduled)) == (ran, n_scheduled)


def test_it_gives_up_at_most_seeds_with_everything_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(tmp_path, "--until-interval", "0.001", "--max-seeds", "3") == 4
    assert seeds(tmp_path) == [0, 1, 2]
    assert (tmp_path / "out" / "report.html").is_file()
    assert "--until-interval 0.001: 3 seeds: 1 of 1 intervals wider" in " ".join(capsys.readouterr().err.split())


def test_what_is_the_same_at_every_seed_needs_no_more(tmp_path: Path) -> None:
    contrast = CONTRAST | {"quantity": "total_bits"}
    assert compare(tmp_path, "--until-interval", "0.001", contrasts=[contrast]) == 0
    assert seeds(tmp_path) == [0, 1]


def test_primary_contrasts_are_what_is_narrowed(tmp_path: Path) -> None:
    named = [CONTRAST, CONTRAST | {"name": "beside", "quantity": "total_bits", "primary": False}]
    assert compare(tmp_path, "--until-interval", "99", contrasts=named) == 0
    (width,) = until_narrow.outlook(tmp_path / "out").widths
    assert (width.name, width.unit) == ("sign less fp32", "points")


def test_one_seed_has_no_interval_and_gets_another(tmp_path: Path) -> None:
    assert compare(tmp_path, "--until-interval", "99", seeds=[4]) == 0
    assert seeds(tmp_path) == [4, 5]


def test_a_failed_cell_ends_it_with_its_own_exit_code(tmp_path: Path) -> None:
    federation = {"rounds": 6, "lr": 1000}
    assert compare(tmp_path, "--until-interval", "0.1", methods=(FP32, DIVERGES), federation=federation) == 3
    assert seeds(tmp_path) == [0, 1]


@pytest.mark.parametrize(
    ("options", "methods", "text"),
    [
        (("--until-interval", "x"), (FP32, SIGN), "a number above 0 is needed"),
        (("--until-interval", "0%"), (FP32, SIGN), "a number above 0 is needed"),
        (("--until-interval", "-1"), (FP32, SIGN), "a number above 0 is needed"),
        (("--until-interval", "2%"), (FP32,), "nothing is compared"),
        (("--until-interval", "2%", "--max-seeds", "2"), (FP32, SIGN), "has 3 seeds already"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    options: tuple[str, ...], methods: Any, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, *options, methods=methods, seeds=3) == 2
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_seed_follows_the_last_one() -> None:
    spec = BenchmarkSpec.model_validate(tiny([FP32, BOTH_WAYS], seeds=[until_narrow.HIGHEST_SEED]))
    with pytest.raises(UsageError, match="no seed follows"):
        until_narrow.with_another_seed(spec)


def test_the_widest_is_named_and_what_has_no_interval_is_wider_than_all() -> None:
    widths = (Width("a", 1.0, "points"), Width("b", 3.0, "%"), Width("c", None, "points", "one seed: no interval"))
    status = Outlook(widths, 12.0, 34.0, "E1").status(2.0, 1)
    assert "2 of 3 intervals wider than ±2, the widest: c, one seed: no interval" in status
    assert "12.0 CPU s and 34.0 J (E1)" in status
    assert "the widest: b, ±3 %" in Outlook(widths[:2], 12.0, None, "none").status(2.0, 3)
    assert parse_width(" 2.5 % ") == 2.5


def test_seeds_of_tuning_are_left_out() -> None:
    search = {"trials": 1, "seeds": [1, 3], "space": {"lr": {"log": [0.1, 1]}}}
    spec = BenchmarkSpec.model_validate(tiny([FP32, BOTH_WAYS], seeds=[0]) | {"tune": search})
    assert until_narrow.with_another_seed(spec).seeds == (0, 2)
    assert until_narrow.with_another_seed(until_narrow.with_another_seed(spec)).seeds == (0, 2, 4)
