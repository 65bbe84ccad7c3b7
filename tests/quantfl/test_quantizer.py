"""The mathematics of QuantFL, without bytes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import laplace, norm

from quantfl.quantizer import bucket_means, codebook_values, even_indices, even_values, mass_indices, take
from quantfl.ranges import BLOCK, absmax, blocks, min_max, percentile, ranges, sigma
from quantfl.unbounded import MAX_CAP, mean_fractions, step_indices, step_table, sufficient_cap, with_escapes

FLOAT32_MAX = float(np.finfo(np.float32).max)
EPS = float(np.finfo(np.float32).eps)

any_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
float32_rows = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=any_float32)


def float32_tolerance(spans):
    """Rounding the decoded value to float32, plus float64 rounding at a bucket's edge; denormals have a fixed step."""
    return EPS * np.abs(spans).max(axis=1, keepdims=True) + 2.0**-149


def indices_of(rows, spans, levels, noise=None):
    out = np.empty(rows.shape, dtype=np.uint16)
    even_indices(rows, spans, levels, out, noise)
    return out


def values_of(indices, spans, levels, offset=0.5):
    out = np.empty(indices.shape, dtype=np.float32)
    even_values(indices, spans, levels, out, offset)
    return out


def row(*values):
    return np.array([values], dtype=np.float32)


@given(float32_rows, st.integers(2, 300))
def test_a_centre_is_at_most_half_a_bucket_away(rows, levels):
    spans = min_max(rows)
    decoded = values_of(indices_of(rows, spans, levels), spans, levels)
    error = np.abs(rows.astype(np.float64) - decoded)
    half = (spans[:, 1:] - spans[:, :1]) / (2 * levels)
    assert np.isfinite(decoded).all()
    assert (error <= half + float32_tolerance(spans)).all()


@given(float32_rows, st.integers(2, 300))
def test_no_other_centre_is_nearer(rows, levels):
    spans = min_max(rows)
    chosen = np.abs(rows.astype(np.float64) - values_of(indices_of(rows, spans, levels), spans, levels))
    every = np.repeat(np.arange(levels, dtype=np.uint16)[None], len(rows), axis=0)
    centres = values_of(every, spans, levels).astype(np.float64)
    best = np.abs(rows[:, :, None].astype(np.float64) - centres[:, None, :]).min(axis=2)
    assert (chosen <= best + 2 * float32_tolerance(spans)).all()


@given(float32_rows, st.integers(2, 300), st.floats(0, 0.99))
def test_rounding_at_random_takes_a_neighbouring_point(rows, levels, draw):
    spans = min_max(rows)
    noise = lambda count: np.full(count, draw, dtype=np.float32)  # noqa: E731
    indices = indices_of(rows, spans, levels, noise)
    error = np.abs(rows.astype(np.float64) - values_of(indices, spans, levels, 0.0))
    step = (spans[:, 1:] - spans[:, :1]) / (levels - 1)
    assert (error <= step * (1 + 1e-5) + float32_tolerance(spans)).all()
    dithered = np.abs(rows.astype(np.float64) - values_of(indices, spans, levels, noise))
    inside = np.isfinite(dithered) & (np.abs(spans).max() < FLOAT32_MAX / 2)
    assert (dithered[inside] <= (step / 2 * (1 + 1e-5) + 2 * float32_tolerance(spans) + 0 * rows)[inside]).all()


@given(float32_rows, st.integers(2, 300))
def test_means_keep_the_sum_and_never_have_the_larger_squared_error(rows, levels):
    spans = min_max(rows)
    indices = indices_of(rows, spans, levels)
    centres = values_of(indices, spans, levels).astype(np.float64)
    means = np.empty_like(rows)
    codebook_values(indices, bucket_means(rows, indices, levels), means)
    tolerance = float32_tolerance(spans)[:, 0]
    exact = rows.astype(np.float64)
    assert (np.abs(means.sum(axis=1, dtype=np.float64) - exact.sum(axis=1)) <= rows.shape[1] * tolerance).all()
    root_error = np.linalg.norm(means - exact, axis=1)
    assert (root_error <= np.linalg.norm(centres - exact, axis=1) + np.sqrt(rows.shape[1]) * tolerance).all()


