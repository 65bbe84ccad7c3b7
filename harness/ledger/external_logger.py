"""Logs runs of other people's training code as ledgers, and reads the folders it writes.

::

    from harness.open_ledger import OpenLedger

    with OpenLedger("results/theirs", method="FedAvg", seed=0) as ledger:
        ledger.transfer(1, 0, "downlink", 400_000)
        ledger.transfer(1, 0, "uplink", 100_000)
        ledger.score(1, "test", "accuracy", 0.91)

A folder may hold many methods and seeds; the method that was logged first is the reference of the others. This module
loads neither torch nor pandas, so that it is cheap in training code.
"""

import fcntl
import hashlib
import json
import math
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsFloat, SupportsIndex, get_args

from harness.core.errors import UsageError
from harness.core.facts import ComputeWindow, Score, Transfer
from harness.core.files import write_json
from harness.core.types import SERVER, Direction, Metric, Phase, Split
from harness.ledger.argument_checks import choice, name_problem, number, whole
from harness.ledger.external_runs import NO_CODE, NO_HOST, NO_READING, OPEN_FILE, open_cell
from harness.ledger.integrity import STATUS_FILE, sealed
from harness.ledger.ledger import SCHEMA_VERSION, Facts, LedgerWriter
from harness.ledger.store import IndexEntry, Store, read_rounds

_LINE_ROWS = 10_000
_KINDS: Mapping[str, type[Any]] = {"transfers": Transfer, "windows": ComputeWindow, "scores": Score}


class Digest(str):
    """Digest of a payload, for `OpenLedger.transfer` in place of the payload itself."""

    @classmethod
    def of(cls, content: str | bytes) -> "Digest":
        """The digest that a ledger keeps of `content`."""
        return cls(hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16])


