"""Where the first wall stands: plan, ledger, accounting and report of many cells, and of many clients.

``python -m tests.benchmarks.scale [--cells N] [--clients N]`` prints one table; by default 10,000 cells and 100,000
clients. Cells are generated: of each of twenty methods one is run on the tiny digits task, and its ledger stands for
its other seeds too. The cell with many clients is invented: every client takes part once, 1,000 in a round, and all
were given the model before. Every step runs in a process of its own, whose CPU seconds and peak memory these are,
imports included. Beside them stands how they grew since a tenth of the size; x10 is linear.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.commands.price import price
from harness.commands.render import render, write_tables
from harness.core.facts import CodecTiming, ComputeWindow, EnergyReading, Score, Transfer
from harness.core.files import write_text
from harness.ledger.ledger import Facts, LedgerWriter
from harness.ledger.store import IndexEntry, Store
from harness.run.cell import cell_id
from harness.run.engines.worker import start_worker, worker_host
from harness.spec.load import dump_spec, load_spec
from harness.spec.plan import expand, plan_cells
from harness.spec.spec import BenchmarkSpec
from tests.resealed import with_status
from tests.runs import run_here, tiny

N_METHODS = 20
COHORT = 1000
_READING = EnergyReading(1.0, 1.0, 4.0, None, "estimated", "invented", "E2", 1.0, 4.0, "invented")


@dataclass(frozen=True)
class Taken:
    """What a step took: CPU seconds and peak resident memory in MB."""

    cpu_s: float
    peak_mb: float


def alone(step: Callable[..., None], *arguments: Any) -> Taken:
    """Run a step in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(step, arguments, theirs))
    process.start()
    taken: Taken = ours.recv()
    process.join()
    return taken


def _measured(step: Callable[..., None], arguments: tuple[Any, ...], answer: Any) -> None:
    start = time.process_time()
    step(*arguments)
    answer.send(Taken(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def many_cells(n_cells: int, folder: Path) -> None:
    """A results folder of `n_cells` finished cells."""
    methods = [
        {"name": f"step {k / 10}", "uplink": {"kind": "quantfl", "step": k / 10}} for k in range(1, N_METHODS + 1)
    ]
    spec = BenchmarkSpec.model_validate(tiny(methods, seeds=list(range(n_cells // N_METHODS))))
    spec.task.prepare(spec.seeds[:1])
    planned, first = plan_cells(spec), dict[str, Path]()
    for cell in planned:
        ledger = folder / "cells" / cell.cell_id / "ledger"
        if cell.method not in first:
            assert run_here(cell, folder) is None
            first[cell.method] = ledger
        else:
            shutil.copytree(first[cell.method], ledger)
            own = {"cell_id": cell.cell_id, "cell": asdict(cell.cell)}
            with_status(ledger, lambda status, own=own: status.update(own))
    _describe(spec, folder)


def many_clients(n_clients: int, folder: Path) -> None:
    """A results folder of one cell with `n_clients` clients; writing its ledger is what is measured."""
    spec = BenchmarkSpec.model_validate(tiny())
    (cell,) = expand(spec)
    start_worker("cpu_time")
    store, key = Store(folder), cell_id(cell)
    attempt, facts = store.claim(key), Facts()
    writer = LedgerWriter(attempt, facts)
    facts.transfers += [Transfer(0, client, "downlink", 38_452, 12, "f" * 16, 38_440) for client in range(n_clients)]
    writer.append(0, 0.0)
    for client in range(n_clients):
        number = client // COHORT + 1
        facts.transfers.append(Transfer(number, client, "downlink", 38_452, 12, "e" * 16, 38_440))
        facts.transfers.append(Transfer(number, client, "uplink", 5_000 + client % 97, 12, f"{client:016x}", 38_440))
        for phase, seconds, steps in (("decode", 1e-4, 0), ("local_training", 1e-2, 5), ("encode", 1e-3, 0)):
            facts.windows.append(ComputeWindow(number, phase, client, seconds, seconds, steps))  # type: ignore[arg-type]
        if client % COHORT == COHORT - 1:
            facts.scores.append(Score(number, "validation", "accuracy", 0.9))
            writer.append(number, 0.012 * client)
    facts.scores.append(Score(n_clients // COHORT, "test", "accuracy", 0.9))
    facts.codec_timings += [
        CodecTiming(way, what, 10, 0.01)  # type: ignore[arg-type]
        for way in ("uplink", "downlink")
        for what in ("encode", "decode")
    ]
    described = {**asdict(cell), "task": {**cell.task, "clients": n_clients}}
    writer.finish(key, described, _READING, worker_host(), {"version": "0", "commit": None, "is_dirty": None})
    store.publish(attempt, key)
    _describe(spec, folder)


def plan(folder: Path) -> None:
    spec, store = load_spec(folder / "spec.yaml"), Store(folder)
    assert all(store.is_finished(cell.cell_id) for cell in plan_cells(spec))


def tables(folder: Path) -> None:
    write_tables(price(folder), folder)


def report(folder: Path) -> None:
    render(folder / "tables", folder)


def _describe(spec: BenchmarkSpec, folder: Path) -> None:
    write_text(folder / "spec.yaml", dump_spec(spec))
    Store(folder).write_index([IndexEntry(c.method, c.cell.seed, c.cell_id) for c in plan_cells(spec)])


def measured(make: Callable[[int, Path], None], size: int) -> dict[str, Taken]:
    """Every step at one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = {"write ledgers": alone(make, size, folder)}
        for title, step in (("plan", plan), ("price and write tables", tables), ("report", report)):
            taken[title] = alone(step, folder)
        taken["on disk"] = Taken(0.0, sum(path.stat().st_size for path in folder.glob("cells/**/*")) / 1e6)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100_000)
    options = parser.parse_args()
    table = Table("what", "step", "CPU s", "grew", "peak MB", "grew", title="Scale")
    for name, make, size in (("cells", many_cells, options.cells), ("clients", many_clients, options.clients)):
        if not size:
            continue
        small, large = measured(make, size // 10), measured(make, size)
        for step, taken in large.items():
            before = small[step]
            cells = ("", "") if step == "on disk" else (f"{taken.cpu_s:.1f}", f"x{taken.cpu_s / before.cpu_s:.1f}")
            memory = f"{taken.peak_mb:.0f}", f"x{taken.peak_mb / before.peak_mb:.1f}"
            table.add_row(f"{size:,} {name}", step, *cells, *memory)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
