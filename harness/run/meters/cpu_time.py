"""Meters wall and CPU seconds (``cpu_time``), and no joules at all."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from harness.core.errors import MeterError
from harness.core.facts import EnergyReading


def cpu_seconds_of_process() -> float:
    """CPU seconds of this process, all threads, and of its reaped children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass
class Window:
    """A measurement; `reading` is there once the ``with`` is left."""

    _reading: EnergyReading | None = field(default=None)

    @property
    def reading(self) -> EnergyReading:
        """The reading of the finished window.

        Raises:
            MeterError: the window is still open, or its meter gave no reading.
        """
        if self._reading is None:
            raise MeterError("the meter gave no reading for this window")
        return self._reading

    def close(self, reading: EnergyReading) -> None:
        """Set the reading."""
        self._reading = reading


@dataclass(frozen=True)
class CpuTimeMeter:
    """Seconds only; for tests, and for users who price CPU seconds themselves."""

    kind: ClassVar[str] = "cpu_time"

    def warm_up(self) -> None:
        """Nothing to warm."""

    def is_whole_machine(self) -> bool:
        """CPU time is this process's own."""
        return False

    @contextmanager
    def window(self) -> Iterator[Window]:
        """Measure the body of a ``with``."""
        window = Window()
        wall, cpu = time.perf_counter(), cpu_seconds_of_process()
        yield window
        window.close(
            EnergyReading(
                seconds=time.perf_counter() - wall,
                cpu_seconds=cpu_seconds_of_process() - cpu,
                cpu_j=None,
                gpu_j=None,
                method="not_measured",
                scope="this process and its children",
                evidence="none",
                coverage=None,
                watts_per_cpu=None,
                meter="CPU time",
            )
        )
