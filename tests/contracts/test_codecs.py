"""The battery that every codec passes: what `harness.core.protocols.Codec` promises, on bytes as deployed."""

import dataclasses
import json

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from harness import registry
from harness.core.errors import PayloadError, UpdateError
from harness.core.protocols import Codec
from harness.core.types import Agreed, Update
from harness.wire.frame import seal, unseal
from tests.contracts.codec_examples import ENTRY_BOUNDS, EXAMPLES, GOLDEN_FILE, golden_payload
from tests.factories import (
    AGREED,
    DIGITS_MLP_SHAPES,
    digits_layout,
    encode,
    make_layout,
    make_update,
    round_trip,
    rounds,
    update_of,
)

FLOAT32_MAX = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).smallest_subnormal

UPDATES = {
    "no_tensors": update_of,
    "empty": lambda: update_of(np.zeros((0,)), np.zeros((3, 0))),
    "empty_between": lambda: update_of([1.0, -2.0], np.zeros((0, 4)), [[3.0]]),
    "scalar": lambda: update_of(0.25),
    "one_element": lambda: update_of([-0.25]),
    "constant": lambda: update_of(np.full((7, 9), -0.3), np.full(40, 1e-8)),
    "all_zero": lambda: update_of(np.zeros((6, 11)), np.zeros(3)),
    "negative_zero": lambda: update_of(np.full(33, -0.0)),
    "huge": lambda: update_of(np.resize([3e38, -3e38, 1.0], 50), np.full(9, FLOAT32_MAX)),
    "denormal": lambda: update_of(np.resize([SMALLEST, -3 * SMALLEST, 0.0], 50)),
    "mixed_magnitudes": lambda: update_of(np.logspace(-44, 38, 100), -np.logspace(-44, 38, 77)),
    "odd_sizes": lambda: make_update(make_layout((3, 5), (1,), (13,), (2, 3, 7))),
    "digits": lambda: make_update(digits_layout()),
}


def select(is_wanted):
    """Parametrise over the examples that `is_wanted` holds for."""
    return pytest.mark.parametrize(
        "codec", [pytest.param(codec, id=name) for name, codec in EXAMPLES.items() if is_wanted(codec)]
    )


codecs = select(lambda codec: True)
stateless = select(lambda codec: not isinstance(codec, ErrorFeedback))
updates = pytest.mark.parametrize("update", [pytest.param(make, id=name) for name, make in UPDATES.items()])


def damaged_bodies(body, rng, n_random):
    """Bodies of every shorter length, some longer ones, and bodies of the right length with random bytes in them."""
    yield from (body[:length] for length in range(len(body)))
    yield from (body + bytes(extra) for extra in range(1, 9))
    for _ in range(n_random if body else 0):
        damaged = bytearray(body)
        for place in rng.choice(len(body), size=min(len(body), rng.integers(1, 9)), replace=False):
            damaged[place] = rng.integers(0, 256)
        yield bytes(damaged)


def test_every_registered_codec_has_an_example():
    assert {codec.kind for codec in EXAMPLES.values()} == set(registry.names("codec"))


@codecs
def test_settings_survive_the_spec(codec):
    described = registry.describe(codec)
    assert described["kind"] == codec.kind
    assert registry.build("codec", json.loads(json.dumps(described))) == codec


@codecs
def test_a_codec_is_a_frozen_dataclass_that_fits_the_protocol(codec):
    assert isinstance(codec, Codec)
    assert dataclasses.is_dataclass(codec)
    assert 0 < codec.wire_id < 256
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.kind = "other"


def test_wire_ids_tell_kinds_apart():
    pairs = {(codec.kind, codec.wire_id) for codec in EXAMPLES.values() if not isinstance(codec, ErrorFeedback)}
    assert len(pairs) == len({kind for kind, _ in pairs}) == len({wire_id for _, wire_id in pairs})