@given(float32_rows, st.floats(50.1, 99.99))
def test_a_percentile_range_is_within_the_full_range_and_made_of_entries(rows, share):
    for values, (low, high) in zip(rows, percentile(rows, share), strict=True):
        assert low in values
        assert high in values
        assert low <= high


@given(float32_rows, st.floats(0.1, 10))
def test_a_sigma_range_is_within_the_full_range(rows, sigmas):
    full, clipped = min_max(rows), sigma(rows, sigmas)
    assert (clipped[:, 0] <= clipped[:, 1]).all()
    slack = float32_tolerance(full)[:, 0]
    assert (clipped[:, 0] >= full[:, 0] - slack).all()
    assert (clipped[:, 1] <= full[:, 1] + slack).all()


def test_a_sigma_range_by_hand():
    # Mean 1, standard deviation sqrt((98 * 1 + 2 * 49**2) / 100)... of 98 zeros and two entries of 50.
    values = np.array([[0.0] * 98 + [50.0] * 2], dtype=np.float32)
    reach = 2 * np.std(values[0].astype(np.float64))
    np.testing.assert_allclose(sigma(values, 2.0), [[0.0, 1 + reach]], rtol=1e-6)


def test_a_large_row_has_the_same_statistics_as_numpy_says():
    rows = np.random.default_rng(0).laplace(3, 0.1, (2, 3 * BLOCK + 17)).astype(np.float32)
    expected = rows.mean(axis=1, dtype=np.float64), rows.std(axis=1, dtype=np.float64)
    np.testing.assert_allclose(sigma(rows, 1.5)[:, 0], expected[0] - 1.5 * expected[1], rtol=1e-6)


def test_the_rules_by_hand():
    rows = row(-1.0, 3.0, 0.5)
    assert ranges(rows, "min_max").tolist() == [[-1.0, 3.0]]
    assert ranges(rows, "absmax").tolist() == absmax(rows).tolist() == [[-3.0, 3.0]]
    assert ranges(rows, "percentile", 99.0).tolist() == [[-1.0, 3.0]]


def test_a_percentile_range_leaves_out_the_same_number_at_either_end():
    values = np.random.default_rng(0).permutation(np.arange(1001, dtype=np.float32))
    # floor((100 - 99) / 200 * 1000) = 5 entries at either end.
    assert percentile(values[None], 99.0).tolist() == [[5.0, 995.0]]


def test_a_small_tensor_keeps_its_full_range():
    # floor(0.05 % of 999) = 0: the first size with an entry to leave out at 99.9 % is 2001.
    assert percentile(np.arange(1000, dtype=np.float32)[None], 99.9).tolist() == [[0.0, 999.0]]


def test_a_percentile_range_does_not_erase_a_sparse_update():
    values = np.zeros((1, 10_000), dtype=np.float32)
    values[0, :2] = -3.0, 5.0
    assert percentile(values, 99.9).tolist() == [[-3.0, 5.0]]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (1, 1), (7, 100), (2, BLOCK), (3, BLOCK + 1), (5, BLOCK // 2)])
def test_blocks_cover_a_matrix_once_and_in_order(shape):
    order = np.arange(shape[0] * shape[1]).reshape(shape)
    parts = [order[place].reshape(-1) for place in blocks(*shape)]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, dtype=int), *parts]), order.reshape(-1))
    assert all(part.size <= BLOCK for part in parts)


def test_clipped_entries_belong_to_the_outermost_buckets():
    indices = indices_of(row(-100.0, 0.0, 0.5, 1.0, 100.0), np.array([[0.0, 1.0]]), levels=10)
    assert indices.tolist() == [[0, 0, 5, 9, 9]]


def test_buckets_by_hand():
    # Range [0, 4], four buckets of width 1: edges belong to the bucket above, the top edge to the last bucket.
    spans = np.array([[0.0, 4.0]])
    assert indices_of(row(0.0, 0.99, 1.0, 2.5, 3.0, 4.0), spans, levels=4).tolist() == [[0, 0, 1, 2, 3, 3]]
    assert values_of(np.arange(4, dtype=np.uint8)[None], spans, 4).tolist() == [[0.5, 1.5, 2.5, 3.5]]
    # Five points instead, a step apart.
    assert values_of(np.arange(5, dtype=np.uint8)[None], spans, 5, 0.0).tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0]]


