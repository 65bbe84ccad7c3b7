"""Runs a cell on a node of a Ray cluster: a plain spec and references to data in, the files of a ledger out.

Everything here runs in a Ray worker. A node needs the package and its dependencies, and neither the results folder nor
the data sets. Rounds are reported as they finish, so that what a lost node has spent is known.
"""

import fcntl
import functools
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from harness.core.cache import cache_root
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.protocols import EnergyMeter
from harness.ledger.ledger import ROUNDS_FILE
from harness.parts import registry
from harness.run.cell import Cell
from harness.run.cell import cell_id as content_address
from harness.run.engines.shipment import Files, Shipment, read_files, unpack
from harness.run.engines.worker import Failure, describe_failure, start_worker, worker_host, worker_meter, write_cell
from harness.run.federation.run_cell import training_settings
from harness.run.meters.cpu_time import Window


@dataclass(frozen=True)
class Job:
    """What all cells of a run share.

    Attributes:
        meter: kind of the meter.
        shipment: data and pre-trained models.
        alone: machines on which one cell runs at a time, as `NodeView.machine` names them.
        is_forced: whether a meter of the whole machine may see cells beside its own.
    """

    meter: str
    shipment: Shipment
    alone: frozenset[str] = frozenset()
    is_forced: bool = False


@dataclass(frozen=True)
class NodeView:
    """What a node reports about itself.

    Attributes:
        machine: digest of its host name; nodes of one machine say the same.
        is_whole_machine: whether its meter sees every process of the machine.
    """

    machine: str
    is_whole_machine: bool


@dataclass(frozen=True)
class Finished:
    """A finished cell.

    Attributes:
        attempt: the try that finished, as its lines named it.
        files: the files of its ledger.
    """

    attempt: str
    files: Files


@dataclass(frozen=True)
class Failed:
    """A cell that failed on a node that lives.

    Attributes:
        attempt: the try that failed, as its lines named it.
        failure: why.
        rounds: what it had written of its rounds: all of it, also what `Lines` has not reported yet.
    """

    attempt: str
    failure: Failure
    rounds: str = ""


@dataclass(frozen=True)
class Line:
    """What a running cell has written of one or more rounds.

    Attributes:
        cell_id: the cell.
        attempt: id of this try.
        text: whole lines of JSON, see `harness.ledger.ledger.LedgerWriter`.
    """

    cell_id: str
    attempt: str
    text: str


class Lines:
    """An actor that keeps lines of running cells until the driver takes them."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._lines: list[Line] = []

    def add(self, line: Line) -> None:
        """Keep a line."""
        self._lines.append(line)

    def take(self) -> list[Line]:
        """The lines that came in since the last call."""
        lines, self._lines = self._lines, []
        return lines


def view(meter: str, shipment: Shipment) -> NodeView:
    """This node, before any cell runs on it.

    Args:
        meter: kind of the meter.
        shipment: what `harness.run.engines.shipment.pack_parts` gives.

    Raises:
        EnvironmentLacksError: the code or a checkpoint here is not that of the driver.
    """
    import ray

    unpack(shipment, ray.get)
    return NodeView(worker_host().machine, registry.build("meter", meter).is_whole_machine())


def run(cell: Cell, cell_id: str, job: Job, lines: Any) -> Finished | Failed:
    """Run `cell` here.

    Args:
        cell: what to run.
        cell_id: its content address.
        job: meter and data.
        lines: the actor that takes lines.

    Returns:
        The files of its ledger, or why it failed: cell errors are returned, not raised, so that Ray runs again only
        what a lost node or a killed worker took with it.
    """
    attempt = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="harness-cell-") as name:
        rounds = Path(name) / ROUNDS_FILE
        try:
            meter = _start(job)
            _check_same(content_address(cell), cell_id)
            task, training = registry.build("task", cell.task), training_settings(cell)
            if task.needs_activations(cell.seed, training):
                with _one_at_a_time():
                    task.compute_activations(cell.seed, training)
            sender = _LineSender(rounds, lines, cell_id, attempt)
            write_cell(cell, cell_id, rounds.parent, meter, worker_host(), after_round=sender.send)
            return Finished(attempt, read_files(rounds.parent))
        except Exception as error:
            written = rounds.read_text(encoding="utf-8") if rounds.exists() else ""
            return Failed(attempt, describe_failure(error), written)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let cells of a machine that lack activations wait for each other: most lack the same, which one then computes."""
    folder = cache_root()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "activations.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pretrain(task: Mapping[str, Any], name: str, job: Job) -> Files | Failure:
    """Pre-train the model of `task` here, the folder of which has a `name`. Returns its files, or why it failed."""
    try:
        meter = _start(job)
        part = registry.build("task", task)
        folder = part.pretraining_folder()
        _check_same(folder.name, name)
        part.pretrain(meter)
        return read_files(folder)
    except Exception as error:
        return describe_failure(error)


def _check_same(here: str, there: str) -> None:
    """Refuse what would be something else here, by its content address."""
    if here != there:
        raise EnvironmentLacksError(
            "this node has another model module, plug-in or data set than the machine that started the run; "
            "install the same on both"
        )


def _start(job: Job) -> EnergyMeter:
    """Get data and worker ready. Returns the meter.

    Raises:
        EnvironmentLacksError: the code here is not that of the driver.
        UsageError: the meter would see other cells, and the run does not allow it.
    """
    import ray

    unpack(job.shipment, ray.get)
    _start_worker_once(job.meter)
    meter = worker_meter(job.meter)
    if not meter.is_whole_machine() or worker_host().machine in job.alone:
        return meter
    if not job.is_forced:
        raise UsageError("this machine joined the cluster later, and its meter would see the cells beside; run again")
    return SharedMeter(meter)


@functools.cache
def _start_worker_once(meter: str) -> None:
    start_worker(meter)


@dataclass(frozen=True)
class SharedMeter:
    """A meter of the whole machine that may see other cells as well; its scope says so.

    Attributes:
        meter: what measures.
    """

    kind: ClassVar[str] = "shared"

    meter: EnergyMeter

    def warm_up(self) -> None:
        """As the meter."""
        self.meter.warm_up()

    def is_whole_machine(self) -> bool:
        """It is."""
        return True

    @contextmanager
    def window(self) -> Iterator[Window]:
        """Measure the body of a ``with``."""
        window = Window()
        with self.meter.window() as own:
            yield window
        window.close(replace(own.reading, scope=f"{own.reading.scope}, other cells included"))


class _LineSender:
    """Sends the lines of a running cell to the actor as they are written."""

    def __init__(self, path: Path, lines: Any, cell_id: str, attempt: str) -> None:
        self._path, self._lines, self._cell_id, self._attempt = path, lines, cell_id, attempt
        self._offset = 0

    def send(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        self._offset += len(text)
        # Nobody waits for the answer: a driver that misses a round still gets the cell.
        self._lines.add.remote(Line(self._cell_id, self._attempt, text.decode()))
