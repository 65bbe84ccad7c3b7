"""Intervals over seeds, against numbers worked out by hand."""

import math

import pytest

from harness.statistics import intervals as st

T_975 = {1: 12.706204736, 2: 4.302652730, 4: 2.776445105}  # printed tables of Student's t, two-sided 95 %


def test_mean_interval_matches_printed_t_table():
    interval = st.mean_interval([1.0, 2.0, 3.0])
    half = T_975[2] * 1.0 / math.sqrt(3)
    assert interval.estimate == 2.0
    assert interval.low == pytest.approx(2 - half, rel=1e-8)
    assert interval.high == pytest.approx(2 + half, rel=1e-8)
    assert (interval.n, interval.note) == (3, "")


def test_two_seeds_give_the_wide_interval_they_deserve():
    interval = st.mean_interval([0.0, 2.0])
    assert interval.high == pytest.approx(1 + T_975[1] * math.sqrt(2) / math.sqrt(2), rel=1e-8)


def test_pairing_removes_what_seeds_share():
    reference = [10.0, 20.0, 30.0, 40.0, 50.0]
    ours = [10.0, 21.0, 32.0, 43.0, 54.0]
    difference = st.paired_difference(ours, reference)
    half = T_975[4] * math.sqrt(2.5) / math.sqrt(5)
    assert difference.estimate == pytest.approx(2.0)
    assert difference.low == pytest.approx(2 - half)
    assert difference.high == pytest.approx(2 + half)


def test_ratio_is_a_geometric_mean_with_a_log_interval():
    ratio = st.paired_ratio([2.0, 8.0], [1.0, 1.0])
    half = T_975[1] * math.log(4) / math.sqrt(2) / math.sqrt(2)
    assert ratio.estimate == pytest.approx(4.0)
    assert ratio.low == pytest.approx(math.exp(math.log(4) - half))
    assert ratio.high == pytest.approx(math.exp(math.log(4) + half))


def test_ratio_is_unchanged_by_a_common_factor():
    plain = st.paired_ratio([2.0, 3.0, 5.0], [4.0, 5.0, 6.0])
    scaled = st.paired_ratio([20.0, 30.0, 50.0], [40.0, 50.0, 60.0])
    assert scaled.low == pytest.approx(plain.low)
    assert scaled.estimate == pytest.approx(plain.estimate)


def test_equal_values_are_deterministic_not_an_interval_of_width_zero_by_luck():
    interval = st.paired_ratio([13.0, 13.0, 13.0], [7.0, 7.0, 7.0])
    assert interval.note == st.DETERMINISTIC
    assert interval.low == interval.high == interval.estimate == pytest.approx(13 / 7)


def test_rounding_noise_counts_as_deterministic_and_small_variation_does_not():
    assert st.mean_interval([0.1 + 0.2, 0.3]).note == st.DETERMINISTIC
    assert st.paired_difference([0.1 + 0.2, 0.6], [0.0, 0.3]).note == st.NO_SPREAD
    assert st.paired_difference([0.3 + 1e-6, 0.6], [0.0, 0.3]).note == ""


def test_one_seed_has_an_estimate_and_no_interval():
    for interval in (st.mean_interval([3.0]), st.paired_difference([3.0], [1.0]), st.paired_ratio([3.0], [1.0])):
        assert interval.note == st.ONE_SEED
        assert interval.estimate is not None
        assert interval.low is None
        assert interval.high is None


def test_zero_costs_have_no_ratio():
    assert st.paired_ratio([0.0, 1.0], [1.0, 1.0]) == st.Interval(2, None, None, None, st.ZERO_COST)
    assert st.pass_through([1.0], [0.0], [1.0], [2.0]).note == st.ZERO_COST


def test_pass_through_of_the_lte_example():
    # 40 % fewer bits and 9 % fewer joules: 0.09 / 0.40
    interval = st.pass_through([91.0, 182.0], [100.0, 200.0], [60.0, 60.0], [100.0, 100.0])
    assert interval.estimate == pytest.approx(0.225)
    assert interval.note == st.DETERMINISTIC


def test_pass_through_keeps_its_sign_and_refuses_to_divide_by_nothing():
    assert st.pass_through([110.0], [100.0], [50.0], [100.0]).estimate == pytest.approx(-0.2)
    assert st.pass_through([90.0], [100.0], [100.0], [100.0]).note == st.NOTHING_SAVED


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_nothing_and_nonsense_are_refused(values):
    with pytest.raises(ValueError, match="one finite value per seed"):
        st.mean_interval(values)


def test_unpaired_lengths_are_refused():
    with pytest.raises(ValueError, match="do not pair"):
        st.paired_difference([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="do not pair"):
        st.pass_through([1.0], [1.0], [1.0, 2.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="at least 0"):
        st.paired_ratio([-1.0], [1.0])
