"""Manages a results folder: who is using it, which cells are finished, how the others ended.

::

    spec.yaml  index.json              the benchmark, and which cell belongs to which method and seed
    cells/<id>/ledger/                 status.json and parquet: the finished cell, put there by one atomic rename
    cells/<id>/attempts/<n>/           rounds.jsonl, status.json: tries that were killed or failed
    pretraining/<name>.json            how each pre-trained model was made
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.facts import EnergyReading
from harness.core.files import write_json
from harness.ledger.ledger import ROUNDS_FILE, SCHEMA_VERSION, STATUS_FILE, Ledger, read_ledger, read_status


@dataclass(frozen=True)
class Attempt:
    """A try that did not finish.

    Attributes:
        cell_id: the cell that was tried.
        state: ``failed`` or ``killed``.
        error: one line; empty if it was killed.
        rounds: rounds done.
        cpu_seconds: CPU time spent, up to the last line that was written.
    """

    cell_id: str
    state: str
    error: str
    rounds: int
    cpu_seconds: float

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return self.error or f"killed in round {self.rounds}"


@dataclass(frozen=True)
class IndexEntry:
    """Which cell belongs to which method and seed of the benchmark.

    Attributes:
        method: display name of the method.
        seed: evaluation seed.
        cell_id: the cell; methods with equal settings share one.
    """

    method: str
    seed: int
    cell_id: str


@dataclass(frozen=True)
class Store:
    """One results folder.

    Attributes:
        root: the folder; created when something is written.
    """

    root: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for the body of a ``with``.

        Raises:
            UsageError: another process holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"{self.root}: another harness is working in this folder; wait, or use --out"
                ) from error
            yield

    def is_busy(self) -> bool:
        """Whether another process holds the folder."""
        try:
            with (self.root / ".lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def check_folder(self) -> None:
        """Make sure that the folder is free or ours, before anything is written into it.

        Raises:
            UsageError: it holds files that are not of the harness.
        """
        if not _is_ours(self.root):
            raise UsageError(
                f"{self.root}: holds files that are not of the harness; name an empty or new folder with --out"
            )

    def write_index(self, entries: Sequence[IndexEntry]) -> None:
        """Note the cells of the benchmark, so that they can be priced by any later version of the harness."""
        write_json(self.root / "index.json", [asdict(entry) for entry in entries])

    def index(self) -> list[IndexEntry]:
        """The cells of the benchmark, in the order of its plan.

        Raises:
            UsageError: nothing was run in this folder.
        """
        path = self.root / "index.json"
        if not path.is_file():
            raise UsageError(f"{self.root}: nothing was run here yet; `harness compare` comes first")
        try:
            return [IndexEntry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}: damaged ({error}); delete it and run `harness compare` again") from error

    def is_finished(self, cell_id: str) -> bool:
        """Whether the cell has a ledger."""
        return (self._ledger_folder(cell_id) / STATUS_FILE).is_file()

    def ledger(self, cell_id: str) -> Ledger:
        """The ledger of a finished cell."""
        return read_ledger(self._ledger_folder(cell_id))

    def reading(self, cell_id: str) -> EnergyReading:
        """The meter's reading of a finished cell."""
        return EnergyReading(**read_status(self._ledger_folder(cell_id))["reading"])

    def machines(self) -> list[str]:
        """Machines that the finished cells of the index ran on, each once."""
        finished = (entry.cell_id for entry in self.index() if self.is_finished(entry.cell_id))
        return list(dict.fromkeys(str(read_status(self._ledger_folder(key))["host"]["machine"]) for key in finished))

    def claim(self, cell_id: str) -> Path:
        """A new, empty attempt folder for the cell, its status ``running``."""
        attempts = self.root / "cells" / cell_id / "attempts"
        attempts.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in attempts.iterdir() if path.name.isdigit()]
        folder = attempts / f"{max(taken, default=0) + 1:03d}"
        folder.mkdir()
        self._write_status(folder, cell_id, "running", "", "")
        return folder

    def publish(self, attempt: Path, cell_id: str) -> None:
        """Make a finished attempt the ledger of its cell: one rename, nothing in between.

        Only then do its JSON lines go: until it is published, they say what the attempt cost.
        """
        ledger = self._ledger_folder(cell_id)
        attempt.rename(ledger)
        _sync_folder(ledger.parent)
        (ledger / ROUNDS_FILE).unlink()

    def fail(self, attempt: Path, cell_id: str, error: str, traceback: str) -> None:
        """Record why an attempt ended."""
        self._write_status(attempt, cell_id, "failed", error, traceback)

    def attempts(self, cell_id: str, *, with_unended: bool = True) -> list[Attempt]:
        """The tries of the cell that did not finish, oldest first.

        Args:
            cell_id: the cell.
            with_unended: whether a try whose end is not noted counts as killed; it may also be running.
        """
        folder = self.root / "cells" / cell_id / "attempts"
        tries = [_read_attempt(path, cell_id) for path in sorted(folder.iterdir())] if folder.is_dir() else []
        return [attempt for attempt in tries if with_unended or attempt.state == "failed"]

    def newest_attempt(self, cell_id: str) -> Path | None:
        """Folder of the try that started last and is not published; None if there is none."""
        folder = self.root / "cells" / cell_id / "attempts"
        return max(folder.iterdir(), default=None) if folder.is_dir() else None

    def write_pretraining(self, records: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Keep the records of the pre-trainings in use, and no others.

        Args:
            records: by name; None where the record is not at hand, and one that is here already stays.
        """
        folder = self.root / "pretraining"
        for path in folder.glob("*.json"):
            if path.stem not in records:
                path.unlink()
        for name, record in records.items():
            if record is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / f"{name}.json", record)

    def pretraining(self) -> list[dict[str, Any]]:
        """The records of all pre-trainings."""
        return [json.loads(path.read_text()) for path in sorted((self.root / "pretraining").glob("*.json"))]

    def _ledger_folder(self, cell_id: str) -> Path:
        return self.root / "cells" / cell_id / "ledger"

    @staticmethod
    def _write_status(folder: Path, cell_id: str, state: str, error: str, traceback: str) -> None:
        status = {
            "schema_version": SCHEMA_VERSION,
            "state": state,
            "cell_id": cell_id,
            "error": error,
            "traceback": traceback,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(folder / STATUS_FILE, status)


def read_rounds(attempt: Path) -> list[dict[str, Any]]:
    """The complete lines that an attempt has written so far; a line cut off by a kill is left out."""
    try:
        text = (attempt / ROUNDS_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _is_ours(folder: Path) -> bool:
    """Whether `folder` is new, empty, or was written by the harness: results, or reports with their tables."""
    if not folder.is_dir():
        return True
    if (folder / "index.json").is_file() or (folder / "tables" / "context.json").is_file():
        return True
    return all(path.name.startswith(".") for path in folder.iterdir())


def _read_attempt(folder: Path, cell_id: str) -> Attempt:
    lines = read_rounds(folder)
    try:
        status = read_status(folder)
    except (FileNotFoundError, json.JSONDecodeError):
        # Killed before, or while, its status was written.
        status = {"state": "running", "error": ""}
    return Attempt(
        cell_id=cell_id,
        state="failed" if status["state"] == "failed" else "killed",
        error=status.get("error", ""),
        rounds=lines[-1]["round"] if lines else 0,
        cpu_seconds=lines[-1]["cpu_seconds"] if lines else 0.0,
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
