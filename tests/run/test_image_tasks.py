"""Tasks on data sets in Hugging Face's layout: a small one made here with subjects, and MNIST where it is at hand."""

import os
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.run.meters.cpu_time import CpuTimeMeter
from harness.run.tasks import hub
from harness.run.tasks.images import Images
from harness.run.tasks.mnist import Mnist
from harness.run.tasks.prepared_data import client_positions, load_split, pretraining_folder, read_record
from harness.run.tasks.public_data import drawn_letters, font_files, scaled_digits, standardised
from harness.run.tasks.settings import Partition, Pretraining

TRAINING = {"local_epochs": 1, "batch_size": 32, "lr": 0.05}
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"

needs_mnist = pytest.mark.skipif(
    not (SHARED_DATA / "mnist").is_dir() and os.environ.get("CI") != "true",
    reason="MNIST is not at ../shared/data",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 120 + 30 noisy pictures of four kinds by six subjects, as parquet files."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, size in (("train", 120), ("test", 30)):
        labels = np.arange(size) % 4
        images = rng.integers(0, 60, (size, 20, 20), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[5 * label : 5 * label + 5] += 150
        columns = {"picture": list(images), "sort": labels.tolist(), "subject": [f"s{i % 6}" for i in range(size)]}
        table = datasets.Dataset.from_dict(columns).cast_column("picture", datasets.Image())
        table.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    return folder


def task(folder: Path, **settings: object) -> Images:
    columns = {"image_column": "picture", "label_column": "sort", "validation": 20, "clients": 5}
    return Images(str(folder), **{**columns, **settings})  # type: ignore[arg-type]


def test_any_data_set_is_read_by_its_column_names(pictures: Path) -> None:
    part = task(pictures)
    part.prepare([0])
    sizes = {name: len(load_split(part, name).labels) for name in ("train", "validation", "test")}
    assert sizes == {"train": 100, "validation": 20, "test": 30}
    images = load_split(part, "train").images
    assert images.shape == (100, 1, 20, 20) and images.dtype == np.float32
    problem = part.build(0, TRAINING)
    model = problem.initial_model()
    for number in range(1, 6):
        model = np.mean([problem.train(model, client, number)[0] for client in range(5)], axis=0).astype(np.float32)
    assert problem.evaluate(model, "test")["accuracy"] > 0.9


def test_validation_and_training_examples_are_disjoint_and_together_all(pictures: Path) -> None:
    part = task(pictures)
    part.prepare([0])
    seen = [load_split(part, name).images.reshape(-1, 400) for name in ("train", "validation")]
    assert len(np.unique(np.concatenate(seen), axis=0)) == 120


def test_a_client_per_subject_holds_that_subject_only(pictures: Path) -> None:
    part = task(pictures, clients=6, partition=Partition("column", column="subject"))
    part.prepare([0])
    groups, shares = part.load_groups(), client_positions(part, 0)
    assert sorted(len(share) for share in shares)[0] > 10
    assert [set(groups[share]) for share in shares] != []
    assert all(len(set(groups[share])) == 1 for share in shares)
    assert sorted(np.concatenate(shares)) == list(range(100))


def test_a_partition_by_label_gives_each_client_its_number_of_labels(pictures: Path) -> None:
    part = task(pictures, partition=Partition("label", labels_per_client=2))
    part.prepare([0])
    labels = load_split(part, "train").labels
    assert all(len(set(labels[share])) == 2 for share in client_positions(part, 0))


def test_what_lies_in_a_folder_decides_not_where_it_lies(pictures: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for file in pictures.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    key, moved = task(pictures).data_key(), task(copy).data_key()
    assert key["data"] == moved["data"]
    (copy / "more.txt").write_text("x")
    assert Images(str(copy / ".." / "elsewhere"), "picture", "sort").data_key()["data"] != key["data"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"image_column": "image"}, "no column image; there are: picture, sort, subject"),
        ({"train_split": "training"}, "no split training; there are: "),
        ({"validation": 120}, "120 examples leave none beside 120 for validation"),
        ({"partition": Partition("column", column="writer")}, "no column writer; there are: "),
        ({"clients": 7, "partition": Partition("column", column="subject")}, "over 7 clients by column"),
    ],
)
def test_a_wrong_name_is_one_clear_line(pictures: Path, settings: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        task(pictures, **settings).prepare([0])
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_without_folder_and_hub_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the hub cannot be reached\nand more")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))  # what was prepared once is needed no more
    with pytest.raises(EnvironmentLacksError, match=r"^data set ylecun/mnist: .*set HARNESS_DATA") as caught:
        Mnist().prepare([0])
    assert "\n" not in str(caught.value)


def test_standardised_images_have_channels_first_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(1).uniform(0, 1, (50, 6, 7, 3)).astype(np.float32)
    scaled = standardised(images)
    assert scaled.shape == (50, 3, 6, 7)
    assert np.allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    assert np.allclose(scaled.std(axis=(0, 2, 3)), 1, atol=1e-4)
    assert not standardised(np.ones((2, 3, 3), dtype=np.float32)).any()


def test_scaled_digits_stand_in_a_frame_as_mnist_does() -> None:
    digits = scaled_digits()
    assert digits.images.shape == (1797, 1, 28, 28) and set(digits.labels) == set(range(10))
    frame = digits.images.copy()
    frame[:, :, 4:-4, 4:-4] = frame[0, 0, 0, 0]
    assert np.ptp(frame) == 0


def test_letters_are_drawn_in_many_fonts_and_the_same_every_time() -> None:
    letters, again = drawn_letters(), drawn_letters()
    assert len(font_files()) >= 15
    assert set(letters.labels) == set(range(26)) and letters.images.shape[1:] == (1, 28, 28)
    assert np.array_equal(letters.images, again.images)
    assert len(np.unique(letters.images.reshape(len(letters.labels), -1), axis=0)) == len(letters.labels)


@pytest.fixture(scope="module")
def mnist_at_hand() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(SHARED_DATA))
        yield


