"""Cells on Ray, as far as it needs no cluster: what is refused, what is shipped, and what a node does with it."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.cli.app import run as run_command
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.ledger.store import Attempt, Store
from harness.parts import from_file, registry
from harness.results import context
from harness.run.cell import cell_id
from harness.run.engines import ray as ray_engine
from harness.run.engines import ray_node, shipment
from harness.run.engines.local import Event
from harness.run.engines.ray import RayEngine, _Run
from harness.run.engines.ray_node import Failed, Finished, Job, Line, Lines, NodeView, SharedMeter
from harness.run.engines.shipment import Shipment, code_digest, pack, pack_parts, read_files, unpack, write_files
from harness.run.engines.worker import Failure, worker_host
from harness.run.meters.cpu_time import CpuTimeMeter
from harness.run.tasks import hub, prepared_data
from harness.run.tasks.images import Images
from harness.run.tasks.mnist import Mnist
from harness.spec.spec import BenchmarkSpec, Resources
from tests.ledgers import make_ledger
from tests.parts.test_entry_points import CODEC
from tests.parts.test_from_file import METER
from tests.runs import BOTH_WAYS, DIVERGES, FP32, planned, run_here, tiny, write_spec


class Called:
    """In place of an actor: `add.remote` calls."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.add = self

    def remote(self, line: Line) -> None:
        self.lines.add(line)


@contextmanager
def without(module: str) -> Iterator[None]:
    """A machine on which a module is not installed."""
    known = [name for name in sys.modules if name.startswith(f"{module}.")]
    with pytest.MonkeyPatch.context() as patch:
        for name in (module, *known):
            patch.setitem(sys.modules, name, None)
        yield


