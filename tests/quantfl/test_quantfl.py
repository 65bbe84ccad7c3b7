"""QuantFL as a codec: settings, bytes, errors, bias and length, on payload bodies as deployed."""

import dataclasses

import numpy as np
import pytest

from harness.core.errors import PayloadError
from harness.core.types import Agreed, Update
from harness.parts import registry
from harness.wire.packing import bits_for, unpack
from quantfl import presets
from quantfl.codec import QuantFL
from tests.factories import AGREED, encode, make_layout, make_update, round_trip, update_of

FLOAT32_MAX = np.finfo(np.float32).max


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": 1}, "levels must be 2 to 65536 (got 1)"),
        ({"levels": 0}, "levels must be 2 to 65536 (got 0)"),
        ({"levels": 65537}, "levels must be 2 to 65536 (got 65537)"),
        ({"levels": 64, "step": 1.0}, "step stands instead of levels, here 64 (got 1.0)"),
        ({"step": 0.0}, "step must be 0.001 to 100 (got 0.0)"),
        ({"step": float("nan")}, "step must be 0.001 to 100 (got nan)"),
        ({"step": 1.0, "coding": "packed"}, "coding must be ans without levels (got packed)"),
        ({"coding": "zip"}, "coding must be packed or ans (got zip)"),
        ({"levels": 64, "dead_zone": 0.6}, "dead_zone is for step, not for levels, here 64 (got 0.6)"),
        ({"dead_zone": 0.4}, "dead_zone must be 0.5 to 1 (got 0.4)"),
        (
            {"dead_zone": 0.6, "rounding": "dither"},
            "dead_zone is for rounding: nearest or trellis, not dither (got 0.6)",
        ),
        ({"buckets": "mass"}, "buckets is for levels only (got mass)"),
        ({"range_rule": "sigma", "sigmas": 3.0}, "range_rule is for levels only (got sigma)"),
        ({"percentile": 99.0}, "percentile is for levels only (got 99.0)"),
        ({"scope": "model"}, "scope is for levels only (got model)"),
        ({"block_size": 64}, "block_size is for levels only (got 64)"),
        ({"levels": 4, "range_rule": "full"}, "range_rule must be min_max or absmax or sigma or percentile (got full)"),
        ({"levels": 4, "reconstruction": "edge"}, "reconstruction must be centre or mean or matched (got edge)"),
        (
            {"levels": 4, "percentile": 99.9},
            "percentile is for range_rule: percentile only, not min_max (got 99.9)",
        ),
        (
            {"levels": 4, "range_rule": "percentile"},
            "percentile must be above 50 and below 100, e.g. 99.9 (got None)",
        ),
        (
            {"levels": 4, "range_rule": "percentile", "percentile": 0.999},
            "percentile must be above 50 and below 100, e.g. 99.9 (got 0.999)",
        ),
        ({"levels": 4, "range_rule": "sigma"}, "sigmas must be above 0, at most 1000, e.g. 4.0 (got None)"),
        ({"levels": 4, "sigmas": 2.0}, "sigmas is for range_rule: sigma only, not min_max (got 2.0)"),
        ({"levels": 4, "scope": "block"}, "block_size must be 2 or more with scope: block, e.g. 1024 (got None)"),
        (
            {"levels": 4, "scope": "block", "block_size": 1},
            "block_size must be 2 or more with scope: block, e.g. 1024 (got 1)",
        ),
        ({"levels": 4, "block_size": 64}, "block_size is for scope: block only, here tensor (got 64)"),
        (
            {"levels": 4, "buckets": "mass", "reconstruction": "centre"},
            "reconstruction must be mean with buckets: mass (got centre)",
        ),
        (
            {"levels": 4, "buckets": "mass", "rounding": "dither"},
            "rounding must be nearest with buckets: mass (got dither)",
        ),
        (
            {"levels": 4, "buckets": "mass", "range_rule": "absmax"},
            "range_rule is for buckets: width only (got absmax)",
        ),
        (
            {"levels": 4, "reconstruction": "matched"},
            "reconstruction is for step, not for levels, here 4 (got matched)",
        ),
        (
            {"step": 1.0, "rounding": "trellis", "reconstruction": "matched"},
            "reconstruction must be centre or mean with rounding: trellis (got matched)",
        ),
        (
            {"levels": 4, "rounding": "stochastic", "reconstruction": "mean"},
            "reconstruction must be centre with rounding: stochastic (got mean)",
        ),
        ({"rounding": "up"}, "rounding must be nearest or trellis or stochastic or dither (got up)"),
        ({"levels": 4, "rounding": "trellis"}, "rounding is for step, not for levels, here 4 (got trellis)"),
        ({"vectors": "skip"}, "vectors must be float32 or coded or fine (got skip)"),
        ({"levels": 8, "vectors": "fine"}, "vectors must be float32 or coded with levels, here 8 (got fine)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError) as refused:
        QuantFL(**settings)
    assert str(refused.value) == message


def test_presets():
    paper = registry.build("codec", "quantfl-paper")
    assert paper == QuantFL(levels=64, coding="packed", reconstruction="centre", vectors="float32")
    ours = registry.build("codec", "quantfl")
    update = make_update(make_layout((300, 200), (50,)))
    spelt_out = QuantFL(step=presets.STEP, dead_zone=presets.DEAD_ZONE, reconstruction="matched", vectors="fine")
    assert encode(ours, update)[0] == encode(spelt_out, update)[0]
    assert registry.build("codec", {"kind": "quantfl", "levels": 64}) == QuantFL(levels=64)


@pytest.mark.parametrize(
    ("codec", "bits"),
    [(QuantFL(levels=2), 1), (QuantFL(levels=50), 6), (QuantFL(levels=65536), 16), (QuantFL(step=0.5), 6)],
)
def test_nominal_bits(codec, bits):
    # Without levels: indices up to 8 / 0.5 = 16 to either side, 33 of them.
    assert codec.nominal_bits(make_layout((3, 3))) == bits


# --- What is on the wire ---


def test_a_body_of_buckets_by_hand():
    # Range [-1, 3], four buckets of width 1, centres -0.5, 0.5, 1.5, 2.5; two bits each; then nothing else.
    update = update_of([[-1.0, 3.0, 0.25], [1.75, -0.5, 2.0]], [0.5])
    body, _ = encode(QuantFL(levels=4, coding="packed"), update)
    assert np.frombuffer(body[:12], dtype="<f4").tolist() == [-1.0, 3.0, 0.5]
    assert unpack(body[12:], 6, 2).tolist() == [0, 3, 1, 2, 0, 3]
    decoded = QuantFL(levels=4, coding="packed").decode(body, update.layout, AGREED)
    assert decoded.values.tolist() == [-0.5, 2.5, 0.5, 1.5, -0.5, 2.5, 0.5]


def test_the_step_on_the_wire_is_in_root_mean_squares_of_what_is_coded():
    update = update_of(np.resize([3.0, -4.0], (20, 30)), np.full(5, 1e6))
    body, _ = encode(QuantFL(step=0.5, vectors="float32"), update)
    assert np.frombuffer(body[:4], dtype="<f4")[0] == np.float32(0.5 * 12.5**0.5)
    # No tensor goes as float32 after all, nothing escapes, and then comes the vector.
    assert body[4:6] == b"\0\0"
    assert np.frombuffer(body[6:26], dtype="<f4").tolist() == [1e6] * 5


def test_vectors_go_as_they_are_or_are_coded():
    update = make_update(make_layout((40, 50), (2000,), ()))
    raw = QuantFL(vectors="float32")
    as_they_are, coded = round_trip(raw, update), round_trip(QuantFL(vectors="coded"), update)
    np.testing.assert_array_equal(as_they_are.values[2000:], update.values[2000:])
    assert (coded.values[2000:4000] != update.values[2000:4000]).any()
    assert len(encode(QuantFL(vectors="coded"), update)[0]) < len(encode(raw, update)[0]) - 6000


def _many_vectors(n_vectors=60, scale=1.0):
    """Matrices, and among them vectors of different lengths, 4 % of all entries."""
    shapes = [shape for number in range(n_vectors) for shape in ((20, 60), (16 + number,))]
    layout = make_layout(*shapes)
    update = make_update(layout, scale=1.0)
    for tensor, place in layout.slices():
        update.values[place] *= scale if len(tensor.shape) == 1 else 1
    is_vector = np.concatenate([np.full(tensor.size, len(tensor.shape) == 1) for tensor, _ in layout.slices()])
    return update, is_vector


@pytest.mark.parametrize("rounding", ["nearest", "trellis", "stochastic", "dither"])
@pytest.mark.parametrize("scale", [1.0, 30.0, 0.01])
def test_fine_vectors_have_a_sixteenth_of_the_step(rounding, scale):
    update, is_vector = _many_vectors(scale=scale)
    codec = QuantFL(step=1.0, rounding=rounding, vectors="fine")
    body, _ = encode(codec, update)
    step = np.sqrt(np.square(update.values[~is_vector], dtype=np.float64).mean())
    assert np.frombuffer(body[:4], dtype="<f4")[0] == pytest.approx(step, rel=1e-6)
    error = np.abs(codec.decode(body, update.layout, AGREED).values - update.values)
    most = {"nearest": 1.0, "trellis": 1.2, "stochastic": 1.0, "dither": 0.5}[rounding]
    assert error[is_vector].max() <= most * step / 16 * 1.001
    assert error[~is_vector].max() > 0.45 * step


def test_fine_vectors_cost_about_four_bits_more_and_share_one_histogram():
    update, is_vector = _many_vectors()
    bits = {v: 8 * len(encode(QuantFL(step=1.0, vectors=v), update)[0]) for v in ("float32", "fine", "coded")}
    without = bits["float32"] - 32 * is_vector.sum()
    # 2720 entries at 2 bits, and 2 + 4 bits; with 60 histograms it would be thousands of bits more.
    assert (bits["coded"] - without) / is_vector.sum() == pytest.approx(1.95, abs=0.15)
    assert (bits["fine"] - without) / is_vector.sum() == pytest.approx(6.1, abs=0.25)


@pytest.mark.parametrize("step", [0.001, 1.0, 100.0])
def test_fine_vectors_by_themselves_outliers_and_zeros(step):
    codec = QuantFL(step=step, vectors="fine")
    alone = make_update(make_layout((4000,), ()), scale=1.0)
    assert np.abs(round_trip(codec, alone).values - alone.values).max() <= 1.01 * step / 16 * 1.5
    shouting = update_of(alone.values[:3000].reshape(30, 100), np.where(np.arange(500) == 7, 1e9, 0.1))
    assert round_trip(codec, shouting).values[3007] == np.float32(1e9)
    silent = update_of(np.zeros((50, 50)), np.resize([0.25, -0.5], 300))
    np.testing.assert_array_equal(round_trip(codec, silent).values, silent.values)


def test_a_tensor_that_would_not_get_shorter_goes_as_it_is():
    # 65536 levels: 4 entries take 8 + 8 = 16 bytes either way and are sent as float32; 5 take 18 < 20 and are coded.
    codec = QuantFL(levels=65536, coding="packed", vectors="coded")
    four, five = update_of([0.1, 0.25, 0.3, 1.0]), update_of([0.1, 0.25, 0.3, 0.7, 1.0])
    np.testing.assert_array_equal(round_trip(codec, four).values, four.values)
    assert (round_trip(codec, five).values != five.values).any()


def test_a_tensor_whose_entries_escape_goes_as_float32():
    # At this scale half of the second tensor is beyond 8191 steps.
    rng = np.random.default_rng(0)
    update = update_of(rng.laplace(size=(400, 500)), 1e5 * rng.normal(size=(8, 8)))
    codec = QuantFL(step=0.001)
    decoded = round_trip(codec, update).values
    np.testing.assert_array_equal(decoded[200_000:], update.values[200_000:])
    assert len(encode(codec, update)[0]) < 0.3 * update.values.nbytes


def test_an_outlier_escapes_and_costs_about_its_float32():
    values = np.random.default_rng(0).laplace(size=(600, 500)).astype(np.float32)
    without = len(encode(QuantFL(), update_of(values))[0])
    values[3, 4], values[5, 6] = 100_000.0, -9_000.0
    # The root mean square rises to 183: of these, 0.03 steps long, nearly all are zeros; the two are 546 and 49 steps.
    shouting = update_of(values)
    assert len(encode(QuantFL(), shouting)[0]) < without / 20
    for rounding in ("nearest", "trellis", "dither"):
        fine = QuantFL(step=0.005, rounding=rounding)
        decoded = round_trip(fine, shouting).values.reshape(values.shape)
        assert decoded[3, 4] == 100_000.0
        assert decoded[5, 6] == -9_000.0
        assert np.abs(decoded - values).max() < 0.005 * 183.4 * 1.1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rounding": "dither"},
        {"rounding": "stochastic"},
        {"rounding": "trellis"},
        {"step": 0.01},
        {"step": 0.01, "rounding": "trellis"},
    ],
    ids=repr,
)
def test_extremes_beside_each_other(settings):
    codec = QuantFL(vectors="coded", **settings)
    entries = np.resize(np.array([1e38, 1e-38, -1e-45, 0.0, FLOAT32_MAX, -3.0], dtype=np.float32), 5000)
    decoded = round_trip(codec, update_of(entries, np.full(300, 1e-42), np.full((9, 9), -FLOAT32_MAX)))
    assert np.isfinite(decoded.values).all()
    tiny = update_of(np.resize([1e-45, -4e-45, 0.0], (50, 50)))
    assert np.abs(round_trip(codec, tiny).values - tiny.values).max() <= 1e-44


