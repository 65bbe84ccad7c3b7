"""PowerSGD: published compression from real bytes, what the factors keep, and the warm start."""

import numpy as np
import pytest
import threadpoolctl

from baselines.error_feedback import ErrorFeedback
from baselines.powersgd import PowerSgd
from harness.core.errors import PayloadError
from harness.core.types import Layout, TensorSpec, Update
from harness.wire.body import float32_bytes
from tests.factories import AGREED, encode, make_layout, make_update, round_trip, rounds, update_of


def resnet18_layout():
    """ResNet-18 for CIFAR-10, with a first convolution of 3 x 3: 11,173,962 parameters in 62 tensors."""
    shapes = [(64, 3, 3, 3), (64,), (64,)]
    n_in = 64
    for n_out in (64, 128, 256, 512):
        for block in range(2):
            n_block_in = n_in if block == 0 else n_out
            shapes += [(n_out, n_block_in, 3, 3), (n_out,), (n_out,), (n_out, n_out, 3, 3), (n_out,), (n_out,)]
            if n_block_in != n_out:
                shapes += [(n_out, n_block_in, 1, 1), (n_out,), (n_out,)]
        n_in = n_out
    shapes += [(10, 512), (10,)]
    return Layout(tuple(TensorSpec(f"t{number}", shape) for number, shape in enumerate(shapes)))


def low_rank(rng, n, m, rank):
    return (rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m))).astype(np.float32)


def relative_error(decoded, update):
    difference = decoded.values.astype(np.float64) - update.values
    return np.linalg.norm(difference) / np.linalg.norm(update.values.astype(np.float64))


@pytest.mark.parametrize(("rank", "published"), [(1, 243), (2, 136), (4, 72)])
def test_resnet18_is_compressed_as_published(rank, published):
    layout = resnet18_layout()
    assert layout.size == 11_173_962
    assert len(layout.tensors) == 62
    codec = PowerSgd(rank)
    body, _ = encode(codec, Update(np.zeros(layout.size, dtype=np.float32), layout))
    assert round(layout.reference_bytes / len(body)) == published
    assert 8 * len(body) / layout.size == pytest.approx(codec.nominal_bits(layout))


def test_a_matrix_of_low_rank_arrives_after_one_step():
    rng = np.random.default_rng(0)
    update = update_of(low_rank(rng, 30, 40, 2), rng.standard_normal(30), low_rank(rng, 16, 27, 1).reshape(16, 3, 3, 3))
    assert relative_error(round_trip(PowerSgd(2), update), update) < 1e-6
    assert relative_error(round_trip(PowerSgd(1), update), update) > 0.1


def test_vectors_scalars_and_matrices_that_would_not_get_shorter_arrive_exactly():
    rng = np.random.default_rng(0)
    # 2 * (4 + 4) numbers are as many as 4 x 4 entries: the last shape that goes as it is.
    small, large = rng.standard_normal((4, 4)), rng.standard_normal((4, 5))
    update = update_of(rng.standard_normal(7), small, 0.25, np.zeros((0, 3)), large)
    body, _ = encode(PowerSgd(2), update)
    assert len(body) == 4 * (7 + 16 + 1 + 2 * (4 + 5))
    decoded = PowerSgd(2).decode(body, update.layout, AGREED)
    np.testing.assert_array_equal(decoded.values[:24], update.values[:24])


def test_the_warm_start_leads_to_the_best_approximation():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((60, 50)) * np.geomspace(1, 0.01, 50)
    update = update_of(matrix)
    best = np.sqrt(np.sum(np.linalg.svd(matrix, compute_uv=False)[3:] ** 2)) / np.linalg.norm(matrix)
    warm, _ = rounds(PowerSgd(3), [update] * 25)
    first, last = relative_error(warm[0], update), relative_error(warm[-1], update)
    assert first > 1.05 * best
    assert best * (1 - 1e-5) <= last < 1.001 * best
    cold = [relative_error(round_trip(PowerSgd(3), update), update) for _ in range(3)]
    assert min(cold) == first


def test_an_update_of_zeros_does_not_spoil_the_warm_start():
    rng = np.random.default_rng(0)
    update = update_of(low_rank(rng, 20, 30, 1))
    zeros = Update(np.zeros_like(update.values), update.layout)
    decoded, _ = rounds(PowerSgd(1), [zeros, update, update])
    assert not decoded[0].values.any()
    assert relative_error(decoded[-1], update) < 1e-5