def test_without_the_extra_one_line_says_what_installs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = write_spec(tiny(), tmp_path)
    with without("ray"):
        assert run_command(["compare", str(bench), "--engine", "ray", "--out", str(tmp_path / "results")]) == 5
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: --engine ray needs the extra cluster (")
    assert said.endswith("install it with: pip install 'quantfl-harness[cluster]'")


@pytest.mark.parametrize("option", [["--address", "auto"], ["--shared-meter"]])
def test_what_only_ray_has_is_refused_without_it(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["compare", str(write_spec(tiny(), tmp_path)), *option]) == 2
    assert capsys.readouterr().err == f"error: {option[0]} needs --engine ray\n"


@pytest.mark.network
@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("127.0.0.1:9", 5, "no Ray cluster at 127.0.0.1:9: "),
        ("ray://somewhere", 2, "--address ray://somewhere: no address; "),
    ],
)
def test_an_address_at_which_nobody_answers_is_told_at_once(
    address: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    bench = str(write_spec(tiny(), tmp_path))
    assert (
        run_command(["compare", bench, "--engine", "ray", "--address", address, "--out", str(tmp_path / "out")]) == code
    )
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {said}")


def failure_of(outcome: Finished | Failed) -> Failure:
    assert isinstance(outcome, Failed)
    return outcome.failure


def test_resources_are_of_the_spec_and_of_no_cell() -> None:
    large = tiny() | {"resources": {"cpus": 4}}
    assert planned(tiny()) == planned(large)
    assert BenchmarkSpec.model_validate(large).resources == Resources(cpus=4, gpus=0)


def test_a_node_returns_the_files_of_a_ledger_and_tells_its_rounds(tmp_path: Path) -> None:
    (cell,) = planned(tiny([BOTH_WAYS]))
    actor = Called()
    done = ray_node.run(cell.cell, cell.cell_id, Job("cpu_time", Shipment(code_digest())), actor)
    assert isinstance(done, Finished)
    assert {"status.json", "transfers.parquet", "scores.parquet"} <= set(done.files)
    lines = actor.lines.take()
    assert [line.text.count("\n") for line in lines] == [1, 1, 1, 1]
    assert b"".join(line.text.encode() for line in lines) == done.files["rounds.jsonl"].tobytes()
    assert {(line.cell_id, line.attempt) for line in lines} == {(cell.cell_id, done.attempt)}
    assert actor.lines.take() == []


def test_a_cell_that_fails_on_a_node_is_a_failure_and_no_exception() -> None:
    (cell,) = planned(tiny())
    broken = replace(cell.cell, task={**cell.cell.task, "clients": 0})
    failed = failure_of(ray_node.run(broken, cell.cell_id, Job("cpu_time", Shipment(code_digest())), Called()))
    assert isinstance(failed, Failure) and failed.error == "task.clients: must be 1 to 450 (got 0)"


def test_a_node_with_other_code_runs_nothing() -> None:
    (cell,) = planned(tiny())
    failed = failure_of(ray_node.run(cell.cell, cell.cell_id, Job("cpu_time", Shipment("other")), Called()))
    assert isinstance(failed, Failure) and failed.is_environment
    assert failed.error.startswith("this node has another version of the harness")
    with pytest.raises(EnvironmentLacksError, match=r"^this node has another version of the harness, or of torch"):
        ray_node.view("cpu_time", Shipment("other"))


def test_another_torch_is_other_code_and_another_build_of_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {}
    for torch in ("2.9.0", "2.9.0+cpu", "2.9.1"):
        monkeypatch.setattr(shipment, "version", lambda package, torch=torch: torch)
        digests[torch] = code_digest()
    assert digests["2.9.0"] == digests["2.9.0+cpu"] != digests["2.9.1"]


def test_a_node_with_another_model_module_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is part of the cell's id, and no part of the harness."""
    module = tmp_path / "own_model.py"
    monkeypatch.syspath_prepend(tmp_path)

    def write(n_hidden: int) -> None:
        module.write_text(
            "from torch import nn\n"
            "def make(shape, n_classes):\n"
            f"    parts = (nn.Flatten(), nn.Linear(64, {n_hidden}), nn.Linear({n_hidden}, n_classes))\n"
            "    return nn.Sequential(*parts)\n"
        )

    write(8)
    (tmp_path / "data").mkdir()
    splits = registry.build("task", "digits").load_splits()
    monkeypatch.setattr(Images, "load_splits", lambda task: splits)
    task = {"kind": "images", "data": str(tmp_path / "data"), "model": "own_model:make", "clients": 3, "head": "2"}
    (cell,) = planned({**tiny(federation={"rounds": 1, "score_every": 1}), "task": task})
    job = Job("cpu_time", Shipment(code_digest()))
    assert isinstance(ray_node.run(cell.cell, cell.cell_id, job, Called()), Finished)
    write(16)
    failed = failure_of(ray_node.run(cell.cell, cell.cell_id, job, Called()))
    assert isinstance(failed, Failure) and failed.is_environment
    assert failed.error.startswith("this node has another model module, plug-in or data set than the machine that")


def test_a_node_pre_trains_no_other_model_than_the_driver_asked_for() -> None:
    (cell,) = planned(tiny(task={"init": "pretrained"}))
    failed = ray_node.pretrain(cell.cell.task, "pretrained-other", Job("cpu_time", Shipment(code_digest())))
    assert isinstance(failed, Failure) and failed.error.startswith("this node has another model module")


def test_prepared_data_is_shipped_once_and_only_to_who_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_file, "_LOADED", {})
    cells = [cell.cell for cell in planned(tiny([FP32, BOTH_WAYS], seeds=[0, 1]))]
    sent: list[Any] = []
    fetched: list[Any] = []

    def send(files: Any) -> int:
        sent.append(files)
        return len(sent) - 1

    def fetch(reference: int) -> Any:
        fetched.append(reference)
        return sent[reference]

    shipped = pack(cells, send)
    assert sorted(name.partition("-")[0] for name in shipped.folders) == ["data", "partition", "partition"]
    here = {cell_id(cell): cell for cell in cells}
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "node"))
    unpack(shipped, fetch)
    unpack(shipped, fetch)
    assert fetched == [0, 1, 2]
    job = Job("cpu_time", shipped)
    assert all(isinstance(ray_node.run(cell, key, job, Called()), Finished) for key, cell in here.items())


