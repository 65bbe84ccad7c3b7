"""Turns a published table, one row per method of a paper, into ledgers that can be priced.

A table is a CSV file with the columns of `COLUMNS`, those of `OPTIONAL` where they are known, in any order::

    method,rounds,clients,bytes_up,bytes_down,accuracy
    FedAvg,100,10,1600000,1600000,0.912
    "QSGD, 4 bit",100,10,220000,1600000,0.907

It says what each client moved in each round, so every payload of a ledger made from it has the stated length. What the
table does not say (seconds, the host, scores of single rounds) stays unknown.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import Problem, SpecError, UsageError
from harness.ledger.argument_checks import name_problem
from harness.ledger.external_runs import bare_ledger, open_cell
from harness.ledger.ledger import Ledger
from harness.parsing.csv_text import CsvCell, Rows, read_rows, rows_of
from harness.parsing.problems import shown

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("method", "rounds", "clients", "bytes_up", "bytes_down", "accuracy")
"""Columns that a table must have; a cell of ``accuracy`` may be empty."""

OPTIONAL = ("population", "seed", "broadcast", "source")
"""Columns that it may have, and whose cells may be empty."""

MAX_PAYLOADS = 5_000_000
"""Most payloads that a row may stand for; each takes about 300 bytes of memory."""

_HIGHEST = 10**18


@dataclass(frozen=True)
class TableRow:
    """One run, as a table states it.

    Attributes:
        method: name of the method, as typed.
        rounds: rounds of training, at least 1.
        clients: clients that take part in each round, at least 1.
        bytes_up: bytes that each of them sends in a round, at least 0.
        bytes_down: bytes that each of them receives in a round, at least 0.
        accuracy: test accuracy after the last round, a share from 0 to 1; None if it is not stated.
        population: clients there are, at least `clients`; they take turns. Equal to `clients` if it is not stated.
        seed: number of the repetition of a method.
        broadcast: whether all clients of a round receive the same bytes, so that one broadcast could serve them.
        source: where the numbers were published, in words.
    """

    method: str
    rounds: int
    clients: int
    bytes_up: int
    bytes_down: int
    accuracy: float | None
    population: int
    seed: int = 0
    broadcast: bool = False
    source: str = ""


def read_table(path: Path) -> list[TableRow]:
    """The rows of a published table, in the order of the file.

    Args:
        path: UTF-8 text; cells are parted by commas, semicolons or tabs, whichever the first line has most of.

    Raises:
        UsageError: the file is not there or no text, or cells are wrong; then with a line ``file:line:column`` for
            every mistake.
    """
    return _table(read_rows(path, COLUMNS, OPTIONAL), str(path))


def parse_table(text: str, file: str) -> list[TableRow]:
    r"""`read_table` of the text of a file; `file` is its name in errors.

    >>> parse_table("method,rounds,clients,bytes_up,bytes_down,accuracy\nFedAvg,2,3,10,20,0.9", "t.csv")[0].population
    3
    """
    return _table(rows_of(text, file, COLUMNS, OPTIONAL), file)


def ledgers_of(rows: Sequence[TableRow]) -> list[tuple[str, Ledger]]:
    """A ledger for each row, with the name of its method; the first is what the others are compared with."""
    return [(row.method, ledger_of(row)) for row in rows]


def ledger_of(row: TableRow) -> Ledger:
    """The ledger of a run in which every client moved what the row states in every round that it took part in.

    Clients take turns: round 1 has the clients 0 to ``clients - 1``, round 2 the next ones, and after the last of the
    population comes client 0 again. A direction that moved no bytes has no payloads.
    """
    import pandas as pd

    content = json.dumps({"published_table": asdict(row)}, sort_keys=True)
    scores = {"round": [row.rounds], "split": ["test"], "metric": ["accuracy"], "value": [row.accuracy]}
    frame = pd.DataFrame(scores).astype({"round": "int64", "value": "float64"})
    return bare_ledger(
        cell_id=hashlib.sha256(content.encode()).hexdigest()[:16],
        cell=open_cell(row.method, row.seed, "published_table", row.population, row.source),
        transfers=_transfers(row),
        scores=frame if row.accuracy is not None else frame.iloc[:0],
    )


def _transfers(row: TableRow) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    n_pairs = row.rounds * row.clients
    place = np.arange(n_pairs, dtype=np.int64)
    rounds, clients = place // row.clients + 1, place % row.population
    ways = [("downlink", row.bytes_down), ("uplink", row.bytes_up)]
    used = [(way, n_bytes) for way, n_bytes in ways if n_bytes > 0]
    digests: list[str] = []
    for way, _ in used:
        is_shared = row.broadcast and way == "downlink"
        mark = "d" if way == "downlink" else "e"
        digests += [f"{mark}{number:015x}" for number in (rounds if is_shared else place).tolist()]
    n_ways = len(used)
    frame = pd.DataFrame(
        {
            "round": np.tile(rounds, n_ways),
            "client": np.tile(clients, n_ways),
            "direction": np.repeat(np.array([way for way, _ in used], dtype=object), n_pairs),
            "payload_bytes": np.repeat(np.array([n_bytes for _, n_bytes in used], dtype=np.int64), n_pairs),
            "frame_bytes": np.zeros(n_ways * n_pairs, dtype=np.int64),
            "payload_digest": np.array(digests, dtype=object),
            "reference_bytes": np.zeros(n_ways * n_pairs, dtype=np.int64),
            "is_late": np.zeros(n_ways * n_pairs, dtype=bool),
        }
    )
    return frame.sort_values("round", kind="stable", ignore_index=True)


def _table(read: Rows, file: str) -> list[TableRow]:
    problems = list(read.problems)
    found = [_row(cells, problems) for cells in read.cells]
    if problems:
        raise SpecError(file, problems)
    rows = [row for row in found if row is not None]
    _check_rows(rows, read.cells, file)
    return rows


def _row(cells: Mapping[str, CsvCell], problems: list[Problem]) -> TableRow | None:
    """The row of some cells; None if something is wrong, which is then in `problems`."""
    values, n_before = {}, len(problems)
    for name, cell in cells.items():
        if not cell.text and name in (*OPTIONAL, "accuracy"):
            continue
        try:
            values[name] = _READERS[name](cell.text)
        except ValueError as error:
            problems.append(cell.problem(name, str(error)))
    if len(problems) > n_before:
        return None
    row = TableRow(**{"accuracy": None, "population": values["clients"], **values})
    if clash := _clash(row):
        name, text = clash
        problems.append(cells[name].problem(name, text))
        return None
    return row


def _clash(row: TableRow) -> tuple[str, str] | None:
    """What is wrong between the cells of a row, each of which is fine alone: column and text."""
    if row.population < row.clients:
        return "population", f"{row.population} is less than the {row.clients} clients of a round"
    if row.bytes_up + row.bytes_down == 0:
        return "bytes_up", "0, and so is bytes_down: there is nothing to price"
    n_payloads = 2 * row.rounds * row.clients
    if n_payloads > MAX_PAYLOADS:
        return "rounds", (
            f"{row.rounds:,} rounds of {row.clients:,} clients are {n_payloads:,} payloads; at most "
            f"{MAX_PAYLOADS:,} can be priced"
        )
    return None


def _check_rows(rows: Sequence[TableRow], cells: Sequence[Mapping[str, CsvCell]], file: str) -> None:
    """Refuse a table without rows, or with two indistinguishable runs."""
    if not rows:
        raise UsageError(f"{file}: has no row below the names of its columns")
    seen: dict[tuple[str, int], int] = {}
    problems = []
    for row, own in zip(rows, cells, strict=True):
        cell = own["method"]
        earlier = seen.setdefault((row.method, row.seed), cell.line)
        if earlier != cell.line:
            text = (
                f"{shown(row.method)}, seed {row.seed} stands in line {earlier} already; name a seed or another method"
            )
            problems.append(cell.problem("method", text))
    if problems:
        raise SpecError(file, problems)


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", text):
            raise ValueError(f"{shown(text)} is no whole number; write it without separators or units, e.g. 1600000")
        value = Decimal(text)
        if not least <= value <= _HIGHEST:
            raise ValueError(f"{text} is out of range; allowed: {least} to {_HIGHEST:.0e}")
        if value != int(value):
            raise ValueError(f"{text} is no whole number")
        return int(value)

    return read


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no number; write a share from 0 to 1, or leave it empty") from None
    if not 0 <= value <= 1:
        hint = f" Did you mean {value / 100:g}?" if 1 < value <= 100 else ""
        raise ValueError(f"{text} is no share from 0 to 1.{hint}")
    return value


def _name(text: str) -> str:
    if problem := name_problem(text):
        raise ValueError(problem)
    return text


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in ("yes", "no", "true", "false"):
        raise ValueError(f"{shown(text)} is not one of yes, no")
    return word in ("yes", "true")


_READERS: Mapping[str, Callable[[str], Any]] = {
    "method": _name,
    "rounds": _whole(1),
    "clients": _whole(1),
    "bytes_up": _whole(0),
    "bytes_down": _whole(0),
    "accuracy": _share,
    "population": _whole(1),
    "seed": _whole(0),
    "broadcast": _truth,
    "source": str,
}
