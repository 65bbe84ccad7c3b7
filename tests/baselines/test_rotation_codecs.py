"""DRIVE and EDEN: the transform, the codebook, the published errors, bias and bytes."""

import dataclasses

import numpy as np
import pytest
import threadpoolctl
from scipy import linalg, stats

from baselines.drive import Drive
from baselines.eden import Eden, gaussian_centroids
from baselines.rotation import block_sizes, hadamard
from harness.core.errors import PayloadError
from harness.core.types import Update
from harness.wire.body import float32_bytes
from tests.factories import AGREED, DIGITS_MLP_SHAPES, encode, make_layout, make_update, round_trip, update_of

D = 60_000

UNBIASED = {1: 0.5708, 2: 0.1331, 3: 0.0358, 4: 0.0096}
"""Squared error over squared norm, as published for EDEN at 1 to 4 bits; at 1 bit that of DRIVE."""

LEAST_SQUARES = {1: 0.3634, 2: 0.1175, 3: 0.03455, 4: 0.009501, 5: 0.002505, 6: 6.44e-4, 8: 4.12e-5}
"""Distortion of the Lloyd-Max quantiser of the standard normal distribution, by bits (Max, 1960, to 5 bits)."""


def gaussian(rng):
    return rng.standard_normal(D)


def laplace(rng):
    return 1e-3 * rng.laplace(size=D)


def sparse(rng):
    return rng.standard_normal(D) * (rng.random(D) < 0.05)


def tensors_of_many_scales(rng):
    return rng.laplace(size=D) * np.repeat(10.0 ** rng.uniform(-4, 0, size=20), D // 20)


def huge(rng):
    return 1e37 * rng.standard_normal(D)


INPUTS = [gaussian, laplace, sparse, tensors_of_many_scales, huge]


def vector(make, seed=0):
    values = make(np.random.default_rng(seed)).astype(np.float32)
    return Update(values, make_layout((len(values),)))


def errors(codec, update, n_draws):
    """Errors of as many rounds, float64 of shape (n_draws, d)."""
    drawn = []
    for number in range(n_draws):
        agreed = dataclasses.replace(AGREED, round=number)
        body, _ = codec.encode(update, None, np.random.default_rng(0), agreed)
        drawn.append(codec.decode(body, update.layout, agreed).values.astype(np.float64) - update.values)
    return np.array(drawn)


def energy(values):
    return float(np.sum(np.asarray(values, dtype=np.float64) ** 2))


@pytest.mark.parametrize("n", [1, 2, 8, 32, 64, 2048])
def test_the_transform_is_that_of_hadamard(n):
    values = np.random.default_rng(n).integers(-99, 99, size=n).astype(np.float32)
    np.testing.assert_array_equal(hadamard(values.copy()), linalg.hadamard(n) @ values)


def test_a_long_transform_is_its_own_inverse():
    # Longer than what is transformed at a time; of whole numbers, so that every sum is exact.
    values = np.random.default_rng(0).integers(-9, 9, size=2**17).astype(np.float32)
    twice = hadamard(hadamard(values.copy()))
    np.testing.assert_array_equal(twice, 2**17 * values)


def test_the_transform_adds_in_the_same_order_on_every_machine():
    values = np.random.default_rng(0).standard_normal(2**10).astype(np.float32)
    # Bits of the index in the order of the butterflies: within rows of 32 last, from the highest of either half.
    by_hand = values.copy()
    for bit in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0):
        places = np.arange(2**10)
        low = by_hand[places & ~(1 << bit)]
        high = by_hand[places | 1 << bit]
        by_hand = np.where(places >> bit & 1, low - high, low + high)
    np.testing.assert_array_equal(hadamard(values), by_hand)


