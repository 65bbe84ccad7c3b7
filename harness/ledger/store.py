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

from harness.core.errors import LedgerError, UsageError
from harness.core.facts import EnergyReading
from harness.core.files import write_json
from harness.ledger.integrity import STATUS_FILE
from harness.ledger.ledger import ROUNDS_FILE, SCHEMA_VERSION, Ledger
from harness.ledger.reader import read_ledger, read_status


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
        trusts_ledgers: whether a ledger that is not what its digests state is read all the same.
    """

    root: Path
    trusts_ledgers: bool = False

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
        """The cells of the benchmark, in the order of its plan, each once.

        Raises:
            UsageError: nothing was run in this folder, or its index is damaged.
        """
        path = self.root / "index.json"
        if not path.is_file():
            raise UsageError(f"{self.root}: nothing was run here yet; `harness compare` comes first")
        try:
            entries = [_index_entry(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
            return _each_once(entries)
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError(
                f"{path}: damaged ({error}); restore it, or delete it and run `harness compare` again"
            ) from error

    def is_finished(self, cell_id: str) -> bool:
        """Whether the cell has a ledger, damaged or not: its folder appears as a whole."""
        return self._ledger_folder(cell_id).is_dir()

    def ledger(self, cell_id: str) -> Ledger:
        """The ledger of a finished cell; see `harness.ledger.reader.read_ledger` for how it is refused."""
        return read_ledger(self._ledger_folder(cell_id), cell_id, is_trusted=self.trusts_ledgers)

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
        tries = [_read_attempt(folder, cell_id) for folder in self.attempt_folders(cell_id)]
        return [attempt for attempt in tries if with_unended or attempt.state == "failed"]

    def newest_attempt(self, cell_id: str) -> Path | None:
        """Folder of the try that started last and is not published; None if there is none."""
        return next(reversed(self.attempt_folders(cell_id)), None)

    def attempt_folders(self, cell_id: str) -> list[Path]:
        """Folders of the tries of the cell that are not published, oldest first; what else lies there is nobody's."""
        folder = self.root / "cells" / cell_id / "attempts"
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(path for path in found if path.name.isdigit() and path.is_dir())

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
        """The records of all pre-trainings.

        Raises:
            UsageError: one is damaged.
        """
        paths = sorted((self.root / "pretraining").glob("[!.]*.json"))
        return [_pretraining_record(path) for path in paths]

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
    """The lines that an attempt has written so far, up to one that was cut off by a kill or is damaged."""
    try:
        written = (attempt / ROUNDS_FILE).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return []
    found = []
    for text in written.split(b"\n")[:-1]:
        try:
            line = json.loads(text)
            int(line["round"]), float(line.get("cpu_seconds", 0.0))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            break
        found.append(line)
    return found


def _index_entry(entry: Mapping[str, Any]) -> IndexEntry:
    found = IndexEntry(**entry)
    if not (isinstance(found.method, str) and type(found.seed) is int and isinstance(found.cell_id, str)):
        raise ValueError(f"no entry: {entry}")
    if not found.cell_id.isalnum():
        raise ValueError(f"{found.cell_id!r} is no id of a cell")
    return found


def _each_once(entries: Sequence[IndexEntry]) -> list[IndexEntry]:
    cells: dict[tuple[str, int], str] = {}
    for entry in entries:
        if cells.setdefault((entry.method, entry.seed), entry.cell_id) != entry.cell_id:
            raise ValueError(f"{entry.method}, seed {entry.seed} has two cells")
    return list(dict.fromkeys(entries))


def _pretraining_record(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path}: damaged ({error}); restore it, or delete it and run `harness compare` again"
        ) from error


def _is_ours(folder: Path) -> bool:
    """Whether `folder` is new, empty, or was written by the harness: results, or reports with their tables."""
    if not folder.is_dir():
        return True
    if (folder / "index.json").is_file() or (folder / "tables" / "context.json").is_file():
        return True
    if (folder / "spec.yaml").is_file() and (folder / "cells").is_dir():
        return True  # its index was damaged and taken away
    return all(path.name.startswith(".") for path in folder.iterdir())


def _read_attempt(folder: Path, cell_id: str) -> Attempt:
    lines = read_rounds(folder)
    try:
        status = read_status(folder)
    except LedgerError:
        # Killed before, or while, its status was written.
        status = {"state": "running", "error": ""}
    return Attempt(
        cell_id=cell_id,
        state="failed" if status.get("state") == "failed" else "killed",
        error=str(status.get("error", "")),
        rounds=int(lines[-1]["round"]) if lines else 0,
        cpu_seconds=float(lines[-1].get("cpu_seconds", 0.0)) if lines else 0.0,
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
