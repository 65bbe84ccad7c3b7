"""What goes wrong before and while cells run: one clear line each, other cells go on, and nothing finished is lost."""

import os
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.ledger.store import Store
from harness.run.engines import local
from harness.run.engines import worker as cell_module
from harness.run.engines.local import run_missing
from harness.run.engines.worker import Failure, describe_failure
from harness.run.tasks.images import Images
from harness.run.tasks.models import build_model
from harness.run.tasks.prepared_data import read_record
from harness.run.tasks.settings import Input
from harness.spec.plan import PlannedCell, plan_cells
from harness.spec.spec import BenchmarkSpec
from tests.faults import fault
from tests.own_networks import sequential
from tests.runs import FP32, PoolHere, planned, tiny

SIX = {"name": "six", "uplink": {"kind": "quantfl", "levels": 64}}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> PoolHere:
    """Cells run in this process."""
    here = PoolHere()
    monkeypatch.setattr(local, "_workers", here.workers)
    return here


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_pictures(folder: Path, pictures: Callable[[int], list[Any]], labels: Callable[[int], list[Any]]) -> Path:
    """A data set of 60 + 20 rows in Hugging Face's layout."""
    folder.mkdir(parents=True)
    for split, size in (("train", 60), ("test", 20)):
        table = datasets.Dataset.from_dict({"picture": pictures(size), "sort": labels(size)})
        if isinstance(table[0]["picture"], list) and np.ndim(table[0]["picture"]) == 2:
            table = table.cast_column("picture", datasets.Image())
        table.to_parquet(str(folder / f"{split}.parquet"))
    return folder


def noise(size: int) -> list[Any]:
    return list(np.random.default_rng(0).integers(0, 255, (size, 16, 16), dtype=np.uint8))


def labels(size: int) -> list[Any]:
    return [number % 4 for number in range(size)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures", noise, labels)


def definition(pictures: Path, *methods: Mapping[str, Any], **task: Any) -> dict[str, Any]:
    """Three clients with 16-pixel pictures of four kinds; the head of a small network is trained."""
    columns = {"image_column": "picture", "label_column": "sort", "validation": 12, "clients": 3, "model": "cnn"}
    values = tiny(methods or (FP32,), federation={"rounds": 1, "score_every": 1})
    return values | {"task": {"kind": "images", "data": str(pictures), **columns, "input": {}, **task}}


def cells_of(values: Mapping[str, Any]) -> list[PlannedCell]:
    return plan_cells(BenchmarkSpec.model_validate(values))


def run(cells: list[PlannedCell], folder: Path) -> dict[str, Failure]:
    store = Store(folder)
    missing = {cell.cell_id: cell.cell for cell in cells if not store.is_finished(cell.cell_id)}
    local.prepare(missing.values())
    return run_missing(missing, store, "cpu_time", 1, lambda event: None)


def checkpoint(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> dict[str, Any]:
    """Settings that start from the weights of the small network, after `change`."""
    weights = {name: tensor.clone() for name, tensor in build_model("cnn", (1, 16, 16), 4).state_dict().items()}
    change(weights)
    path = folder / "start.safetensors"
    save_file(weights, path)
    return {"init": "pretrained", "pretraining": {"source": "checkpoint", "checkpoint": str(path)}}


def nothing(weights: dict[str, torch.Tensor]) -> None:
    """The weights as they are."""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda weights: weights.update({"conv2.weight": torch.zeros(32, 16, 3, 3)}),
            "does not fit the model: 1 have another shape: conv2.weight is (32, 16, 3, 3) instead of (32, 16, 5, 5)",
        ),
        (
            lambda weights: [weights.pop(name) for name in ("conv1.bias", "hidden.weight")],
            "does not fit the model: 2 tensors are missing, e.g. conv1.bias",
        ),
        (
            lambda weights: weights.update({"stem.weight": torch.zeros(2)}),
            "does not fit the model: 1 are not the model's, e.g. stem.weight",
        ),
    ],
)
def test_a_checkpoint_of_another_model_is_one_line_and_other_cells_go_on(
    pictures: Path, cache: Path, pool: PoolHere, tmp_path: Path, change: Callable[..., None], text: str
) -> None:
    task = checkpoint(tmp_path, change) | {"init": "random"}
    cells = cells_of(definition(pictures, FP32, {"name": "started", "init": "pretrained"}, **task))
    failures = run(cells, tmp_path / "results")
    assert {key: failure.error for key, failure in failures.items()} == {
        cells[1].cell_id: f"pre-training for task images failed: checkpoint start.safetensors {text}"
    }
    assert not failures[cells[1].cell_id].traceback
    assert Store(tmp_path / "results").is_finished(cells[0].cell_id)
    # With the right file, the same definition goes on.
    checkpoint(tmp_path, nothing)
    again = cells_of(definition(pictures, FP32, {"name": "started", "init": "pretrained"}, **task))
    assert again[0].cell_id != cells[1].cell_id and run(again, tmp_path / "results") == {}


