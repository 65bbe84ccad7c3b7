"""Runs a benchmark in the terminal with its progress, and adds seeds until requested intervals are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.progress import ProgressView, progress_console
from harness.commands.run import run
from harness.ledger.store import Store
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec

if TYPE_CHECKING:
    from harness.run.engines.local import Engine
    from harness.run.engines.worker import Failure


@dataclass(frozen=True)
class Ran:
    """The outcome of a run.

    Attributes:
        failures: failures by cell id.
        n_cells: cells of the definition with the seeds that ran in the end.
        unmet: requested conditions that do not hold, a line each.
    """

    failures: "Mapping[str, Failure]"
    n_cells: int
    unmet: list[str] = field(default_factory=list)


def run_until(spec: BenchmarkSpec, folder: Path, engine: "Engine", interval: str | None, max_seeds: int) -> Ran:
    """Run what is missing; with `interval`, add seeds until the intervals are that narrow.

    Args:
        spec: the definition.
        folder: the results folder.
        engine: where cells run.
        interval: half-width that intervals must have, as in ``2%``; None adds no seed.
        max_seeds: seeds at which to give up.

    Raises:
        UsageError, EnvironmentLacksError: as `harness.commands.run.run`; or `interval` makes no sense here.
    """
    if interval is None:
        return run_shown(spec, folder, engine)
    from harness.commands import until_narrow

    target = until_narrow.parse_width(interval)
    until_narrow.check_can_narrow(spec, max_seeds)
    console = progress_console()
    while True:
        ran = run_shown(spec, folder, engine)
        if ran.failures:
            return ran
        seen = until_narrow.outlook(folder)
        status = seen.status(target, len(spec.seeds))
        console.print(status, markup=False)
        if seen.is_met(target):
            return ran
        if len(spec.seeds) >= max_seeds:
            return Ran(
                ran.failures, ran.n_cells, [f"--until-interval {interval}: {status}; --max-seeds is {max_seeds}"]
            )
        spec = until_narrow.with_another_seed(spec)


def run_shown(spec: BenchmarkSpec, folder: Path, engine: "Engine") -> Ran:
    """Run what is missing, with its progress.

    Args:
        spec: the definition.
        folder: the results folder.
        engine: where cells run.

    Raises:
        UsageError, EnvironmentLacksError: as `harness.commands.run.run`.
    """
    planned = plan_cells(spec)
    with ProgressView(planned, Store(folder), progress_console()) as view:
        failures = run(spec, folder, engine, view.on_event)
    return Ran(failures, len({cell.cell_id for cell in planned}))