def test_one_step_spends_no_bits_on_a_quiet_tensor():
    rng = np.random.default_rng(0)
    update = update_of(rng.laplace(size=(300, 300)), 1e-4 * rng.laplace(size=(300, 300)))
    alone = update_of(rng.laplace(size=(300, 300)))
    # The step is in root mean squares of both, 1 / sqrt(2) of that of the loud one.
    both = len(encode(QuantFL(step=1.0), update)[0])
    assert both < len(encode(QuantFL(step=0.5**0.5), alone)[0]) + 80


# --- Errors ---

BOUNDED = {
    "centre": ({"levels": 10}, lambda low, high, rms: (high - low) / 20),
    "mean": ({"levels": 10, "reconstruction": "mean"}, lambda low, high, rms: (high - low) / 10),
    "absmax": ({"levels": 10, "range_rule": "absmax"}, lambda low, high, rms: max(high, -low) / 10),
    "model": ({"levels": 1000, "scope": "model"}, lambda low, high, rms: (high - low) / 2000),
    "stochastic": ({"levels": 10, "rounding": "stochastic"}, lambda low, high, rms: (high - low) / 9),
    "dither": ({"levels": 10, "rounding": "dither"}, lambda low, high, rms: (high - low) / 18),
    "step": ({"step": 0.3, "dead_zone": 0.5, "reconstruction": "centre"}, lambda low, high, rms: 0.15 * rms),
    "dead zone": ({"step": 0.3, "dead_zone": 0.8, "reconstruction": "centre"}, lambda low, high, rms: 0.24 * rms),
    "step mean": ({"step": 0.3}, lambda low, high, rms: 0.3 * rms),
    "step stochastic": ({"step": 0.3, "rounding": "stochastic"}, lambda low, high, rms: 0.3 * rms),
    "trellis": ({"step": 0.3, "rounding": "trellis", "dead_zone": 0.5}, lambda low, high, rms: 0.6 * rms),
    "step dither": ({"step": 0.3, "rounding": "dither"}, lambda low, high, rms: 0.15 * rms),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_no_entry_is_further_off_than_declared(name):
    settings, bound = BOUNDED[name]
    update = make_update(make_layout((70, 90)), scale=0.01)
    values = update.values.astype(np.float64)
    error = np.abs(round_trip(QuantFL(**settings), update).values - values).max()
    allowed = bound(values.min(), values.max(), np.sqrt(np.square(values).mean()))
    assert error <= allowed * (1 + 1e-5) + 2.0**-22 * np.abs(values).max()
    assert error > allowed / 3


def test_blocks_have_ranges_of_their_own():
    loud_and_quiet = np.concatenate([np.random.default_rng(0).normal(size=1000) * scale for scale in (1, 1e-3, 1)])
    update = update_of(loud_and_quiet[None])
    blocked = QuantFL(levels=16, scope="block", block_size=1000)
    error = np.abs(round_trip(blocked, update).values - update.values)
    assert error[1000:2000].max() < 1e-3 * 0.3
    assert np.abs(round_trip(QuantFL(levels=16), update).values - update.values)[1000:2000].max() > 0.1


def test_a_model_wide_range_is_that_of_all_coded_tensors():
    update = update_of([[1.0, 2.0]] * 20, np.full(7, 99.0), [[-6.0, 10.0]] * 20)
    decoded = round_trip(QuantFL(levels=4, scope="model"), update).values
    # Buckets of width 4 from -6 to 10.
    assert decoded.tolist() == [0.0, 4.0] * 20 + [99.0] * 7 + [-4.0, 8.0] * 20


def test_a_clipped_range_is_finer_within_and_clips_beyond():
    update = make_update(make_layout((300, 300)), scale=1.0)
    for settings in ({"range_rule": "sigma", "sigmas": 3.0}, {"range_rule": "percentile", "percentile": 99.0}):
        decoded = round_trip(QuantFL(levels=16, **settings), update).values
        inside = np.abs(update.values) < 3
        assert np.abs(decoded - update.values)[inside].max() < 0.35
        assert np.abs(decoded).max() < 5 < np.abs(update.values).max()


def test_means_of_equal_mass_keep_the_sum():
    update = make_update(make_layout((100, 200)), scale=1.0)
    decoded = round_trip(QuantFL(levels=8, buckets="mass"), update).values
    assert len(np.unique(decoded)) == 8
    assert decoded.sum(dtype=np.float64) == pytest.approx(update.values.sum(dtype=np.float64), abs=1e-2)


UNBIASED = [
    {"levels": 4, "rounding": "stochastic"},
    {"levels": 4, "rounding": "dither", "coding": "packed"},
    {"levels": 4, "rounding": "stochastic", "scope": "block", "block_size": 100},
    {"levels": 4, "rounding": "dither", "scope": "model"},
    {"step": 1.0, "rounding": "stochastic"},
    {"step": 1.0, "rounding": "dither"},
]


@pytest.mark.parametrize("settings", UNBIASED, ids=repr)
def test_rounding_at_random_is_unbiased(settings):
    codec, n_draws = QuantFL(**settings), 400
    update = make_update(make_layout((20, 30), (3,)), scale=1.0)
    total, squares = np.zeros(603), np.zeros(603)
    for draw in range(n_draws):
        agreed = Agreed(seed=1, round=draw, client=2, direction="uplink")
        body, _ = codec.encode(update, None, np.random.default_rng(draw), agreed)
        error = codec.decode(body, update.layout, agreed).values.astype(np.float64) - update.values
        total += error
        squares += error**2
    # An entry next to a point may never have been rounded to the other one in 400 draws: its deviation is a guess.
    deviation = np.maximum(np.sqrt(squares / n_draws), 0.3)
    scores = total / n_draws / deviation * np.sqrt(n_draws)
    assert np.abs(scores).max() < 4.5
    assert np.abs(scores[:600].mean()) < 0.2


@pytest.mark.parametrize(
    ("settings", "step_of"),
    [
        ({"levels": 9, "rounding": "dither"}, lambda values: (values.max() - values.min()) / 8),
        ({"step": 1.0, "rounding": "dither"}, lambda values: np.sqrt(np.square(values, dtype=np.float64).mean())),
    ],
)
def test_dither_makes_the_error_uniform_whatever_the_entry(settings, step_of):
    update = make_update(make_layout((300, 200)), scale=1.0)
    error = (round_trip(QuantFL(**settings), update).values - update.values) / step_of(update.values)
    assert np.square(error).mean() == pytest.approx(1 / 12, rel=0.02)
    assert np.abs(error).max() <= 0.5 + 1e-5
    assert abs(np.corrcoef(error, update.values)[0, 1]) < 0.02
    stochastic = round_trip(QuantFL(**settings | {"rounding": "stochastic"}), update).values - update.values
    assert np.square(stochastic).mean() > 1.5 * np.square(error * step_of(update.values)).mean()


def test_dither_comes_from_what_was_agreed_and_nothing_else():
    codec = QuantFL(step=1.0, rounding="dither")
    update = make_update(make_layout((20, 30), (20, 30)))
    body, _ = codec.encode(update, None, np.random.default_rng(1), AGREED)
    assert body == codec.encode(update, None, np.random.default_rng(2), AGREED)[0]
    for change in ({"seed": 1}, {"round": 2}, {"client": 1}, {"direction": "downlink"}):
        other = dataclasses.replace(AGREED, **change)
        assert codec.encode(update, None, np.random.default_rng(1), other)[0] != body


# --- Two codings, one decoded update ---


@pytest.mark.parametrize(
    "settings",
    [
        {"levels": 64},
        {"levels": 3, "reconstruction": "mean"},
        {"levels": 1000, "rounding": "dither"},
        {"levels": 300, "rounding": "stochastic", "scope": "model"},
        {"levels": 17, "scope": "block", "block_size": 64},
        {"levels": 20, "buckets": "mass", "vectors": "coded"},
        {"levels": 8, "range_rule": "sigma", "sigmas": 2.0, "vectors": "coded"},
    ],
    ids=repr,
)
def test_both_codings_decode_to_the_same_values(settings):
    update = make_update(make_layout((33, 40), (9,), (4, 4), (300, 3), (0, 2), (1, 1)))
    packed, coded = (QuantFL(coding=coding, **settings) for coding in ("packed", "ans"))
    np.testing.assert_array_equal(round_trip(packed, update).values, round_trip(coded, update).values)


# --- Length ---


def _samples(source, n, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n) if source == "normal" else rng.laplace(size=n)
    return (values / np.sqrt(np.square(values).mean())).astype(np.float32)


def _gap(codec, values):
    """Rate, bits an entry, and mean squared error."""
    update = Update(values, make_layout((1000, values.size // 1000)))
    body, _ = encode(codec, update)
    rate = 8 * len(body) / values.size
    decoded = codec.decode(body, update.layout, AGREED).values
    return rate, np.square(decoded - values, dtype=np.float64).mean()


@pytest.mark.parametrize("step", [0.82, 0.5, 0.25, 0.12, 0.06])
@pytest.mark.parametrize("source", ["normal", "laplace"])
def test_payloads_are_within_a_quarter_bit_of_the_shannon_bound(source, step):
    rate, error = _gap(QuantFL(step=step, dead_zone=0.5), _samples(source, 1_000_000))
    bound = 0.5 * np.log2((1.0 if source == "normal" else np.e / np.pi) / error)
    assert 2 < rate < 6.3
    assert rate - bound <= 0.26


@pytest.mark.parametrize("step", [1.0, 0.5, 0.12])
@pytest.mark.parametrize("source", ["normal", "laplace"])
def test_the_trellis_is_within_a_tenth_of_a_bit_of_the_shannon_bound(source, step):
    rate, error = _gap(QuantFL(step=step, dead_zone=0.5, rounding="trellis"), _samples(source, 1_000_000))
    bound = 0.5 * np.log2((1.0 if source == "normal" else np.e / np.pi) / error)
    assert 2 < rate < 5.2
    assert rate - bound <= 0.1


def test_the_trellis_passes_through_all_tensors():
    # Tensors of every kind in one sequence: tiny ones that go as float32 drop out of it, outliers stay in it.
    rng = np.random.default_rng(0)
    loud = rng.laplace(size=(100, 90))
    loud[5, 7] = 1e4
    update = update_of(loud, [[3.0]], rng.laplace(size=(70, 90)), np.zeros((30, 30)), rng.normal(size=9))
    codec = QuantFL(step=0.01, rounding="trellis", vectors="float32")
    decoded = round_trip(codec, update).values
    step = 0.01 * np.sqrt(np.square(update.values[:-9], dtype=np.float64).mean())
    error = np.abs(decoded - update.values)
    assert error.max() < 2 * step
    assert error[-9:].max() == 0
    assert decoded[9000] == 3.0
    assert decoded[5 * 90 + 7] == 1e4
    assert not decoded[15_301:16_201].any()


def test_a_dead_zone_pays_at_low_rates():
    values = _samples("laplace", 1_000_000)
    gaps = []
    for dead_zone in (0.5, presets.DEAD_ZONE):
        rate, error = _gap(QuantFL(step=1.0, dead_zone=dead_zone), values)
        gaps.append(rate - 0.5 * np.log2(np.e / np.pi / error))
    assert gaps[1] < gaps[0] - 0.01
    assert gaps[1] < 0.215


@pytest.mark.parametrize("n", [100, 300, 1000, 3000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize(
    "settings",
    [{"levels": 2}, {"levels": 16}, {"levels": 64}, {"levels": 256}, {}, {"step": 0.1}, {"step": 3.0}],
    ids=repr,
)
def test_length_is_within_half_a_percent_and_64_bytes_of_the_entropy_of_the_indices(settings, n):
    update = Update(_samples("laplace", n), make_layout((1, n)))
    codec = QuantFL(**settings)
    body, _ = encode(codec, update)
    counts = np.unique(codec.decode(body, update.layout, AGREED).values, return_counts=True)[1]
    entropy = float(-(counts * np.log2(counts / n)).sum()) / 8
    assert len(body) <= 1.005 * entropy + 64


def test_small_tensors_share_one_stream():
    layout = make_layout(*[(10, 10)] * 50)
    update = Update(_samples("laplace", 5000), layout)
    together = len(encode(QuantFL(step=0.5), Update(update.values, make_layout((50, 100))))[0])
    assert len(encode(QuantFL(step=0.5), update)[0]) < together + 50 * 12


# --- Robustness ---


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"step": 0.01},
        {"rounding": "trellis"},
        {"rounding": "dither"},
        {"levels": 64},
        {"levels": 9, "reconstruction": "mean"},
    ],
    ids=repr,
)
def test_any_bytes_are_refused_or_decode_to_finite_numbers(settings):
    codec = QuantFL(vectors="coded", **settings)
    layout = make_layout((9, 5), (), (12,), (300,))
    values = make_update(layout, scale=1.0).values
    values[60:63] = 1e5, -1e9, 7e4
    body, _ = encode(codec, Update(values, layout))
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(1500):
        foreign = bytearray(body if rng.random() < 0.7 else rng.bytes(len(body)))
        for place in rng.integers(0, len(foreign), rng.integers(1, 5)):
            foreign[place] = rng.integers(256)
        if rng.random() < 0.3:
            foreign = foreign[: rng.integers(len(foreign))] + rng.bytes(rng.integers(8))
        try:
            decoded = codec.decode(bytes(foreign), layout, AGREED).values
        except PayloadError:
            n_refused += 1
        else:
            assert decoded.shape == (layout.size,)
            assert np.isfinite(decoded).all()
    assert n_refused > 300


def test_an_index_beyond_the_levels_is_refused():
    layout = make_layout((10, 10))
    codec = QuantFL(levels=5, coding="packed")
    body, _ = encode(codec, make_update(layout))
    with pytest.raises(PayloadError, match="index 7 in the body, expected 0 to 4"):
        codec.decode(body[:-1] + b"\x0e", layout, AGREED)
    assert bits_for(5) == 3


def test_a_range_that_ends_before_it_begins_is_refused():
    layout = make_layout((10, 10))
    codec = QuantFL(levels=4, coding="packed")
    body, _ = encode(codec, make_update(layout))
    with pytest.raises(PayloadError, match="a range in the body ends below its beginning"):
        codec.decode(body[4:8] + body[:4] + body[8:], layout, AGREED)


def test_escapes_without_an_index_are_refused():
    layout = make_layout((30, 30))
    body, _ = encode(QuantFL(), make_update(layout))
    assert body[5] == 0
    with pytest.raises(PayloadError, match="1 escapes in the body that no index stands for"):
        QuantFL().decode(body[:5] + b"\x01" + bytes(4) + body[6:], layout, AGREED)


def test_means_are_of_all_taps_of_a_kernel():
    """Sampled at a stride that divides the shape, one tap would stand for all nine; here they differ fourfold."""
    layout = make_layout((128, 64, 3, 3))
    taps = np.array([0.4, 0.7, 0.4, 0.7, 1.6, 0.7, 0.4, 0.7, 0.4])
    values = np.random.default_rng(0).laplace(size=(128, 64, 9)) * taps
    gains = []
    for shape in (values.reshape(-1), np.random.default_rng(1).permutation(values.reshape(-1))):
        sent = Update(shape.astype(np.float32), layout)
        decoded = round_trip(QuantFL(step=2.0), sent).values
        gains.append(float(decoded @ sent.values) / float(sent.values @ sent.values))
    assert gains[0] == pytest.approx(gains[1], rel=0.02)
