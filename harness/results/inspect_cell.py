"""Shows all that a results folder knows of one cell (``harness show``), found by its id, or by method and seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.units import bits_from_bytes
from harness.ledger.ledger import Ledger
from harness.ledger.store import Attempt, IndexEntry, Store
from harness.parsing.problems import did_you_mean
from harness.results.runs import open_store

_SHOWN_ROUNDS = 12
"""Rounds up to which each is printed; of more, those at about equal distance."""


@dataclass(frozen=True)
class CellFacts:
    """A cell with everything about it.

    Attributes:
        entries: methods and seeds that it serves; methods with equal settings share a cell.
        cell_id: its id.
        state: ``finished``, ``failed``, ``killed``, ``running or killed``, or ``not run``.
        attempts: tries that did not finish, oldest first.
        ledger: its ledger; None unless it is finished.
        folder: its folder.
    """

    entries: tuple[IndexEntry, ...]
    cell_id: str
    state: str
    attempts: tuple[Attempt, ...]
    ledger: Ledger | None
    folder: Path


def cells_of(folder: Path, *, trusts_ledgers: bool = False) -> list[CellFacts]:
    """All cells of a results folder, in the order of its index.

    Raises:
        UsageError: it is no results folder.
        LedgerError: one of its ledgers is damaged, or not what its digests state.
    """
    store = open_store(folder, trusts_ledgers=trusts_ledgers)
    index = store.index()
    return [_facts(store, index, cell_id) for cell_id in dict.fromkeys(entry.cell_id for entry in index)]


def find_cell(folder: Path, name: str, *, trusts_ledgers: bool = False) -> CellFacts:
    """The cell that a name means.

    Args:
        folder: a results folder.
        name: an id or its beginning, or ``method/seed``.
        trusts_ledgers: whether a ledger that is not what its digests state is shown, saying so.

    Raises:
        UsageError: none is meant, or several are.
    """
    store = open_store(folder, trusts_ledgers=trusts_ledgers)
    index = store.index()
    method, _, seed = name.rpartition("/")
    named = [entry for entry in index if (entry.method, str(entry.seed)) == (method, seed)]
    found = named or [entry for entry in index if name and entry.cell_id.startswith(name)]
    ids = list(dict.fromkeys(entry.cell_id for entry in found))
    if len(ids) > 1:
        raise UsageError(f"{name}: {len(ids)} cells of {folder} begin so: {', '.join(ids[:5])}; give more of the id")
    if not ids:
        names = [f"{entry.method}/{entry.seed}" for entry in index]
        hint = did_you_mean(name, names)
        example = f", e.g. {names[0]} or {index[0].cell_id[:8]}" if names else ""
        raise UsageError(
            f"{name}: no cell of {folder}; a cell is METHOD/SEED or the beginning of an id{example}.{hint}"
        )
    return _facts(store, index, ids[0])


def _facts(store: Store, index: Sequence[IndexEntry], cell_id: str) -> CellFacts:
    attempts = tuple(store.attempts(cell_id))
    ledger = store.ledger(cell_id) if store.is_finished(cell_id) else None
    state = "finished" if ledger else attempts[-1].state if attempts else "not run"
    if state == "killed" and store.is_busy():
        state = "running or killed"
    entries = tuple(entry for entry in index if entry.cell_id == cell_id)
    return CellFacts(entries, cell_id, state, attempts, ledger, store.root / "cells" / cell_id)


# --- As rows of tables ---


def facts_rows(cell: CellFacts) -> Iterator[tuple[str, str]]:
    """What there is to say of a cell, a line each: name and text."""
    yield "cell", cell.cell_id
    for entry in cell.entries:
        yield "method, seed", f"{entry.method}, seed {entry.seed}"
    yield "state", cell.state
    yield "folder", str(cell.folder)
    for number, attempt in enumerate(cell.attempts, start=1):
        spent = f"{attempt.rounds} rounds, {attempt.cpu_seconds:.1f} CPU s"
        yield f"try {number}", f"{attempt.state} after {spent}{': ' + attempt.error if attempt.error else ''}"
    if cell.ledger is not None:
        yield from _ledger_rows(cell.ledger)


def _ledger_rows(ledger: Ledger) -> Iterator[tuple[str, str]]:
    reading, host = ledger.reading, ledger.host
    method = ledger.cell["method"]
    if ledger.doubt:
        yield "warning", f"trusted, though {ledger.doubt}"
    yield "facts digest", ledger.facts_digest
    for key in ("uplink", "downlink", "server", "init"):
        if method.get(key):
            yield key, _settings(method[key])
    for way in ("downlink", "uplink"):
        sent = ledger.transfers[ledger.transfers["direction"] == way]
        given = int(sent.loc[sent["round"] == 0, "payload_bytes"].sum())
        bits, before = bits_from_bytes(int(sent["payload_bytes"].sum()) - given), bits_from_bytes(given)
        text = f"{bits:,} bit in {int((sent['round'] > 0).sum())} payloads"
        yield f"{way} sent", text + (f"; {before:,} bit before round 1" if before else "")
    yield "energy", _energy(ledger)
    yield "CPU, wall", f"{reading.cpu_seconds:.2f} s, {reading.seconds:.2f} s"
    phases = ledger.windows.groupby("phase")["cpu_seconds"].sum()
    yield "CPU by phase", ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases.items())
    yield "machine", f"{host.machine}, {host.cpu_model}, {host.n_threads} threads"
    yield "code", ", ".join(f"{key} {value}" for key, value in ledger.code.items())


def _energy(ledger: Ledger) -> str:
    reading = ledger.reading
    if reading.cpu_j is None:
        return f"not measured (meter {reading.meter})"
    gpu = "" if reading.gpu_j is None else f", GPU {reading.gpu_j:.2f} J"
    coverage = "" if reading.coverage is None else f", coverage {reading.coverage:.0%}"
    return (
        f"{reading.cpu_j:.2f} J{gpu} ({reading.method}, class {reading.evidence}, scope: {reading.scope}{coverage}, "
        f"meter {reading.meter})"
    )


def _settings(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {_settings(each)}" for key, each in value.items() if each is not None)


def round_rows(ledger: Ledger) -> Iterator[tuple[str, ...]]:
    """Rounds of a cell: number, bits down and up in it, and what was scored after it."""
    bits: dict[tuple[int, str], int] = {}
    for sent in ledger.transfers.itertuples(index=False):
        key = int(sent.round), str(sent.direction)  # type: ignore[arg-type]
        bits[key] = bits.get(key, 0) + bits_from_bytes(int(sent.payload_bytes))  # type: ignore[arg-type]
    scores: dict[int, list[str]] = {}
    for row in ledger.scores.itertuples(index=False):
        text = f"{row.value:.4f}" if row.metric != "accuracy" else f"{row.value:.2%}"
        scores.setdefault(int(row.round), []).append(f"{row.split} {row.metric} {text}")  # type: ignore[arg-type]
    every = sorted({*(number for number, _ in bits), *scores})
    step = -(-len(every) // _SHOWN_ROUNDS)
    chosen = {*every[::step], *every[-1:], *list(scores)[-1:]} if every else set()
    for number in every:
        if number in chosen:
            ways = (f"{bits.get((number, way), 0):,}" for way in ("downlink", "uplink"))
            yield str(number), *ways, ", ".join(scores.get(number, []))
