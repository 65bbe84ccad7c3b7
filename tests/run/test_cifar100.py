"""CIFAR-100 where it is at hand: its splits and superclasses, and whole runs on 600 of its photographs."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from harness.ledger.ledger import Ledger
from harness.ledger.store import Store
from harness.parts import registry
from harness.run.engines import local
from harness.run.engines.local import run_missing
from harness.run.engines.worker import Failure
from harness.run.tasks import image_problem
from harness.run.tasks.cifar100 import Cifar100
from harness.run.tasks.local_training import LocalTraining
from harness.run.tasks.partition import split_among_clients
from harness.run.tasks.prepared_data import activations_folder, load_activations, load_split
from harness.run.tasks.settings import Partition
from harness.spec.plan import PlannedCell, plan_cells
from harness.spec.spec import BenchmarkSpec
from harness.wire.frame import FRAME_BYTES
from tests.runs import PoolHere, tiny

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
CIFAR100 = SHARED_DATA / "cifar100"

pytestmark = pytest.mark.skipif(
    not CIFAR100.is_dir() and os.environ.get("CI") != "true", reason="CIFAR-100 is not at ../shared/data"
)

FP32 = {"name": "fp32"}
SIX = {"name": "six", "uplink": {"kind": "quantfl", "levels": 64}}
TRAINING = LocalTraining(1, 20, 0.05)


@pytest.fixture(scope="module")
def few(shared_folder: Path) -> Path:
    """The first 480 + 120 photographs, in a folder as the whole data set has it."""
    folder = shared_folder / "few-of-cifar100"
    folder.mkdir(exist_ok=True)
    for split, size in (("train", 480), ("test", 120)):
        name = f"{split}-00000-of-00001.parquet"
        draft = folder.parent / f"{os.getpid()}-{name}"
        batch = next(pq.ParquetFile(CIFAR100 / name).iter_batches(size))
        pq.write_table(pa.Table.from_batches([batch]), draft)
        draft.rename(folder / name)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> PoolHere:
    """Cells run in this process."""
    here = PoolHere()
    monkeypatch.setattr(local, "_workers", here.workers)
    return here


def definition(few: Path, *methods: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Two rounds of two clients with 70 photographs each; two blocks of EfficientNet-Lite0 are trained."""
    task = {
        "kind": "images",
        "data": str(few),
        "image_column": "img",
        "label_column": "fine_label",
        "validation": 60,
        "model": "efficientnet_lite0",
        "init": "pretrained",
        "pretraining": {"source": "imagenet"},
        "clients": 6,
        "partition": {"kind": "iid"},
        "train": {"blocks": 2},
        "input": {"pixels": 32},
    } | changes.pop("task", {})
    values = tiny(methods or (FP32,), **changes)
    federation = {"rounds": 2, "cohort": 2, "batch_size": 35, "lr": 0.05, "score_every": 1}
    return values | {"task": task, "federation": values["federation"] | federation | changes.get("federation", {})}


def planned(values: Mapping[str, Any]) -> list[PlannedCell]:
    return plan_cells(BenchmarkSpec.model_validate(values))


def run(cells: list[PlannedCell], folder: Path) -> dict[str, Failure]:
    store = Store(folder)
    missing = {cell.cell_id: cell.cell for cell in cells if not store.is_finished(cell.cell_id)}
    local.prepare(missing.values())
    return run_missing(missing, store, "cpu_time", 1, lambda event: None)


def ledgers(cells: list[PlannedCell], folder: Path) -> list[Ledger]:
    return [Store(folder).ledger(cell.cell_id) for cell in cells]


def task_of(values: Mapping[str, Any]) -> Any:
    return registry.build("task", values["task"])


def lay_grounds(task: Any, *seeds: int) -> None:
    """What a run does before its cells."""
    task.prepare(seeds)
    task.pretrain(None)
    for seed in seeds:
        task.compute_activations(seed, {"augment": "none"})


@pytest.fixture(scope="module")
def whole() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(SHARED_DATA))
        yield


def test_a_definition_with_the_task_plans_its_cells(whole: None) -> None:
    values = tiny([FP32, {"name": "head", "train": {"kind": "head"}}])
    values["task"] = {"kind": "cifar100", "train": {"blocks": 5}, "input": {"pixels": 96}}
    cells = planned(values)
    assert [cell.cell.task["train"]["kind"] for cell in cells] == ["all", "head"]
    assert cells[0].cell.task["init"] == "pretrained" and cells[0].cell_id != cells[1].cell_id


