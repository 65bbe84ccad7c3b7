import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantfl.codec import QuantFL
from quantfl.quantizer import bucket_centres, bucket_means, min_max_range, nearest_buckets, percentile_range
from tests.factories import round_trip, update_of

FLOAT32_MAX = float(np.finfo(np.float32).max)
EPS = float(np.finfo(np.float32).eps)

any_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
float32_vectors = hnp.arrays(np.float32, st.integers(1, 60), elements=any_float32)


def float32_tolerance(low, high):
    """Rounding the decoded value to float32, plus float64 rounding at a bucket's edge; denormals have a fixed step."""
    return EPS * max(abs(low), abs(high)) + 2.0**-149


@given(float32_vectors, st.integers(2, 300))
def test_a_centre_is_at_most_half_a_bucket_away(values, levels):
    low, high = min_max_range(values)
    decoded = bucket_centres(low, high, levels)[nearest_buckets(values, low, high, levels)]
    error = np.abs(values.astype(np.float64) - decoded)
    assert np.isfinite(decoded).all()
    assert error.max() <= (high - low) / (2 * levels) + float32_tolerance(low, high)


@given(float32_vectors, st.integers(2, 300))
def test_no_other_centre_is_nearer(values, levels):
    low, high = min_max_range(values)
    centres = bucket_centres(low, high, levels)
    chosen = np.abs(values.astype(np.float64) - centres[nearest_buckets(values, low, high, levels)])
    best = np.abs(values[:, None].astype(np.float64) - centres[None, :]).min(axis=1)
    assert (chosen <= best + 2 * float32_tolerance(low, high)).all()


@given(float32_vectors, st.integers(2, 300))
def test_means_keep_the_sum_and_never_have_the_larger_squared_error(values, levels):
    low, high = min_max_range(values)
    buckets = nearest_buckets(values, low, high, levels)
    means = bucket_means(values, buckets, low, high, levels)[buckets].astype(np.float64)
    centres = bucket_centres(low, high, levels)[buckets].astype(np.float64)
    tolerance = float32_tolerance(low, high)
    exact = values.astype(np.float64)
    assert abs(means.sum() - exact.sum()) <= values.size * tolerance
    root_error = np.linalg.norm(means - exact)
    assert root_error <= np.linalg.norm(centres - exact) + np.sqrt(values.size) * tolerance


@given(float32_vectors, st.integers(2, 65536), st.floats(50.1, 99.99))
def test_a_percentile_range_is_within_the_full_range_and_made_of_entries(values, levels, percentile):
    low, high = percentile_range(values, percentile)
    assert low in values
    assert high in values
    assert low <= high
    buckets = nearest_buckets(values, low, high, levels)
    assert buckets.max() < levels


def test_a_percentile_range_leaves_out_the_same_number_at_either_end():
    values = np.random.default_rng(0).permutation(np.arange(1001, dtype=np.float32))
    # floor((100 - 99) / 200 * 1000) = 5 entries at either end.
    assert percentile_range(values, 99.0) == (5.0, 995.0)


def test_a_small_tensor_keeps_its_full_range():
    # floor(0.05 % of 999) = 0: the first size with an entry to leave out at 99.9 % is 2001.
    values = np.arange(1000, dtype=np.float32)
    assert percentile_range(values, 99.9) == (0.0, 999.0)


def test_a_percentile_range_does_not_erase_a_sparse_update():
    values = np.zeros(10_000, dtype=np.float32)
    values[0], values[1] = -3.0, 5.0
    assert percentile_range(values, 99.9) == (-3.0, 5.0)


def test_clipped_entries_belong_to_the_outermost_buckets():
    values = np.array([-100.0, 0.0, 0.5, 1.0, 100.0], dtype=np.float32)
    assert nearest_buckets(values, 0.0, 1.0, levels=10).tolist() == [0, 0, 5, 9, 9]


def test_buckets_by_hand():
    # Range [0, 4], four buckets of width 1: edges belong to the bucket above, the top edge to the last bucket.
    values = np.array([0.0, 0.99, 1.0, 2.5, 3.0, 4.0], dtype=np.float32)
    assert nearest_buckets(values, 0.0, 4.0, levels=4).tolist() == [0, 0, 1, 2, 3, 3]
    assert bucket_centres(0.0, 4.0, levels=4).tolist() == [0.5, 1.5, 2.5, 3.5]


def test_an_empty_bucket_gets_its_centre():
    values = np.array([0.0, 0.25, 4.0], dtype=np.float32)
    buckets = nearest_buckets(values, 0.0, 4.0, levels=4)
    assert bucket_means(values, buckets, 0.0, 4.0, levels=4).tolist() == [0.125, 1.5, 2.5, 4.0]


def test_the_widest_float32_range_does_not_overflow():
    values = np.array([-FLOAT32_MAX, 0.0, FLOAT32_MAX], dtype=np.float32)
    low, high = min_max_range(values)
    assert nearest_buckets(values, low, high, levels=65536).tolist() == [0, 32768, 65535]
    assert np.isfinite(bucket_centres(low, high, levels=65536)).all()


def test_a_denormal_range_keeps_its_buckets_apart():
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    values = np.arange(4, dtype=np.float32) * np.float32(smallest)
    assert nearest_buckets(values, 0.0, 3 * smallest, levels=4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [0.0, -1.5, FLOAT32_MAX, 1e-45])
def test_a_constant_tensor_is_decoded_exactly(value):
    update = update_of(np.full(100, value))
    for reconstruction in ("centre", "mean"):
        decoded = round_trip(QuantFL(levels=4, reconstruction=reconstruction), update)
        np.testing.assert_array_equal(decoded.values, update.values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": 1}, "levels must be 2 to 65536 (got 1)"),
        ({"levels": 65537}, "levels must be 2 to 65536 (got 65537)"),
        ({"range_rule": "absmax"}, "range_rule must be min_max or percentile (got absmax)"),
        ({"reconstruction": "edge"}, "reconstruction must be centre or mean (got edge)"),
        ({"percentile": 99.9}, "percentile is for range_rule: percentile only (got 99.9 with min_max)"),
        ({"range_rule": "percentile"}, "percentile must be above 50 and below 100, e.g. 99.9 (got None)"),
        (
            {"range_rule": "percentile", "percentile": 0.999},
            "percentile must be above 50 and below 100, e.g. 99.9 (got 0.999)",
        ),
        (
            {"range_rule": "percentile", "percentile": float("nan")},
            "percentile must be above 50 and below 100, e.g. 99.9 (got nan)",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError) as refused:
        QuantFL(**settings)
    assert str(refused.value) == message


def test_a_tensor_that_would_not_get_shorter_goes_as_it_is():
    # 65536 levels: 4 entries take 8 + 8 = 16 bytes either way and are sent as float32; 5 take 18 < 20 and are coded.
    codec = QuantFL(levels=65536)
    four, five = update_of([0.1, 0.25, 0.3, 1.0]), update_of([0.1, 0.25, 0.3, 0.7, 1.0])
    np.testing.assert_array_equal(round_trip(codec, four).values, four.values)
    assert (round_trip(codec, five).values != five.values).any()