def test_the_state_is_the_right_factor_and_counts_as_memory():
    update = make_update(make_layout((12, 10), (5,), (6, 3, 3, 3)))
    body, state = encode(PowerSgd(2), update)
    assert PowerSgd(2).init(update.layout) is None
    assert state.dtype == np.float32
    assert state.shape == (2 * (10 + 27),)
    np.testing.assert_array_equal(np.frombuffer(body, dtype="<f4")[24:44], state[:20])


def test_a_state_of_another_layout_is_refused():
    update = make_update(make_layout((12, 10)))
    with pytest.raises(ValueError, match="a state of this codec for this layout has 20 numbers"):
        encode(PowerSgd(2), update, np.zeros(19, dtype=np.float32))


def test_factors_whose_product_leaves_float32_decode_to_finite_numbers():
    layout = make_layout((5, 6))
    largest = float(np.finfo(np.float32).max)
    decoded = PowerSgd(1).decode(float32_bytes(np.full(11, largest)), layout, AGREED)
    np.testing.assert_array_equal(decoded.values, np.float32(largest))


def test_error_feedback_sends_over_rounds_what_one_round_leaves_out():
    update = make_update(make_layout((40, 30)))
    n_rounds = 60
    alone, _ = rounds(PowerSgd(1), [update] * n_rounds)
    wrapped = ErrorFeedback(PowerSgd(1))
    corrected, _ = rounds(wrapped, [update] * n_rounds)
    layout = update.layout
    errors = [
        relative_error(Update(np.mean([u.values for u in sent], axis=0, dtype=np.float32), layout), update)
        for sent in (alone, corrected)
    ]
    assert errors[0] > 0.8
    assert errors[1] < 0.4


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_is_decoded_is_the_sum_over_columns_in_their_order(n_threads):
    update = make_update(make_layout((300, 400)))
    body, _ = encode(PowerSgd(5), update)
    numbers = np.frombuffer(body, dtype="<f4").astype(np.float64)
    left, right = numbers[: 5 * 300].reshape(300, 5), numbers[5 * 300 :].reshape(400, 5)
    # Two columns that cancel but for their rounding make the order count.
    left[:, 3], left[:, 4] = 2.0**60, -(2.0**60)
    right[:, 3] = right[:, 4] = 1.0
    total = np.zeros((300, 400))
    for column in range(5):
        total = total + left[:, column, None] * right[:, column]
    body = float32_bytes(np.concatenate([left.reshape(-1), right.reshape(-1)]))
    with threadpoolctl.threadpool_limits(n_threads):
        decoded = PowerSgd(5).decode(body, update.layout, AGREED).values
    np.testing.assert_array_equal(decoded.reshape(300, 400), total.astype(np.float32))


def test_short_factors_take_half_the_bytes_and_keep_eleven_bits():
    rng = np.random.default_rng(0)
    update = update_of(1e-6 * low_rank(rng, 60, 50, 2), rng.standard_normal(7))
    long, short = PowerSgd(2), PowerSgd(2, factor_bits=16)
    assert len(encode(long, update)[0]) == 4 * 2 * 110 + 4 * 7
    assert len(encode(short, update)[0]) == 2 * 2 + 2 * 2 * 110 + 4 * 7
    # Each factor is off by at most 2**-11 in each entry.
    assert relative_error(round_trip(short, update), update) < 2 * 2.0**-11
    assert short.nominal_bits(update.layout) == (16 * 220 + 32 * 7) / 3007


def test_a_scale_that_no_factor_has_is_refused():
    layout = make_layout((5, 6))
    body, _ = encode(PowerSgd(1, factor_bits=16), make_update(layout))
    with pytest.raises(PayloadError, match="factors of t0: scale exponent 164"):
        PowerSgd(1, factor_bits=16).decode(np.array([164], dtype="<i2").tobytes() + body[2:], layout, AGREED)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"rank": 0}, r"rank must be at least 1 \(got 0\)"),
        ({"factor_bits": 8}, r"factor_bits must be 32 or 16 \(got 8\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        PowerSgd(**settings)
