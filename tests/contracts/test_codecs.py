"""The battery that every codec passes: what `harness.core.protocols.Codec` promises, on bytes as deployed.

What a codec declares beyond that stands in `promises`; randomness is in `test_randomness`, damaged payloads are in
`test_mutated_payloads`. Laws that are about numbers are checked in all settings, the others once for each way through
the code.
"""

import dataclasses
import json
from contextlib import suppress

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from harness.core.codec_facts import facts_of
from harness.core.errors import PayloadError, UpdateError
from harness.core.protocols import Codec, state_bytes
from harness.core.types import Update
from harness.parts import registry
from harness.parts.recoding import recoded
from harness.wire.frame import seal, unseal
from tests.contracts.codec_examples import (
    EXAMPLES,
    GOLDEN_FILE,
    PATHS,
    SAME_PATHS,
    golden_record,
    golden_update,
    remedy,
    unversioned,
)
from tests.contracts.promises import promise_of
from tests.contracts.selection import draw, on_hostile_updates, paths, promised, select, settings
from tests.factories import (
    AGREED,
    DIGITS_MLP_SHAPES,
    digits_layout,
    encode,
    make_layout,
    make_update,
    round_trip,
    rounds,
    settings_bytes,
    update_of,
)


def wraps(codec):
    return hasattr(codec, "inner")


def other_codings(codec):
    """The same codec with each other coding of its indices that it allows with its settings."""
    found = []
    for coding in ("packed", "elias", "golomb", "ans"):
        with suppress(ValueError):
            found.append(recoded(codec, coding))
    return [other for other in found if other is not None]


def vectors_of(state):
    """The float32 vectors within a state."""
    if state is None:
        return []
    return [vector for part in state for vector in vectors_of(part)] if isinstance(state, tuple) else [state]


def test_every_registered_codec_has_an_example():
    assert {codec.kind for codec in PATHS.values()} == set(registry.names("codec"))


def test_what_takes_the_path_of_others_names_them():
    assert SAME_PATHS.keys() <= EXAMPLES.keys()
    for name, others in SAME_PATHS.items():
        assert set(others) <= PATHS.keys(), name
        assert EXAMPLES[name].kind in {PATHS[other].kind for other in others}, name


@settings
def test_settings_survive_the_spec(codec):
    described = registry.describe(codec)
    assert described["kind"] == codec.kind
    assert registry.build("codec", json.loads(json.dumps(described))) == codec


@paths
def test_a_codec_is_a_frozen_dataclass_that_fits_the_protocol(codec):
    assert isinstance(codec, Codec)
    assert dataclasses.is_dataclass(codec)
    assert 0 < codec.wire_id < 256
    with pytest.raises(dataclasses.FrozenInstanceError):
        codec.kind = "other"


@settings
def test_a_codec_is_what_it_says_of_itself(codec):
    """What it says is in no table of ours, so that what it does is asked; what it does not say is no mistake."""
    facts, update = facts_of(codec), make_update(digits_layout())
    kept = state_bytes(encode(codec, update)[1])
    assert facts.keeps_residual in (None, kept > update.values.nbytes / 2)
    assert facts.is_entropy_coded in (None, not promise_of(codec).has_fixed_length)
    assert not facts.is_exact or round_trip(codec, update).values.tobytes() == update.values.tobytes()
    assert facts.needs_server == promise_of(codec).needs_server


def test_wire_ids_tell_kinds_apart():
    pairs = {(codec.kind, codec.wire_id) for codec in EXAMPLES.values() if not wraps(codec)}
    assert len(pairs) == len({kind for kind, _ in pairs}) == len({wire_id for _, wire_id in pairs})


@settings
def test_nominal_bits_are_a_width(codec):
    assert 0 < codec.nominal_bits(digits_layout()) <= 64
    assert 0 <= codec.nominal_bits(make_layout()) <= 64
    if wraps(codec) and codec.kind != "exact_vectors":
        assert codec.nominal_bits(digits_layout()) == codec.inner.nominal_bits(digits_layout())


