"""The digits task: splits, partitions and pre-training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.cache import cached_folder, make_once
from harness.core.errors import UsageError
from harness.run.meters.cpu_time import CpuTimeMeter
from harness.run.tasks.digits import Digits
from harness.run.tasks.partition import split_among_clients
from harness.run.tasks.prepared_data import PUBLIC, SPLITS, client_positions, load_split, prepare, read_record
from harness.run.tasks.settings import Partition, Pretraining
from tests.faults import Killed

TRAINING = {"local_epochs": 1, "batch_size": 16, "lr": 0.1}
LABELS = np.repeat(np.arange(10), 90)


@pytest.fixture(scope="module")
def splits():
    return Digits().load_splits()


def test_splits_have_their_sizes(splits) -> None:
    assert {name: len(split.labels) for name, split in splits.items()} == {
        "public": 300,
        "train": 900,
        "validation": 200,
        "test": 397,
    }
    assert set(splits) == {PUBLIC, *SPLITS}


def test_splits_are_disjoint_and_together_all_digits(splits) -> None:
    """As a multiset: every scan of the data set lies in one split, as often as the data set has it."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    everything = sorted((int(label), image.tobytes()) for image, label in zip(images, labels, strict=True))
    shared_out = sorted(
        (int(label), (image.astype(np.float64) * 16).tobytes())
        for split in splits.values()
        for image, label in zip(split.images, split.labels, strict=True)
    )
    assert shared_out == everything


def test_splits_are_stratified(splits) -> None:
    total = sum(np.bincount(split.labels, minlength=10) for split in splits.values())
    for split in splits.values():
        expected = total * len(split.labels) / 1797
        assert np.abs(np.bincount(split.labels, minlength=10) - expected).max() <= 1.5


def test_images_are_shares_of_full_ink(splits) -> None:
    for split in splits.values():
        assert split.images.dtype == np.float32 and split.images.shape[1:] == (8, 8)
        assert split.images.min() == 0 and split.images.max() == 1
        assert split.labels.dtype == np.int64


def test_workers_map_what_was_prepared(splits) -> None:
    task = Digits(clients=30)
    prepare(task, [0])
    for name in (PUBLIC, *SPLITS):
        np.testing.assert_array_equal(load_split(task, name).images, splits[name].images)
        np.testing.assert_array_equal(load_split(task, name).labels, splits[name].labels)


def test_a_mapped_image_can_be_changed_without_changing_the_cache() -> None:
    task = Digits(clients=30)
    prepare(task, [0])
    first = load_split(task, "train").images
    first[:] = -1
    assert load_split(task, "train").images.min() == 0


@pytest.mark.parametrize(
    "partition", [Partition("iid"), Partition("dirichlet", alpha=0.3), Partition("dirichlet", alpha=100.0)], ids=repr
)
def test_every_example_has_one_client(partition: Partition) -> None:
    shares = split_among_clients(LABELS, 20, partition, seed=0)
    assert len(shares) == 20
    assert sorted(np.concatenate(shares).tolist()) == list(range(900))
    assert min(map(len, shares)) >= 2


@pytest.mark.parametrize(("clients", "sizes"), [(20, {45}), (7, {128, 129})])
def test_iid_shares_are_equal(clients: int, sizes: set[int]) -> None:
    assert {len(share) for share in split_among_clients(LABELS, clients, Partition("iid"), seed=0)} == sizes


def test_iid_shares_are_shuffled() -> None:
    (first, *_) = split_among_clients(LABELS, 10, Partition("iid"), seed=0)
    assert len(np.unique(LABELS[first])) == 10


def test_labels_are_more_uneven_for_smaller_alpha() -> None:
    """Mean over clients of the share of the commonest label: 1 is one label each, 0.1 perfectly even."""

    def skew(alpha: float) -> float:
        tops = [
            np.bincount(LABELS[share], minlength=10).max() / len(share)
            for seed in range(3)
            for share in split_among_clients(LABELS, 10, Partition("dirichlet", alpha=alpha), seed)
        ]
        return float(np.mean(tops))

    skews = [skew(alpha) for alpha in (0.1, 1.0, 1000.0)]
    assert skews[0] > skews[1] + 0.1 > skews[2] + 0.2


@pytest.mark.parametrize("partition", [Partition("iid"), Partition("dirichlet", alpha=0.5)], ids=repr)
def test_a_partition_follows_the_seed(partition: Partition) -> None:
    def shares(seed: int) -> list[list[int]]:
        return [share.tolist() for share in split_among_clients(LABELS, 10, partition, seed)]

    assert shares(0) == shares(0) != shares(1)


