"""Reading ledgers: the one way in for whoever prices, reports, shows, joins or judges finished cells.

What is read is what was written, or it is refused: damage, files that are not those of the stated digests, a ledger in
the folder of another cell, numbers that cannot be.
"""

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import EnvironmentLacksError, LedgerError, UsageError
from harness.core.facts import CodecTiming, EnergyReading, TrainingWork
from harness.ledger.integrity import STATUS_FILE, TABLES, broken_seals, check_ranges, check_reading, tables_digest
from harness.ledger.ledger import SCHEMA_VERSION, Host, Ledger

if TYPE_CHECKING:
    import pandas as pd

_LATER_COLUMNS: Mapping[str, Mapping[str, Any]] = {"transfers": {"is_late": False}}
"""Columns that older ledgers of this schema lack, with what held in them."""

_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError)
"""What JSON, parquet and the making of facts from either raise where bytes are not as they were written."""

_WAY_OUT = "restore the folder, or delete it and run again"

_GONE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)
"""Errors of a file that is not there or is something else; with any other, it is there and cannot be read."""


def read_ledger(folder: Path, cell_id: str | None = None, *, is_trusted: bool = False) -> Ledger:
    """The finished cell in `folder`.

    Args:
        folder: holds the status and the tables.
        cell_id: the cell that it is to be of; None takes what it says.
        is_trusted: whether a ledger that is not what its digests state is read all the same, `Ledger.doubt` saying so.

    Raises:
        UsageError: written by a version with another schema.
        LedgerError: damaged, or not what its digests state, or of another cell.
        EnvironmentLacksError: a file of it may not be read.
    """
    with _told(folder):
        status = _status(folder)
        doubt = _doubt_of_files(folder, status, cell_id)
        if not doubt or is_trusted:
            ledger = _ledger(folder, status)
            found = tables_digest(ledger.transfers, ledger.scores)
            if not doubt and found != ledger.facts_digest:
                doubt = "its facts (transfers.parquet, scores.parquet) are not those that its digest states"
    if not doubt:
        return ledger
    if not is_trusted:
        raise LedgerError(f"{folder}: {doubt}: {_WAY_OUT}; --trust-ledgers reads it all the same")
    return replace(ledger, cell_id=cell_id or ledger.cell_id, facts_digest=found, doubt=doubt)


def read_status(folder: Path) -> dict[str, Any]:
    """The status file of an attempt or a finished cell.

    Raises:
        UsageError: written by a version with another schema.
        LedgerError: damaged.
        EnvironmentLacksError: it may not be read.
    """
    with _told(folder):
        return _status(folder)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a file of `folder` into one line that names it."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in _GONE:
            raise _damaged(folder, error) from error
        name = error.filename or folder
        raise EnvironmentLacksError(f"{name}: cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> LedgerError:
    said = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    kind = type(error).__name__
    reason = kind if not said else f"no {said}" if isinstance(error, KeyError) else said.partition("\n")[0]
    return LedgerError(f"{folder}: damaged ({reason}): {_WAY_OUT}")


def _status(folder: Path) -> dict[str, Any]:
    path = folder / STATUS_FILE
    status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if status["schema_version"] != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: ledger schema {status['schema_version']}, this version reads {SCHEMA_VERSION}; "
            "use the version of the harness that wrote it, or run the benchmark into a new folder"
        )
    return status


def _doubt_of_files(folder: Path, status: Mapping[str, Any], cell_id: str | None) -> str:
    """What is wrong with a ledger before its tables are read; empty if nothing is."""
    if cell_id is not None and status["cell_id"] != cell_id:
        return f"it is the ledger of another cell, {status['cell_id']}"
    if broken := broken_seals(folder, status):
        verb = "is" if len(broken) == 1 else "are"
        return f"{', '.join(broken)} {verb} not what its digests state"
    return ""


def _ledger(folder: Path, status: Mapping[str, Any]) -> Ledger:
    tables = {name: _completed(name, _table(folder / f"{name}.parquet")) for name in TABLES}
    check_ranges(tables, may_lack_seconds="origin" in status["cell"])
    check_reading(status["reading"])
    return Ledger(
        cell_id=status["cell_id"],
        cell=status["cell"],
        facts_digest=status["facts_digest"],
        reading=EnergyReading(**status["reading"]),
        host=Host(**status["host"]),
        code=status["code"],
        codec_timings=tuple(CodecTiming(**timing) for timing in status["codec_timings"]),
        work=TrainingWork(**status["work"]) if status.get("work") else None,
        transfers=tables["transfers"],
        windows=tables["windows"],
        scores=tables["scores"],
        shadows=tables["shadows"],
        statistics=tables["statistics"],
    )


def _table(path: Path) -> "pd.DataFrame":
    import pyarrow.parquet as pq

    # What `pandas.read_parquet` gives, without the machinery for data sets of many files: half the time for small ones.
    with pq.ParquetFile(path) as file:
        table: pd.DataFrame = file.read(use_threads=False).to_pandas(use_threads=False)
    return table


def _completed(name: str, table: "pd.DataFrame") -> "pd.DataFrame":
    """`table` with the columns that it lacks because it was written before there were any."""
    for column, value in _LATER_COLUMNS.get(name, {}).items():
        if column not in table:
            table[column] = value
    return table
