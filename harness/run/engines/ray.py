"""Runs cells as Ray tasks: on this machine, or on a cluster that shares no disk with it.

The driver prepares data and ships it (`harness.run.engines.shipment`); nodes run cells (`harness.run.engines.ray_node`)
and return the files of their ledgers, which are published here as if a worker of this machine had written them. Ray
runs again what a lost node had begun, a few times; a cell that fails by itself is not tried again. Lines of running
cells come in while they run: progress is shown, and lost tries count in the footprint of the benchmark.
"""

import logging
import math
import os
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.core.cache import cache_root, make_once
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.extras import require
from harness.ledger.ledger import ROUNDS_FILE
from harness.ledger.store import Store
from harness.parts import from_file, registry
from harness.run.cell import Cell
from harness.run.engines import ray_node
from harness.run.engines.local import THREAD_VARIABLES, Event, default_jobs
from harness.run.engines.ray_node import Failed, Finished, Job, Line
from harness.run.engines.shipment import Shipment, code_digest, pack, pack_parts, write_files
from harness.run.engines.worker import Failure, describe_failure

_TICK_S = 0.25
_TRIES_AFTER_LOSS = 3
_CONNECT_S = 10.0
_LOCAL_STORE_BYTES = 100_000_000
"""Ray's object store where driver and workers share the cache: it carries ledgers only."""