def test_the_partition_is_the_same_whatever_the_start() -> None:
    """Methods with random and with pre-trained weights are compared on the same clients."""
    plain, started = Digits(clients=30), Digits(clients=30, init="pretrained")
    prepare(plain, [0, 1])
    for seed in (0, 1):
        for ours, theirs in zip(client_positions(plain, seed), client_positions(started, seed), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert [p.tolist() for p in client_positions(plain, 0)] != [p.tolist() for p in client_positions(plain, 1)]


@pytest.mark.parametrize(
    ("clients", "partition"),
    [
        (450, Partition("dirichlet", alpha=0.01)),
        (10, Partition("dirichlet", alpha=0.1, min_examples=89)),
        (20, Partition("iid", min_examples=46)),
    ],
    ids=repr,
)
def test_an_impossible_partition_is_one_clear_line(clients: int, partition: Partition) -> None:
    with pytest.raises(UsageError, match=r"^task\.partition: 900 training examples cannot be spread") as caught:
        split_among_clients(LABELS, clients, partition, seed=0)
    assert "\n" not in str(caught.value)
    assert f"over {clients} clients" in str(caught.value)
    assert f"at least {partition.min_examples} examples each" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"kind": "dirichlet"}, "needs alpha"),
        ({"kind": "dirichlet", "alpha": 0.0}, "alpha must be above 0"),
        ({"kind": "dirichlet", "alpha": float("nan")}, "alpha must be above 0"),
        ({"kind": "iid", "alpha": 1.0}, "alpha belongs to a dirichlet partition"),
        ({"kind": "iid", "min_examples": 0}, "min_examples must be 1"),
    ],
)
def test_a_partition_out_of_range_is_refused(settings, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Partition(**settings)


def test_random_starts_differ_by_seed() -> None:
    task = Digits(clients=30)
    prepare(task, [0, 1])
    starts = [task.build(seed, TRAINING).initial_model() for seed in (0, 0, 1)]
    assert starts[0].tolist() == starts[1].tolist() != starts[2].tolist()


def test_the_mlp_has_9610_parameters() -> None:
    task = Digits(clients=30)
    prepare(task, [0])
    assert task.build(0, TRAINING).layout.size == 64 * 128 + 128 + 128 * 10 + 10 == 9610


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Digits:
    """A task that starts from pre-trained weights, in a cache of its own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    task = Digits(clients=30, init="pretrained", pretraining=Pretraining(epochs=2))
    prepare(task, [0, 1])
    return task


def test_pretraining_is_recorded_with_what_it_cost(started: Digits) -> None:
    started.pretrain(CpuTimeMeter())
    record = read_record(started.pretraining_folder())
    assert record["settings"].items() >= {"epochs": 2, "batch_size": 16, "lr": 0.05}.items()
    assert (record["n_examples"], record["n_steps"]) == (300, 2 * 19)
    assert record["source_after"]["accuracy"] > record["source_before"]["accuracy"] + 0.2
    assert record["reading"]["cpu_seconds"] > 0
    assert record["reading"]["method"] == "not_measured" and record["reading"]["cpu_j"] is None


def test_pretraining_is_done_once(started: Digits) -> None:
    started.pretrain(CpuTimeMeter())
    weights = started.pretraining_folder() / "model.safetensors"
    before = weights.stat()
    started.pretrain(None)  # a meter would be needed for a second time
    assert weights.stat().st_mtime_ns == before.st_mtime_ns


def test_every_seed_starts_from_the_pretrained_model(started: Digits) -> None:
    started.pretrain(CpuTimeMeter())
    starts = [started.build(seed, TRAINING) for seed in (0, 1)]
    assert starts[0].initial_model().tolist() == starts[1].initial_model().tolist()
    untrained = replace(started, init="random").build(0, TRAINING)
    scores = [problem.evaluate(problem.initial_model(), "validation") for problem in (untrained, starts[0])]
    assert scores[1]["accuracy"] > scores[0]["accuracy"] + 0.2


def test_other_pretraining_is_another_model(started: Digits) -> None:
    longer = replace(started, pretraining=Pretraining(epochs=3))
    assert longer.pretraining_folder() != started.pretraining_folder()
    assert replace(started, init="random").pretraining_folder() is None


def test_no_federated_problem_without_its_pretrained_model(started: Digits) -> None:
    with pytest.raises(FileNotFoundError):
        started.build(0, TRAINING)


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("bug"), Killed()], ids=repr)
def test_a_cache_entry_is_there_whole_or_not_at_all(tmp_path: Path, error: BaseException) -> None:
    def half(draft: Path) -> None:
        (draft / "first").write_text("1")
        raise error

    with pytest.raises(type(error)):
        make_once(tmp_path / "entry", half)
    assert list(tmp_path.iterdir()) == []
    assert make_once(tmp_path / "entry", lambda draft: (draft / "first").touch()) == tmp_path / "entry"
    assert [path.name for path in (tmp_path / "entry").iterdir()] == ["first"]


def test_a_cache_entry_that_another_process_made_meanwhile_is_kept(tmp_path: Path) -> None:
    def slow(draft: Path) -> None:
        (draft / "who").write_text("us")
        make_once(tmp_path / "entry", lambda other: (other / "who").write_text("them"))

    assert (make_once(tmp_path / "entry", slow) / "who").read_text() == "them"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_a_cache_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    for _ in range(3):
        make_once(tmp_path / "entry", made.append)
    assert len(made) == 1


def test_the_cache_is_addressed_by_content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert cached_folder("data", {"a": 1, "b": 2}) == cached_folder("data", {"b": 2, "a": 1})
    assert cached_folder("data", {"a": 1}) != cached_folder("data", {"a": 2})
    assert cached_folder("data", {"a": 1}).parent == tmp_path
