"""Meters: what CodeCarbon says of known work, and what it must not listen to. No speed is asserted here."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.core.errors import MeterError
from harness.core.facts import EnergyReading
from harness.ledger.store import Store
from harness.run.engines import local
from harness.run.engines.local import prepare, run_missing
from harness.run.meters import codecarbon
from harness.run.meters.codecarbon import CodeCarbonMeter, has_readable_rapl, is_virtual_machine
from harness.run.meters.cpu_time import CpuTimeMeter, Window, cpu_seconds_of_process
from tests.runs import FP32, SIGN, PoolHere, planned, run_cell_in_company, tiny

HOSTILE = """
[codecarbon]
force_cpu_power = 5000
force_ram_power = 5000
save_to_file = true
output_dir = .
output_methods = file
save_to_api = true
api_endpoint = http://127.0.0.1:9
emissions_endpoint = http://127.0.0.1:9
save_to_prometheus = true
prometheus_url = http://127.0.0.1:9
tracking_mode = machine
log_level = debug
pue = 3
measure_power_secs = 0.1
"""


def burn(cpu_seconds: float) -> None:
    end = time.process_time() + cpu_seconds
    while time.process_time() < end:
        sum(range(1000))


def measure(cpu_seconds: float) -> EnergyReading:
    meter = CodeCarbonMeter()
    meter.warm_up()
    with meter.window() as window:
        burn(cpu_seconds)
    return window.reading


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a virtual machine without counters, where CodeCarbon computes joules from CPU time."""
    monkeypatch.setattr(codecarbon, "is_virtual_machine", lambda: True)
    monkeypatch.setattr(codecarbon, "has_readable_rapl", lambda: False)


def test_joules_are_cpu_seconds_times_watts(guest: None) -> None:
    reading = measure(1.0)
    assert reading.watts_per_cpu == 4.0
    assert reading.cpu_j == pytest.approx(reading.cpu_seconds * 4.0, rel=0.1)
    assert 0.9 <= reading.coverage <= 1.1


def test_an_estimate_says_how_it_came_about(guest: None) -> None:
    reading = measure(0.1)
    assert (reading.method, reading.evidence) == ("estimated", "E2")
    assert reading.scope == "this process and its children, CPU only"
    assert reading.meter.startswith("codecarbon 3.") and "offline" in reading.meter
    assert reading.gpu_j is None


