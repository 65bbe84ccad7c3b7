"""Merges results folders of one benchmark (``harness merge``), e.g. seeds that ran on several machines.

Bits and scores of all cells are kept together. Seconds and joules stay those of their machines: nothing here changes a
cell, and anything priced from seconds is pooled and compared within a machine only
(`harness.price.accounting.pooled_compute`).
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.files import write_json, write_text
from harness.core.notes import Note
from harness.ledger.external_runs import OPEN_FILE, is_open
from harness.ledger.ledger import Ledger
from harness.ledger.store import IndexEntry, Store
from harness.parsing.problems import shown
from harness.results.definition_copy import own_definition
from harness.results.runs import doubts, open_results
from harness.run.engines.repeatability import FOLDER as CALIBRATION
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec

_MAY_DIFFER = ("methods", "seeds", "reference")


@dataclass(frozen=True)
class Merged:
    """What a merge made.

    Attributes:
        n_cells: finished cells in it.
        n_shared: cells that several folders had, with the same facts.
        n_missing: cells of its definition that no folder has.
        n_machines: machines that its cells ran on.
        notes: a warning about each ledger that was trusted.
    """

    n_cells: int
    n_shared: int
    n_missing: int
    n_machines: int
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A folder to merge."""

    folder: Path
    spec: BenchmarkSpec
    store: Store
    index: Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class _Cell:
    """A cell of the merged benchmark: where it is, its facts if it is finished, and its ledger if in doubt."""

    source: _Source
    cell_id: str
    facts_digest: str
    machine: str
    ledger: Ledger | None = None


def merge(folders: Sequence[Path], out: Path, *, trusts_ledgers: bool = False) -> Merged:
    """Join results folders of one benchmark into a new one. The folders themselves are only read.

    Args:
        folders: at least two, whose definitions differ in methods and seeds at most.
        out: a new or empty folder; it appears as a whole or not at all.
        trusts_ledgers: whether ledgers that are not what their digests state are joined too, as they are.

    Raises:
        UsageError: a folder is none of ours, or being run; definitions differ; a cell has two kinds of facts; `out`
            has something in it.
    """
    if len(folders) < 2:
        raise UsageError(f"{folders[0] if folders else 'merge'}: one folder; at least two are needed to merge")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: is there already; name an empty or new folder with --out")
    sources = [_source(folder, trusts_ledgers) for folder in folders]
    spec = _joined(sources)
    cells, n_shared = _cells(sources)
    _write(spec, sources, cells, out)
    finished = [cell for cell in cells.values() if cell.facts_digest]
    n_planned = len({(cell.method, cell.cell.seed) for cell in plan_cells(spec)})
    n_machines = len({cell.machine for cell in finished})
    notes = doubts((method, cell.ledger) for (method, _), cell in cells.items() if cell.ledger)
    return Merged(len(finished), n_shared, n_planned - len(finished), n_machines, notes)


def _source(folder: Path, trusts_ledgers: bool) -> _Source:
    if is_open(folder):
        raise UsageError(f"{folder}: holds runs that were not ours ({OPEN_FILE}); log them into one folder instead")
    spec, store = open_results(folder, trusts_ledgers=trusts_ledgers)
    if store.is_busy():
        raise UsageError(f"{folder}: a run is working in it; wait until it ends")
    store.pretraining()  # no damaged record is passed on
    return _Source(folder, spec, store, {(entry.method, entry.seed): entry.cell_id for entry in store.index()})


# --- The definition ---


def _joined(sources: Sequence[_Source]) -> BenchmarkSpec:
    """The definition with the methods and seeds of all, in the order in which they come."""
    first, methods = sources[0], {method.name: method for method in sources[0].spec.methods}
    mine = _comparable(first)
    for other in sources[1:]:
        for path, ours, theirs in _differences(mine, _comparable(other)):
            raise UsageError(
                f"{other.folder}: another benchmark than {first.folder}: {path} is {shown(theirs)}, not {shown(ours)}"
            )
        for method in other.spec.methods:
            known = methods.setdefault(method.name, method)
            pair = (known.model_dump(mode="json"), method.model_dump(mode="json"))
            for path, ours, theirs in _differences(*pair):
                raise UsageError(
                    f"{other.folder}: method {method.name} is another than in {first.folder}: "
                    f"{path} is {shown(theirs)}, not {shown(ours)}"
                )
    seeds = dict.fromkeys(seed for source in sources for seed in source.spec.seeds)
    return first.spec.model_copy(update={"methods": tuple(methods.values()), "seeds": tuple(seeds)})