def test_equal_mass_by_hand():
    out = np.empty((2, 6), dtype=np.uint8)
    mass_indices(np.array([[5, 1, 4, 2, 3, 6], [0, 0, 0, 0, 7, 9]], dtype=np.float32), 3, out)
    assert out.tolist() == [[2, 0, 1, 0, 1, 2], [1, 1, 1, 1, 2, 2]]


@given(st.integers(20, 200), st.integers(2, 20), st.integers(0, 99))
def test_equal_mass_means_equally_many_entries(count, levels, seed):
    values = np.random.default_rng(seed).permutation(count).astype(np.float32)
    out = np.empty((1, values.size), dtype=np.uint8)
    mass_indices(values[None], levels, out)
    counts = np.bincount(out[0], minlength=levels)
    assert counts.max() - counts.min() <= 1
    order = np.argsort(values)
    assert (np.diff(out[0][order].astype(int)) >= 0).all()


def test_the_widest_float32_range_does_not_overflow():
    values = row(-FLOAT32_MAX, 0.0, FLOAT32_MAX)
    spans = min_max(values)
    assert indices_of(values, spans, levels=65536).tolist() == [[0, 32768, 65535]]
    assert np.isfinite(values_of(np.arange(65536, dtype=np.uint16)[None], spans, 65536)).all()


def test_a_denormal_range_keeps_its_buckets_apart():
    smallest = np.finfo(np.float32).smallest_subnormal
    values = np.arange(4, dtype=np.float32)[None] * smallest
    assert indices_of(values, min_max(values), levels=4).tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("value", [0.0, -1.5, FLOAT32_MAX, 1e-45])
@pytest.mark.parametrize("offset", [0.5, 0.0])
def test_a_constant_row_is_decoded_exactly(value, offset):
    values = np.full((2, 100), value, dtype=np.float32)
    noise = None if offset else lambda count: np.full(count, 0.5, dtype=np.float32)
    indices = indices_of(values, min_max(values), 4, noise)
    np.testing.assert_array_equal(values_of(indices, min_max(values), 4, offset), values)


@pytest.mark.parametrize("levels", [2, 7, 64, 65, 256])
@pytest.mark.parametrize("count", [0, 1, 70_001, 2 * BLOCK])
def test_looking_up_pairs_is_looking_up(levels, count):
    rng = np.random.default_rng(levels)
    table, indices = rng.normal(size=levels).astype(np.float32), rng.integers(0, levels, count).astype(np.uint8)
    out = np.empty(count, dtype=np.float32)
    take(table, indices, out)
    np.testing.assert_array_equal(out, table[indices])


# --- One step without bounds ---


def test_a_dead_zone_by_hand():
    values = np.array([0.59, -0.59, 0.61, -1.59, 1.61, 40.0], dtype=np.float32)
    symbols = step_indices(values, 1.0, 0.6, cap=63, noise=None)
    assert (symbols.astype(int) - 63).tolist() == [0, 0, 1, -1, 2, 40]
    # Bucket 1 reaches from 0.6 to 1.6: at 1/4 of it is 0.85; bucket 2 from 1.6 to 2.6: at 1/2 is 2.1.
    table = step_table(1.0, 0.6, 63, (0.25, 0.5))
    np.testing.assert_allclose(table[symbols], [0, 0, 0.85, -0.85, 2.1, 40.1], rtol=1e-6)


@given(
    hnp.arrays(np.float32, st.integers(1, 60), elements=any_float32),
    st.floats(1e-30, 1e30),
    st.sampled_from([0.5, 0.6, 1.0]),
)
def test_an_index_stands_for_its_bucket_or_escapes(values, step, dead_zone):
    cap = sufficient_cap(values, step)
    symbols = step_indices(values, step, dead_zone, cap, noise=None)
    decoded = step_table(step, dead_zone, cap, (0.5, 0.5))[symbols].astype(np.float64)
    is_escape = symbols == 2 * cap + 1
    assert (np.isnan(decoded) == is_escape).all()
    assert (np.abs(values[is_escape]) > (MAX_CAP - 1) * step).all()
    assert cap == MAX_CAP or not is_escape.any()
    error = np.abs(decoded - values)[~is_escape]
    bound = np.where(decoded[~is_escape] == 0, dead_zone, 0.5) * step
    # In float32 a boundary is off by 2**-10 of a step at most, at the largest indices.
    assert (error <= bound + step * 2.0**-9 + 2 * EPS * np.abs(values[~is_escape])).all()