def test_a_node_without_the_data_set_finds_what_was_prepared_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of prepared folders depend on the digest of a data set, which is shipped in its place."""
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train.parquet").write_bytes(b"the data")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(shipment, "prepare", lambda cells: None)
    (cell,) = planned(tiny())
    task = {"kind": "mnist", "model": "cnn", "clients": 90}
    wanted = prepared_data._data_folder(Mnist()).name
    shipped = pack([replace(cell.cell, task=task)], lambda files: None)
    assert shipped.data_sets == {"mnist": hub.folder_digest(tmp_path / "mnist")}
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    unpack(shipped, lambda reference: {})
    assert prepared_data._data_folder(Mnist()).name == wanted


def test_parts_from_files_are_shipped_and_known_before_a_node_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A codec, and a meter, which a node is asked about first."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "driver"))
    (tmp_path / "mine.py").write_text(CODEC.format(kind="mine"))
    (tmp_path / "sun.py").write_text(METER)
    monkeypatch.setattr(from_file, "_LOADED", {})
    own = {"file": str(tmp_path / "mine.py"), "class": "Mean"}
    values = tiny([{"name": "mean", "uplink": own}], meter=f"{tmp_path / 'sun.py'}:Sundial")
    (cell,) = planned(values)
    meter = BenchmarkSpec.model_validate(values).meter
    sent: dict[str, Any] = {}

    def send(files: Any) -> str:
        sent[str(len(sent))] = files
        return str(len(sent) - 1)

    parts, everything = pack_parts([cell.cell], send), pack([cell.cell], send)
    assert {name.partition("/")[0] for name in parts.folders} == {"parts"} and len(parts.folders) == 2
    for name in ("mine.py", "sun.py"):
        (tmp_path / name).unlink()
    from_file._LOADED.clear()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "node"))
    monkeypatch.setattr("ray.get", sent.__getitem__)
    assert ray_node.view(meter, parts).machine == worker_host().machine
    assert isinstance(ray_node.run(cell.cell, cell.cell_id, Job(meter, everything), Called()), Finished)


def test_a_node_without_the_checkpoint_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"weights")
    (cell,) = planned(tiny())
    pretraining = {"source": "checkpoint", "checkpoint": str(path)}
    own = replace(cell.cell, task={**cell.cell.task, "pretraining": pretraining})
    parts = pack_parts([own, cell.cell], lambda files: files)
    unpack(replace(parts, folders={}), lambda reference: {})
    path.write_bytes(b"others")
    with pytest.raises(
        EnvironmentLacksError, match=r"has no file .*weights\.safetensors, or another .* on every node$"
    ):
        ray_node.view("cpu_time", replace(parts, folders={}))


def test_files_survive_the_way(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": np.frombuffer(b"one", np.uint8), "deep/b": np.zeros(0, np.uint8)})
    assert {name: content.tobytes() for name, content in read_files(tmp_path).items()} == {
        "a.txt": b"one",
        "deep/b": b"",
    }


class Counting(CpuTimeMeter):
    """Sees the whole machine."""

    def is_whole_machine(self) -> bool:
        return True


def test_a_shared_meter_says_so_in_its_scope() -> None:
    with SharedMeter(Counting()).window() as window:
        pass
    assert window.reading.scope == "this process and its children, other cells included"


@pytest.mark.parametrize(
    ("alone", "is_forced", "is_run"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_whole_machine_meter_runs_alone_or_with_leave(
    alone: bool, is_forced: bool, is_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_node, "worker_meter", lambda kind: Counting())
    (cell,) = planned(tiny())
    machines = frozenset({worker_host().machine} if alone else ())
    job = Job("cpu_time", Shipment(code_digest()), machines, is_forced)
    assert isinstance(ray_node.run(cell.cell, cell.cell_id, job, Called()), Finished) is is_run


class Nodes:
    """In place of Ray: nodes that answer at once."""

    def __init__(self, *nodes: tuple[float, NodeView]) -> None:
        self._views = {str(place) * 16: view for place, (_, view) in enumerate(nodes)}
        self._cpus = [cpus for cpus, _ in nodes]

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": key, "Alive": True, "Resources": {"CPU": cpus}}
            for key, cpus in zip(self._views, self._cpus, strict=True)
        ]

    def put(self, value: Any) -> Any:
        return value  # files that other tests have loaded are shipped too

    def look(self, key: str) -> NodeView:
        return self._views[key]


def examined(engine: RayEngine, nodes: Sequence[tuple[float, NodeView]], monkeypatch: pytest.MonkeyPatch) -> Any:
    ray = Nodes(*nodes)
    monkeypatch.setattr(_Run, "_look", lambda run, key, parts: ray.look(key))
    monkeypatch.setattr(_Run, "_outcome", lambda run, reference: reference)
    return _Run(engine, ray, Store(Path("none")), "codecarbon", lambda event: None)._examined([])  # type: ignore[arg-type]


def node(machine: str, counts: bool = False) -> NodeView:
    return NodeView(machine, counts)


def test_cells_beside_each_other_under_a_counter_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes of one machine are one machine; one CPU for each cell, or all for one, makes the difference."""
    two_nodes = [(1, node("a", counts=True)), (1, node("a", counts=True)), (8, node("b"))]
    with pytest.raises(UsageError, match="sees the whole machine on 1 of the cluster's machines, where up to 2 cells"):
        examined(RayEngine("x"), two_nodes, monkeypatch)
    assert examined(RayEngine("x", is_forced=True), two_nodes, monkeypatch) == {"b"}
    assert examined(RayEngine("x", jobs=1), two_nodes, monkeypatch) == {"a", "b"}
    assert examined(RayEngine("x", cpus=4), [(4, node("a", counts=True))], monkeypatch) == {"a"}