@needs_mnist
def test_mnist_is_split_and_spread_as_the_text_says(mnist_at_hand: None) -> None:
    part = Mnist(partition=Partition("dirichlet", alpha=0.3))
    part.prepare([0])
    sizes = {name: len(load_split(part, name).labels) for name in ("train", "validation", "test")}
    assert sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    shares = client_positions(part, 0)
    assert len(shares) == 100 and sorted(np.concatenate(shares)) == list(range(55_000))
    assert np.bincount(load_split(part, "test").labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


@needs_mnist
@pytest.mark.parametrize(("source", "at_least", "head_is_random"), [("digits", 0.4, False), ("letters", 0.0, True)])
def test_pretraining_on_other_scans_starts_mnist_ahead(
    mnist_at_hand: None, source: str, at_least: float, head_is_random: bool
) -> None:
    part = Mnist(init="pretrained", pretraining=Pretraining(source=source, epochs=2))  # type: ignore[arg-type]
    part.prepare([0, 1])
    part.pretrain(CpuTimeMeter())
    folder = pretraining_folder(part)
    assert folder is not None and read_record(folder)["source"] == source
    problems = [part.build(seed, TRAINING) for seed in (0, 1)]
    assert problems[0].layout.size == 80_202
    assert problems[0].evaluate(problems[0].initial_model(), "validation")["accuracy"] > at_least
    differs = problems[0].initial_model() != problems[1].initial_model()
    head = problems[0].layout.tensors[-1].size + problems[0].layout.tensors[-2].size
    assert differs.sum() == (head if head_is_random else 0)


def test_a_data_set_has_one_key_wherever_it_is_or_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    absent = Mnist().data_key()
    assert absent["data"] == {"files": hub._PUBLISHED["ylecun/mnist"].files}
    if (SHARED_DATA / "mnist").is_dir():
        monkeypatch.setenv("HARNESS_DATA", str(SHARED_DATA))
        assert Mnist().data_key() == absent


def test_other_examples_on_the_hub_are_refused_once_and_are_other_cells_then(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    source = hub.HubData("ylecun/mnist", "picture", "sort", "train", "test", 20)
    loaded = datasets.load_dataset(str(pictures), cache_dir=str(tmp_path / "datasets"))
    monkeypatch.setattr(hub, "_load_dataset", lambda name, folder: loaded)
    before = source.key()
    with pytest.raises(EnvironmentLacksError, match="run the same command again"):
        source.load_splits()
    assert source.key() != before and source.key()["data"] == {"hub": "ylecun/mnist"}
    assert len(source.load_splits()["test"].labels) == 30
    digest = hub._content_digest([*source._load("train"), *source._load("test")])
    (tmp_path / "cache" / source._is_other_on_hub.name).unlink()
    monkeypatch.setattr(hub, "_PUBLISHED", {"ylecun/mnist": hub._Published("files", digest)})
    source.load_splits()
    assert source.key()["data"] == {"files": "files"}