@settings
@on_hostile_updates
def test_shape_and_dtype_survive_and_the_result_is_fresh(codec, sent):
    body, _ = encode(codec, sent)
    assert isinstance(body, bytes)
    payload = seal(body, codec.wire_id, settings_bytes(codec))
    decoded = codec.decode(unseal(payload, codec.wire_id, settings_bytes(codec)), sent.layout, AGREED)
    assert decoded.layout == sent.layout
    assert decoded.values.dtype == np.float32
    assert np.isfinite(decoded.values).all()
    assert not np.shares_memory(decoded.values, sent.values)
    first = decoded.values.copy()
    decoded.values[:] = 7.0
    np.testing.assert_array_equal(codec.decode(body, sent.layout, AGREED).values, first)


@promised("has_fixed_length")
@on_hostile_updates
def test_the_length_depends_on_the_layout_only(codec, sent):
    zeros = Update(np.zeros_like(sent.values), sent.layout)
    assert len(encode(codec, sent)[0]) == len(encode(codec, zeros)[0])


@paths
@on_hostile_updates
def test_an_empty_tensor_costs_nothing(codec, sent):
    with_empty = Update(sent.values, make_layout(*(t.shape for t in sent.layout.tensors), (0, 5)))
    assert len(encode(codec, with_empty)[0]) == len(encode(codec, sent)[0])


@paths
@on_hostile_updates
def test_equal_inputs_give_equal_bytes(codec, sent):
    assert encode(codec, sent)[0] == encode(codec, sent)[0]


@paths
def test_arguments_are_not_changed_and_not_kept(codec):
    layout = digits_layout()
    _, state = encode(codec, make_update(layout))
    update = make_update(layout, seed=1)
    before = vectors_of(state)
    for array in (update.values, *before):
        array.flags.writeable = False
    body, after = encode(codec, update, state)
    for new in vectors_of(after):
        assert not any(np.shares_memory(new, old) for old in (update.values, *before))
    codec.decode(body, layout, AGREED)


@paths
def test_an_update_that_is_a_view_is_sent_like_its_copy(codec):
    wide = make_update(make_layout((2 * 9610,)))
    view = Update(wide.values[::2], digits_layout())
    copy = Update(view.values.copy(), digits_layout())
    assert encode(codec, view)[0] == encode(codec, copy)[0]


@paths
def test_nan_and_infinity_are_refused_by_tensor_name(codec):
    update = make_update(digits_layout())
    for broken in (np.nan, np.inf, -np.inf):
        update.values[8192 + 5] = broken
        with pytest.raises(UpdateError, match=r"tensor t1: 1 of 128 entries are NaN or infinite"):
            encode(codec, update)


@paths
def test_a_body_of_another_layout_is_refused(codec):
    body, _ = encode(codec, make_update(digits_layout()))
    # A rotation fills up to a multiple of 128 entries, and within that one length is like another.
    with pytest.raises(PayloadError):
        codec.decode(body, make_layout(*DIGITS_MLP_SHAPES, (128,)), AGREED)


@promised("entry_bound", among=EXAMPLES)
@on_hostile_updates
def test_no_entry_is_further_off_than_declared(codec, sent):
    decoded = round_trip(codec, sent).values.astype(np.float64)
    for tensor, place in sent.layout.slices():
        if tensor.size:
            values = sent.values[place].astype(np.float64)
            # Rounding to float32 on top: half a unit in the last place of the largest magnitude, or of a denormal.
            rounding = 2.0**-24 * np.abs(values).max() + 2.0**-150
            bound = promise_of(codec).entry_bound(values)
            assert np.abs(decoded[place] - values).max() <= bound * (1 + 1e-9) + (rounding if bound else 0)


@promised("nmse_bound", among=EXAMPLES)
def test_the_squared_error_is_as_declared(codec):
    update = make_update(digits_layout())
    promise = promise_of(codec)
    n_draws = 1 if promise.ignores_rng and promise.ignores_agreed else 8
    errors = [draw(codec, update, number) - update.values for number in range(n_draws)]
    energy = np.sum(update.values.astype(np.float64) ** 2)
    assert np.mean([np.sum(error**2) for error in errors]) / energy <= promise.nmse_bound


@promised("low_rank_nmse", among=EXAMPLES)
def test_what_has_a_low_rank_arrives(codec):
    rng = np.random.default_rng(0)
    factors = [(rng.standard_normal(rows), rng.standard_normal(columns)) for rows, columns in ((128, 64), (10, 128))]
    update = update_of(*(np.outer(*pair) for pair in factors))
    error = round_trip(codec, update).values.astype(np.float64) - update.values
    assert np.sum(error**2) <= promise_of(codec).low_rank_nmse * np.sum(update.values.astype(np.float64) ** 2)


