"""What each baseline does to numbers, by hand; the promises that all codecs share are in `contracts/test_codecs.py`."""

import re
from pathlib import Path

import numpy as np
import pytest

from baselines.float16 import Float16
from baselines.linear8 import Linear8
from baselines.nuqsgd import Nuqsgd
from baselines.qsgd import Qsgd
from baselines.sign import Sign
from baselines.signsgd import ScaledSign
from baselines.terngrad import TernGrad
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.errors import PayloadError
from harness.parts import registry
from harness.results.citations import entries
from harness.wire.body import float32_bytes
from tests.factories import AGREED, digits_layout, encode, make_layout, make_update, round_trip, update_of

ROOT = Path(__file__).parents[2]


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


def test_entropy_coded_linear8_is_as_long_as_the_entropy_of_its_bytes():
    update = make_update(make_layout((200, 1000)))
    body, _ = encode(Linear8(), update)
    shares = np.unique(np.frombuffer(body[8:], dtype=np.uint8), return_counts=True)[1] / 200_000
    entropy = -(shares * np.log2(shares)).sum()
    coded, _ = encode(Linear8(coding="ans"), update)
    assert 200_000 * entropy / 8 <= len(coded) <= 1.005 * 200_000 * entropy / 8 + 64
    np.testing.assert_array_equal(
        round_trip(Linear8(coding="ans"), update).values, round_trip(Linear8(), update).values
    )
    with pytest.raises(ValueError, match=r"^coding must be packed or ans \(got elias\)$"):
        Linear8(coding="elias")


@pytest.mark.parametrize(
    "codec", [Qsgd(coding="ans"), Nuqsgd(coding="ans"), TernGrad(coding="ans"), Linear8(coding="ans")]
)
def test_a_model_of_many_tensors_is_one_stream(codec):
    update = make_update(make_layout(*[(100,)] * 50))
    alone = [encode(codec, update_of(update.values[place]))[0] for _, place in update.layout.slices()]
    # A stream by itself takes a state and an end: four bytes or more of each tensor.
    assert len(encode(codec, update)[0]) <= sum(map(len, alone)) - 4 * 49


def test_a_range_upside_down_is_refused():
    body = float32_bytes(np.array([1.0, -1.0])) + bytes(5)
    with pytest.raises(PayloadError, match=r"range from 1\.0 to -1\.0"):
        Linear8().decode(body, make_layout((5,)), AGREED)


@pytest.mark.parametrize("codec", [Float32(), Linear8(), ScaledSign(), Qsgd(), TernGrad(), Nuqsgd()], ids=repr)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(codec, broken):
    layout = make_layout((20,))
    body, _ = encode(codec, make_update(layout))
    with pytest.raises(PayloadError, match="not finite"):
        codec.decode(float32_bytes(np.array([broken])) + body[4:], layout, AGREED)


def test_a_negative_mean_magnitude_is_refused():
    with pytest.raises(PayloadError, match="mean magnitude in the body is negative"):
        ScaledSign().decode(float32_bytes(np.array([-1.0])) + bytes(1), make_layout((3,)), AGREED)


def test_sign_by_hand():
    update = update_of([1.0, -2.0, 3e-45], [-0.5, 5.0])
    body, _ = encode(Sign(), update)
    assert body == bytes([0b01010])
    assert Sign().decode(body, update.layout, AGREED).values.tolist() == [1.0, -1.0, 1.0, -1.0, 1.0]


def test_the_sign_of_zero_is_a_fair_coin_and_the_signs_of_others_are_not():
    update = update_of(np.resize([0.0, -0.0, 1.0, -1.0], 4000))
    decoded = round_trip(Sign(), update).values.reshape(-1, 4)
    # A thousand tosses of each zero: 32 is one standard deviation of their sum.
    assert np.abs(decoded[:, :2].sum(axis=0)).max() < 5 * 32
    assert (decoded[:, 2] == 1).all() and (decoded[:, 3] == -1).all()
    other, _ = encode(Sign(), update, seed=1)
    assert other != encode(Sign(), update)[0]


def test_terngrad_by_hand():
    codec = TernGrad(clip_sigmas=None)
    body, _ = encode(codec, update_of([2.0, -2.0, 0.0, 2.0, 2.0, -2.0], [-0.5]))
    # Every entry is zero or the largest, so that nothing is left to chance: digits 2 0 1 2 2 | 0 0.
    assert body == float32_bytes(np.array([2.0, 0.5])) + bytes([2 + 0 + 9 + 2 * 27 + 2 * 81, 0])
    layout = make_layout((6,), (1,))
    assert codec.decode(body, layout, AGREED).values.tolist() == [2.0, -2.0, 0.0, 2.0, 2.0, -2.0, -0.5]


