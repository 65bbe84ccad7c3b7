"""Shows the progress of a run: a line per running cell on a terminal, plain lines elsewhere.

Workers need not report: the state of a running cell is read from the lines that it writes into its ledger.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.core.facts import EnergyReading
from harness.ledger.store import Store, read_rounds
from harness.run.engines.local import Event
from harness.spec.plan import PlannedCell

_STAGES = {"preparing": "preparing data", "starting": "starting workers", "pretraining": "pre-training"}


@dataclass
class Running:
    """What is known of a running cell.

    Attributes:
        method: display name.
        seed: evaluation seed.
        round: last finished round.
        rounds: rounds planned.
        accuracy: last validation accuracy, None before the first.
        cpu_s: CPU seconds spent so far.
        since: monotonic time at which it was first seen.
    """

    method: str
    seed: int
    round: int
    rounds: int
    accuracy: float | None
    cpu_s: float
    since: float


@dataclass
class ProgressView:
    """Shows the events of a run.

    Attributes:
        planned: all cells of the benchmark.
        store: where running cells leave their lines.
        console: where to draw.
    """

    planned: Sequence[PlannedCell]
    store: Store
    console: Console
    _live: Live | None = None
    _done: dict[str, bool] = field(default_factory=dict)
    _seen: dict[Path, float] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _stage: str = ""
    _names: dict[str, PlannedCell] = field(default_factory=dict)
    _already: set[str] = field(default_factory=set)
    _readings: dict[str, EnergyReading] = field(default_factory=dict)

    def __enter__(self) -> "ProgressView":
        for cell in self.planned:
            self._names.setdefault(cell.cell_id, cell)
        self._already = {key for key in self._names if self.store.is_finished(key)}
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.__enter__()
        if self._already:
            self.console.print(f"{len(self._already)} of {len(self._names)} cells are finished already")
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*exc_info)

    def on_event(self, event: Event) -> None:
        """Show one event."""
        if event.kind in _STAGES:
            self._stage = _STAGES[event.kind]
            if self._live is None:
                self.console.print(self._stage)
        elif event.kind in ("finished", "failed"):
            self._stage = ""
            self._done[event.cell_id] = event.kind == "finished"
            if event.kind == "finished":
                self._readings[event.cell_id] = self.store.reading(event.cell_id)
            self._print_outcome(event)
        if self._live is not None:
            self._live.update(self._picture())

    def _print_outcome(self, event: Event) -> None:
        cell = self._names[event.cell_id]
        count = f"[{len(self._already) + len(self._done)}/{len(self._names)}]"
        name = f"{cell.method}, seed {cell.cell.seed}"
        if event.failure is None:
            self.console.print(Text(f"{count} finished {name}"))
        else:
            self.console.print(Text(f"{count} failed   {name}: {event.failure.error}", style="red"))

    def _picture(self) -> Group:
        cells = self._running()
        table = Table.grid(padding=(0, 2))
        for cell in cells:
            accuracy = "" if cell.accuracy is None else f"{cell.accuracy:.1%}"
            bar = ProgressBar(total=cell.rounds, completed=cell.round, width=24)
            joules = "" if (rate := self._j_per_cpu_s()) is None else f"{rate * cell.cpu_s:.0f} J"
            name, rounds = Text(cell.method), f"round {cell.round}/{cell.rounds}"
            table.add_row(name, f"seed {cell.seed}", bar, rounds, accuracy, joules, _eta(cell))
        n_done = len(self._already) + len(self._done)
        parts = [f"{n_done}/{len(self._names)} cells", f"{time.monotonic() - self._started:.0f} s"]
        if (spent := self._joules()) is not None:
            parts.append(f"{spent:.0f} J so far ({next(iter(self._readings.values())).method})")
        return Group(table, Text(" · ".join(parts + ([] if cells or not self._stage else [self._stage])), style="dim"))

    def _joules(self) -> float | None:
        """Joules of the cells that this run finished; None if there is none, or the meter gives no joules."""
        joules = [reading.cpu_j for reading in self._readings.values()]
        known = [value for value in joules if value is not None]
        return sum(known) if known and len(known) == len(joules) else None

    def _j_per_cpu_s(self) -> float | None:
        """What finished cells cost per CPU second; a running cell has no reading of its own yet."""
        spent = self._joules()
        return None if spent is None else spent / sum(reading.cpu_seconds for reading in self._readings.values())

    def _running(self) -> list[Running]:
        running = []
        for key, planned in self._names.items():
            if key in self._done or key in self._already:
                continue
            attempt = self.store.newest_attempt(key)
            if attempt is None or not (lines := read_rounds(attempt)):
                continue
            since = self._seen.setdefault(attempt, time.monotonic())
            rounds = int(planned.cell.federation["rounds"])
            running.append(
                Running(
                    planned.method,
                    planned.cell.seed,
                    lines[-1]["round"],
                    rounds,
                    _accuracy(lines),
                    lines[-1]["cpu_seconds"],
                    since,
                )
            )
        return running


def progress_console() -> Console:
    """The console for progress: standard error, so that results can be piped; rich itself obeys ``NO_COLOR``."""
    return Console(stderr=True, force_terminal=None if sys.stderr.isatty() else False, highlight=False)


def _accuracy(lines: Sequence[Mapping[str, Any]]) -> float | None:
    for line in reversed(lines):
        for score in line["scores"]:
            if score["split"] == "validation" and score["metric"] == "accuracy":
                return float(score["value"])
    return None


def _eta(cell: Running) -> str:
    if cell.round == 0:
        return ""
    seconds = (time.monotonic() - cell.since) / cell.round * (cell.rounds - cell.round)
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"
