"""Runs the missing cells of a benchmark."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError
from harness.core.files import write_text
from harness.ledger.external_runs import OPEN_FILE, is_open
from harness.ledger.store import IndexEntry, Store
from harness.parts import registry
from harness.results.definition_copy import own_definition
from harness.spec.plan import PlannedCell, plan_cells
from harness.spec.spec import BenchmarkSpec

if TYPE_CHECKING:
    from harness.run.engines.local import Engine, Event
    from harness.run.engines.worker import Failure


def run(
    spec: BenchmarkSpec, folder: Path, engine: "Engine", on_event: "Callable[[Event], None]"
) -> "dict[str, Failure]":
    """Run the cells of `spec` that `folder` does not have yet.

    Args:
        spec: what to run.
        folder: the results folder.
        engine: where cells run.
        on_event: called with each event.

    Returns:
        The failures by cell id; empty when all cells are finished.

    Raises:
        UsageError: the data cannot be partitioned as requested, or `folder` belongs to another benchmark.
        LedgerError: a finished cell in `folder` is damaged, or not what its digests state.
        EnvironmentLacksError: the data, the cache or the disk is not usable, so no cell can run.
    """
    from harness.run.engines import local, repeatability

    store = Store(folder)
    store.check_folder()
    if is_open(folder):
        raise UsageError(f"{folder}: holds runs that were not ours (it has {OPEN_FILE}); name another with --out")
    planned = plan_cells(spec)
    with store.lock():
        # Not after hours of training: what is finished is reported together with what is run now.
        for cell_id in {cell.cell_id for cell in planned if store.is_finished(cell.cell_id)}:
            store.ledger(cell_id)
        missing = {cell.cell_id: cell.cell for cell in planned if not store.is_finished(cell.cell_id)}
        # A definition that cannot run must not replace the index of one that did.
        on_event(local.Event("preparing"))
        local.prepare(missing.values())
        write_text(folder / "spec.yaml", own_definition(spec, folder))
        store.write_index([IndexEntry(cell.method, cell.cell.seed, cell.cell_id) for cell in planned])
        try:
            return engine(missing, store, spec.meter, on_event)
        finally:
            store.write_pretraining(_pretraining_records(planned))
            repeatability.copy_from_cache(store.machines(), spec.meter, folder)


def _pretraining_records(planned: Sequence[PlannedCell]) -> dict[str, dict[str, Any] | None]:
    """The records of the pre-trained models that the cells start from, by name; None where the cache has none."""
    from harness.run.tasks.prepared_data import read_record

    tasks = {str(cell.cell.task): cell.cell.task for cell in planned}
    folders = {registry.build("task", task).pretraining_folder() for task in tasks.values()}
    return {folder.name: read_record(folder) if folder.is_dir() else None for folder in folders if folder is not None}