@promised("keeps_vectors")
def test_vectors_and_scalars_arrive_exactly_and_are_charged(codec):
    update = make_update(make_layout((24, 20), (33,), (), (2, 3, 7)))
    without = Update(np.delete(update.values, slice(480, 514)), make_layout((24, 20), (2, 3, 7)))
    np.testing.assert_array_equal(round_trip(codec, update).values[480:514], update.values[480:514])
    assert len(encode(codec, update)[0]) >= len(encode(codec, without)[0]) + 4 * 34


@promised("is_stateless")
def test_a_codec_without_state_keeps_none(codec):
    assert codec.init(digits_layout()) is None
    assert encode(codec, make_update(digits_layout()))[1] is None


@paths
def test_a_state_is_float32_that_can_be_charged(codec):
    layout = digits_layout()
    _, state = rounds(codec, [make_update(layout, seed) for seed in range(2)])
    for vector in vectors_of(state):
        assert vector.dtype == np.float32
        assert vector.ndim == 1
        assert np.isfinite(vector).all()
    assert state_bytes(state) == sum(4 * vector.size for vector in vectors_of(state))


@select(lambda codec: not wraps(codec))
def test_error_feedback_conserves_what_was_lost(codec):
    wrapped = ErrorFeedback(inner=codec)
    layout = digits_layout()
    residual, state = np.zeros(layout.size), wrapped.init(layout)
    for number in range(4):
        update, agreed = make_update(layout, number), dataclasses.replace(AGREED, round=number)
        body, state = wrapped.encode(update, state, np.random.default_rng(number), agreed)
        decoded = wrapped.decode(body, layout, agreed).values
        kept = vectors_of(state)[0]
        scale = np.abs(update.values) + np.abs(residual) + np.abs(decoded)
        left = decoded.astype(np.float64) + kept
        right = update.values.astype(np.float64) + residual
        assert (np.abs(left - right) <= 2.0**-23 * scale).all()
        residual = kept.astype(np.float64)


@paths
def test_state_goes_in_and_comes_out_and_nothing_hides_in_the_codec(codec):
    sent = [make_update(digits_layout(), seed) for seed in range(3)]
    alone, last_state = rounds(codec, sent)
    rounds(codec, [make_update(digits_layout(), seed) for seed in range(50, 53)])
    again, last_again = rounds(codec, sent)
    for first, second in zip(alone, again, strict=True):
        np.testing.assert_array_equal(first.values, second.values)
    for first, second in zip(vectors_of(last_state), vectors_of(last_again), strict=True):
        np.testing.assert_array_equal(first, second)


@select(other_codings)
@on_hostile_updates
def test_every_coding_carries_the_same_indices(codec, sent):
    decoded = round_trip(codec, sent).values
    for other in other_codings(codec):
        np.testing.assert_array_equal(round_trip(other, sent).values, decoded)


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_payload(name):
    golden = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    assert set(golden) == set(EXAMPLES)
    codec, made, recorded = EXAMPLES[name], golden_record(EXAMPLES[name]), golden[name]
    if promise_of(codec).is_portable:
        assert made["payload"] == recorded["payload"], remedy(codec)
    body = unseal(bytes.fromhex(recorded["payload"]), codec.wire_id, settings_bytes(codec))
    decoded = codec.decode(body, golden_update().layout, AGREED).values
    values = np.frombuffer(bytes.fromhex(recorded["decoded"]), dtype="<f4")
    if promise_of(codec).decodes_portably:
        np.testing.assert_array_equal(decoded, values, err_msg=remedy(codec))
    else:
        np.testing.assert_allclose(decoded, values, rtol=1e-6, err_msg=remedy(codec))
    # A sender on another machine means about the same.
    np.testing.assert_allclose(np.frombuffer(bytes.fromhex(made["decoded"]), dtype="<f4"), values, rtol=1e-5, atol=1e-6)


def test_a_payload_that_changed_is_recorded_anew_only_under_a_raised_version():
    before = {"a": {"payload": "00", "decoded": "00"}, "b": {"payload": "01", "decoded": "00"}}
    changed = before | {"a": {"payload": "02", "decoded": "00"}, "new": {"payload": "03", "decoded": "00"}}
    assert unversioned(before, before) == [] and unversioned(before, changed) == ["a"]
    assert unversioned(before, changed | {"a": changed["a"] | {"versions": {"a": 2}}}) == []
