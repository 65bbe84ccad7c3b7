"""Recorded updates and their distribution."""

import errno
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from harness.core.types import Layout, TensorSpec
from harness.ledger.ledger import Facts
from harness.run.engines.worker import describe_failure
from harness.run.federation.update_recorder import Recorder, RecordSettings, distribution, entropy_bits

LAYOUT = Layout(
    (
        TensorSpec("weight", (4, 3)),
        TensorSpec("scale", ()),
        TensorSpec("none", (0, 2)),
        TensorSpec("norm.var", (2,), is_statistic=True),
    )
)


def update(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=LAYOUT.size).astype(np.float32)


def record(folder: Path | None, settings: RecordSettings, rounds: int = 7, cohort: int = 3) -> Facts:
    """A run in which client c of round r has the update of seed ``10 r + c``."""
    facts = Facts()
    recorder = Recorder(settings, LAYOUT, facts, folder, "pretrained")
    for number in range(1, rounds + 1):
        for client in range(cohort):
            recorder.see(client, update(10 * number + client))
        recorder.finish(number, is_last=number == rounds)
    return facts


def test_nothing_is_recorded_by_default(tmp_path: Path) -> None:
    facts = record(tmp_path, RecordSettings())
    assert list(tmp_path.iterdir()) == [] and facts == Facts()


def test_updates_are_kept_as_they_are_by_name_and_shape(tmp_path: Path) -> None:
    facts = record(tmp_path, RecordSettings(updates_at=(2, 99), clients=2))
    names = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.safetensors"))]
    assert names == [f"updates/round-0002-client-000{client}.safetensors" for client in range(2)]
    tensors = load_file(tmp_path / names[1])
    assert {name: tensor.shape for name, tensor in tensors.items()} == {"weight": (4, 3), "scale": (), "none": (0, 2)}
    assert tensors["weight"].tobytes() == update(21)[:12].tobytes() and tensors["weight"].dtype == np.float32
    assert tensors["scale"] == update(21)[12]
    with safe_open(tmp_path / names[1], "np") as file:
        assert file.metadata() == {"round": "2", "client": "1", "init": "pretrained"}
    assert facts.statistics == []
    assert {(window.round, window.phase) for window in facts.windows} == {(2, "codec_timing")}


def test_a_file_takes_four_bytes_a_parameter(tmp_path: Path) -> None:
    recorder = Recorder(RecordSettings(updates_at=(1,)), Layout((TensorSpec("w", (50_000,)),)), Facts(), tmp_path)
    recorder.see(0, np.zeros(50_000, dtype=np.float32))
    recorder.finish(1, is_last=False)
    (path,) = (tmp_path / "updates").iterdir()
    assert 200_000 < path.stat().st_size < 200_400


def test_without_a_folder_no_update_is_kept() -> None:
    assert record(None, RecordSettings(updates_at=(1,))) == Facts()


@pytest.mark.parametrize(("every", "rounds"), [(3, [1, 3, 6, 7]), (1, [1, 2, 3, 4, 5, 6, 7]), (100, [1, 7])])
def test_distributions_are_of_the_first_the_last_and_every_nth_round(every: int, rounds: list[int]) -> None:
    facts = record(None, RecordSettings(statistics_every=every, clients=2))
    assert [(row.round, row.client, row.tensor) for row in facts.statistics] == [
        (number, client, "weight") for number in rounds for client in (0, 1)
    ]


def test_fewer_clients_than_asked_for_are_all_recorded() -> None:
    facts = record(None, RecordSettings(statistics_every=100, clients=1000), rounds=1)
    assert [row.client for row in facts.statistics] == [0, 1, 2]


def test_a_distribution_by_hand() -> None:
    """[-3, -1, 1, 3]: variance 5, fourth moment 41, kurtosis 41 / 25; all but the ends are one step of 2 apart."""
    row = distribution(np.array([-3, -1, 1, 3], dtype=np.float32), 2, 1, "t", step=5.0)
    assert (row.round, row.client, row.tensor, row.size, row.step) == (2, 1, "t", 4, 5.0)
    assert row.sigma == pytest.approx(math.sqrt(5))
    assert row.kurtosis == pytest.approx(41 / 25)
    assert row.absmax_sigmas == pytest.approx(3 / math.sqrt(5))
    assert row.entropy_bits == pytest.approx(1.5)  # -1, 0, 0, 1
    assert row.shape_entropy_bits == pytest.approx(2.0)


@pytest.mark.parametrize(("draw", "kurtosis", "entropy"), [("normal", 3, 3.062), ("laplace", 6, 2.966)])
def test_known_distributions(draw: str, kurtosis: float, entropy: float) -> None:
    """At a step of sigma / 2.

    Gauss: differential entropy 2.047, plus 1, plus log2(1 + 1 / 48) / 2 for the variance of rounding: 3.062.
    Laplace: the zero bucket takes 1 - exp(-0.3536) = 0.2978, what lies beside it is geometric with ratio 0.4931:
    0.8786 + 0.7022 * (1 + 1.9725) = 2.966.
    """
    values = getattr(np.random.default_rng(0), draw)(scale=1e-3, size=400_000).astype(np.float32)
    row = distribution(values, 1, 0, "t", step=1e-4)
    assert row.kurtosis == pytest.approx(kurtosis, rel=0.05)
    assert row.shape_entropy_bits == pytest.approx(entropy, abs=0.005)


def test_the_fixed_step_sees_the_scale_and_the_other_does_not() -> None:
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    wide, narrow = (distribution(np.float32(scale) * values, 1, 0, "t", step=0.01) for scale in (1, 0.25))
    assert wide.entropy_bits - narrow.entropy_bits == pytest.approx(2, abs=0.02)
    assert wide.shape_entropy_bits == pytest.approx(narrow.shape_entropy_bits, abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e38])
def test_equal_entries_have_no_shape(value: float) -> None:
    row = distribution(np.full(7, value, dtype=np.float32), 1, 0, "t", step=1e-3)
    assert (row.sigma, row.entropy_bits, row.shape_entropy_bits) == (0, 0, 0)
    assert math.isnan(row.kurtosis) and math.isnan(row.absmax_sigmas)


@pytest.mark.parametrize("values", [[3e38, -3e38, 0], [1e-45, 0, 0], [1, 1 + 2**-23]])
def test_extreme_entries_have_finite_moments(values: list[float]) -> None:
    row = distribution(np.array(values, dtype=np.float32), 1, 0, "t", step=1e-3)
    numbers = [row.sigma, row.kurtosis, row.absmax_sigmas, row.entropy_bits, row.shape_entropy_bits]
    assert np.isfinite(numbers).all() and row.sigma > 0


def test_no_spread_is_no_entropy() -> None:
    assert str(entropy_bits(np.zeros(3), 1.0)) == "0.0"


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates" / "round-0001-client-0000.safetensors").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        record(tmp_path, RecordSettings(updates_at=(1,)))
    assert caught.value.errno == errno.ENOSPC
    assert describe_failure(caught.value).is_environment
