"""Meters energy with CodeCarbon's offline tracker around a whole cell (``codecarbon``), joules only.

Every option is passed explicitly, because CodeCarbon merges ``.codecarbon.config`` files and ``CODECARBON_*``
variables into whatever is left out. Carbon, PUE and memory power are not taken from it: carbon is an assumption and
is applied to joules later, and its memory power is a constant times wall time, not a measurement.

References:
    CodeCarbon, https://codecarbon.io, version 3.3.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from harness.core.errors import MeterError
from harness.core.facts import EnergyReading
from harness.core.units import j_from_kwh
from harness.run import accelerator
from harness.run.meters.cpu_time import Window, cpu_seconds_of_process

DEFAULT_WATTS_PER_CPU = 4.0
"""W for one busy hardware thread of an unknown CPU: CodeCarbon's own default for models outside its table."""

_SAMPLING_S = 15
_COUNTER_BACKENDS = ("Rapl", "Emi", "Apple", "Raspberry")


@dataclass(frozen=True)
class CodeCarbonMeter:
    """CodeCarbon, process scope where there are no hardware counters."""

    kind: ClassVar[str] = "codecarbon"

    def warm_up(self) -> None:
        """One discarded measurement: imports, hardware detection and tables are cached by the process."""
        with self.window():
            pass

    def is_whole_machine(self) -> bool:
        """Whether counters are read that see every process: those of the machine, or of an accelerator in use."""
        return has_counters() or accelerator.is_requested()

    @contextmanager
    def window(self) -> Iterator[Window]:
        """Measure the body of a ``with``.

        Raises:
            MeterError: CodeCarbon swallowed an error and gave no reading.
        """
        window = Window()
        tracker = _start_tracker()
        wall, cpu = time.perf_counter(), cpu_seconds_of_process()
        try:
            yield window
        finally:
            seconds, cpu_seconds = time.perf_counter() - wall, cpu_seconds_of_process() - cpu
            tracker.stop()
        window.close(_reading(tracker, seconds, cpu_seconds))


def has_counters() -> bool:
    """Whether CodeCarbon reads counters here: RAPL, those of a Mac, or the power circuit of a Raspberry Pi 5."""
    return has_readable_rapl() or sys.platform == "darwin" or is_raspberry_pi_5()


def is_raspberry_pi_5(model: Path = Path("/proc/device-tree/model")) -> bool:
    """Whether the board says that it is one; False where there is no such file."""
    try:
        return "Raspberry Pi 5" in model.read_text(errors="replace")
    except OSError:
        return False


def has_readable_rapl(root: Path = Path("/sys/class/powercap")) -> bool:
    """Whether Intel RAPL energy counters exist under `root` and may be read (root only since Linux 5.10)."""
    return any(os.access(path, os.R_OK) for path in root.glob("intel-rapl:*/energy_uj"))