def test_terngrad_clips_at_root_mean_squares_and_leaves_equal_entries_alone():
    update = update_of([100.0, *[1.0] * 99], [3.0] * 5)
    body, _ = encode(TernGrad(clip_sigmas=2.5), update)
    root_mean_square = np.sqrt((100**2 + 99) / 100)
    np.testing.assert_allclose(np.frombuffer(body[:8], dtype="<f4"), [2.5 * root_mean_square, 3.0], rtol=1e-6)
    assert round_trip(TernGrad(), update).values[100:].tolist() == [3.0] * 5


def entropy_bits(values):
    shares = np.unique(values, return_counts=True)[1] / values.size
    return float(-(shares * np.log2(shares)).sum())


@pytest.mark.parametrize(("name", "error", "entropy"), [("normal", 1.01, 1.22), ("laplace", 0.88, 1.12)])
def test_terngrad_has_the_known_error_and_entropy(name, error, entropy):
    x = getattr(np.random.default_rng(1), name)(size=500_000).astype(np.float32)
    update = update_of(x)
    decoded = round_trip(TernGrad(), update).values.astype(np.float64)
    assert np.sum((decoded - x) ** 2) / np.sum(x.astype(np.float64) ** 2) == pytest.approx(error, rel=0.01)
    assert entropy_bits(decoded) == pytest.approx(entropy, rel=0.01)
    body, _ = encode(TernGrad(coding="ans"), update)
    assert 8 * len(body) / x.size == pytest.approx(entropy, rel=0.015)
    np.testing.assert_array_equal(round_trip(TernGrad(coding="ans"), update).values, decoded)


def test_terngrad_without_clipping_keeps_the_mean():
    update = make_update(make_layout((50,)))
    codec = TernGrad(clip_sigmas=None)
    bodies = [encode(codec, update, seed=seed)[0] for seed in range(400)]
    decoded = np.mean([codec.decode(body, update.layout, AGREED).values for body in bodies], axis=0, dtype=np.float64)
    share = np.abs(update.values) / np.abs(update.values).max()
    deviations = np.abs(update.values).max() * np.sqrt(share * (1 - share) / 400)
    assert (np.abs(decoded - update.values) <= 4.5 * deviations + 1e-7).all()


@pytest.mark.parametrize(
    ("tail", "text"),
    [(bytes([243, 0]), "byte 243 in the body is no five ternary digits"), (bytes([0, 3]), "after the last entry")],
)
def test_terngrad_refuses_what_is_no_digits(tail, text):
    with pytest.raises(PayloadError, match=text):
        TernGrad().decode(float32_bytes(np.array([1.0])) + tail, make_layout((6,)), AGREED)


@pytest.mark.parametrize("codec", [TernGrad(), Nuqsgd()], ids=repr)
def test_a_negative_scale_is_refused(codec):
    body, _ = encode(codec, update_of([1.0, -2.0]))
    with pytest.raises(PayloadError, match="in the body is negative"):
        codec.decode(float32_bytes(np.array([-1.0])) + body[4:], make_layout((2,)), AGREED)


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan"), float("inf")])
def test_terngrad_refuses_a_clip_that_leaves_nothing_or_everything(clip):
    with pytest.raises(ValueError, match=r"^clip_sigmas must be above 0 and at most 1000, or empty \(got"):
        TernGrad(clip_sigmas=clip)


def test_nuqsgd_by_hand():
    codec = Nuqsgd(levels=3, bucket=None)
    # The norm is 4, and all entries are on levels: 2, -1, 0 and the norm times 1/2, 1/4, 0 and so on.
    update = update_of([2.0, -1.0, 0.0, 2.0, -2.0, 1.0, 1.0, 1.0])
    body, _ = encode(codec, update)
    # Levels 2 -1 0 2 -2 1 1 1, each plus 3, in 3 bits.
    bits = "".join(f"{symbol:03b}"[::-1] for symbol in (5, 2, 3, 5, 1, 4, 4, 4))
    assert body == float32_bytes(np.array([4.0])) + int(bits[::-1], 2).to_bytes(3, "little")
    np.testing.assert_array_equal(codec.decode(body, update.layout, AGREED).values, update.values)


