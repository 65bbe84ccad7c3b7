"""Calibrations: what is measured, where it is kept, and how it comes into results."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import app
from harness.commands.price import price
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.facts import EnergyReading
from harness.run.engines import repeatability
from harness.run.meters.cpu_time import CpuTimeMeter
from tests.results.test_merge import results
from tests.runs import FP32, SIGN

with CpuTimeMeter().window() as _window:
    pass
NO_JOULES = _window.reading


def reading(cpu_s: float, joules: float | None) -> EnergyReading:
    return replace(NO_JOULES, cpu_seconds=cpu_s, seconds=2 * cpu_s, cpu_j=joules)


def test_spreads_by_hand() -> None:
    """9, 10 and 11 have mean 10 and standard deviation 1; joules are 2, 2 and 5 for each of their CPU seconds."""
    found = repeatability.spreads([reading(9.0, 18.0), reading(10.0, 20.0), reading(11.0, 55.0)])
    assert found["cpu_s_spread"] == found["wall_s_spread"] == pytest.approx(0.1)
    assert found["joules_spread"] == pytest.approx(20.8086520466 / 31.0)
    assert found["j_per_cpu_s"] == pytest.approx(3.0)
    assert found["j_per_cpu_s_spread"] == pytest.approx(3**0.5 / 3.0)


def test_without_joules_seconds_are_told_all_the_same() -> None:
    found = repeatability.spreads([reading(9.0, 18.0), reading(11.0, None)])
    assert found["cpu_s_spread"] is not None
    assert found["joules_spread"] is found["j_per_cpu_s"] is None


@pytest.fixture
def workers_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In place of workers of their own: this process. Gives what was asked of them."""
    asked: list[str] = []

    def here(meter: str, function: Any, argument: Any) -> Any:
        asked.append(function.__name__)
        return function(meter, argument)

    monkeypatch.setattr(repeatability, "_in_fresh_worker", here)
    return asked


def test_every_repeat_is_the_same_work_in_a_worker_of_its_own(
    workers_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    products: list[int] = []
    monkeypatch.setattr(repeatability, "_work", lambda n: products.append(n) or 0.0)
    found = repeatability.calibrate("cpu_time", repeats=3, seconds=0.01)
    assert workers_here == ["_sized_work", *["_measured_work"] * 3, "_measured_sleep"]
    assert len(set(products[2:])) == 1 == len(set(products[2:4]))
    assert (len(found["runs"]), found["idle_w"], found["kind"]) == (3, None, "cpu_time")
    json.dumps(found, allow_nan=False)


def test_a_real_worker_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    found = repeatability._in_fresh_worker("cpu_time", repeatability._measured_work, 3)
    assert found.cpu_seconds > 0
    with pytest.raises(EnvironmentLacksError, match="calibration failed"):
        repeatability._in_fresh_worker("cpu_time", repeatability._measured_work, "three")


def test_it_is_kept_and_greys_the_results_of_its_machine_only(
    workers_here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = results(tmp_path / "results", [FP32, SIGN], seeds=[0, 1])
    before = price(folder).frames["noise"]
    assert set(before["floor_source"]) <= {"cells", "not known"}
    assert app.run(["calibrate", str(folder), "--repeats", "3", "--seconds", "0.05"]) == 0
    out = capsys.readouterr().out
    assert "3 repeats of the same work" in out
    (kept,) = (folder / "calibration").iterdir()
    (cached,) = (tmp_path / "cache" / "calibration").iterdir()
    assert kept.name == cached.name
    changed = json.loads(kept.read_text()) | {"cpu_s_spread": 9.0}
    kept.write_text(json.dumps(changed))
    priced = price(folder)
    noise = priced.frames["noise"]
    of_cpu = noise[noise["quantity"] == "cpu_s"]
    assert set(of_cpu["floor_source"]) == {"calibration"}
    assert set(of_cpu["is_above"]) == {0}
    assert priced.context["calibrations"][0]["cpu_s_spread"] == 9.0
    kept.write_text(json.dumps(changed | {"machine": "another"}))
    assert "calibration" not in set(price(folder).frames["noise"]["floor_source"])
    kept.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        price(folder)


def test_a_run_takes_what_the_cache_knows_of_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    repeatability.keep({"machine": "here", "kind": "cpu_time", "at": "then"}, tmp_path / "cache")
    repeatability.copy_from_cache(["here", "there", "here"], "cpu_time", tmp_path / "results")
    (copied,) = (tmp_path / "results" / "calibration").iterdir()
    repeatability.keep({"machine": "here", "kind": "cpu_time", "at": "later"}, tmp_path / "cache")
    repeatability.copy_from_cache(["here"], "cpu_time", tmp_path / "results")
    assert json.loads(copied.read_text())["at"] == "then", "facts of a run do not change"


@pytest.mark.parametrize("arguments", [["--repeats", "2"], ["--seconds", "0"], ["nowhere"], ["--meter", "sundial"]])
def test_what_cannot_be_calibrated_is_refused(
    arguments: list[str], workers_here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["calibrate", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err
