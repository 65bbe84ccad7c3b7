"""What each baseline does to numbers, by hand; the promises that all codecs share are in `contracts/test_codecs.py`."""

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from baselines.float16 import Float16
from baselines.linear8 import Linear8
from baselines.signsgd import ScaledSign
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.errors import PayloadError, UpdateError
from harness.wire.body import float32_bytes
from quantfl.codec import QuantFL
from tests.factories import AGREED, digits_layout, encode, make_layout, make_update, round_trip, rounds, update_of


def test_scaled_sign_by_hand():
    update = update_of([1.0, -2.0, 0.0, 5.0], [-0.5, 0.5])
    body, _ = encode(ScaledSign(), update)
    # Mean magnitudes 8 / 4 and 1 / 2; signs + - + + - + from the least significant bit: 0b010010.
    assert body == float32_bytes(np.array([2.0, 0.5])) + bytes([0b010010])
    decoded = ScaledSign().decode(body, update.layout, AGREED)
    assert decoded.values.tolist() == [2.0, -2.0, 2.0, 2.0, -0.5, 0.5]


def test_scaled_sign_has_the_error_of_its_module_head():
    update = make_update(make_layout((1000,)))
    x = update.values.astype(np.float64)
    squared_error = np.sum((round_trip(ScaledSign(), update).values - x) ** 2)
    assert squared_error == pytest.approx(np.sum(x**2) - np.sum(np.abs(x)) ** 2 / 1000, rel=1e-5)


def test_topk_by_hand():
    update = update_of([1.0, -4.0, 0.5], [3.0, 0.0])
    body, _ = encode(TopK(ratio=0.4), update)
    # Positions 1 and 3 of 5: a bitmap of one byte ties with two positions of 3 bits, and the list is sent.
    assert body == bytes([1 | 3 << 3]) + float32_bytes(np.array([-4.0, 3.0]))
    assert round_trip(TopK(ratio=0.4), update).values.tolist() == [0.0, -4.0, 0.0, 3.0, 0.0]


def test_topk_keeps_the_first_of_equal_magnitudes():
    update = update_of([1.0, -1.0, 2.0, 1.0, -1.0])
    assert round_trip(TopK(ratio=0.6), update).values.tolist() == [1.0, -1.0, 2.0, 0.0, 0.0]


def test_topk_contracts_as_declared():
    update = make_update(digits_layout())
    error = round_trip(TopK(ratio=0.1), update).values - update.values
    assert np.sum(error**2) <= (1 - 961 / 9610) * np.sum(update.values**2)


def test_topk_refuses_positions_that_are_not_ascending():
    layout = make_layout((100,))
    body, _ = encode(TopK(ratio=0.02), make_update(layout))
    # Two positions of 7 bits fill 14 bits; both zero is the same position twice.
    with pytest.raises(PayloadError, match="2 ascending numbers below 100"):
        TopK(ratio=0.02).decode(bytes(2) + body[2:], layout, AGREED)


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.5, float("nan")])
def test_topk_refuses_a_ratio_that_is_no_share(ratio):
    with pytest.raises(ValueError, match=r"ratio must be above 0 and at most 1 \(got"):
        TopK(ratio=ratio)


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-8, 1.0, 1e30])
def test_float16_keeps_eleven_bits_at_every_scale(scale):
    update = make_update(digits_layout(), scale=scale)
    x = update.values.astype(np.float64)
    error = np.abs(round_trip(Float16(), update).values - x)
    assert (error <= np.maximum(2.0**-11 * np.abs(x), 2.0**-39 * np.abs(x).max()) + 2.0**-150).all()


def test_float16_without_a_scale_would_lose_what_the_scale_keeps():
    update = make_update(digits_layout(), scale=1e-7)
    naive = update.values.astype(np.float16).astype(np.float32) - update.values
    scaled = round_trip(Float16(), update).values - update.values
    assert np.linalg.norm(scaled) < np.linalg.norm(naive) / 100


def test_float16_does_not_round_the_largest_float32_to_infinity():
    update = update_of([np.finfo(np.float32).max, 1.0])
    assert round_trip(Float16(), update).values[0] == pytest.approx(np.finfo(np.float32).max, rel=2.0**-11)


@pytest.mark.parametrize("exponent", [-114, 164, 32767])
def test_float16_refuses_a_scale_that_no_update_has(exponent):
    body = np.array([exponent], dtype="<i2").tobytes() + bytes(2)
    with pytest.raises(PayloadError, match=f"scale exponent {exponent}"):
        Float16().decode(body, make_layout((1,)), AGREED)