@pytest.mark.parametrize(
    ("name", "bucket", "error", "entropy"),
    [
        ("normal", 512, 0.087, 3.0),
        ("laplace", 512, 0.089, 3.0),
        ("normal", 8192, 0.34, 1.7),
        ("laplace", 8192, 0.33, 1.7),
    ],
)
def test_nuqsgd_has_the_known_error_and_entropy(name, bucket, error, entropy):
    x = getattr(np.random.default_rng(1), name)(size=64 * 8192).astype(np.float32)
    update, codec = update_of(x), Nuqsgd(levels=7, bucket=bucket)
    decoded = round_trip(codec, update).values.astype(np.float64)
    assert np.sum((decoded - x) ** 2) / np.sum(x.astype(np.float64) ** 2) == pytest.approx(error, rel=0.02)
    norms = np.frombuffer(encode(codec, update)[0][: 4 * x.size // bucket], dtype="<f4").astype(np.float64)
    assert entropy_bits(decoded / np.repeat(norms, bucket)) == pytest.approx(entropy, rel=0.04)


@pytest.mark.parametrize("levels", [1, 2, 7, 32])
def test_nuqsgd_keeps_the_mean_and_stays_between_its_neighbours(levels):
    update = make_update(make_layout((60,)))
    codec = Nuqsgd(levels=levels, bucket=40)
    bodies = [encode(codec, update, seed=seed)[0] for seed in range(400)]
    decoded = np.array([codec.decode(body, update.layout, AGREED).values for body in bodies], dtype=np.float64)
    norm = np.repeat([np.linalg.norm(update.values[:40]), np.linalg.norm(update.values[40:])], [40, 20])
    size = np.abs(update.values.astype(np.float64))
    lowest = norm * 2.0 ** (1 - levels)
    below = np.where(size < lowest, 0, norm * 2.0 ** np.floor(np.log2(size / norm)))
    above = np.where(size < lowest, lowest, 2 * below)
    assert (np.abs(decoded) >= below * (1 - 1e-6)).all() and (np.abs(decoded) <= above * (1 + 1e-6)).all()
    deviations = np.sqrt((size - below) * (above - size) / 400)
    assert (np.abs(decoded.mean(axis=0) - update.values) <= 4.5 * deviations + 1e-6 * norm).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"levels": 0}, r"levels must be 1 to 32 \(got 0\)"),
        ({"levels": 33}, r"levels must be 1 to 32 \(got 33\)"),
        ({"bucket": 0}, r"bucket must be at least 1, or empty for one per tensor \(got 0\)"),
        ({"coding": "zip"}, r"coding must be packed, elias or ans \(got zip\)"),
    ],
)
def test_nuqsgd_refuses_settings_out_of_range(settings, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        Nuqsgd(**settings)


@pytest.mark.parametrize(("name", "error"), [("normal", 0.363), ("laplace", 0.5)])
def test_scaled_sign_has_the_known_error(name, error):
    x = getattr(np.random.default_rng(1), name)(size=500_000).astype(np.float32)
    decoded = round_trip(ScaledSign(), update_of(x)).values.astype(np.float64)
    assert np.sum((decoded - x) ** 2) / np.sum(x.astype(np.float64) ** 2) == pytest.approx(error, rel=0.01)


def words(text):
    return re.sub(r"[^a-z0-9]+", " ", text.lower().replace("{", "").replace("}", "")).strip()


def test_every_source_that_a_module_head_names_is_in_a_bibliography():
    titles = [words(re.search(r"title\s*=\s*\{(.*)\},", entry.text)[1]) for entry in entries().values()]
    heads = [
        path.read_text(encoding="utf-8").split('"""')[1]
        for path in [*ROOT.glob("baselines/*.py"), *ROOT.glob("quantfl/*.py"), ROOT / "harness/wire/entropy.py"]
    ]
    cited = {words(title) for head in heads for title in re.findall(r'"([^"]+)"', head.partition("References:")[2])}
    assert len(cited) > 20
    assert [title for title in cited if not any(found.startswith(title) for found in titles)] == []


def test_an_entropy_coder_is_cited_wherever_it_can_be_used():
    for kind in registry.names("codec"):
        codings = registry.load("codec", kind).__dataclass_fields__.get("coding")
        if codings and "ans" in str(codings.type):
            assert f"codec:{kind}" in entries()["duda2013"].cited_by & entries()["bamler2022"].cited_by


@pytest.mark.parametrize(
    ("codec", "bits"),
    [
        (Float32(), 32),
        (Float16(), 16),
        (Linear8(), 8),
        (ScaledSign(), 1),
        (Sign(), 1),
        (TernGrad(), 1.585),
        (Nuqsgd(levels=7), 4),
    ],
    ids=repr,
)
def test_nominal_bits_are_those_of_the_literature(codec, bits):
    assert codec.nominal_bits(digits_layout()) == pytest.approx(bits, abs=5e-4)