def test_far_outliers_escape_where_that_is_shorter():
    rng = np.random.default_rng(0)
    values = rng.laplace(size=100_000).astype(np.float32)
    values[:3] = 5000.0, -3000.0, 1e20
    cap = sufficient_cap(values, 1.0)
    assert cap == MAX_CAP
    symbols, chosen = with_escapes(step_indices(values, 1.0, 0.5, cap, None), cap)
    assert chosen == 127
    assert symbols.dtype == np.uint8
    assert np.flatnonzero(symbols == 2 * chosen + 1).tolist() == [0, 1, 2]
    expected = np.trunc(values[3:] + np.copysign(np.float32(0.5), values[3:]))
    is_clear = np.abs(np.abs(values[3:]) % 1 - 0.5) > 1e-3
    np.testing.assert_array_equal((symbols[3:].astype(int) - chosen)[is_clear], expected[is_clear])


def test_a_wide_distribution_keeps_its_wide_alphabet():
    values = np.random.default_rng(0).uniform(-3000, 3000, 50_000).astype(np.float32)
    cap = sufficient_cap(values, 1.0)
    symbols, chosen = with_escapes(step_indices(values, 1.0, 0.5, cap, None), cap)
    assert chosen == cap == 4095
    assert symbols.max() <= 2 * cap


def test_fractions_put_values_at_the_means():
    # All of 8192 entries are counted; of more, a sample.
    values = np.random.default_rng(1).laplace(size=8192).astype(np.float32)
    symbols = step_indices(values, 1.5, 0.6, 63, None)
    fractions = mean_fractions(values, symbols, 1.5, 0.6, 63, is_matched=False)
    table = step_table(1.5, 0.6, 63, tuple((number + 0.5) / 256 for number in fractions))
    magnitudes = np.abs(symbols.astype(int) - 63)
    for chosen in (magnitudes == 1, magnitudes >= 2):
        off = np.abs(values[chosen]).mean() - np.abs(table[symbols[chosen]]).mean()
        assert abs(off) <= 1.5 / 512 + 1e-4


def test_matched_fractions_keep_the_inner_product_with_the_update():
    """Means alone shrink an update by the squared error: 15 % of its projection at this step."""
    values = np.random.default_rng(1).laplace(size=8192).astype(np.float32)
    symbols = step_indices(values, 2.0, 0.6, 63, None)

    def projection(*, is_matched):
        fractions = mean_fractions(values, symbols, 2.0, 0.6, 63, is_matched=is_matched)
        decoded = step_table(2.0, 0.6, 63, tuple((number + 0.5) / 256 for number in fractions))[symbols]
        error = float(np.square(decoded - values).mean() / np.square(values).mean())
        return float(decoded @ values / (values @ values)), error

    (short, least), (whole, error) = projection(is_matched=False), projection(is_matched=True)
    assert short == pytest.approx(1 - least, abs=2e-3) and short < 0.9
    assert whole == pytest.approx(1, abs=2e-3)
    assert least < error < least / (1 - least) * 1.1


# --- Against published designs ---


def _even(samples, levels, spans):
    rows = samples[None]
    indices = indices_of(rows, spans, levels)
    centres = values_of(indices, spans, levels)
    means = np.empty_like(rows)
    codebook_values(indices, bucket_means(rows, indices, levels), means)
    share = np.bincount(indices[0], minlength=levels) / samples.size
    entropy = -(share[share > 0] * np.log2(share[share > 0])).sum()
    return _nmse(samples, centres[0]), _nmse(samples, means[0]), entropy


def _nmse(samples, decoded):
    return float(np.square(samples - decoded.astype(np.float64)).mean() / np.square(samples, dtype=np.float64).mean())


def _quantiles(source, n):
    """n samples that represent a distribution of variance 1 without chance."""
    at = (np.arange(n) + 0.5) / n
    return (norm.ppf(at) if source == "normal" else laplace.ppf(at, scale=0.5**0.5)).astype(np.float32)


