"""Whether a ledger is what was written: digests of its facts and of its files, and the range of every number.

A digest beside what it is of shows damage and careless hands. It is no signature: who rewrites a ledger can rewrite its
digests too, which is why those of published studies are kept apart (`harness.results.published_digests`).
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.core.facts import Score, Transfer
from harness.core.types import SERVER, Direction, Metric, Phase, Split

if TYPE_CHECKING:
    import pandas as pd

STATUS_FILE = "status.json"
TABLES = ("transfers", "windows", "scores", "shadows", "statistics")
"""Names of the tables of a ledger, each a parquet file."""

END_BYTES = 2**53
"""Above every number of bytes: from here on, a float does not hold each whole number."""

_SENT = ("round", "client", "direction", "payload_bytes", "payload_digest", "is_late")
_SCORED = ("round", "split", "metric", "value")
_SEAL = "record_digests"


# --- Digests ---


def rows_digest(transfers: Sequence[Transfer], scores: Sequence[Score]) -> str:
    """`tables_digest` of facts that are no tables yet."""
    return _digest(map(attrgetter(*_SENT), transfers), map(attrgetter(*_SCORED), scores))


def tables_digest(transfers: "pd.DataFrame", scores: "pd.DataFrame") -> str:
    """SHA-256 over bytes (with a digest per payload, and a word for late ones) and scores, 64 hexadecimal digits.

    Outside stand seconds, joules, what other codings would take and how updates are distributed.

    Args:
        transfers: a row per payload, columns of `Transfer`.
        scores: a row per score, columns of `Score`.
    """
    return _digest(_rows(transfers, _SENT), _rows(scores, _SCORED))


def _rows(table: "pd.DataFrame", columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in columns), strict=True)


def _digest(transfers: Iterable[tuple[Any, ...]], scores: Iterable[tuple[Any, ...]]) -> str:
    lines = [
        f"t {number} {client} {direction} {n_bytes} {digest}{' late' if is_late else ''}"
        for number, client, direction, n_bytes, digest, is_late in transfers
    ]
    lines += [f"s {number} {split} {metric} {value!r}" for number, split, metric, value in scores]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sealed(folder: Path, status: Mapping[str, Any]) -> dict[str, Any]:
    """A status with ``record_digests``: one of each table's file in `folder`, and one of the status itself with those.

    Args:
        folder: holds the tables, all of them written.
        status: JSON-able, without such digests.
    """
    digests = {name: _file_digest(folder / name) for name in map(_file_of, TABLES)}
    whole = {**status, _SEAL: digests}
    return {**status, _SEAL: {**digests, STATUS_FILE: _status_digest(whole)}}


def broken_seals(folder: Path, status: Mapping[str, Any]) -> list[str]:
    """Files of a ledger that are not those that its ``record_digests`` are of; none where it has no such digests.

    Raises:
        OSError: a file is not there, or cannot be read.
    """
    stated = status.get(_SEAL)
    if stated is None:
        return []
    found = {name: _file_digest(folder / name) for name in map(_file_of, TABLES)}
    found[STATUS_FILE] = _status_digest({**status, _SEAL: {key: stated[key] for key in stated if key != STATUS_FILE}})
    return [name for name, digest in found.items() if stated.get(name) != digest]


def _file_of(table: str) -> str:
    return f"{table}.parquet"


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _status_digest(status: Mapping[str, Any]) -> str:
    # Of the content: indentation and the order of keys are nobody's facts.
    return hashlib.sha256(json.dumps(status, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# --- Ranges ---

_LEAST: Mapping[str, int] = {
    "round": 0,
    "client": SERVER,
    "payload_bytes": 0,
    "frame_bytes": 0,
    "reference_bytes": 0,
    "n_steps": 0,
    "size": 0,
}
_WORDS: Mapping[str, frozenset[str]] = {
    "direction": frozenset(get_args(Direction)),
    "phase": frozenset(get_args(Phase)),
    "split": frozenset(get_args(Split)),
    "metric": frozenset(get_args(Metric)),
}
_SECONDS = ("seconds", "cpu_seconds")


def check_ranges(tables: "Mapping[str, pd.DataFrame]", *, may_lack_seconds: bool) -> None:
    """Refuse numbers and words that cannot be, whatever a digest says.

    Args:
        tables: all tables of a ledger by name.
        may_lack_seconds: whether seconds may be NaN because nobody took them, as in runs that were not ours.

    Raises:
        ValueError: one cannot be; the text names table, row and what is allowed.
    """
    for name, table in tables.items():
        for column in table.columns:
            if column in _LEAST:
                _check_whole(name, table[column], _LEAST[column])
            elif column in _WORDS:
                _check_words(name, table[column], _WORDS[column])
            elif column in _SECONDS:
                _check_seconds(name, table[column], may_lack_seconds)
    _check_scores(tables["scores"])


def check_reading(reading: Mapping[str, Any]) -> None:
    """Refuse seconds of a meter that cannot be; null stands for what nobody took.

    Raises:
        ValueError: one cannot be.
    """
    for name in _SECONDS:
        value = reading[name]
        if value is not None and not 0 <= value < math.inf:
            raise ValueError(f"{STATUS_FILE}, reading: {name} is {value}; allowed: finite, from 0")


def _check_whole(table: str, column: "pd.Series[Any]", least: int) -> None:
    values = column.to_numpy()
    if values.dtype.kind not in "iu":
        raise ValueError(f"{_file_of(table)}: {column.name} is not of whole numbers")
    if len(values) and not least <= values.min() <= values.max() < END_BYTES:
        _refuse(table, column, (values < least) | (values >= END_BYTES), f"{least} to 2**53 - 1")


def _check_words(table: str, column: "pd.Series[Any]", allowed: frozenset[str]) -> None:
    if not set(column.tolist()) <= allowed:
        _refuse(table, column, ~column.isin(allowed).to_numpy(), ", ".join(sorted(allowed)))


def _check_seconds(table: str, column: "pd.Series[Any]", may_be_unknown: bool) -> None:
    values = column.to_numpy()
    is_fine = (values >= 0) & (values < math.inf)
    if may_be_unknown:
        is_fine |= column.isna().to_numpy()
    if not is_fine.all():
        _refuse(table, column, ~is_fine, "finite seconds, from 0")


def _check_scores(scores: "pd.DataFrame") -> None:
    values = scores["value"].to_numpy()
    is_share = scores["metric"].isin(("accuracy", "sent_accuracy")).to_numpy()
    is_fine = (abs(values) < math.inf) & (~is_share | ((values >= 0) & (values <= 1)))
    if not is_fine.all():
        _refuse("scores", scores["value"], ~is_fine, "finite; an accuracy from 0 to 1")


def _refuse(table: str, column: "pd.Series[Any]", is_wrong: Any, allowed: str) -> None:
    row = int(is_wrong.argmax())
    raise ValueError(f"{_file_of(table)}, row {row + 1}: {column.name} is {column.iloc[row]!s}; allowed: {allowed}")
