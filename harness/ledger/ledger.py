"""Defines the ledger: what happened in one cell, as facts. A JSON line per round while it runs, parquet when finished.

Facts are bytes, scores, seconds and meter readings. Nothing here knows of J/bit or g/kWh.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from harness.core.facts import (
    CodecTiming,
    ComputeWindow,
    EnergyReading,
    Score,
    Shadow,
    TrainingWork,
    Transfer,
    UpdateStatistic,
)
from harness.core.files import write_json
from harness.ledger.integrity import STATUS_FILE, rows_digest, sealed

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2
ROUNDS_FILE = "rounds.jsonl"
_TABLES: Mapping[str, type[Any]] = {
    "transfers": Transfer,
    "windows": ComputeWindow,
    "scores": Score,
    "shadows": Shadow,
    "statistics": UpdateStatistic,
}


@dataclass
class Facts:
    """Facts of a cell as they come in."""

    transfers: list[Transfer] = field(default_factory=list)
    windows: list[ComputeWindow] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)
    statistics: list[UpdateStatistic] = field(default_factory=list)

    codec_timings: list[CodecTiming] = field(default_factory=list)
    work: TrainingWork | None = None

    def take(self, other: "Facts") -> None:
        """Append the rows of `other`, in their order."""
        for name in _TABLES:
            getattr(self, name).extend(getattr(other, name))

    def digest(self) -> str:
        """What `harness.ledger.integrity.tables_digest` gives of the same facts as tables."""
        return rows_digest(self.transfers, self.scores)


@dataclass(frozen=True)
class Host:
    """The machine that a cell ran on.

    Attributes:
        machine: digest of the host name; distinguishes machines without naming them.
        cpu_model: as the operating system names it.
        n_threads: hardware threads of the machine.
        is_virtual: whether the CPU reports a hypervisor.
        gemm_gflops: float64 matrix product rate of one thread in 1e9 flop/s, median of repeats on this machine.
        platform: operating system and architecture.
        versions: versions of Python and of the packages that shape results.
        copy_gb_per_s: rate of one thread in copying memory, bytes read plus bytes written, 1e9 B/s; None in ledgers
            from before it was measured.
        accelerator: name of what models were trained on; None for the CPU.
    """

    machine: str
    cpu_model: str
    n_threads: int
    is_virtual: bool
    gemm_gflops: float
    platform: str
    versions: Mapping[str, str]
    copy_gb_per_s: float | None = None
    accelerator: str | None = None


@dataclass(frozen=True, eq=False)
class Ledger:
    """A finished cell.

    Attributes:
        cell_id: content address of the cell.
        cell: the plain spec that the cell ran from: ``task``, ``federation``, ``method``, ``seed``, ``record``.
        facts_digest: see `Facts.digest`; of what was read, where that is not what was stated.
        reading: what the meter said about the whole cell.
        host: the machine it ran on.
        code: version, commit and state of the code that ran it, and the version of its facts; see
            `harness.run.engines.host.describe_facts_code`.
        codec_timings: CPU time of each codec operation by repeat-and-divide.
        transfers: a row per payload, columns of `Transfer`.
        windows: a row per compute window, columns of `ComputeWindow`.
        scores: a row per score, columns of `Score`.
        shadows: a row per payload and other coding, columns of `Shadow`; often empty.
        statistics: a row per recorded update and tensor, columns of `UpdateStatistic`; often empty.
        work: what one optimiser step takes; None if it is not known, as in ledgers from before it was counted.
        doubt: why it is not what was written, in words; empty unless it was read all the same.
    """

    cell_id: str
    cell: Mapping[str, Any]
    facts_digest: str
    reading: EnergyReading
    host: Host
    code: Mapping[str, Any]
    codec_timings: tuple[CodecTiming, ...]
    transfers: "pd.DataFrame"
    windows: "pd.DataFrame"
    scores: "pd.DataFrame"
    shadows: "pd.DataFrame"
    statistics: "pd.DataFrame"
    work: TrainingWork | None = None
    doubt: str = ""

    @property
    def model_bytes(self) -> int:
        """Bytes of the model that travels in rounds, as raw float32; what is given once before them may be larger."""
        sizes = self.transfers.loc[self.transfers["round"] > 0, "reference_bytes"]
        return 0 if sizes.empty else int(sizes.max())


class LedgerWriter:
    """Writes the ledger of a running cell into its attempt folder.

    What `append` wrote survives a kill; what `finish` wrote counts once the folder is published (see
    `harness.ledger.store`).
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        """Start an empty ledger in `folder`, which exists."""
        self._folder, self._facts = folder, facts
        self._written = dict.fromkeys(_TABLES, 0)
        self._file = (folder / ROUNDS_FILE).open("w", encoding="utf-8")

    def append(self, round: int, cpu_seconds: float) -> None:
        """Write the facts that came in since the last call, as one flushed line.

        Args:
            round: the round that just ended; 0 for what came before the first.
            cpu_seconds: CPU time of the cell so far, so that a killed attempt is still accounted for.
        """
        line: dict[str, Any] = {"round": round, "cpu_seconds": cpu_seconds}
        for name in _TABLES:
            rows = getattr(self._facts, name)
            line[name] = [_strict(vars(row)) for row in rows[self._written[name] :]]
            self._written[name] = len(rows)
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def finish(
        self, cell_id: str, cell: Mapping[str, Any], reading: EnergyReading, host: Host, code: Mapping[str, Any]
    ) -> None:
        """Write the tables and the status, on disk before this returns."""
        self._file.close()
        self.write_tables()
        status = {
            "schema_version": SCHEMA_VERSION,
            "state": "finished",
            "cell_id": cell_id,
            "facts_digest": self._facts.digest(),
            "cell": cell,
            "reading": asdict(reading),
            "host": asdict(host),
            "code": dict(code),
            "codec_timings": [asdict(timing) for timing in self._facts.codec_timings],
        }
        if self._facts.work is not None:
            status["work"] = asdict(self._facts.work)
        write_json(self._folder / STATUS_FILE, sealed(self._folder, status))

    def write_tables(self) -> None:
        """Write the facts as one parquet file per kind, its columns there even if it has no rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        for name, kind in _TABLES.items():
            hints = get_type_hints(kind)
            schema = pa.schema([(column, types.get(hint, pa.string())) for column, hint in hints.items()])
            rows = [vars(row) for row in getattr(self._facts, name)]
            path = self._folder / f"{name}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression="zstd")
            _sync(path)

    def close(self) -> None:
        """Close the file of a cell that will not finish."""
        self._file.close()


def _strict(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with null for what is no number, such as the kurtosis of equal entries: JSON knows no NaN."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
