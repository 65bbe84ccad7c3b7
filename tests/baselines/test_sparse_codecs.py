"""Top-k with coded positions and short values, and STC: by hand, published position costs, and distance to entropy."""

import numpy as np
import pytest

from baselines.positions import code_golomb, golomb_bits, golomb_width
from baselines.stc import SparseTernary
from baselines.topk import TopK
from harness.core.errors import PayloadError
from harness.core.types import Update
from harness.wire.body import float32_bytes
from tests.factories import AGREED, digits_layout, encode, make_layout, make_update, round_trip, update_of


def entropy(share):
    """Binary entropy, bits."""
    return -share * np.log2(share) - (1 - share) * np.log2(1 - share)


def random_positions(k, d, seed=0):
    return np.sort(np.random.default_rng(seed).choice(d, size=k, replace=False))


def nmse(codec, update):
    error = round_trip(codec, update).values.astype(np.float64) - update.values
    return np.sum(error**2) / np.sum(update.values.astype(np.float64) ** 2)


@pytest.mark.parametrize(("k", "published"), [(10_000, 8.11), (100_000, 4.76)])
def test_golomb_positions_cost_what_is_published(k, published):
    d = 1_000_000
    measured = 8 * len(code_golomb(random_positions(k, d), d)) / k
    assert measured == pytest.approx(published, abs=0.02)
    assert golomb_bits(k, d) == pytest.approx(published, abs=0.005)


def test_stc_by_hand():
    values = np.zeros(40)
    values[[2, 30, 31]] = [-1.0, 3.0, 2.0]
    update = update_of(values)
    body, _ = encode(SparseTernary(ratio=0.075), update)
    # k = 3 of 40: b = 1 + floor(log2(0.481 / 0.078)) = 3. Gaps less one: 2, 27, 0: remainders 2, 3, 0 at 3 bits, and
    # quotients 0, 3, 0: bits 1, 0001, 1 from the least significant one.
    assert golomb_width(3, 40) == 3
    assert body == float32_bytes(np.array([2.0])) + bytes([0b001, 0b00_011_010, 0, 0b110001])
    decoded = SparseTernary(ratio=0.075).decode(body, update.layout, AGREED).values
    assert decoded[[2, 30, 31]].tolist() == [-2.0, 2.0, 2.0]
    assert np.count_nonzero(decoded) == 3


def test_stc_loses_what_its_module_head_says():
    update = make_update(digits_layout())
    # k = round(480.5), halves to even.
    kept = np.sort(np.abs(update.values.astype(np.float64)))[-480:]
    lost = 1 - 480 * kept.mean() ** 2 / np.sum(update.values.astype(np.float64) ** 2)
    assert nmse(SparseTernary(ratio=0.05), update) == pytest.approx(lost, rel=1e-5)


@pytest.mark.parametrize(("ratio", "expected"), [(0.01, 0.843), (0.1, 0.4546)])
def test_stc_has_the_error_of_theory_on_laplace_entries(ratio, expected):
    # The share of energy that is lost: 1 - ratio (1 + ln(1 / ratio))^2 / 2.
    assert 1 - ratio * (1 + np.log(1 / ratio)) ** 2 / 2 == pytest.approx(expected, abs=5e-4)
    assert nmse(SparseTernary(ratio), make_update(make_layout((400_000,)))) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("ratio", [0.001, 0.01, 0.1, 0.6, 1.0])
def test_stc_decodes_to_the_same_under_either_coding(ratio):
    update = make_update(digits_layout())
    golomb, ans = (round_trip(SparseTernary(ratio, coding), update).values for coding in ("golomb", "ans"))
    np.testing.assert_array_equal(golomb, ans)


@pytest.mark.parametrize("ratio", [0.01, 0.1])
def test_stc_payloads_are_as_long_as_the_authors_say(ratio):
    update = make_update(make_layout((200_000,)))
    codec = SparseTernary(ratio)
    bits = 8 * len(encode(codec, update)[0]) / 200_000
    assert bits == pytest.approx(codec.nominal_bits(update.layout), rel=0.01)
    # Golomb's code leaves less than 2 % to an entropy coder.
    coded = 8 * len(encode(SparseTernary(ratio, "ans"), update)[0]) / 200_000
    assert coded == pytest.approx(ratio + entropy(ratio), rel=0.02)


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        # Three gaps of six quotient bits, none, or a byte too many.
        (bytes([0b00_011_010, 0, 0]), "hold 0 of 3"),
        (bytes([0b00_011_010, 0, 0b111111]), "hold 6 of 3"),
        (bytes([0b00_011_010, 0, 0b110001, 0]), "too many for 3 positions below 40"),
        (bytes([0b00_011_010, 0]), "hold 0 of 3"),
        (bytes([0b11_111_111, 1, 0b10001010]), "3 ascending numbers below 40"),
    ],
)
def test_gaps_that_no_update_has_are_refused(tail, text):
    with pytest.raises(PayloadError, match=text):
        SparseTernary(ratio=0.075).decode(bytes(4) + bytes([0]) + tail, make_layout((40,)), AGREED)


