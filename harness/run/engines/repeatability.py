"""Measures how far repeats of the same work differ on this machine, as its meter sees them (``harness calibrate``).

Every repeat is a worker of its own, as a cell is: spawned, with one thread and a warm meter. The work is a fixed number
of matrix products and copies, the same in all. For comparison, the meter also reads a worker that sleeps. What was
measured are facts of a machine and a meter: they are kept in the user's cache and in the results folders that are made
afterwards, and reports grey what is below it.
"""

import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pebble import ProcessPool

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.facts import EnergyReading
from harness.core.files import write_json
from harness.parsing.fields import slug
from harness.parts import registry
from harness.run.engines.worker import start_worker, worker_host, worker_meter

FOLDER = "calibration"
"""Folder of a results folder, and of the cache, that calibrations are kept in."""
SCHEMA_VERSION = 1

_SIZE = 256
_COPIED = 2**20


def calibrate(meter: str, repeats: int, seconds: float, on_repeat: Any = lambda done: None) -> dict[str, Any]:
    """Measure this machine with a meter.

    Args:
        meter: kind of the meter.
        repeats: workers that do the same work, at least 3.
        seconds: about how long each works, and the idle one sleeps.
        on_repeat: called with the number of repeats that are done.

    Returns:
        Facts, JSON-able: ``machine``, ``meter``, the readings, and the spreads, each a standard deviation over the
        mean, None where the meter gives no joules.

    Raises:
        EnvironmentLacksError: the meter does not work here.
    """
    registry.build("meter", meter)
    host, products = _in_fresh_worker(meter, _sized_work, seconds)
    runs: list[EnergyReading] = []
    for done in range(repeats):
        runs.append(_in_fresh_worker(meter, _measured_work, products))
        on_repeat(done + 1)
    idle: EnergyReading = _in_fresh_worker(meter, _measured_sleep, seconds)
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": host.machine,
        "cpu_model": host.cpu_model,
        "n_threads": host.n_threads,
        "kind": meter,
        "meter": runs[0].meter,
        "method": runs[0].method,
        "scope": runs[0].scope,
        "evidence": runs[0].evidence,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "work": {"matrix_products": products, "size": _SIZE},
        "runs": [asdict(run) for run in runs],
        "idle": asdict(idle),
        "idle_w": None if idle.cpu_j is None else idle.cpu_j / idle.seconds,
        **spreads(runs),
    }


def spreads(runs: Sequence[EnergyReading]) -> dict[str, float | None]:
    """How far readings of the same work lie apart: standard deviations over means.

    Args:
        runs: at least 2 readings.
    """
    joules = [run.cpu_j for run in runs if run.cpu_j is not None]
    has_joules = len(joules) == len(runs) and min(joules) > 0
    rates = [joule / run.cpu_seconds for joule, run in zip(joules, runs, strict=True)] if has_joules else []
    return {
        "cpu_s_spread": _spread([run.cpu_seconds for run in runs]),
        "wall_s_spread": _spread([run.seconds for run in runs]),
        "joules_spread": _spread(joules) if has_joules else None,
        "j_per_cpu_s_spread": _spread(rates) if has_joules else None,
        "j_per_cpu_s": statistics.fmean(rates) if has_joules else None,
    }


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) / statistics.fmean(values)


# --- In a worker ---


def _in_fresh_worker(meter: str, function: Any, argument: Any) -> Any:
    """What a function gives in a worker of its own."""
    from harness.run.engines.local import worker_environment

    with worker_environment():
        pool = ProcessPool(max_workers=1, initializer=start_worker, initargs=[meter], context=get_context("spawn"))
        try:
            future: Future[Any] = pool.schedule(function, args=[meter, argument])
            return future.result()
        except EnvironmentLacksError:
            raise
        except Exception as error:
            raise EnvironmentLacksError(f"calibration failed: {' '.join(str(error).split())}") from error
        finally:
            pool.stop()
            pool.join()


def _work(products: int) -> float:
    """Matrix products and copies, as training has them; gives a number so that nothing is left out."""
    import torch

    left = torch.full((_SIZE, _SIZE), 0.5)
    vector = torch.ones(_COPIED)
    for _ in range(products):
        left = torch.mm(left, left).clamp_(0, 1)
        vector = vector.clone()
    return float(left.sum() + vector.sum())


def _sized_work(meter: str, seconds: float) -> tuple[Any, int]:
    """The machine, and how many products take about so long on it."""
    del meter
    _work(5)
    start = time.process_time()
    _work(50)
    return worker_host(), max(10, round(50 * seconds / max(time.process_time() - start, 1e-6)))


def _measured_work(meter: str, products: int) -> EnergyReading:
    with worker_meter(meter).window() as window:
        _work(products)
    return window.reading


def _measured_sleep(meter: str, seconds: float) -> EnergyReading:
    with worker_meter(meter).window() as window:
        time.sleep(seconds)
    return window.reading


# --- Where it is kept ---


def kept(folder: Path) -> list[dict[str, Any]]:
    """The calibrations in a results folder, by file name.

    Raises:
        UsageError: a file is damaged.
    """
    found = []
    for path in sorted((folder / FOLDER).glob("[!.]*.json")):
        try:
            calibration = json.loads(path.read_text(encoding="utf-8"))
            known = calibration["schema_version"] == SCHEMA_VERSION
            spread, _, _ = (calibration[key] for key in ("cpu_s_spread", "machine", "kind"))
        except (ValueError, LookupError, TypeError) as error:
            raise UsageError(f"{path}: damaged ({error}); delete it and run `harness calibrate` again") from error
        if known and isinstance(spread, int | float):
            found.append(calibration)
    return found


def keep(calibration: dict[str, Any], folder: Path) -> Path:
    """Write a calibration below a folder, in place of an earlier one of the same machine and meter."""
    path = folder / FOLDER / file_name(calibration["machine"], calibration["kind"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, calibration)
    return path


def copy_from_cache(machines: Sequence[str], meter: str, folder: Path) -> None:
    """Put what the cache knows of machines and a meter into a results folder that has nothing of them yet."""
    from harness.core.cache import cache_root

    for machine in dict.fromkeys(machines):
        name = file_name(machine, meter)
        source, target = cache_root() / FOLDER / name, folder / FOLDER / name
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())


def file_name(machine: str, meter: str) -> str:
    """Name of the file about a machine and a meter.

    >>> file_name("5f3a9c", "cpu_time")
    '5f3a9c-cpu-time.json'
    """
    return f"{machine}-{slug(meter)}.json"