@codecs
@updates
def test_shape_and_dtype_survive_and_the_result_is_fresh(codec, update):
    sent = update()
    body, _ = encode(codec, sent)
    payload = seal(body, codec.wire_id)
    decoded = codec.decode(unseal(payload, codec.wire_id), sent.layout, AGREED)
    assert decoded.layout == sent.layout
    assert decoded.values.dtype == np.float32
    assert np.isfinite(decoded.values).all()
    assert not np.shares_memory(decoded.values, sent.values)
    first = decoded.values.copy()
    decoded.values[:] = 7.0
    np.testing.assert_array_equal(codec.decode(body, sent.layout, AGREED).values, first)


@codecs
@updates
def test_the_length_depends_on_the_layout_only(codec, update):
    sent = update()
    zeros = Update(np.zeros_like(sent.values), sent.layout)
    assert len(encode(codec, sent)[0]) == len(encode(codec, zeros)[0])


@codecs
@updates
def test_an_empty_tensor_costs_nothing(codec, update):
    sent = update()
    with_empty = Update(sent.values, make_layout(*(t.shape for t in sent.layout.tensors), (0, 5)))
    assert len(encode(codec, with_empty)[0]) == len(encode(codec, sent)[0])


@codecs
@updates
def test_equal_inputs_give_equal_bytes(codec, update):
    assert encode(codec, update())[0] == encode(codec, update())[0]


@codecs
def test_a_second_instance_decodes(codec):
    update = make_update(digits_layout())
    body, _ = encode(codec, update)
    twin = dataclasses.replace(codec)
    np.testing.assert_array_equal(
        twin.decode(body, update.layout, AGREED).values, codec.decode(body, update.layout, AGREED).values
    )


@codecs
def test_arguments_are_not_changed(codec):
    update = make_update(digits_layout())
    state = np.ones(update.layout.size, dtype=np.float32) if isinstance(codec, ErrorFeedback) else None
    update.values.flags.writeable = False
    if state is not None:
        state.flags.writeable = False
    body, new_state = encode(codec, update, state)
    assert new_state is None or not np.shares_memory(new_state, state)
    codec.decode(body, update.layout, AGREED)


@codecs
def test_an_update_that_is_a_view_is_sent_like_its_copy(codec):
    wide = make_update(make_layout((2 * 9610,)))
    view = Update(wide.values[::2], digits_layout())
    copy = Update(view.values.copy(), digits_layout())
    assert encode(codec, view)[0] == encode(codec, copy)[0]


@codecs
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_tensor_name(codec, broken):
    update = make_update(digits_layout())
    update.values[8192 + 5] = broken
    with pytest.raises(UpdateError, match=r"tensor t1: 1 of 128 entries are NaN or infinite"):
        encode(codec, update)