def test_a_head_for_other_labels_is_no_damage(pictures: Path, cache: Path, pool: PoolHere, tmp_path: Path) -> None:
    def other_labels(weights: dict[str, torch.Tensor]) -> None:
        weights["head.weight"], weights["head.bias"] = torch.zeros(9, 128), torch.zeros(9)

    assert run(cells_of(definition(pictures, **checkpoint(tmp_path, other_labels))), tmp_path / "results") == {}


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: path.unlink(), r"there is no file .*start\.safetensors"),
        (lambda path: path.write_text("not at all"), r".*start\.safetensors is no safetensors file \(.*\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), r".*start\.safetensors is no safetensors file \(.*\)"),
        (lambda path: path.write_bytes(b""), r".*start\.safetensors is no safetensors file \(.*\)"),
    ],
    ids=["absent", "text", "cut off", "empty"],
)
def test_a_checkpoint_that_cannot_be_read_is_one_line(
    pictures: Path, cache: Path, pool: PoolHere, tmp_path: Path, write: Callable[[Path], object], text: str
) -> None:
    task = checkpoint(tmp_path, nothing)
    write(tmp_path / "start.safetensors")
    cells = cells_of(definition(pictures, **task))
    (failure,) = run(cells, tmp_path / "results").values()
    assert_matches(failure, f"pre-training for task images failed: task\\.pretraining\\.checkpoint: {text}")


def assert_matches(failure: Failure, pattern: str) -> None:
    assert re.fullmatch(pattern, failure.error), failure.error
    assert "\n" not in failure.error and not failure.traceback


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b"nonsense" * 10)


DAMAGED = [
    ("activations-*/train_activations.npy", cut_off),
    ("activations-*/train_activations.npy", overwrite),
    ("activations-*/train_activations.npy", Path.unlink),
    ("activations-*/test_activations.npy", cut_off),
    ("data-*/validation_labels.npy", overwrite),
    ("partition-*/positions.npy", Path.unlink),
    ("pretrained-*/model.safetensors", cut_off),
    ("pretrained-*/model.safetensors", overwrite),
    ("pretrained-*/model.safetensors", Path.unlink),
]
"""Each harm to an array and to a model, and each further file once."""