class OpenLedger:
    """Logs one training run of one method: bytes that crossed the air, and optionally seconds and scores.

    Facts are written as one line of JSON whenever a new round begins, so a killed run keeps all rounds but the one it
    was in (`flush` writes that too). Only `close`, which leaving a ``with`` calls, makes the ledger count; a ``with``
    that is left by an exception keeps what was logged as an attempt that failed.

    All methods raise ValueError for values that cannot be, the argument's name first.
    """

    def __init__(
        self,
        folder: str | Path,
        method: str,
        seed: int = 0,
        *,
        n_parameters: int = 0,
        population: int = 0,
        gemm_gflops: float | None = None,
        resume_from: int = 0,
    ) -> None:
        """Start the ledger of a run.

        Args:
            folder: where all ledgers of a comparison go; created if it is not there.
            method: name of what was run, as reports shall show it.
            seed: number of the repetition of a method, from 0.
            n_parameters: trained numbers of the model, from which the size of an uncompressed update follows, at 4
                bytes each and once per client, round and direction; 0 if that is not known.
            population: clients there are, in a round or not; 0 if those with a payload are all.
            gemm_gflops: float64 matrix rate of one thread of this machine, 1e9 flop/s, above 0, as
                ``harness.run.engines.host.gemm_gflops()`` measures it. Without it, CPU seconds are kept but not priced.
            resume_from: go on after this round of the newest attempt that reached it and was killed or failed; what it
                logged later is dropped. 0 starts anew.

        Raises:
            UsageError: the run is logged already, the folder holds something else, or there is no such round to go on
                from.
        """
        if problem := name_problem(method):
            raise ValueError(f"method must be a name on one line, got {method!r}: {problem}")
        self._seed = whole("seed", seed, 0)
        self._reference_bytes = 4 * whole("n_parameters", n_parameters, 0)
        self._population = whole("population", population, 0)
        self._gflops = None if gemm_gflops is None else number("gemm_gflops", gemm_gflops)
        if self._gflops == 0:
            raise ValueError("gemm_gflops must be above 0, got 0")
        self._method, self._store, self._cell_id = method, Store(Path(folder)), _cell_id(method, self._seed)
        self._lock, self._is_closed = threading.Lock(), False
        self._facts = Facts()
        self._modelled: set[tuple[int, int, str]] = set()
        self._newest, self._unwritten, self._cpu_s = 0, 0, 0.0
        self._attempt, kept = self._claim(whole("resume_from", resume_from, 0))
        self._writer = LedgerWriter(self._attempt, self._facts)
        for line in kept:
            self._take_over(line)
        self._write()

    def transfer(
        self,
        round: SupportsIndex,
        client: SupportsIndex,
        direction: Direction,
        n_bytes: SupportsIndex,
        *,
        content: str | bytes | None = None,
        is_late: bool = False,
    ) -> None:
        """Log one payload that crossed the air.

        Args:
            round: round number, from 1.
            client: the client that sent or received it, from 0.
            direction: ``uplink`` (client to server) or ``downlink``.
            n_bytes: its length, at least 0, without headers of the network.
            content: the payload, or any name for it, or the `Digest` of either. Clients that receive equal content in a
                round could have shared one broadcast; without it, no two payloads are taken to be equal.
            is_late: whether the server did not use it because it came after the deadline of its round.
        """
        at_round, who = whole("round", round, 1), whole("client", client, 0)
        way: Direction = choice("direction", direction, get_args(Direction))
        length = whole("n_bytes", n_bytes, 0)
        with self._lock:
            name = f"\0{at_round} {who} {way} {len(self._facts.transfers)}" if content is None else content
            digest = name if isinstance(name, Digest) else Digest.of(name)
            # A model that comes in several payloads is one model.
            is_first = (at_round, who, way) not in self._modelled
            row = Transfer(
                at_round, who, way, length, 0, digest, self._reference_bytes if is_first else 0, bool(is_late)
            )
            self._log(self._facts.transfers, at_round, row)
            self._modelled.add((at_round, who, way))

    def compute(
        self,
        round: SupportsIndex,
        client: SupportsIndex,
        phase: Phase,
        cpu_seconds: SupportsFloat,
        *,
        seconds: SupportsFloat | None = None,
        n_steps: SupportsIndex = 0,
    ) -> None:
        """Log what one phase of a client's round took on the machine that ran it.

        Args:
            round: round number, from 1.
            client: the client it was done for, from 0; -1 for work of the server.
            phase: what was done: ``local_training``, ``encode``, ``decode``, ``aggregate``, ``evaluate``, ``setup`` or
                ``codec_timing``.
            cpu_seconds: CPU time, at least 0.
            seconds: wall time, at least 0; None if it was not taken.
            n_steps: optimiser steps in it, at least 0.
        """
        at_round, who = whole("round", round, 1), whole("client", client, SERVER)
        what: Phase = choice("phase", phase, get_args(Phase))
        cpu_s = number("cpu_seconds", cpu_seconds)
        wall_s = math.nan if seconds is None else number("seconds", seconds)
        row = ComputeWindow(at_round, what, who, wall_s, cpu_s, whole("n_steps", n_steps, 0))
        with self._lock:
            self._log(self._facts.windows, at_round, row)
            self._cpu_s += cpu_s

    def score(self, round: SupportsIndex, split: Split, metric: Metric, value: SupportsFloat) -> None:
        """Log one evaluation of the global model.

        Args:
            round: round after which it was scored; 0 is the initial model.
            split: ``validation`` or ``test``.
            metric: ``accuracy`` (a share, 0 to 1) or ``loss`` (at least 0).
            value: the value.
        """
        at_round, what = whole("round", round, 0), choice("metric", metric, get_args(Metric))
        found = number("value", value)
        if what.endswith("accuracy") and found > 1:
            raise ValueError(f"value must be an accuracy from 0 to 1, got {found:g}: a share, not per cent")
        row = Score(at_round, choice("split", split, get_args(Split)), what, found)
        with self._lock:
            self._log(self._facts.scores, at_round, row)

    def flush(self) -> None:
        """Write what was logged since the last line, e.g. before a checkpoint is saved."""
        with self._lock:
            self._check_open()
            self._write()

    def close(self) -> None:
        """Write the tables and make the ledger count; the folder can be priced from then on.

        Raises:
            UsageError: nothing crossed the air, or the same run was closed by another process meanwhile.
        """
        with self._lock:
            if self._is_closed:
                return
            if not self._facts.transfers:
                self._fail("no transfer was logged", "")
                raise UsageError(f"{self._store.root}: {self._method!r} has no transfer: there is nothing to price")
            self._write()
            self._writer.close()
            self._is_closed = True
            self._writer.write_tables()
            write_json(self._attempt / STATUS_FILE, sealed(self._attempt, self._status()))
            with _alone(self._store.root):
                self._check_new()
                self._store.publish(self._attempt, self._cell_id)

    def __enter__(self) -> Self:
        """The ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger, or note why the run failed."""
        if error is None:
            self.close()
        elif not self._is_closed:
            with self._lock:
                message = str(error).partition("\n")[0]
                self._fail(f"{type(error).__name__}: {message}", "".join(traceback.format_exception(error)))

    def _claim(self, resume_from: int) -> tuple[Path, list[dict[str, Any]]]:
        """A new attempt folder, and the lines of the last attempt if the run goes on from it."""
        store, root = self._store, self._store.root
        if (root / "spec.yaml").exists():
            raise UsageError(f"{root}: holds the results of a benchmark; log into a folder of its own")
        try:
            store.check_folder()
        except UsageError:
            raise UsageError(f"{root}: holds files that are not of the harness; log into an empty or new one") from None
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            self._check_new()
            kept = self._kept_lines(resume_from) if resume_from else []
            entries = store.index() if (root / "index.json").is_file() else []
            entry = IndexEntry(self._method, self._seed, self._cell_id)
            if entry not in entries:
                store.write_index([*entries, entry])
            if not (root / OPEN_FILE).is_file():
                write_json(root / OPEN_FILE, {"schema_version": SCHEMA_VERSION})
            return store.claim(self._cell_id), kept

    def _check_new(self) -> None:
        if self._store.is_finished(self._cell_id):
            raise UsageError(
                f"{self._store.root}: {self._method!r}, seed {self._seed} is logged already; take another seed, name "
                f"or folder, or delete {self._store.root / 'cells' / self._cell_id}"
            )

    def _kept_lines(self, resume_from: int) -> list[dict[str, Any]]:
        attempts = reversed(self._store.attempt_folders(self._cell_id))
        tries = [lines for attempt in attempts if (lines := read_rounds(attempt))]
        long_enough = [lines for lines in tries if lines[-1]["round"] >= resume_from]
        if not long_enough:
            newest = max((lines[-1]["round"] for lines in tries), default=0)
            raise UsageError(
                f"{self._store.root}: {self._method!r}, seed {self._seed} was logged to round {newest}; "
                f"it cannot go on from round {resume_from}"
            )
        return [
            {name: _rows(line[name], kind, resume_from) for name, kind in _KINDS.items()} for line in long_enough[0]
        ]

    def _take_over(self, rows: Mapping[str, Sequence[Any]]) -> None:
        for name, of_line in rows.items():
            for row in of_line:
                self._log(getattr(self._facts, name), row.round, row)
        self._modelled |= {(row.round, row.client, row.direction) for row in rows["transfers"]}
        self._cpu_s += sum(row.cpu_seconds for row in rows["windows"])

    def _log(self, rows: list[Any], round: int, row: Any) -> None:
        self._check_open()
        if self._unwritten and (round > self._newest or self._unwritten >= _LINE_ROWS):
            self._write()
        rows.append(row)
        self._newest, self._unwritten = max(self._newest, round), self._unwritten + 1

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"the ledger of {self._method!r}, seed {self._seed} is closed")

    def _write(self) -> None:
        if self._unwritten:
            self._writer.append(self._newest, self._cpu_s)
            self._unwritten = 0

    def _fail(self, error: str, trace: str) -> None:
        self._write()
        self._writer.close()
        self._is_closed = True
        self._store.fail(self._attempt, self._cell_id, error, trace)

    def _status(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "state": "finished",
            "cell_id": self._cell_id,
            "facts_digest": self._facts.digest(),
            "cell": open_cell(self._method, self._seed, "logged", self._population),
            "reading": asdict(NO_READING) | {"seconds": None, "cpu_seconds": None},
            "host": asdict(NO_HOST) | {"gemm_gflops": self._gflops},
            "code": NO_CODE,
            "codec_timings": [],
        }


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait for other loggers that write into the same folder; what is done under it takes milliseconds."""
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cell_id(method: str, seed: int) -> str:
    content = json.dumps({"open_ledger": method, "seed": seed}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _rows(entries: Sequence[Mapping[str, Any]], kind: type[Any], newest: int) -> list[Any]:
    """The facts of one line up to a round; null means NaN there."""
    kept = (entry for entry in entries if entry["round"] <= newest)
    return [kind(**{name: math.nan if value is None else value for name, value in entry.items()}) for entry in kept]