@dataclass(frozen=True)
class RayEngine:
    """Runs cells on Ray; called as `harness.run.engines.local.run_missing` without its jobs.

    Attributes:
        address: of a cluster, ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``; None starts Ray on this machine for the
            run, and ends it afterwards.
        cpus: CPUs of a cell, above 0.
        gpus: GPUs of a cell, at least 0.
        jobs: cells at a time at most; None for as many as fit.
        is_forced: whether cells may run concurrently under a meter that sees the whole machine.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    jobs: int | None = None
    is_forced: bool = False

    def __call__(
        self, missing: Mapping[str, Cell], store: Store, meter: str, on_event: Callable[[Event], None]
    ) -> dict[str, Failure]:
        """Run cells whose data is prepared here; see `harness.run.engines.local.run_missing`.

        Raises:
            EnvironmentLacksError: Ray is not installed, or the cluster does not answer or cannot run such cells.
            UsageError: a meter would see the cells of a whole machine.
        """
        if not missing:
            return {}
        ray = require("ray", "cluster", "--engine ray")
        from_file.keep()
        _check_reachable(self.address)
        on_event(Event("starting"))
        with self._connected(ray):
            return _Run(self, ray, store, meter, on_event).all(missing)

    @contextmanager
    def _connected(self, ray: ModuleType) -> Iterator[None]:
        requested = {name: value for name, value in os.environ.items() if name == "HARNESS_ACCELERATOR"}
        settings: dict[str, Any] = {
            "include_dashboard": False,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "runtime_env": {"env_vars": {**dict.fromkeys(THREAD_VARIABLES, "1"), **requested}},
        }
        before = dict(os.environ)
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        if self.address is None:
            # Ray would run its workers at a low priority, which shows in their wall time when anything else runs.
            os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - its name has small letters
            os.environ["HARNESS_CACHE"] = str(cache_root().resolve())
            settings |= {
                "num_cpus": math.ceil(max(default_jobs(), self.cpus) if self.jobs is None else self.jobs * self.cpus),
                "object_store_memory": _LOCAL_STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
                # By default a worker that the kernel's memory ran out under is started again for ever.
                "_system_config": {"task_oom_retries": _TRIES_AFTER_LOSS},
            }
        worker = ray._private.worker
        printer = worker.print_to_stdstream
        # Ray prints the log of a lost node on standard output, where results go; nothing public turns it off.
        worker.print_to_stdstream = lambda *data, **settings: None
        try:
            try:
                ray.init(self.address or "local", **settings)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                where = f"no Ray cluster at {self.address}" if self.address else "Ray does not start here"
                raise EnvironmentLacksError(f"{where}: {' '.join(str(error).split())}") from error
            yield
        finally:
            ray.shutdown()
            worker.print_to_stdstream = printer
            os.environ.clear()
            os.environ.update(before)


def _check_reachable(address: str | None) -> None:
    """Refuse an address at which nobody listens: Ray itself waits for minutes.

    Raises:
        UsageError: it is no address.
        EnvironmentLacksError: nobody listens there.
    """
    if address in (None, "auto", "local"):
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address {address}: no address; auto, HOST:PORT or ray://HOST:PORT is needed")
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise EnvironmentLacksError(f"no Ray cluster at {address}: {error}") from error


@dataclass
class _Run:
    """One run: what is under way, and which attempt of the store each try writes into."""

    engine: RayEngine
    ray: ModuleType
    store: Store
    meter: str
    on_event: Callable[[Event], None]
    _attempts: dict[tuple[str, str], Path] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def all(self, missing: Mapping[str, Cell]) -> dict[str, Failure]:
        alone = self._examined(list(missing.values()))
        self._lines = self.ray.remote(num_cpus=0)(ray_node.Lines).options(scheduling_strategy=self._here()).remote()
        self._taken = self._lines.take.remote()
        failures = self._pretrain(missing, alone)
        ready = {key: cell for key, cell in missing.items() if key not in failures}
        job = Job(self.meter, self._shipment(list(ready.values())), alone, self.engine.is_forced)
        return failures | self._cells(ready, self.ray.put(job))

    def _cells(self, missing: Mapping[str, Cell], job: Any) -> dict[str, Failure]:
        run = self._remote(ray_node.run)
        waiting, running, failures = list(missing.items())[::-1], dict[Any, str](), dict[str, Failure]()
        while waiting or running:
            while waiting and (self.engine.jobs is None or len(running) < self.engine.jobs):
                key, cell = waiting.pop()
                running[run.remote(cell, key, job, self._lines)] = key
            done, _ = self.ray.wait(list(running), num_returns=len(running), timeout=_TICK_S, fetch_local=False)
            self._take_lines()
            for reference in done:
                key = running.pop(reference)
                failure = self._end(key, self._outcome(reference))
                if failure is None:
                    self.on_event(Event("finished", key))
                else:
                    failures[key] = failure
                    self.on_event(Event("failed", key, failure))
            self.on_event(Event("tick"))
        return failures

    def _end(self, key: str, outcome: Finished | Failed | Failure) -> Failure | None:
        """Publish what came of a cell. Returns why it failed, or None."""
        self._ended.add(key)
        try:
            if isinstance(outcome, Finished):
                attempt = self._attempt(key, outcome.attempt)
                write_files(attempt, outcome.files)
                self.store.publish(attempt, key)
                return None
            if isinstance(outcome, Failed):
                attempt, failure = self._attempt(key, outcome.attempt), outcome.failure
                if outcome.rounds:
                    (attempt / ROUNDS_FILE).write_text(outcome.rounds, encoding="utf-8")
            else:
                tried = [path for (cell_id, _), path in self._attempts.items() if cell_id == key]
                attempt, failure = tried[-1] if tried else self.store.claim(key), outcome
            self.store.fail(attempt, key, failure.error, failure.traceback)
            return failure
        except OSError as error:
            return describe_failure(error)

    def _take_lines(self) -> None:
        """Write the lines that came in since the last call into the attempts of their cells."""
        if not self.ray.wait([self._taken], timeout=0)[0]:
            return
        lines: Sequence[Line] = ()
        # The actor is lost with its node: cells go on, and their rounds are not seen.
        with suppress(self.ray.exceptions.RayError):
            lines = self.ray.get(self._taken)
        self._taken = self._lines.take.remote()
        for line in lines:
            if line.cell_id not in self._ended:
                with suppress(OSError), (self._attempt(line.cell_id, line.attempt) / ROUNDS_FILE).open("a") as file:
                    file.write(line.text)

    def _attempt(self, cell_id: str, attempt: str) -> Path:
        """The folder of a try, claimed when it is first heard of."""
        if (cell_id, attempt) not in self._attempts:
            self._attempts[cell_id, attempt] = self.store.claim(cell_id)
        return self._attempts[cell_id, attempt]

    def _pretrain(self, missing: Mapping[str, Cell], alone: frozenset[str]) -> dict[str, Failure]:
        """Pre-train where the cache has no model. Returns the failures by cell id: of cells that lack theirs then."""
        known: dict[Path, Failure | None] = {}
        failures: dict[str, Failure] = {}
        for key, cell in missing.items():
            folder = registry.build("task", cell.task).pretraining_folder()
            if folder is None:
                continue
            if folder not in known:
                known[folder] = None if folder.is_dir() else self._pretrained(cell, folder, alone)
            failure = known[folder]
            if failure is not None:
                failures[key] = failure
                self.on_event(Event("failed", key, failure))
        return failures

    def _pretrained(self, cell: Cell, folder: Path, alone: frozenset[str]) -> Failure | None:
        """Pre-train the model of a cell into a folder of the cache. Returns None, or why it failed."""
        self.on_event(Event("pretraining"))
        job = Job(self.meter, self._shipment([cell]), alone, self.engine.is_forced)
        files = self._outcome(self._remote(ray_node.pretrain).remote(cell.task, folder.name, job))
        try:
            if not isinstance(files, Failure):
                make_once(folder, lambda draft: write_files(draft, files))
                return None
        except OSError as error:
            files = describe_failure(error)
        return replace(files, error=f"pre-training for task {cell.task['kind']} failed: {files.error}")

    def _shipment(self, cells: Sequence[Cell], packed: Callable[..., Shipment] = pack) -> Shipment:
        """What nodes need; on this machine they share the cache, and need nothing."""
        return Shipment(code_digest()) if self.engine.address is None else packed(cells, self._send)

    def _send(self, files: Any) -> Any:
        """A reference in a list, so that Ray does not fetch it before it is known to be needed."""
        return self.ray.put(files)

    def _examined(self, cells: Sequence[Cell]) -> frozenset[str]:
        """The machines on which one cell runs at a time.

        Raises:
            EnvironmentLacksError: no node is large enough for a cell, or one has other code or lacks a checkpoint.
            UsageError: a meter would see several cells, and the run does not allow it.
        """
        fitting = {node["NodeID"]: self._n_fitting(node["Resources"]) for node in self.ray.nodes() if node["Alive"]}
        if not any(fitting.values()):
            requested = f"{self.engine.cpus:g} CPUs" + f" and {self.engine.gpus:g} GPUs" * (self.engine.gpus > 0)
            raise EnvironmentLacksError(
                f"no node of the Ray cluster has {requested}; lower resources in the definition"
            )
        parts = self._shipment(cells, pack_parts)
        look = {key: self._look(key, parts) for key, n_cells in fitting.items() if n_cells}
        together: dict[str, int] = defaultdict(int)
        counted = set()
        for key, reference in look.items():
            seen = self._outcome(reference)
            if isinstance(seen, Failure):
                raise EnvironmentLacksError(f"node {key[:8]} of the Ray cluster cannot run cells: {seen.error}")
            together[seen.machine] += fitting[key]
            counted |= {seen.machine} if seen.is_whole_machine else set()
        jobs = self.engine.jobs or max(together.values())
        shared = {machine for machine in counted if min(jobs, together[machine]) > 1}
        if shared and not self.engine.is_forced:
            raise UsageError(
                f"meter {self.meter} sees the whole machine on {len(shared)} of the cluster's machines, where up to "
                f"{max(min(jobs, together[machine]) for machine in shared)} cells would run beside each other and each "
                "be billed for all; give a cell all CPUs of a machine (resources), use --jobs 1 or meter: cpu_time, or "
                "say --shared-meter"
            )
        return frozenset(set(together) - shared)

    def _n_fitting(self, resources: Mapping[str, float]) -> int:
        """Cells that fit on a node at a time."""
        n_cells = int(resources.get("CPU", 0) / self.engine.cpus)
        return min(n_cells, int(resources.get("GPU", 0) / self.engine.gpus)) if self.engine.gpus else n_cells

    def _look(self, node: str, parts: Shipment) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return self.ray.remote(num_cpus=0)(ray_node.view).options(scheduling_strategy=there).remote(self.meter, parts)

    def _here(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=True)

    def _remote(self, function: Callable[..., Any]) -> Any:
        settings = {"num_cpus": self.engine.cpus, "num_gpus": self.engine.gpus, "max_retries": _TRIES_AFTER_LOSS}
        return self.ray.remote(**settings)(function)

    def _outcome(self, reference: Any) -> Any:
        """What a task returned, or the failure that represents its end."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            return describe_failure(error.cause if isinstance(error.cause, Exception) else error)
        except self.ray.exceptions.RayError as error:
            first = str(error).strip().partition("\n")[0]
            return Failure(f"its worker or node was lost {_TRIES_AFTER_LOSS + 1} times ({first})", "", False)