def test_the_data_set_is_split_and_kept_in_bytes(whole: None) -> None:
    part = Cifar100()
    part.prepare([0])
    splits = {name: load_split(part, name) for name in ("train", "validation", "test")}
    assert {name: examples.images.shape for name, examples in splits.items()} == {
        "train": (45_000, 3, 32, 32),
        "validation": (5_000, 3, 32, 32),
        "test": (10_000, 3, 32, 32),
    }
    assert all(examples.images.dtype == np.uint8 and examples.labels.dtype == np.int64 for examples in splits.values())
    assert np.bincount(splits["test"].labels).tolist() == [100] * 100
    both = np.concatenate([splits["train"].labels, splits["validation"].labels])
    assert np.bincount(both).tolist() == [500] * 100
    # Published: means .50708 .48655 .44092 and deviations .26733 .25644 .27615 over the 50,000 training images.
    images = np.concatenate([splits["train"].images, splits["validation"].images])
    assert images.mean((0, 2, 3), dtype=np.float64) / 255 == pytest.approx([0.50708, 0.48655, 0.44092], abs=1e-5)


def test_a_partition_by_superclass_gives_each_client_its_number_of_superclasses(whole: None) -> None:
    """20 superclasses of five labels each: a client with two of them has at most ten labels."""
    part = Cifar100(clients=10, partition=Partition("label", labels_per_client=2, column="coarse_label"))
    Cifar100().prepare([0])
    groups, labels = part.load_groups(), load_split(Cifar100(), "train").labels
    assert set(groups) == set(range(20))
    assert all(len(set(labels[groups == group])) == 5 for group in range(20))
    # On a part of the examples: flwr-datasets filters them once per superclass and client.
    shares = split_among_clients(labels[:4000], 10, part.partition, seed=0, groups=groups[:4000])
    assert [len(set(groups[share])) for share in shares] == [2] * 10
    assert len(np.unique(np.concatenate(shares))) == sum(map(len, shares)) > 2000


def test_activations_are_computed_once_and_shared(
    few: Path, cache: Path, pool: PoolHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Methods and seeds start from one model: what is fixed gives the same for all of them."""
    computed: list[int] = []
    original = image_problem._activations_into
    monkeypatch.setattr(
        image_problem,
        "_activations_into",
        lambda draft, task, seed: (computed.append(seed), original(draft, task, seed)),
    )
    cells = planned(definition(few, federation={"rounds": 1}, seeds=[0, 1]))
    assert run(cells, tmp_path / "results") == {}
    assert len(computed) == 1 and len(list(cache.glob("activations-*"))) == 1
    found = ledgers(cells, tmp_path / "results")
    assert len({ledger.facts_digest for ledger in found}) == 2
    # Another codec and another learning rate: nothing is computed again.
    other = planned(definition(few, SIX, federation={"rounds": 1, "lr": 0.1}))
    assert run(other, tmp_path / "results") == {} and len(computed) == 1


def test_a_second_run_does_nothing_again(few: Path, cache: Path, pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(definition(few, FP32, SIX))
    run(cells[:1], tmp_path)
    pool.scheduled.clear()
    assert run(cells, tmp_path) == {}
    assert [arguments[1] for arguments in pool.scheduled] == [cells[1].cell_id]
    pool.scheduled.clear()
    assert run(cells, tmp_path) == {} and pool.scheduled == []


def test_training_on_activations_is_training_on_images(few: Path, cache: Path) -> None:
    """What is trained, and the scores, up to the last digits: batches of the fixed part are others."""
    task = task_of(definition(few))
    lay_grounds(task, 0)
    cached = image_problem.build(task, 0, TRAINING)
    for path in activations_folder(task, 0).iterdir():
        path.unlink()
    live = image_problem.build(task, 0, TRAINING)
    assert cached.layout == live.layout
    assert np.array_equal(cached.initial_model(), live.initial_model())
    start = cached.initial_model()
    trained = [problem.train(start, 3, round=1)[0] for problem in (cached, live)]
    assert np.abs(trained[0] - start).max() > 1e-3
    np.testing.assert_allclose(trained[0], trained[1], rtol=0, atol=1e-3)
    scores = [problem.evaluate(trained[0], "test") for problem in (cached, live)]
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-4)
    work = [problem.work() for problem in (cached, live)]
    assert work[0].flops_per_step + work[0].fixed_flops_per_step == work[1].flops_per_step


def test_activations_are_those_of_every_image_in_order(few: Path, cache: Path) -> None:
    task = task_of(definition(few, task={"train": {"kind": "head"}}))
    lay_grounds(task, 0)
    problem = image_problem.build(task, 0, TRAINING)
    network = problem._network()
    for name in ("train", "validation", "test"):
        found, images = load_activations(activations_folder(task, 0), task, name), load_split(task, name)
        assert found.images.shape == (len(images.labels), 1280)
        assert np.array_equal(found.labels, images.labels)
        network.module.eval()
        with torch.inference_mode():
            expected = network.activations(torch.from_numpy(images.images[-3:])).numpy()
        np.testing.assert_allclose(found.images[-3:], expected, rtol=0, atol=1e-4)


def test_augmented_images_are_never_kept(few: Path, cache: Path, pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(definition(few, federation={"augment": "flip_and_crop", "rounds": 1}))
    assert run(cells, tmp_path) == {}
    assert list(cache.glob("activations-*")) == []


def test_the_first_transfers_are_what_never_changes(few: Path, cache: Path, pool: PoolHere, tmp_path: Path) -> None:
    """Every client is given the frozen layers once: all floats of the model but those that travel in each round."""
    cells = planned(definition(few))
    run(cells, tmp_path)
    (ledger,) = ledgers(cells, tmp_path)
    first = ledger.transfers[ledger.transfers["round"] == 0]
    problem = image_problem.build(task_of(definition(few)), 0, TRAINING)
    n_floats = sum(
        tensor.numel() for tensor in problem._network().module.state_dict().values() if tensor.is_floating_point()
    )
    frozen = problem.frozen()
    assert frozen is not None and frozen.layout.size == n_floats - problem.layout.size > 1_000_000
    assert first["client"].tolist() == list(range(6)) and set(first["direction"]) == {"downlink"}
    assert set(first["payload_bytes"]) == {FRAME_BYTES + 4 * frozen.layout.size}
    later = ledger.transfers[ledger.transfers["round"] > 0]
    assert set(later["payload_bytes"]) == {FRAME_BYTES + 4 * problem.layout.size}


def test_random_weights_and_what_they_give_differ_by_seed(few: Path, cache: Path) -> None:
    task = task_of(definition(few, task={"init": "random", "pretraining": {}}))
    lay_grounds(task, 0, 1)
    assert activations_folder(task, 0) != activations_folder(task, 1)
    firsts = [load_activations(activations_folder(task, seed), task, "train").images[0] for seed in (0, 1)]
    assert np.abs(firsts[0] - firsts[1]).max() > 1e-3
    starts = [image_problem.build(task, seed, TRAINING).initial_model() for seed in (0, 0, 1)]
    assert np.array_equal(starts[0], starts[1]) and not np.array_equal(starts[0], starts[2])


def test_a_new_head_differs_by_seed_and_what_is_pretrained_does_not(few: Path, cache: Path) -> None:
    task = task_of(definition(few))
    lay_grounds(task, 0, 1)
    problems = [image_problem.build(task, seed, TRAINING) for seed in (0, 1)]
    differs = problems[0].initial_model() != problems[1].initial_model()
    for spec, place in problems[0].layout.slices():
        assert differs[place].any() == spec.name.startswith("_fc"), spec.name


OWN_MODEL = """
from torch import nn


class Own(nn.Module):
    def __init__(self, channels, n_labels):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, stride=4)
        self.top = nn.Linear(4 * 8 * 8, n_labels)

    def forward(self, images):
        return self.top(self.first(images).relu().flatten(1))