def _comparable(source: _Source) -> dict[str, Any]:
    """A definition without what may differ, and with the content of time series in place of their paths."""
    resolved = {key: value for key, value in source.spec.resolved().items() if key not in _MAY_DIFFER}

    def content(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: _digest(each) if key == "series" and each else content(each) for key, each in value.items()}
        return [content(each) for each in value] if isinstance(value, list) else value

    compared: dict[str, Any] = content(resolved)
    return compared


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return path


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two plain values differ: path, and what either has; None stands for nothing."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys([*ours, *theirs]):
            yield from _differences(ours.get(key), theirs.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{path}[{place}]")
    elif ours != theirs:
        yield path, ours, theirs


# --- The cells ---


def _cells(sources: Sequence[_Source]) -> tuple[dict[tuple[str, int], _Cell], int]:
    """The cells by method and seed, each from the first folder that has finished it, and how many were in several."""
    cells: dict[tuple[str, int], _Cell] = {}
    n_shared = 0
    for source in sources:
        for key, cell_id in source.index.items():
            found = _cell(source, cell_id)
            known = cells.get(key)
            if known is None or not known.facts_digest:
                cells[key] = found if known is None or found.facts_digest else known
            elif found.facts_digest:
                n_shared += 1
                _check_equal(key, known, found)
    _by_id(cells)
    return cells, n_shared


def _by_id(cells: Mapping[tuple[str, int], _Cell]) -> dict[str, _Cell]:
    """Each cell once, finished where any folder finished it: two names of a method may stand for the same cell.

    Raises:
        UsageError: folders have other facts of the same cell.
    """
    once: dict[str, _Cell] = {}
    for key, cell in cells.items():
        known = once.get(cell.cell_id)
        if known is None or not known.facts_digest:
            once[cell.cell_id] = cell if known is None or cell.facts_digest else known
        elif cell.facts_digest:
            _check_equal(key, known, cell)
    return once


def _cell(source: _Source, cell_id: str) -> _Cell:
    if not source.store.is_finished(cell_id):
        return _Cell(source, cell_id, "", "")
    # Reading all of it makes sure that no damaged ledger is passed on.
    ledger = source.store.ledger(cell_id)
    return _Cell(source, cell_id, ledger.facts_digest, ledger.host.machine, ledger if ledger.doubt else None)


def _check_equal(key: tuple[str, int], known: _Cell, found: _Cell) -> None:
    if known.facts_digest != found.facts_digest:
        method, seed = key
        raise UsageError(
            f"{method}, seed {seed}: other facts in {known.source.folder} (cell {known.cell_id}, digest "
            f"{known.facts_digest[:16]}) than in {found.source.folder} (cell {found.cell_id}, digest "
            f"{found.facts_digest[:16]}); leave one of them out"
        )


# --- The folder ---


def _write(spec: BenchmarkSpec, sources: Sequence[_Source], cells: Mapping[tuple[str, int], _Cell], out: Path) -> None:
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=parent))
    try:
        draft.chmod(0o755)  # a private folder becomes an ordinary one
        for cell in _by_id(cells).values():
            _copy(cell, sources, draft)
        write_text(draft / "spec.yaml", own_definition(spec, draft))
        entries = [IndexEntry(method, seed, cell.cell_id) for (method, seed), cell in _in_order(spec, cells)]
        Store(draft).write_index(entries)
        _write_pretraining(sources, draft)
        for folder in (source.folder / CALIBRATION for source in reversed(sources)):
            if folder.is_dir():  # of two that measured one machine, the first is kept
                shutil.copytree(folder, draft / CALIBRATION, dirs_exist_ok=True)
        if out.is_dir():
            out.rmdir()
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _in_order(spec: BenchmarkSpec, cells: Mapping[tuple[str, int], _Cell]) -> list[tuple[tuple[str, int], _Cell]]:
    """The cells in the order of a plan."""
    names = [method.name for method in spec.methods]
    keys = [(name, seed) for seed in spec.seeds for name in names]
    return [(key, cells[key]) for key in keys if key in cells]


def _copy(cell: _Cell, sources: Sequence[_Source], draft: Path) -> None:
    """The cell, and the tries of all folders that did not finish: they cost what they cost."""
    target = draft / "cells" / cell.cell_id
    ledger = cell.source.folder / "cells" / cell.cell_id / "ledger"
    if cell.facts_digest:
        shutil.copytree(ledger, target / "ledger")
    seen: set[str] = set()
    for source in sources:
        for attempt in source.store.attempt_folders(cell.cell_id):
            content = _attempt_digest(attempt)
            if content not in seen:
                seen.add(content)
                shutil.copytree(attempt, target / "attempts" / f"{len(seen):03d}")


def _attempt_digest(attempt: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in attempt.iterdir() if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write_pretraining(sources: Sequence[_Source], draft: Path) -> None:
    """The records of all pre-trainings; two of one name that differ were both paid for."""
    seen: dict[str, str] = {}
    for source in sources:
        for path in sorted((source.folder / "pretraining").glob("[!.]*.json")):
            text = path.read_text(encoding="utf-8")
            if text in seen:
                continue
            seen[text] = path.stem
            again = list(seen.values()).count(path.stem)
            (draft / "pretraining").mkdir(exist_ok=True)
            name = path.stem if again == 1 else f"{path.stem}-{again}"
            write_json(draft / "pretraining" / f"{name}.json", json.loads(text))