@codecs
def test_damaged_payloads_are_refused(codec):
    rng = np.random.default_rng(0)
    payload = seal(encode(codec, make_update(make_layout((3, 5), (), (12,))))[0], codec.wire_id)
    flips = [bytearray(payload) for _ in range(8 * len(payload))]
    for bit, damaged in enumerate(flips):
        damaged[bit // 8] ^= 1 << bit % 8
    n_seen = 0
    for damaged in [*map(bytes, flips), *damaged_bodies(payload, rng, n_random=200)]:
        if damaged != payload:
            n_seen += 1
            with pytest.raises(PayloadError):
                unseal(damaged, codec.wire_id)
    assert n_seen > 300


@codecs
def test_a_body_of_another_length_is_refused(codec):
    layout = make_layout((3, 5), (), (12,))
    body, _ = encode(codec, make_update(layout))
    for wrong in damaged_bodies(body, np.random.default_rng(0), n_random=0):
        with pytest.raises(PayloadError):
            codec.decode(wrong, layout, AGREED)


@codecs
def test_a_body_of_another_layout_is_refused(codec):
    body, _ = encode(codec, make_update(digits_layout()))
    with pytest.raises(PayloadError):
        codec.decode(body, make_layout(*DIGITS_MLP_SHAPES, (60,)), AGREED)


@codecs
def test_foreign_bytes_of_the_right_length_are_refused_or_decode_to_finite_numbers(codec):
    rng = np.random.default_rng(0)
    layout = make_layout((3, 5), (), (12,))
    body, _ = encode(codec, make_update(layout))
    foreign = [*damaged_bodies(body, rng, n_random=150), *(rng.bytes(len(body)) for _ in range(150))]
    for candidate in foreign:
        try:
            decoded = codec.decode(candidate, layout, AGREED)
        except PayloadError:
            continue
        assert len(candidate) == len(body)
        assert decoded.values.shape == (layout.size,)
        assert np.isfinite(decoded.values).all()


@select(lambda codec: codec.kind in ENTRY_BOUNDS and getattr(codec, "percentile", None) is None)
@updates
def test_no_entry_is_further_off_than_declared(codec, update):
    sent = update()
    decoded = round_trip(codec, sent).values.astype(np.float64)
    for tensor, place in sent.layout.slices():
        if tensor.size:
            values = sent.values[place].astype(np.float64)
            # Rounding to float32 on top: half a unit in the last place of the largest magnitude, or of a denormal.
            rounding = 2.0**-24 * np.abs(values).max() + 2.0**-150
            bound = ENTRY_BOUNDS[codec.kind](codec, values)
            assert np.abs(decoded[place] - values).max() <= bound * (1 + 1e-9) + (rounding if bound else 0)


# Fewer than five buckets over the full range are worse than nothing for a vector with outliers.
@select(lambda codec: codec.kind != "error_feedback" and getattr(codec, "levels", 5) >= 5)
def test_the_squared_error_is_below_that_of_sending_nothing(codec):
    update = make_update(digits_layout())
    error = round_trip(codec, update).values - update.values
    assert np.linalg.norm(error) < np.linalg.norm(update.values)


@stateless
def test_a_codec_without_state_passes_none_through(codec):
    assert codec.init(digits_layout()) is None
    assert encode(codec, make_update(digits_layout()))[1] is None


@stateless
def test_error_feedback_conserves_what_was_lost(codec):
    wrapped = ErrorFeedback(inner=codec)
    sent = [make_update(digits_layout(), seed) for seed in range(4)]
    residual = np.zeros(digits_layout().size)
    state = wrapped.init(digits_layout())
    for update in sent:
        body, state = encode(wrapped, update, state)
        decoded = wrapped.decode(body, update.layout, AGREED).values
        scale = np.abs(update.values) + np.abs(residual) + np.abs(decoded)
        left = decoded.astype(np.float64) + state
        right = update.values.astype(np.float64) + residual
        assert (np.abs(left - right) <= 2.0**-23 * scale).all()
        residual = state.astype(np.float64)


@codecs
def test_what_is_agreed_does_not_change_a_codec_without_randomness(codec):
    update = make_update(digits_layout())
    other = Agreed(seed=5, round=9, client=3, direction="downlink")
    again, _ = codec.encode(update, None, np.random.default_rng(99), other)
    assert again == encode(codec, update)[0]


@codecs
def test_state_goes_in_and_comes_out_and_nothing_hides_in_the_codec(codec):
    sent = [make_update(digits_layout(), seed) for seed in range(3)]
    alone, last_state = rounds(codec, sent)
    rounds(codec, [make_update(digits_layout(), seed) for seed in range(50, 53)])
    again, last_again = rounds(codec, sent)
    for first, second in zip(alone, again, strict=True):
        np.testing.assert_array_equal(first.values, second.values)
    if last_state is not None:
        np.testing.assert_array_equal(last_state, last_again)


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_payload(name):
    golden = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    assert set(golden) == set(EXAMPLES)
    assert golden_payload(EXAMPLES[name]) == golden[name]
