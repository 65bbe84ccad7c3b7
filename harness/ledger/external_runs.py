"""Reads folders of open ledgers: runs of other training code, logged with `harness.ledger.external_logger`.

Such a folder is laid out as `harness.ledger.store` has it, with ``open.json`` in place of a definition. What nobody
said (the host, what a meter read, seconds) is unknown, which is never 0: numbers are NaN here and null on disk, texts
are `NOT_RECORDED`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from harness.core.errors import LedgerError, UsageError
from harness.core.facts import ComputeWindow, EnergyReading, Shadow, UpdateStatistic
from harness.core.types import Direction, Phase
from harness.ledger.ledger import Host, Ledger
from harness.ledger.store import IndexEntry, Store

if TYPE_CHECKING:
    import pandas as pd

OPEN_FILE = "open.json"
"""Marks a folder of open ledgers."""

NOT_RECORDED = "not recorded"
"""In place of a text that nobody gave."""

Origin = Literal["logged", "published_table"]
"""Where the facts of an open ledger come from: a logger in the code that ran, or rows of a table."""

NO_READING = EnergyReading(
    seconds=math.nan,
    cpu_seconds=math.nan,
    cpu_j=None,
    gpu_j=None,
    method="not_measured",
    scope=NOT_RECORDED,
    evidence="none",
    coverage=None,
    watts_per_cpu=None,
    meter=NOT_RECORDED,
)
"""What the meter of a run said that nobody metered."""

NO_HOST = Host(
    machine=NOT_RECORDED,
    cpu_model=NOT_RECORDED,
    n_threads=0,
    is_virtual=False,
    gemm_gflops=math.nan,
    platform=NOT_RECORDED,
    versions={},
)
"""The machine of a run of which nothing is known; no thread of it was counted."""

NO_CODE: Mapping[str, Any] = {"version": NOT_RECORDED, "commit": None, "is_dirty": None}
"""The code of a run of which nothing is known."""

_NEEDED: Mapping[Direction, tuple[Phase, ...]] = {"downlink": ("decode",), "uplink": ("local_training", "encode")}
"""What a client computes for a payload."""


def is_open(folder: Path) -> bool:
    """Whether `folder` holds open ledgers, finished or not."""
    return (folder / OPEN_FILE).is_file()


def read_open(folder: Path, *, trusts_ledgers: bool = False) -> list[tuple[str, Ledger]]:
    """The finished ledgers of a folder, each with its method's name, in the order in which they were started.

    Args:
        folder: the folder.
        trusts_ledgers: see `Store`.

    Raises:
        UsageError: the folder holds no finished open ledger.
        LedgerError: it holds a damaged one, or one that is not what its digests state.
    """
    if not is_open(folder):
        raise UsageError(f"{folder}: holds no open ledger (it has no {OPEN_FILE})")
    store = Store(folder, trusts_ledgers)
    entries = store.index() if (folder / "index.json").is_file() else []
    finished = [entry for entry in entries if store.is_finished(entry.cell_id)]
    if not finished:
        raise UsageError(
            f"{folder}: no ledger is closed yet; to price a run that was killed, open it again with "
            "resume_from=<its last round> and close it"
        )
    return [(entry.method, _read(store, entry)) for entry in finished]


def unfinished_open(folder: Path) -> dict[tuple[str, int], str]:
    """Method and seed of the runs in `folder` that are not closed, each with how its last attempt ended, in words."""
    store = Store(folder)
    endings = {}
    for entry in store.index():
        if not store.is_finished(entry.cell_id):
            tries = store.attempts(entry.cell_id)
            last = tries[-1] if tries else None
            rounds = last.rounds if last else 0
            endings[entry.method, entry.seed] = (last.error if last else "") or f"not closed; logged to round {rounds}"
    return endings


def open_cell(method: str, seed: int, origin: Origin, population: int = 0, source: str = "") -> dict[str, Any]:
    """The spec of a run that was not ours: the keys that ours have, as far as anything is known.

    Args:
        method: name of the method.
        seed: number of the repetition.
        origin: where the facts come from.
        population: clients there are, in a round or not; 0 if that is not known.
        source: where the numbers were published, in words; may be empty.

    >>> open_cell("FedAvg", 0, "logged")["method"]
    {'name': 'FedAvg', 'init': 'not recorded'}
    """
    return {
        "task": {"clients": population} if population else {},
        "federation": {},
        "method": {"name": method, "init": NOT_RECORDED},
        "seed": seed,
        "record": {},
        "origin": origin,
        "source": source,
    }


def is_open_ledger(ledger: Ledger) -> bool:
    """Whether a ledger is of a run that was not ours."""
    return "origin" in ledger.cell


def priceable(ledger: Ledger) -> tuple[Ledger, str]:
    """A ledger without the computing of clients where what was logged of it cannot be priced, and why.

    Seconds of a host become seconds of a device only with the host's matrix rate; and a sum in which some phases of
    some clients are missing would pass for the whole. Without a reason, the ledger is as it was.

    Args:
        ledger: any ledger.

    Returns:
        The ledger to price, and a one-line caveat, or an empty text.
    """
    at_client = ledger.windows["client"] >= 0
    if not at_client.any():
        return ledger, ""
    is_rated = ledger.host.gemm_gflops > 0
    reason = _lacking(ledger) if is_rated else "the matrix rate of its machine is not recorded"
    if not reason:
        return ledger, ""
    kept = ledger.windows[~at_client].reset_index(drop=True)
    return replace(ledger, windows=kept), f"computing was logged but is in no figure: {reason}"


def _lacking(ledger: Ledger) -> str:
    """The first phase that belongs to a payload and was not logged, in words; empty if all are there."""
    key = ["round", "client"]
    for direction, phases in _NEEDED.items():
        moved = ledger.transfers.query("round > 0 and direction == @direction")[key].drop_duplicates()
        for phase in phases:
            logged = ledger.windows[ledger.windows["phase"] == phase][key].drop_duplicates()
            found = moved.merge(logged, "left", key, indicator=True)
            alone = found[found["_merge"] == "left_only"]
            if len(alone):
                number, client = alone.iloc[0][key]
                return f"client {client} moved {direction} payloads in round {number} and has no time of {phase}"
    return ""


def bare_ledger(cell_id: str, cell: Mapping[str, Any], transfers: "pd.DataFrame", scores: "pd.DataFrame") -> Ledger:
    """A ledger of transfers and scores alone: nothing known of the host, nothing metered, no compute windows.

    Args:
        cell_id: content address; also taken for the digest of the facts, which follow from that content.
        cell: as `open_cell` gives it.
        transfers: a row per payload, columns of `Transfer`.
        scores: a row per score, columns of `Score`.
    """
    return Ledger(
        cell_id=cell_id,
        cell=cell,
        facts_digest=cell_id,
        reading=NO_READING,
        host=NO_HOST,
        code=NO_CODE,
        codec_timings=(),
        transfers=transfers,
        windows=_no_rows(ComputeWindow),
        scores=scores,
        shadows=_no_rows(Shadow),
        statistics=_no_rows(UpdateStatistic),
    )


def _no_rows(kind: type[Any]) -> "pd.DataFrame":
    """An empty frame with the columns of a fact, typed as parquet brings them back."""
    import pandas as pd

    hints = get_type_hints(kind)
    return pd.DataFrame(
        {name: pd.Series(dtype=hint if hint in (int, float, bool) else object) for name, hint in hints.items()}
    )


def _read(store: Store, entry: IndexEntry) -> Ledger:
    try:
        ledger = store.ledger(entry.cell_id)
    except LedgerError as error:
        raise LedgerError(f"{entry.method!r}, seed {entry.seed}: {error}") from error
    return replace(
        ledger,
        reading=_with_nan(ledger.reading, "seconds", "cpu_seconds"),
        host=_with_nan(ledger.host, "gemm_gflops"),
    )


def _with_nan(record: Any, *names: str) -> Any:
    """`record` with NaN for null on disk: JSON knows no NaN."""
    return replace(record, **{name: math.nan for name in names if getattr(record, name) is None})