def _lloyd_max(samples, levels):
    """The mean squared error of the best codebook, by Lloyd's iteration on sorted samples."""
    ordered = np.sort(samples).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    # Edges by the cube root of the density (Panter, Dite): near the best to begin with.
    weights = np.cumsum(np.repeat(np.diff(ordered, append=ordered[-1]) ** (2 / 3), 1))
    book = ordered[np.searchsorted(weights, (np.arange(levels) + 0.5) / levels * weights[-1])]
    for _ in range(3000):
        edges = np.searchsorted(ordered, (book[1:] + book[:-1]) / 2)
        starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(ordered)]])
        new = (sums[stops] - sums[starts]) / np.maximum(stops - starts, 1)
        if np.abs(new - book).max() < 1e-7:
            break
        book = new
    nearest = book[np.searchsorted((book[1:] + book[:-1]) / 2, ordered)]
    return float(np.square(ordered - nearest).mean() / np.square(ordered).mean())


# Bits, BU with centres, with means, entropy of its indices, BQ with means, Lloyd-Max: nMSE by exact integration over
# the range that 1e6 samples of variance 1 reach: sqrt(2 ln n) for the normal, ln(n) / sqrt(2) for the Laplace
# distribution. Lloyd-Max as in Max, "Quantizing for Minimum Distortion", IRE Trans. Inf. Theory 6(1), 1960.
TABLE = {
    "normal": [
        (1, 3.71, 0.363, 1.00, 0.3634, 0.3634),
        (2, 0.616, 0.324, 1.07, 0.1394, 0.1175),
        (3, 0.144, 0.126, 1.75, 0.05497, 0.03455),
        (4, 0.0360, 0.0347, 2.68, 0.02223, 0.009501),
        (5, 0.00899, 0.00891, 3.66, 0.009211, 0.002505),
        (6, 0.00225, 0.00224, 4.66, 0.003906, 6.44e-4),
        (8, 1.41e-4, 1.41e-4, 6.65, 7.43e-4, None),
    ],
    "laplace": [
        (1, 18.0, 0.500, 1.00, 0.5000, 0.5000),
        (2, 3.50, 0.476, 1.01, 0.2598, 0.1762),
        (3, 0.651, 0.299, 1.21, 0.1324, 0.05448),
        (4, 0.136, 0.108, 1.82, 0.06687, 0.01537),
        (5, 0.0318, 0.0299, 2.70, 0.03360, 0.004102),
        (6, 0.00782, 0.00770, 3.67, 0.01684, 0.001061),
        (8, 4.87e-4, 4.86e-4, 5.66, 0.004218, None),
    ],
}

HALF_RANGE = {"normal": (2 * np.log(1e6)) ** 0.5, "laplace": np.log(1e6) / 2**0.5}


@pytest.mark.parametrize("source", TABLE)
def test_equal_width_and_equal_mass_have_the_errors_of_theory(source):
    samples = _quantiles(source, 1_000_000)
    spans = np.array([[-1.0, 1.0]]) * HALF_RANGE[source]
    for bits, centre, mean, entropy, mass, _ in TABLE[source]:
        measured = _even(samples, 2**bits, spans)
        assert measured == pytest.approx((centre, mean, entropy), rel=0.03)
        indices = np.empty((1, samples.size), dtype=np.uint8)
        mass_indices(samples[None], 2**bits, indices)
        decoded = np.empty((1, samples.size), dtype=np.float32)
        codebook_values(indices, bucket_means(samples[None], indices, 2**bits), decoded)
        assert _nmse(samples, decoded[0]) == pytest.approx(mass, rel=0.03)


@pytest.mark.parametrize("source", TABLE)
def test_lloyd_max_is_the_floor_of_every_fixed_rate_design(source):
    samples = _quantiles(source, 100_000)
    for bits, _, mean, _, mass, floor in TABLE[source]:
        if floor is not None:
            assert _lloyd_max(samples, 2**bits) == pytest.approx(floor, rel=0.03)
            assert floor <= 1.002 * min(mean, mass)


@given(float32_rows)
def test_a_range_travels_as_float32(rows):
    assume(rows.size)
    for rule, parameter in [("min_max", None), ("absmax", None), ("sigma", 2.5), ("percentile", 90.0)]:
        spans = ranges(rows, rule, parameter)
        np.testing.assert_array_equal(spans.astype(np.float32).astype(np.float64), spans)