def test_a_cluster_that_cannot_run_the_cells_is_told_before_any_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentLacksError, match="no node of the Ray cluster has 16 CPUs and 1 GPUs"):
        examined(RayEngine("x", cpus=16, gpus=1), [(4, node("a"))], monkeypatch)
    older: Any = Failure("this node has another version of the harness", "", True)
    with pytest.raises(EnvironmentLacksError, match="node 00000000 of the Ray cluster cannot run cells: this node has"):
        examined(RayEngine("x"), [(4, older)], monkeypatch)


class RayHere:
    """In place of Ray: a node with one CPU, and work that is done here when it is asked for."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=ZeroDivisionError)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "0" * 16, "Alive": True, "Resources": {"CPU": 1.0}}]

    def remote(self, **settings: Any) -> Any:
        return lambda work: Remote(Called if work is Lines else work)

    def put(self, value: Any) -> Any:
        return value

    def get(self, reference: Any) -> Any:
        return reference.value

    def wait(self, references: list[Any], **settings: Any) -> tuple[list[Any], list[Any]]:
        return references, []


class Remote:
    """A function, or an actor, of `RayHere`."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def options(self, **settings: Any) -> "Remote":
        return self

    def remote(self, *arguments: Any) -> Any:
        if self._work is Called:
            actor = Called()
            return SimpleNamespace(add=actor, take=Remote(actor.lines.take))
        return Returned(self._work(*arguments))


class Returned:
    """A reference of `RayHere`."""

    def __init__(self, value: Any) -> None:
        self.value = value


def test_one_failed_pre_training_fails_its_cells_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_Run, "_here", lambda run: None)
    monkeypatch.setattr(_Run, "_look", lambda run, key, parts: Returned(node("a")))
    values = tiny([{**FP32, "init": "pretrained"}, {**BOTH_WAYS, "init": "random"}], seeds=[0, 1])
    cells = {cell.cell_id: cell for cell in planned(values)}
    lacking = {key for key, cell in cells.items() if cell.method == "fp32"}
    folders = {registry.build("task", cells[key].cell.task).pretraining_folder() for key in lacking}
    (folder,) = folders
    folder.write_text("in the way")
    store, events = Store(tmp_path / "results"), list[Event]()
    run = _Run(RayEngine(), RayHere(), store, "cpu_time", events.append)  # type: ignore[arg-type]
    failures = run.all({key: cell.cell for key, cell in cells.items()})
    assert set(failures) == lacking and len(lacking) == 2
    (error,) = {failure.error for failure in failures.values()}
    assert error.startswith("pre-training for task digits failed: ")
    assert {event.cell_id for event in events if event.kind == "failed"} == lacking
    assert [event.kind for event in events].count("pretraining") == 1
    assert all(store.is_finished(key) is (key not in lacking) for key in cells)