def make(shape, n_labels):
    return Own(shape[0], n_labels)
"""


@pytest.fixture
def own(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A definition with a module of one's own and a checkpoint of it for other labels."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "own_model_of_a_test.py").write_text(OWN_MODEL)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "own_model_of_a_test", raising=False)
    weights = {
        "first.weight": torch.full((4, 3, 3, 3), 0.125),
        "first.bias": torch.zeros(4),
        "top.weight": torch.zeros(10, 256),
        "top.bias": torch.zeros(10),
    }
    save_file(weights, tmp_path / "own.safetensors")
    changes = {
        "model": "own_model_of_a_test:make",
        "head": "top",
        "pretraining": {"source": "checkpoint", "checkpoint": str(tmp_path / "own.safetensors")},
        "train": {"kind": "head"},
        "input": {},
    }
    return definition(few, task=changes)


def test_ones_own_model_starts_from_its_checkpoint(
    own: dict[str, Any], cache: Path, pool: PoolHere, tmp_path: Path
) -> None:
    """Its last layer was made for ten labels, and is new; what stands in front is frozen as it was."""
    cells = planned(own)
    assert run(cells, tmp_path / "results") == {}
    problem = image_problem.build(task_of(own), 0, TRAINING)
    frozen = problem.frozen()
    assert frozen is not None and [spec.name for spec in frozen.layout.tensors] == ["first.weight", "first.bias"]
    assert set(frozen.values[:108]) == {0.125} and set(frozen.values[108:]) == {0.0}
    assert np.abs(problem.initial_model()).max() > 0
    (record,) = [registry.build("task", cells[0].cell.task).pretraining_folder()]
    assert '"where": "checkpoint own.safetensors"' in (record / "record.json").read_text()


def test_the_source_of_ones_own_model_and_its_checkpoint_are_part_of_the_cell(
    own: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    """A comment in the source is enough: nobody can say that it makes no other facts."""
    (before,), folder = planned(own), task_of(own).pretraining_folder()
    activations = activations_folder(task_of(own), 0)
    source = tmp_path / "site" / "own_model_of_a_test.py"
    source.write_text(OWN_MODEL + "# changed\n")
    (after,), changed = planned(own), task_of(own).pretraining_folder()
    assert after.cell_id != before.cell_id and changed != folder
    assert activations_folder(task_of(own), 0) != activations
    save_file({"first.bias": torch.ones(4)}, tmp_path / "own.safetensors")
    (third,) = planned(own)
    assert third.cell_id not in (before.cell_id, after.cell_id)
    assert task_of(own).pretraining_folder() not in (folder, changed)