def test_a_negative_magnitude_is_refused():
    with pytest.raises(PayloadError, match="mean magnitude in the body is negative"):
        SparseTernary(ratio=1.0).decode(float32_bytes(np.array([-1.0])) + bytes([0, 1]), make_layout((1,)), AGREED)


@pytest.mark.parametrize("ratio", [0.01, 0.1])
@pytest.mark.parametrize("value_bits", [32, 16, 8, 4])
def test_topk_with_coded_positions_is_as_long_as_its_entropy(ratio, value_bits):
    d = 200_000
    update = make_update(make_layout((d,)))
    body, _ = encode(TopK(ratio, value_bits, coding="ans"), update)
    assert 8 * len(body) / d == pytest.approx(value_bits * ratio + entropy(ratio), rel=0.02)
    assert len(body) < len(encode(TopK(ratio, value_bits), update)[0])


@pytest.mark.parametrize("d", [500, 9610, 2**16 - 1, 2**16, 2**16 + 3])
def test_topk_decodes_to_the_same_under_either_coding(d):
    update = make_update(make_layout((d,)))
    for value_bits in (32, 8):
        packed, ans = (round_trip(TopK(0.02, value_bits, coding), update).values for coding in ("packed", "ans"))
        np.testing.assert_array_equal(packed, ans)


@pytest.mark.parametrize(("value_bits", "largest_step"), [(16, 2e-4), (8, 0.03), (4, 0.5)])
def test_short_values_keep_signs_and_nearly_the_magnitudes(value_bits, largest_step):
    update = make_update(digits_layout())
    exact = round_trip(TopK(0.05), update).values.astype(np.float64)
    short = round_trip(TopK(0.05, value_bits), update).values.astype(np.float64)
    np.testing.assert_array_equal(np.sign(short), np.sign(exact))
    kept = np.abs(exact[exact != 0])
    # Equal ratios: half a step in the logarithm, and the ends exact.
    step = np.log(kept.max() / kept.min()) / (2 ** (value_bits - 1) - 2)
    assert step < largest_step
    ratios = np.log(np.abs(short[exact != 0]) / kept)
    assert np.abs(ratios).max() <= step / 2 + 1e-6
    assert np.abs(short).max() == np.abs(exact).max()


@pytest.mark.parametrize("value_bits", [16, 8, 4])
def test_zeros_among_the_kept_stay_zero(value_bits):
    update = update_of([0.0, -2.0, 0.0, 0.5, 0.0, 0.0])
    assert round_trip(TopK(0.9, value_bits), update).values.tolist() == [0.0, -2.0, 0.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_magnitudes_that_no_update_has_are_refused(low, high):
    layout = make_layout((4,))
    body, _ = encode(TopK(0.5, value_bits=8), update_of([1.0, 2.0, 0.0, 0.0]))
    with pytest.raises(PayloadError, match=f"kept magnitudes from {low} to {high}"):
        TopK(0.5, value_bits=8).decode(body[:-10] + float32_bytes(np.array([low, high])) + body[-2:], layout, AGREED)


def test_a_bitmap_with_another_number_of_ones_is_refused():
    layout = make_layout((100,))
    values = np.arange(100, dtype=np.float32)
    body, _ = encode(TopK(0.05, coding="ans"), Update(values, layout))
    with pytest.raises(PayloadError):
        TopK(0.06, coding="ans").decode(body + bytes(4), layout, AGREED)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ratio": 0.0}, "ratio must be above 0 and at most 1 (got 0.0)"),
        ({"ratio": 0.1, "value_bits": 12}, "value_bits must be 4, 8, 16 or 32 (got 12)"),
        ({"ratio": 0.1, "coding": "golomb"}, "coding must be packed or ans (got golomb)"),
    ],
    ids=repr,
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(ValueError) as refused:
        TopK(**settings)
    assert str(refused.value) == text


@pytest.mark.parametrize(("ratio", "coding"), [(1.5, "golomb"), (0.1, "packed")])
def test_stc_refuses_settings_out_of_range(ratio, coding):
    with pytest.raises(ValueError, match=r"^(ratio must be above 0 and at most 1|coding must be golomb or ans) \(got "):
        SparseTernary(ratio, coding)


def test_nominal_bits_are_those_of_the_papers():
    layout = make_layout((1_000_000,))
    # k = 10,000: float32 values and positions of 20 bits; a sign and 8.11 bits; a bitmap once it is shorter.
    assert TopK(0.01).nominal_bits(layout) == pytest.approx(0.01 * (32 + 20))
    assert TopK(0.5, value_bits=8).nominal_bits(layout) == pytest.approx(0.5 * 8 + 1)
    assert SparseTernary(0.01).nominal_bits(layout) == pytest.approx(0.01 * (1 + 8.108), rel=1e-3)
