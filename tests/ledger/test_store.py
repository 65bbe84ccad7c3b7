"""The results folder: one atomic rename publishes a cell, and whatever goes wrong before it costs only the attempt."""

import errno
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from harness.core.errors import UsageError
from harness.ledger import ledger as ledger_module
from harness.ledger import store as store_module
from harness.ledger.ledger import LedgerWriter
from harness.ledger.store import IndexEntry, Store
from harness.spec.plan import PlannedCell
from tests.faults import Killed, fault
from tests.runs import SIGN, planned, run_here, tiny

N_ROUNDS = 3

STEPS: dict[str, tuple[Any, str, int]] = {
    "make the attempt": (Path, "mkdir", 1),
    "make its number": (Path, "mkdir", 2),
    "status running": (store_module, "write_json", 1),
    "open the lines": (LedgerWriter, "__init__", 1),
    "append before round 1": (LedgerWriter, "append", 1),
    "append in the middle": (LedgerWriter, "append", 3),
    "append after the last round": (LedgerWriter, "append", N_ROUNDS + 1),
    "finish": (LedgerWriter, "finish", 1),
    "write the tables": (LedgerWriter, "write_tables", 1),
    "write the first table": (pyarrow.parquet, "write_table", 1),
    "write the last table": (pyarrow.parquet, "write_table", 5),
    "sync the last table": (ledger_module, "_sync", 5),
    "status finished": (ledger_module, "write_json", 1),
    "put the finished status in place": (Path, "replace", 2),
    **{f"fsync {number}": (os, "fsync", number) for number in range(1, 8)},
}
"""Everything that happens on disk before the rename, in this order."""

ERRORS = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Killed()]


@pytest.fixture(scope="module")
def cell() -> PlannedCell:
    return planned(tiny([SIGN], federation={"rounds": N_ROUNDS}))[0]