@pytest.mark.parametrize(("name", "harm"), DAMAGED)
def test_a_damaged_file_of_the_cache_is_one_line_that_says_what_to_delete(
    pictures: Path, cache: Path, pool: PoolHere, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    task = checkpoint(tmp_path, nothing) | {"train": {"kind": "head"}, "model": "tests.own_networks:sequential"}
    task["head"] = "4"
    task["pretraining"]["checkpoint"] = str(save_sequential(tmp_path))
    cells = cells_of(definition(pictures, FP32, SIX, **task))
    assert run(cells[:1], tmp_path / "results") == {}
    (path,) = cache.glob(name)
    harm(path)
    failures = run(cells, tmp_path / "results")
    assert list(failures) == [cells[1].cell_id]
    word = "missing" if harm is Path.unlink else r"damaged \(.*\)"
    assert_matches(failures[cells[1].cell_id], rf".*{path.name}: {word}; delete the folder and run again")
    assert failures[cells[1].cell_id].is_environment
    assert Store(tmp_path / "results").is_finished(cells[0].cell_id)
    # As the line says.
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    assert run(cells, tmp_path / "results") == {}


def save_sequential(folder: Path) -> Path:
    path = folder / "sequential.safetensors"
    save_file({name: tensor.clone() for name, tensor in sequential((1, 16, 16), 4).state_dict().items()}, path)
    return path


def test_a_damaged_record_of_a_pretraining_is_one_line(
    pictures: Path, cache: Path, pool: PoolHere, tmp_path: Path
) -> None:
    run(cells_of(definition(pictures, **checkpoint(tmp_path, nothing))), tmp_path / "results")
    (path,) = cache.glob("pretrained-*/record.json")
    cut_off(path)
    with pytest.raises(EnvironmentLacksError, match=r"record\.json: damaged \(.*\); delete the folder and run again$"):
        read_record(path.parent)


@pytest.mark.parametrize(
    ("pictures", "labels", "settings", "text"),
    [
        (lambda n: ["a word"] * n, labels, {}, "column picture holds <U6 of shape (), no images"),
        (lambda n: ["a word"] * n, labels, {"input": None}, "column picture holds <U6 of shape (), no images"),
        (lambda n: [[0.5, 0.25]] * n, labels, {"input": None}, "column picture holds float64 of shape (2,), no images"),
        (
            lambda n: [np.full((2, 2, 3), 0.5).tolist()] * n,
            labels,
            {},
            "column picture holds float64, no images of 8-bit pixels",
        ),
        (
            lambda n: [np.full((2, 2, 3), 300).tolist()] * n,
            labels,
            {},
            "column picture holds int64, no images of 8-bit pixels",
        ),
        (noise, lambda n: ["cat"] * n, {}, "column sort holds no labels, which are integers from 0"),
        (noise, lambda n: [None] * n, {}, "column sort holds no labels, which are integers from 0"),
        (noise, lambda n: [0.5] * n, {}, "column sort holds no labels, which are integers from 0"),
        (noise, lambda n: [-1] * n, {}, "column sort holds no labels, which are integers from 0"),
        (noise, labels, {"image_column": "img"}, "no column img; there are: picture, sort"),
        (noise, labels, {"label_column": "fine_label"}, "no column fine_label; there are: picture, sort"),
    ],
)
def test_a_data_set_with_something_else_in_its_columns_is_one_line(
    cache: Path,
    tmp_path: Path,
    pictures: Callable[[int], list[Any]],
    labels: Callable[[int], list[Any]],
    settings: dict[str, Any],
    text: str,
) -> None:
    folder = write_pictures(tmp_path / "data", pictures, labels)
    values = definition(folder, **settings)["task"]
    task = {key: value for key, value in values.items() if key not in ("kind", "input")}
    part = Images(**task, input=Input() if values["input"] is not None else None)
    with pytest.raises(UsageError) as caught:
        part.prepare([0])
    assert str(caught.value) == f"{folder}: {text}"
    assert list(cache.glob("data-*")) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "out of memory; lower --jobs, the batch size, or the size of images"),
        (MemoryError("Unable to allocate 8 TiB"), "out of memory: Unable to allocate 8 TiB; lower --jobs"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory: [enforce]"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"), "out of memory: CUDA out of memory. Tried; lower"),
    ],
    ids=repr,
)
def test_memory_that_ran_out_is_no_bug_of_ours(error: Exception, text: str) -> None:
    failure = describe_failure(error)
    assert failure.error.startswith(text) and failure.traceback == "" and "\n" not in failure.error


def test_torch_says_so_in_these_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert describe_failure(caught.value).error.startswith("out of memory: ")


def test_a_cell_that_runs_out_of_memory_leaves_the_others(cache: Path, pool: PoolHere, tmp_path: Path) -> None:
    cells = planned(tiny(seeds=[0, 1, 2]))
    with fault(cell_module, "run_once", MemoryError("Unable to allocate 8 TiB"), nth=2):
        failures = run(cells, tmp_path / "results")
    assert list(failures) == [cells[1].cell_id]
    assert [Store(tmp_path / "results").is_finished(cell.cell_id) for cell in cells] == [True, False, True]


def compute_activations_or_die(*_: Any) -> None:
    """In place of `worker.compute_activations` in a real worker: killed as if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_over_the_fixed_part_fails_the_cells_that_need_it(
    pictures: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes: the cell that trains everything runs in the worker that comes after."""
    monkeypatch.setattr(local, "compute_activations", compute_activations_or_die)
    task = {"model": "tests.own_networks:sequential", "head": "4"}
    methods = ({"name": "head", "train": {"kind": "head"}}, FP32)
    cells = cells_of(definition(pictures, *methods, **task))
    failures = run(cells, tmp_path / "results")
    assert list(failures) == [cells[0].cell_id]
    assert failures[cells[0].cell_id].error.startswith("the fixed part of task images failed: its process died (")
    assert Store(tmp_path / "results").is_finished(cells[1].cell_id)
    assert list(cache.glob("activations-*")) == []
