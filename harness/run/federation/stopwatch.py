"""Times the phases of a cell and records them in its facts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.core.facts import ComputeWindow
from harness.core.types import SERVER, Phase
from harness.ledger.ledger import Facts


@dataclass
class WindowNote:
    """What the body of a window records about itself."""

    n_steps: int = 0


@dataclass
class Stopwatch:
    """Times the phases of a cell into its facts."""

    facts: Facts

    @contextmanager
    def window(self, round: int, phase: Phase, client: int = SERVER) -> Iterator[WindowNote]:
        """Time the body of a ``with`` in wall and thread CPU seconds."""
        note = WindowNote()
        wall, cpu = time.perf_counter(), time.thread_time()
        yield note
        seconds, cpu_seconds = time.perf_counter() - wall, time.thread_time() - cpu
        self.facts.windows.append(ComputeWindow(round, phase, client, seconds, cpu_seconds, note.n_steps))