def test_a_failed_cell_keeps_all_the_rounds_that_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that the driver had not heard of when it failed."""
    monkeypatch.setattr(_Run, "_here", lambda run: None)
    monkeypatch.setattr(_Run, "_look", lambda run, key, parts: Returned(node("a")))
    (cell,) = planned(tiny([DIVERGES], federation={"lr": 1000, "rounds": 6}))
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    assert run_here(cell, here.root) is not None
    run = _Run(RayEngine(), RayHere(), there, "cpu_time", lambda event: None)  # type: ignore[arg-type]
    assert set(run.all({cell.cell_id: cell.cell})) == {cell.cell_id}
    (local,), (remote,) = here.attempts(cell.cell_id), there.attempts(cell.cell_id)
    assert (remote.state, remote.error, remote.rounds) == (local.state, local.error, local.rounds)
    assert remote.cpu_seconds > 0


def test_a_lost_cell_keeps_the_rounds_that_were_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = _Run(RayEngine(), RayHere(), store, "cpu_time", lambda event: None)  # type: ignore[arg-type]
    lines = Lines()
    run._lines, run._taken = SimpleNamespace(take=Remote(lines.take)), Returned([])  # type: ignore[assignment]
    (cell,) = planned(tiny())
    actor = Called()
    assert isinstance(ray_node.run(cell.cell, cell.cell_id, Job("cpu_time", Shipment(code_digest())), actor), Finished)
    told = actor.lines.take()[:2]
    for line in told:
        lines.add(line)
    run._take_lines()
    run._take_lines()
    lost = Failure("its worker or node was lost", "", False)
    assert run._end(cell.cell_id, lost) == lost
    (attempt,) = store.attempts(cell.cell_id)
    assert (attempt.state, attempt.error, attempt.rounds) == ("failed", lost.error, 1), "round 0 and round 1 were told"


def test_cells_of_a_machine_wait_for_the_first_that_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    order: list[str] = []

    def other() -> None:
        with ray_node._one_at_a_time():
            order.append("other")

    with ray_node._one_at_a_time():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


@contextmanager
def started(engine: RayEngine) -> Iterator[dict[str, Any]]:
    """What Ray is started with."""
    settings: dict[str, Any] = {}
    ray: Any = SimpleNamespace(
        init=lambda address, **given: settings.update(given),
        shutdown=lambda: None,
        _private=SimpleNamespace(worker=SimpleNamespace(print_to_stdstream=None)),
    )
    with engine._connected(ray):
        yield settings


@pytest.mark.parametrize(
    ("cpus", "jobs", "n_cpus", "at_a_time"),
    [(1, None, 8, 8), (4, None, 8, 2), (8, None, 8, 1), (9.5, None, 10, 1), (2, 3, 6, 3), (0.5, 3, 2, 4)],
)
def test_cells_on_this_machine_get_the_cpus_that_they_ask_for(
    cpus: float, jobs: int | None, n_cpus: int, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8; where more would fit than --jobs says, the engine itself keeps to that."""
    monkeypatch.setattr(ray_engine, "default_jobs", lambda: 8)
    engine = RayEngine(cpus=cpus, jobs=jobs)
    with started(engine) as settings:
        assert settings["num_cpus"] == n_cpus
    run = _Run(engine, None, Store(Path("none")), "cpu_time", lambda event: None)  # type: ignore[arg-type]
    assert run._n_fitting({"CPU": n_cpus}) == at_a_time


@pytest.mark.parametrize("named", ["cuda", None])
def test_nodes_train_on_what_the_driver_is_told_to(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_ACCELERATOR", raising=False)
    if named:
        monkeypatch.setenv("HARNESS_ACCELERATOR", named)
    with started(RayEngine("127.0.0.1:1")) as settings:
        variables = settings["runtime_env"]["env_vars"]
    assert variables.get("HARNESS_ACCELERATOR") == named and variables["OMP_NUM_THREADS"] == "1"


def test_why_a_cluster_cannot_be_reached_is_told_in_one_line() -> None:
    def refuse(address: str, **settings: Any) -> None:
        raise ConnectionError("ray client connection timeout:\n\n  the versions of Python differ\n")

    ray: Any = SimpleNamespace(
        init=refuse, shutdown=lambda: None, _private=SimpleNamespace(worker=SimpleNamespace(print_to_stdstream=None))
    )
    said = r"^no Ray cluster at ray://a:1: ray client connection timeout: the versions of Python differ$"
    with pytest.raises(EnvironmentLacksError, match=said), RayEngine("ray://a:1")._connected(ray):
        pass


def test_tries_are_not_charged_at_a_rate_of_several_machines() -> None:
    """Joules of an attempt are its CPU seconds at the rate of the finished cells: 4 J for 1 s, on one machine only."""
    attempt = Attempt("x", "killed", "", 1, cpu_seconds=2.0)

    def spent(*machines: str) -> Any:
        ledgers = [make_ledger() for _ in machines]
        cells = [
            SimpleNamespace(
                result=SimpleNamespace(cell_id=name, ledger=replace(ledger, host=replace(ledger.host, machine=name)))
            )
            for name, ledger in zip(machines, ledgers, strict=True)
        ]
        return context._testbed(cells, [attempt], [])["attempts_j"]  # type: ignore[arg-type]

    assert spent("a") == 8.0
    assert spent("a", "b") is None
