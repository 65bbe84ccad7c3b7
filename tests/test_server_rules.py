"""Server rules, by hand."""

import numpy as np
import pytest

from harness.server_rules import Mean
from tests.factories import update_of

MODEL = np.array([1.0, 2.0, -3.0], dtype=np.float32)


def step(rule: Mean, weights: list[float], *updates: list[float]) -> np.ndarray:
    decoded = [update_of(update) for update in updates]
    return rule.step(MODEL, decoded, np.array(weights, dtype=np.float64), None)[0]


def test_the_mean_is_weighted_by_examples() -> None:
    """(1 * [4, 0, 0] + 3 * [0, 8, -4]) / 4 = [1, 6, -3]."""
    new = step(Mean(), [1, 3], [4, 0, 0], [0, 8, -4])
    assert new.tolist() == [2, 8, -6]
    assert new.dtype == np.float32


def test_weights_count_only_relative_to_each_other() -> None:
    assert step(Mean(), [2, 6], [4, 0, 0], [0, 8, -4]).tolist() == step(Mean(), [1, 3], [4, 0, 0], [0, 8, -4]).tolist()


def test_a_weight_of_zero_leaves_its_update_out() -> None:
    assert step(Mean(), [0, 1], [100, 100, 100], [1, 1, 1]).tolist() == [2, 3, -2]


def test_the_server_learning_rate_scales_the_step() -> None:
    assert step(Mean(lr=0.5), [1, 3], [4, 0, 0], [0, 8, -4]).tolist() == [1.5, 5, -4.5]


def test_small_updates_are_not_lost_beside_large_ones() -> None:
    """In float32 the ones would vanish beside 2**25."""
    new = step(Mean(), [1, 1, 1, 1], [2**25, 0, 0], [1, 0, 0], [1, 0, 0], [-(2**25), 0, 0])
    assert new[0] == pytest.approx(1.5)


def test_the_old_model_is_left_as_it_was() -> None:
    before = MODEL.copy()
    step(Mean(), [1], [1, 1, 1])
    assert MODEL.tolist() == before.tolist()


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf"), 1001.0])
def test_a_learning_rate_out_of_range_is_refused(lr: float) -> None:
    with pytest.raises(ValueError, match="lr must be above 0 and at most 1000"):
        Mean(lr=lr)