@pytest.mark.parametrize("codec", [Drive(), Eden(bits=4)], ids=repr)
def test_the_number_of_threads_changes_nothing(codec):
    update = Update(np.random.default_rng(0).laplace(size=2**19).astype(np.float32), make_layout((2**19,)))
    results = []
    for n_threads in (1, 2):
        with threadpoolctl.threadpool_limits(n_threads):
            body, _ = encode(codec, update)
            results.append((body, codec.decode(body, update.layout, AGREED).values.tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("d", [0, 1, 2, 31, 127, 129, 1000, 2**15, 2**15 + 1, 9610, 4_650_000, 11_173_962])
def test_blocks_pad_a_handful_of_entries_however_long_the_vector_is(d):
    sizes = block_sizes(d)
    assert d <= sum(sizes) <= d + 127
    assert all(size & (size - 1) == 0 and size >= 128 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) <= d.bit_length()


@pytest.mark.parametrize("make", INPUTS)
@pytest.mark.parametrize("bits", UNBIASED)
def test_eden_has_its_published_error_on_any_input(make, bits):
    update = vector(make)
    nmse = energy(errors(Eden(bits=bits), update, 4)) / 4 / energy(update.values)
    assert nmse == pytest.approx(UNBIASED[bits], rel=0.02)


@pytest.mark.parametrize("make", INPUTS)
@pytest.mark.parametrize(("scale", "published"), [("unbiased", np.pi / 2 - 1), ("min_mse", 1 - 2 / np.pi)])
def test_drive_has_its_published_error_on_any_input(make, scale, published):
    update = vector(make)
    nmse = energy(errors(Drive(scale), update, 4)) / 4 / energy(update.values)
    assert nmse == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("bits", UNBIASED)
def test_eden_with_the_least_squares_scale_has_the_distortion_of_its_codebook(bits):
    update = vector(laplace)
    nmse = energy(errors(Eden(bits=bits, scale="min_mse"), update, 4)) / 4 / energy(update.values)
    assert nmse == pytest.approx(LEAST_SQUARES[bits], rel=0.02)


@pytest.mark.parametrize("bits", range(1, 9))
def test_each_centroid_is_the_mean_of_its_cell(bits):
    centroids = gaussian_centroids(bits).astype(np.float64)
    assert centroids.shape == (2**bits,)
    np.testing.assert_array_equal(centroids, -centroids[::-1])
    ends = np.concatenate([[-np.inf], (centroids[1:] + centroids[:-1]) / 2, [np.inf]])
    for place in {0, 1, len(centroids) // 2, len(centroids) - 1}:
        cell = stats.truncnorm(ends[place], ends[place + 1])
        assert centroids[place] == pytest.approx(cell.mean(), abs=1e-5)


@pytest.mark.parametrize("bits", LEAST_SQUARES)
def test_the_codebook_has_the_distortion_of_the_tables(bits):
    centroids = gaussian_centroids(bits).astype(np.float64)
    ends = np.concatenate([[-np.inf], (centroids[1:] + centroids[:-1]) / 2, [np.inf]])
    # Variance of the source, less that of the cell means.
    assert 1 - np.diff(stats.norm.cdf(ends)) @ centroids**2 == pytest.approx(LEAST_SQUARES[bits], rel=0.01)


def test_the_centroids_of_two_bits_are_those_in_the_table_of_max():
    np.testing.assert_allclose(gaussian_centroids(2)[2:], [0.4528, 1.510], atol=5e-4)


@pytest.mark.parametrize("codec", [Drive(), Eden(bits=1), Eden(bits=2), Eden(bits=4)], ids=repr)
def test_the_mean_of_many_rounds_is_the_update(codec):
    update = Update(np.random.default_rng(3).laplace(size=1000).astype(np.float32), make_layout((1000,)))
    n_draws = 300
    drawn = errors(codec, update, n_draws)
    # Each error is orthogonal to the update, draw by draw; across it, what is left falls with the number of draws.
    np.testing.assert_allclose(drawn @ update.values / energy(update.values), 0.0, atol=1e-6)
    assert energy(drawn.mean(axis=0)) <= 1.3 * energy(drawn) / n_draws / n_draws


@pytest.mark.parametrize("codec", [Drive(), Eden(bits=2)], ids=repr)
@pytest.mark.parametrize("shapes", [((20, 26), (10,)), DIGITS_MLP_SHAPES], ids=["530", "9610"])
def test_the_last_entries_are_as_unbiased_as_the_others(codec, shapes):
    update = make_update(make_layout(*shapes), scale=1.0)
    n_draws = 400
    drawn = errors(codec, update, n_draws)[:, -18:]
    # 18 squares, each with one degree of freedom: the mean is above 2.5 times what is expected once in 2,000 times.
    assert energy(drawn.mean(axis=0)) <= 2.5 * energy(drawn) / n_draws / n_draws


def test_the_test_of_bias_would_find_the_scale_that_shrinks():
    update = Update(np.random.default_rng(3).laplace(size=1000).astype(np.float32), make_layout((1000,)))
    drawn = errors(Drive("min_mse"), update, 300)
    assert np.mean(drawn @ update.values) / energy(update.values) == pytest.approx(2 / np.pi - 1, rel=0.02)
    assert energy(drawn.mean(axis=0)) > 1.3 * energy(drawn) / 300 / 300


@pytest.mark.parametrize("make", INPUTS)
def test_the_least_squares_scale_never_does_worse(make):
    update = vector(make)
    for unbiased, least in [(Drive(), Drive("min_mse")), (Eden(bits=3), Eden(bits=3, scale="min_mse"))]:
        assert energy(errors(least, update, 1)) < energy(errors(unbiased, update, 1))


def test_drive_by_hand():
    update = update_of([3.0, 1.0])
    body, _ = encode(Drive(), update)
    # Whatever the signs, half of the 128 entries of y are 4 and half 2, over sqrt 128 and up to sign, which is that of
    # the larger entry: S = 10 / (64 * 6 / sqrt 128), and H sgn(y) is 128 in one place.
    assert np.frombuffer(body[:4], dtype="<f4")[0] == pytest.approx(10 * np.sqrt(128) / (64 * 6))
    assert len(body) == 4 + 128 // 8
    np.testing.assert_allclose(Drive().decode(body, update.layout, AGREED).values, [10 / 3, 0], atol=1e-6)


def test_a_vector_of_one_entry_arrives_unharmed():
    for codec in (Drive(), Drive("min_mse"), Eden(bits=2), Eden(bits=8, scale="min_mse")):
        np.testing.assert_allclose(round_trip(codec, update_of([-0.7])).values, [-0.7], rtol=1e-6)


def test_eden_at_one_bit_is_drive():
    update = vector(laplace)
    for scale in ("unbiased", "min_mse"):
        drive, eden = round_trip(Drive(scale), update).values, round_trip(Eden(bits=1, scale=scale), update).values
        np.testing.assert_allclose(eden, drive, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("bits", "entropy"), [(2, 1.9111), (4, 3.7653), (8, 7.6941)])
def test_entropy_coded_eden_is_as_long_as_the_entropy_of_gaussian_cells(bits, entropy):
    update = vector(lambda rng: rng.laplace(size=200_000))
    packed, coded = Eden(bits=bits), Eden(bits=bits, coding="ans")
    n_bits = 8 * len(encode(coded, update)[0])
    # The histogram of 256 symbols is the most that stands beside the symbols.
    assert n_bits / 200_000 == pytest.approx(entropy, abs=0.01 + 32 * 2**bits / 200_000)
    assert n_bits < 8 * len(encode(packed, update)[0])
    np.testing.assert_array_equal(round_trip(coded, update).values, round_trip(packed, update).values)


@pytest.mark.parametrize("other", [{"seed": 1}, {"round": 2}, {"client": 1}, {"direction": "downlink"}], ids=repr)
def test_every_payload_has_a_rotation_of_its_own(other):
    update = vector(gaussian)
    body, _ = encode(Drive(), update)
    decoded = Drive().decode(body, update.layout, dataclasses.replace(AGREED, **other)).values
    assert abs(np.corrcoef(decoded, update.values)[0, 1]) < 0.05


@pytest.mark.parametrize("codec", [Drive(), Eden(bits=3), Eden(bits=3, coding="ans")], ids=repr)
def test_scales_that_no_update_has_are_refused(codec):
    update = update_of([1.0, 2.0, 3.0, 4.0])
    body, _ = encode(codec, update)
    with pytest.raises(PayloadError, match="a scale in the body is negative"):
        codec.decode(float32_bytes(np.array([-1.0])) + body[4:], update.layout, AGREED)
    with pytest.raises(PayloadError, match="scales in the body are not finite"):
        codec.decode(float32_bytes(np.array([np.inf])) + body[4:], update.layout, AGREED)


def test_a_scale_at_the_end_of_float32_decodes_to_finite_numbers():
    layout = make_layout((64,))
    body = float32_bytes(np.array([np.finfo(np.float32).max])) + bytes(16)
    assert np.isfinite(Drive().decode(body, layout, AGREED).values).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"bits": 0}, "bits must be 1 to 8 (got 0)"),
        ({"bits": 9}, "bits must be 1 to 8 (got 9)"),
        ({"scale": "best"}, "scale must be unbiased or min_mse (got best)"),
        ({"coding": "elias"}, "coding must be packed or ans (got elias)"),
    ],
    ids=repr,
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(ValueError) as refused:
        Eden(**settings)
    assert str(refused.value) == text
    if "scale" in settings:
        with pytest.raises(ValueError, match="scale must be unbiased or min_mse"):
            Drive(**settings)


def test_nominal_bits_are_those_of_the_papers():
    assert Drive().nominal_bits(make_layout((100,))) == 1
    assert Eden(bits=3, coding="ans").nominal_bits(make_layout((100,))) == 3