def is_virtual_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU says that it runs under a hypervisor; False where `cpuinfo` cannot be read."""
    try:
        return " hypervisor" in cpuinfo.read_text(errors="replace")
    except OSError:
        return False


def _start_tracker() -> Any:
    # Some lines are printed before log_level applies; the variable must be set before the import.
    os.environ["CODECARBON_LOG_LEVEL"] = "critical"
    from codecarbon import OfflineEmissionsTracker

    is_counted = has_counters()
    tracker = OfflineEmissionsTracker(
        # The country only sets CodeCarbon's own grams, which are not used; an unknown one would be replaced silently.
        country_iso_code="USA",
        force_carbon_intensity_g_co2e_kwh=1.0,
        tracking_mode="machine" if is_counted else "process",
        measure_power_secs=_SAMPLING_S,
        force_cpu_power=None if is_counted or not is_virtual_machine() else _watts_of_guest(),
        force_ram_power=0,
        force_mode_cpu_load=False,
        rapl_include_dram=False,
        rapl_prefer_psys=False,
        pue=1.0,
        wue=0,
        output_methods=[],
        output_handlers=[],
        save_to_file=False,
        save_to_api=False,
        save_to_logger=False,
        save_to_prometheus=False,
        save_to_logfire=False,
        allow_multiple_runs=True,
        api_call_interval=-1,
        api_endpoint=None,
        api_key=None,
        emissions_endpoint=None,
        electricitymaps_api_token=None,
        experiment_id=None,
        experiment_name=None,
        project_name="harness",
        # Must exist although nothing is written.
        output_dir=tempfile.gettempdir(),
        output_file="emissions.csv",
        log_level="critical",
        logger_preamble="",
        logging_logger=None,
        prometheus_url=None,
        on_csv_write="append",
        region=None,
        cloud_provider=None,
        cloud_region=None,
        country_2letter_iso_code=None,
        gpu_ids=None,
        metadata=None,
    )
    tracker.start()
    if not is_counted:
        _sample_at_stop_only(tracker)
    return tracker


def _sample_at_stop_only(tracker: Any) -> None:
    """Stop the sampling threads of a process-scope tracker; the sample that `stop` takes then covers the whole window.

    A sample divides CPU time read at its end by an interval read at its start. In a thread next to busy Python code the
    scan between the two waits for the interpreter lock, up to a second, and a three-second window read 1.5 to 1.7
    times its CPU time. CPU time is cumulative, so one sample at the end loses nothing.
    """
    for name in ("_scheduler", "_scheduler_monitor_power"):
        scheduler = getattr(tracker, name, None)
        if scheduler is not None:
            scheduler.stop()


def _watts_of_guest() -> float:
    # In a guest the table would charge the whole socket's TDP to the few threads that the guest owns.
    return DEFAULT_WATTS_PER_CPU * (os.cpu_count() or 1)


def _reading(tracker: Any, seconds: float, cpu_seconds: float) -> EnergyReading:
    data = getattr(tracker, "final_emissions_data", None)
    if data is None:
        raise MeterError("CodeCarbon gave no reading: an error inside it was swallowed")
    cpu_j = j_from_kwh(float(data.cpu_energy))
    gpu_j = j_from_kwh(float(data.gpu_energy)) if float(data.gpu_energy) > 0 else None
    backend = _cpu_backend(tracker)
    meter = f"codecarbon {version('codecarbon')} (offline, {backend or 'backend unknown'})"
    if backend is not None and any(word in backend for word in _COUNTER_BACKENDS):
        return EnergyReading(
            seconds, cpu_seconds, cpu_j, gpu_j, "counter", "CPU package of the whole machine", "M1", None, None, meter
        )
    watts = _watts_per_cpu(tracker)
    evidence = "E2" if watts is None or watts == DEFAULT_WATTS_PER_CPU else "E1"
    coverage = None if not watts or not cpu_seconds else cpu_j / watts / cpu_seconds
    if cpu_j == 0 and watts:
        # The tracker skips a sample within 50 ms of the last. Its model at our finer clock, instead of a false zero.
        cpu_j, meter = cpu_seconds * watts, f"{meter}; below its resolution: CPU time x W"
    return EnergyReading(
        seconds,
        cpu_seconds,
        cpu_j,
        gpu_j,
        "estimated",
        "this process and its children, CPU only",
        evidence,
        coverage,
        watts,
        meter,
    )


def _cpu_backend(tracker: Any) -> str | None:
    # Private, and the only place where CodeCarbon records what it did; None if a later version moves it.
    for item in getattr(tracker, "_hardware", []):
        if type(item).__name__ in ("CPU", "AppleSiliconChip", "Raspberry"):
            return str(item.description())
    return None


def _watts_per_cpu(tracker: Any) -> float | None:
    for item in getattr(tracker, "_hardware", []):
        tdp, count = getattr(item, "_tdp", None), getattr(item, "_cpu_count", None)
        if tdp and count:
            return float(tdp) / float(count)
    return None