@pytest.fixture(scope="module")
def whole(cell: PlannedCell, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Facts digest of the cell, run without interruption."""
    root = tmp_path_factory.mktemp("whole")
    assert run_here(cell, root) is None
    return Store(root).ledger(cell.cell_id).facts_digest


@pytest.fixture
def store(tmp_path: Path, cell: PlannedCell) -> Store:
    """A folder in which the cell was tried before, without a trace left."""
    (tmp_path / "cells" / cell.cell_id / "attempts").mkdir(parents=True)
    return Store(tmp_path)


def run_into(step: tuple[Any, str, int], error: BaseException, after: bool, cell: PlannedCell, store: Store) -> None:
    with ExitStack() as stack:
        if isinstance(error, Killed):
            stack.enter_context(pytest.raises(Killed))
        stack.enter_context(fault(step[0], step[1], error, step[2], after))
        assert run_here(cell, store.root) is not None


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_an_attempt_that_ends_anywhere_is_kept_and_done_again(
    cell: PlannedCell, whole: str, store: Store, step: tuple[Any, str, int], after: bool, error: BaseException
) -> None:
    run_into(step, error, after, cell, store)
    assert not store.is_finished(cell.cell_id)
    tries = store.attempts(cell.cell_id)
    is_before_it_began = step == STEPS["make the attempt"] or (step == STEPS["make its number"] and not after)
    assert len(tries) == (0 if is_before_it_began else 1)

    assert run_here(cell, store.root) is None
    assert store.ledger(cell.cell_id).facts_digest == whole
    assert store.attempts(cell.cell_id) == tries


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_rename_that_fails_publishes_nothing(
    cell: PlannedCell, whole: str, store: Store, error: BaseException
) -> None:
    run_into((Path, "rename", 1), error, False, cell, store)
    assert not store.is_finished(cell.cell_id)
    assert run_here(cell, store.root) is None
    assert store.ledger(cell.cell_id).facts_digest == whole


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("step", "after"),
    [
        ((Path, "rename", 1), True),
        ((os, "fsync", 8), False),
        ((os, "fsync", 8), True),
        ((Path, "unlink", 1), False),
        ((Path, "unlink", 1), True),
    ],
    ids=["after the rename", "before its sync", "after its sync", "before the lines go", "after the lines went"],
)
def test_what_was_renamed_is_whole_whatever_comes_after(
    cell: PlannedCell, whole: str, store: Store, step: tuple[Any, str, int], after: bool, error: BaseException
) -> None:
    run_into(step, error, after, cell, store)
    assert store.is_finished(cell.cell_id)
    assert store.ledger(cell.cell_id).facts_digest == whole
    assert store.attempts(cell.cell_id) == []


def test_an_attempt_says_how_far_it_came_and_what_it_cost(cell: PlannedCell, store: Store) -> None:
    begin = time.process_time()
    run_into(STEPS["append after the last round"], RuntimeError("a bug"), False, cell, store)
    run_into(STEPS["append in the middle"], Killed(), False, cell, store)
    spent = time.process_time() - begin
    failed, killed = store.attempts(cell.cell_id)
    assert (failed.state, failed.error, failed.rounds) == ("failed", "RuntimeError: a bug", 2)
    assert (killed.state, killed.error, killed.rounds) == ("killed", "", 1)
    assert min(failed.cpu_seconds, killed.cpu_seconds) > 0
    assert failed.cpu_seconds + killed.cpu_seconds <= spent


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_attempt_that_was_finished_but_not_published_still_says_what_it_cost(
    cell: PlannedCell, store: Store, error: BaseException
) -> None:
    run_into((Path, "rename", 1), error, False, cell, store)
    (attempt,) = store.attempts(cell.cell_id)
    assert attempt.rounds == N_ROUNDS
    assert attempt.cpu_seconds > 0


def test_an_attempt_killed_before_its_status_was_whole_counts_as_killed(store: Store) -> None:
    folder = store.claim("0" * 16)
    (folder / "status.json").write_text('{"schema_ver')
    (attempt,) = store.attempts("0" * 16)
    assert (attempt.state, attempt.rounds, attempt.cpu_seconds) == ("killed", 0, 0.0)


def test_attempts_have_numbers_of_their_own(store: Store) -> None:
    first, second = store.claim("0" * 16), store.claim("0" * 16)
    assert (first.name, second.name) == ("001", "002")
    assert store.newest_attempt("0" * 16) == second
    first.rename(first.parent.parent / "ledger")
    assert store.claim("0" * 16).name == "003"


def test_an_unknown_cell_has_no_attempts(store: Store) -> None:
    assert store.attempts("0" * 16) == []
    assert store.newest_attempt("0" * 16) is None
    assert not store.is_finished("0" * 16)


def test_a_folder_has_one_master_at_a_time(store: Store) -> None:
    with store.lock(), pytest.raises(UsageError, match="another harness is working in this folder"), store.lock():
        pass
    with store.lock():
        pass


def test_a_lock_is_released_by_an_error(store: Store) -> None:
    with pytest.raises(KeyError), store.lock():
        raise KeyError
    with store.lock():
        pass


def test_the_index_keeps_names_and_order(store: Store) -> None:
    entries = [IndexEntry("zeta ü", 1, "a" * 16), IndexEntry("alpha", 0, "b" * 16)]
    store.write_index(entries)
    assert store.index() == entries


def test_an_empty_folder_says_what_comes_first(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing was run here yet; `harness compare` comes first"):
        store.index()


def test_pretraining_records_in_use_stay_and_others_go(store: Store) -> None:
    store.write_pretraining({"b": {"model": "b"}, "a": {"model": "a"}})
    assert store.pretraining() == [{"model": "a"}, {"model": "b"}]
    store.write_pretraining({"a": None, "c": {"model": "c"}})
    assert store.pretraining() == [{"model": "a"}, {"model": "c"}]