def test_hostile_settings_change_nothing(
    guest: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file in the working folder, one in the home folder, and variables for every option in it."""
    (tmp_path / ".codecarbon.config").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for line in HOSTILE.strip().splitlines()[1:]:
        name, _, value = line.partition(" = ")
        monkeypatch.setenv(f"CODECARBON_{name.upper()}", value)
    reading = measure(0.3)
    assert reading.watts_per_cpu == 4.0
    assert 0.9 <= reading.coverage <= 1.1
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")


def test_hostile_settings_do_reach_a_tracker_that_leaves_options_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the test above would prove nothing."""
    from codecarbon import OfflineEmissionsTracker

    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\nforce_cpu_power = 5000\n")
    monkeypatch.chdir(tmp_path)
    tracker = OfflineEmissionsTracker(
        country_iso_code="USA", save_to_file=False, log_level="critical", allow_multiple_runs=True
    )
    assert float(tracker._force_cpu_power) == 5000


def test_a_tracker_that_swallowed_an_error_gives_no_reading(guest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(stop=lambda: None, final_emissions_data=None)
    monkeypatch.setattr(codecarbon, "_start_tracker", lambda: broken)
    with pytest.raises(MeterError, match="an error inside it was swallowed"), CodeCarbonMeter().window():
        pass


def test_an_error_in_the_window_stops_the_tracker_and_goes_on(guest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    tracker = SimpleNamespace(stop=lambda: stopped.append(True))
    monkeypatch.setattr(codecarbon, "_start_tracker", lambda: tracker)
    with pytest.raises(KeyError), CodeCarbonMeter().window():
        raise KeyError
    assert stopped == [True]


def test_windows_do_not_add_up(guest: None) -> None:
    """A worker measures cell after cell: each reading is of its own window."""
    measure(0.4)
    assert measure(0.2).cpu_j == pytest.approx(0.2 * 4.0, rel=0.15)


def make_powercap(root: Path, zone: str, is_readable: bool, monkeypatch: pytest.MonkeyPatch) -> Path:
    counter = root / zone / "energy_uj"
    counter.parent.mkdir(parents=True)
    counter.write_text("12345\n")
    # Root may read whatever the mode says.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).exists() and is_readable)
    return root


@pytest.mark.parametrize(
    ("zone", "is_readable", "expected"),
    [("intel-rapl:0", True, True), ("intel-rapl:0", False, False), ("dtpm", True, False)],
)
def test_counters_count_if_they_are_there_and_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, is_readable: bool, expected: bool
) -> None:
    assert has_readable_rapl(make_powercap(tmp_path, zone, is_readable, monkeypatch)) is expected


def test_a_machine_without_powercap_has_no_counters(tmp_path: Path) -> None:
    assert not has_readable_rapl(tmp_path / "nothing")


def test_counters_see_the_whole_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_counters in (True, False):
        monkeypatch.setattr(codecarbon, "has_readable_rapl", lambda found=has_counters: found)
        assert CodeCarbonMeter().is_whole_machine() is has_counters


@pytest.mark.parametrize(("flags", "expected"), [("fpu vme hypervisor lahf", True), ("fpu vme lahf", False)])
def test_a_guest_is_known_by_its_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name\t: X\nflags\t\t: {flags}\n")
    assert is_virtual_machine(tmp_path / "cpuinfo") is expected
    assert is_virtual_machine(tmp_path / "nothing") is False


def test_cpu_time_gives_seconds_and_no_joules() -> None:
    meter = CpuTimeMeter()
    with meter.window() as window:
        burn(0.1)
    reading = window.reading
    assert 0.1 <= reading.cpu_seconds <= reading.seconds * 1.2
    assert reading.cpu_j is None and reading.gpu_j is None
    assert (reading.method, reading.evidence, reading.coverage) == ("not_measured", "none", None)


def test_an_open_window_has_no_reading() -> None:
    with CpuTimeMeter().window() as window, pytest.raises(MeterError):
        _ = window.reading
    with pytest.raises(MeterError):
        _ = Window().reading


def test_reaped_children_count(tmp_path: Path) -> None:
    before = cpu_seconds_of_process()
    child = os.fork()
    if child == 0:
        burn(0.2)
        os._exit(0)
    os.waitpid(child, 0)
    assert cpu_seconds_of_process() - before >= 0.19


def joules_per_cpu_second(folder: Path, jobs: int) -> list[float]:
    """Of two cells, long enough for a reading."""
    values = tiny([FP32, SIGN], task={"clients": 20}, federation={"rounds": 15, "cohort": 20})
    cells = planned(values)
    missing = {cell.cell_id: cell.cell for cell in cells}
    prepare(missing.values())
    failures = run_missing(missing, Store(folder), "codecarbon", jobs, lambda event: None)
    assert failures == {}
    readings = [Store(folder).ledger(cell.cell_id).reading for cell in cells]
    return [reading.cpu_j / reading.cpu_seconds for reading in readings]


@pytest.mark.skipif(has_readable_rapl(), reason="counters see the whole machine: cells run one at a time")
def test_two_cells_at_a_time_report_the_joules_of_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Per CPU second, so that a busy machine changes nothing; a meter of the machine would read nearly twice that."""
    with monkeypatch.context() as patch:
        patch.setattr(local, "_workers", PoolHere().workers)
        alone = joules_per_cpu_second(tmp_path / "1", jobs=1)
    monkeypatch.setattr(local, "run_cell", run_cell_in_company)
    together = joules_per_cpu_second(tmp_path / "2", jobs=2)
    assert together == pytest.approx(alone, rel=0.1)
