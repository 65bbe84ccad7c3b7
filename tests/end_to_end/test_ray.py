"""Studies on Ray, with real processes: on this machine, and on a cluster of several nodes that share no cache."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.commands.run import run
from harness.ledger.store import Store
from harness.run.engines.local import Event, LocalEngine
from harness.run.engines.ray import RayEngine
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec
from tests.runs import (
    BOTH_WAYS,
    FP32,
    REPOSITORY,
    SIGN,
    digests,
    run_here,
    start_harness,
    tiny,
    wait_for_rounds,
    write_spec,
)

pytest.importorskip("ray")
pytestmark = [pytest.mark.network, pytest.mark.xdist_group("ray")]

STUDY = tiny(
    [FP32, BOTH_WAYS, SIGN],
    seeds=list(range(4)),
    federation={"rounds": 8},
    task={"init": "pretrained", "clients": 30},
)


class Cluster:
    """A head without CPUs for the driver, and two nodes with caches of their own and no data set."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        small = {"object_store_memory": 100_000_000}
        self._cluster = RayCluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small}
        )
        self.address = self._cluster.address
        caches = [folder / "cache of node 1", folder / "cache of node 2"]
        self._nodes = [
            self._cluster.add_node(wait=False, num_cpus=1, env_vars={"HARNESS_CACHE": str(cache)}, **small)
            for cache in caches
        ]
        self._cluster.wait_for_nodes()

    def kill_a_node(self) -> None:
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(tmp_path)
    try:
        yield started
    finally:
        started.end()


def test_a_node_killed_in_the_middle_of_a_study_loses_nothing(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """12 cells from a pre-trained model; the facts are those of cells run one after the other in this process."""
    spec, events = BenchmarkSpec.model_validate(STUDY), list[Event]()
    is_killed = False

    def on_event(event: Event) -> None:
        nonlocal is_killed
        events.append(event)
        if not is_killed and sum(seen.kind == "finished" for seen in events) >= 3:
            is_killed = True
            cluster.kill_a_node()

    assert run(spec, tmp_path / "ray", RayEngine(cluster.address), on_event) == {}
    assert is_killed
    assert capfd.readouterr().out == ""
    found = digests(tmp_path / "ray")
    planned = plan_cells(spec)
    for cell in planned:
        assert run_here(cell, tmp_path / "here") is None
    store = Store(tmp_path / "here")
    assert found == {(cell.method, cell.cell.seed): store.ledger(cell.cell_id).facts_digest for cell in planned}
    assert len(found) == 12
    # What the node had begun is kept as a try, and none of the others is.
    tries = [attempt for cell in planned for attempt in Store(tmp_path / "ray").attempts(cell.cell_id)]
    assert len(tries) <= 1 and all(attempt.state == "killed" for attempt in tries)


def test_ctrl_c_is_one_line_leaves_no_process_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """Ray on this machine; the other engine goes on where this one was stopped."""
    write_spec(tiny([FP32, SIGN], federation={"rounds": 40, "cohort": 10}, seeds=[0, 1]), tmp_path)
    process = start_harness(
        "compare", "tiny.yaml", "--engine", "ray", "--jobs", "1", folder=tmp_path, PYTHONPATH=str(REPOSITORY)
    )
    results = tmp_path / "results" / "tiny"
    wait_for_rounds(process, results, 10)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert out == "" and err.splitlines()[-1].startswith("interrupted. What is finished is kept")
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    spec = BenchmarkSpec.model_validate(tiny([FP32, SIGN], federation={"rounds": 40, "cohort": 10}, seeds=[0, 1]))
    assert run(spec, results, LocalEngine(1), lambda event: None) == {}
    assert len(digests(results)) == 4