def test_linear8_keeps_the_ends_of_the_range_and_a_constant():
    update = update_of([-0.7, 0.1, 0.3], [0.2, 0.2])
    decoded = round_trip(Linear8(), update).values
    assert decoded[0] == np.float32(-0.7)
    assert decoded[2] == np.float32(0.3)
    np.testing.assert_array_equal(decoded[3:], update.values[3:])


def test_a_range_upside_down_is_refused():
    for codec in (Linear8(), QuantFL(levels=256)):
        body = float32_bytes(np.array([1.0, -1.0])) + bytes(5)
        with pytest.raises(PayloadError, match=r"range from 1\.0 to -1\.0"):
            codec.decode(body, make_layout((5,)), AGREED)


def test_quantfl_refuses_an_index_beyond_its_levels():
    body = float32_bytes(np.array([0.0, 1.0])) + bytes([0b11_00_01_10])
    assert QuantFL(levels=4).decode(body, make_layout((4,)), AGREED).values.tolist() == [0.625, 0.375, 0.125, 0.875]
    with pytest.raises(PayloadError, match="index 3 in the body, expected 0 to 2"):
        QuantFL(levels=3).decode(body, make_layout((4,)), AGREED)


@pytest.mark.parametrize(
    "codec", [Float32(), Linear8(), ScaledSign(), QuantFL(levels=4, reconstruction="mean")], ids=repr
)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(codec, broken):
    layout = make_layout((20,))
    body, _ = encode(codec, make_update(layout))
    with pytest.raises(PayloadError, match="not finite"):
        codec.decode(float32_bytes(np.array([broken])) + body[4:], layout, AGREED)


def test_a_negative_mean_magnitude_is_refused():
    with pytest.raises(PayloadError, match="mean magnitude in the body is negative"):
        ScaledSign().decode(float32_bytes(np.array([-1.0])) + bytes(1), make_layout((3,)), AGREED)


def test_error_feedback_sends_the_payload_of_its_inner_codec():
    update = make_update(digits_layout())
    wrapped = ErrorFeedback(ScaledSign())
    assert encode(wrapped, update)[0] == encode(ScaledSign(), update)[0]
    assert wrapped.wire_id == ScaledSign.wire_id


def test_error_feedback_by_hand():
    wrapped = ErrorFeedback(TopK(ratio=0.5))
    decoded, residual = rounds(wrapped, [update_of([4.0, 3.0]), update_of([1.0, 3.0])])
    # Round 1 sends 4 and keeps [0, 3]; round 2 has [1, 6], sends 6 and keeps [1, 0].
    assert [update.values.tolist() for update in decoded] == [[4.0, 0.0], [0.0, 6.0]]
    assert residual.tolist() == [1.0, 0.0]


def test_error_feedback_catches_up_with_what_a_codec_without_it_never_sends():
    constant = update_of([1.0, 0.4, 0.3, 0.2])
    plain, _ = rounds(TopK(ratio=0.25), [constant] * 40)
    corrected, _ = rounds(ErrorFeedback(TopK(ratio=0.25)), [constant] * 40)
    np.testing.assert_array_equal(np.mean([u.values for u in plain], axis=0)[1:], 0.0)
    np.testing.assert_allclose(np.mean([u.values for u in corrected], axis=0), constant.values, atol=0.1)


def test_a_residual_survives_rounds_in_which_its_client_sits_out():
    wrapped = ErrorFeedback(ScaledSign())
    layout = digits_layout()
    assert wrapped.init(layout) is None
    table = {}
    for round_, cohort in enumerate([(0, 1), (1,), (1,), (0, 1)]):
        for client in cohort:
            _, table[client] = encode(wrapped, make_update(layout, seed=10 * round_ + client), table.get(client))
    _, expected = rounds(wrapped, [make_update(layout, seed=0), make_update(layout, seed=30)])
    np.testing.assert_array_equal(table[0], expected)
    assert table[0].dtype == np.float32


def test_error_feedback_refuses_itself_and_a_codec_with_state():
    class Counting(Float32):
        def encode(self, update, state, rng, agreed):
            return super().encode(update, state, rng, agreed)[0], update.values

    with pytest.raises(ValueError, match="inner must be a codec without a residual of its own"):
        ErrorFeedback(ErrorFeedback(ScaledSign()))
    with pytest.raises(ValueError, match="needs an inner codec without state, float32 keeps one"):
        encode(ErrorFeedback(Counting()), make_update(digits_layout()))


def test_a_residual_that_overflows_is_refused_by_tensor_name():
    state = np.full(3, 3e38, dtype=np.float32)
    with pytest.raises(UpdateError, match="tensor t0: 3 of 3"):
        encode(ErrorFeedback(ScaledSign()), update_of([3e38] * 3), state)
