"""QSGD by hand, against the numbers known of it, and inside error feedback; and the Elias code that its paper uses."""

import dataclasses
import math

import numpy as np
import pytest

from baselines.elias import BitReader, omega_bits, packed_bits
from baselines.error_feedback import ErrorFeedback
from baselines.qsgd import Qsgd, omega_l2
from harness.core.errors import PayloadError
from harness.wire.body import float32_bytes
from tests.factories import AGREED, encode, make_layout, make_update, update_of


def omega(number):
    """Elias's recursive code as a string, from its definition."""
    word = "0"
    while number > 1:
        group = f"{number:b}"
        word = group + word
        number = len(group) - 1
    return word


def source(name, n=1_000_000):
    """An update of one tensor with independent entries."""
    rng = np.random.default_rng(1)
    return update_of((rng.normal(size=n) if name == "gaussian" else rng.laplace(size=n)).astype(np.float32))


def levels_of(codec, update, body):
    """The signed level of each entry, from a body in the form ``packed`` with whole fields."""
    decoded = codec.decode(body, update.layout, AGREED).values
    sizes = np.full(-(-update.values.size // (codec.bucket or update.values.size)), codec.bucket or update.values.size)
    norms = np.frombuffer(body[: 4 * sizes.size], dtype="<f4").astype(np.float64)
    return np.rint(decoded * codec.levels / np.repeat(norms, sizes)[: decoded.size]).astype(int)


def entropy_bits(symbols):
    shares = np.unique(symbols, return_counts=True)[1] / symbols.size
    return float(-(shares * np.log2(shares)).sum())


def nmse(update, decoded):
    exact = update.values.astype(np.float64)
    return float(np.sum((decoded.values - exact) ** 2) / np.sum(exact**2))


# Every entry is on a level, so that nothing is left to chance: 5, -3, 0 and 1 fifths of 5.
ON_LEVELS = [5.0, -3.0, 0.0, 1.0]


def test_packed_by_hand():
    codec = Qsgd(levels=5, norm="linf", bucket=None)
    body, _ = encode(codec, update_of(ON_LEVELS))
    # 11 symbols take 4 bits: levels plus 5 are 10, 2, 5, 6.
    assert body == float32_bytes(np.array([5.0])) + bytes([0x2A, 0x65])
    assert codec.decode(body, make_layout((4,)), AGREED).values.tolist() == ON_LEVELS


def test_elias_by_hand():
    codec = Qsgd(levels=5, norm="linf", bucket=None, coding="elias")
    body, _ = encode(codec, update_of(ON_LEVELS))
    # Levels 5, -3, 1 at distances 1, 1, 2. Codewords: 0, 0, 100; and 101010, 110, 0; signs 0, 1, 0.
    distances = "001" + "0" + "0"
    magnitudes = "110" + "10" + "0" + "0" + "11" + "0"
    bits = distances + magnitudes + "010"
    assert body[:8] == float32_bytes(np.array([5.0])) + (3).to_bytes(4, "little")
    assert body[8:] == int(bits[::-1], 2).to_bytes(3, "little")
    assert codec.decode(body, make_layout((4,)), AGREED).values.tolist() == ON_LEVELS


def test_blocks_have_norms_of_their_own():
    update = update_of([3.0, 4.0, 0.0, 0.0, -2.0], [6.0, 8.0])
    body, _ = encode(Qsgd(levels=127, norm="l2", bucket=2), update)
    assert np.frombuffer(body[:16], dtype="<f4").tolist() == [5.0, 0.0, 2.0, 10.0]
    body, _ = encode(Qsgd(levels=127, norm="linf", bucket=None), update)
    assert np.frombuffer(body[:8], dtype="<f4").tolist() == [4.0, 8.0]


# Fixed-length bits, entropy and squared error were simulated elsewhere on a million entries; the bits count the norms.
@pytest.mark.parametrize(
    ("norm", "bucket", "levels", "name", "fixed", "entropy", "error"),
    [
        ("l2", 512, 7, "gaussian", 3.97, 1.12, 1.58),
        ("l2", 512, 7, "laplace", 3.97, 1.05, 1.34),
        ("l2", 512, 127, "gaussian", 8.06, 4.60, 0.0053),
        ("l2", 512, 127, "laplace", 8.06, 4.50, 0.0053),
        ("linf", 512, 7, "gaussian", 3.97, 3.26, 0.036),
        ("linf", 512, 7, "laplace", 3.97, 2.67, 0.080),
        ("linf", 512, 127, "gaussian", 8.06, 7.41, 1.1e-4),
        ("linf", 512, 127, "laplace", 8.06, 6.76, 2.5e-4),
        ("l2", 8192, 7, "gaussian", 3.91, 0.40, 9.4),
        ("l2", 8192, 7, "laplace", 3.91, 0.37, 8.2),
        ("l2", None, 127, "gaussian", 7.99, 0.56, 5.4),
        ("l2", None, 127, "laplace", 7.99, 0.52, 4.7),
    ],
)
def test_known_bits_and_errors(norm, bucket, levels, name, fixed, entropy, error):
    update = source(name)
    n = update.values.size
    codec = Qsgd(levels=levels, norm=norm, bucket=bucket)
    body, _ = encode(codec, update)
    norm_bits = 32 * -(-n // (bucket or n)) / n
    # What is packed takes whole bits: ceil(log2(2 s + 1)) where the table has the logarithm itself.
    rounding_up = codec.nominal_bits(update.layout) - math.log2(2 * levels + 1)
    assert 8 * len(body) / n - rounding_up == pytest.approx(fixed, abs=0.008)
    assert entropy_bits(levels_of(codec, update, body)) + norm_bits == pytest.approx(entropy, rel=0.035)
    assert nmse(update, codec.decode(body, update.layout, AGREED)) == pytest.approx(error, rel=0.035)


@pytest.mark.parametrize(("norm", "levels"), [("l2", 7), ("linf", 7), ("linf", 127)])
def test_entropy_coded_levels_take_their_entropy(norm, levels):
    update = source("laplace", 200_000)
    codec = Qsgd(levels=levels, norm=norm)
    symbols = levels_of(codec, update, encode(codec, update)[0])
    body, _ = encode(dataclasses.replace(codec, coding="ans"), update)
    limit = entropy_bits(symbols) * symbols.size / 8 + 4 * -(-symbols.size // 512)
    assert limit <= len(body) <= 1.005 * limit + 64


@pytest.mark.parametrize("numbers", [[1], [1, 2, 3, 4, 7, 8, 15, 16, 17], [65535, 65536, 2**31, 2**32 - 1, 1], []])
def test_the_omega_code_takes_the_bits_of_its_codewords(numbers):
    values = np.array(numbers, dtype=np.uint32)
    pieces = omega_bits(values)
    assert sum(map(len, pieces)) == sum(len(omega(number)) for number in numbers)
    # As a multiset, the bits are those of the codewords.
    assert sum(int(piece.sum()) for piece in pieces) == sum(omega(number).count("1") for number in numbers)
    reader = BitReader(packed_bits(pieces))
    assert reader.omega(len(numbers), "numbers").tolist() == numbers
    reader.finish()


@pytest.mark.parametrize("codec", [Qsgd(coding="elias"), Qsgd(norm="l2", levels=300, bucket=None, coding="elias")])
def test_an_elias_body_is_as_long_as_the_paper_says(codec):
    update = source("laplace", 20_000)
    body, _ = encode(codec, update)
    levels = levels_of(codec, update, body)
    places = np.flatnonzero(levels)
    gaps = np.diff(places, prepend=-1)
    bits = sum(len(omega(gap)) for gap in gaps) + sum(len(omega(abs(level))) + 1 for level in levels[places])
    assert len(body) == 4 * -(-20_000 // (codec.bucket or 20_000)) + 4 + math.ceil(bits / 8)


@pytest.mark.parametrize("n", [512, 4096, 16384])
def test_elias_at_as_many_levels_as_the_root_of_the_block_is_within_the_papers_bound(n):
    """Corollary 3.3 of the paper: 2.8 n + 32 bits, the norm included."""
    update = source("gaussian", 32 * n)
    body, _ = encode(Qsgd(levels=round(math.sqrt(n)), norm="l2", bucket=n, coding="elias"), update)
    assert 8 * len(body) / 32 <= 2.8 * n + 32


def draws(codec, update, count=200):
    """Decoded values of `count` draws, float64 of shape (count, d)."""
    return np.stack(
        [
            codec.decode(encode(codec, update, seed=seed)[0], update.layout, AGREED).values.astype(np.float64)
            for seed in range(count)
        ]
    )


@pytest.mark.parametrize("levels", [1, 7, 1000])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_mean_over_draws_is_the_update(norm, levels):
    update = make_update(make_layout((700,)))
    decoded = draws(Qsgd(levels=levels, norm=norm, bucket=300), update, 300)
    errors = decoded.mean(axis=0) - update.values
    # Entry by entry in standard errors; the variance is that of a coin between two levels, known exactly.
    sizes = [300, 300, 100]
    blocks = np.split(update.values.astype(np.float64), [300, 600])
    norms = [np.linalg.norm(block, 2 if norm == "l2" else np.inf) for block in blocks]
    step = np.repeat(norms, sizes) / levels
    share = np.modf(np.abs(update.values) / step)[0]
    deviations = step * np.sqrt(share * (1 - share) / len(decoded))
    assert np.sum(errors**2) == pytest.approx(np.sum(deviations**2), rel=0.4)
    assert np.abs(errors).max() <= 6 * deviations.max()


def test_a_norm_beyond_float32_leaves_the_mean_where_it_is():
    update = update_of(np.resize([3e38, -2e38, 1e38], 60))
    decoded = draws(Qsgd(levels=2, norm="l2", bucket=None), update)
    assert np.isfinite(decoded).all()
    np.testing.assert_allclose(decoded.reshape(-1, 3).mean(axis=0), [3e38, -2e38, 1e38], rtol=0.02)


def omega_linf(levels, n):
    """The bound that the module head derives."""
    return min((n - 1) / (4 * levels**2), math.sqrt(n - 1) / (2 * levels))


def worst_for_linf(n):
    """One large entry and equal others, as in the derivation of omega."""
    return update_of(np.r_[1.0, np.full(n - 1, (n - 1) ** -0.5)])


@pytest.mark.parametrize("levels", [1, 3, 20, 200])
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize(
    "update",
    [make_update(make_layout((400,))), worst_for_linf(400), update_of(np.full(400, 0.3))],
    ids=["laplace", "worst", "constant"],
)
def test_the_variance_is_below_omega_and_the_contraction_contracts(norm, levels, update):
    exact = update.values.astype(np.float64)
    energy = np.sum(exact**2)
    plain = Qsgd(levels=levels, norm=norm, bucket=None)
    omega_bound = omega_l2(levels, np.array([400]))[0] if norm == "l2" else omega_linf(levels, 400)
    error = np.mean(np.sum((draws(plain, update, 100) - exact) ** 2, axis=1)) / energy
    assert error <= 1.05 * omega_bound
    if norm == "linf":
        return
    scaled = dataclasses.replace(plain, contraction=True)
    error = np.mean(np.sum((draws(scaled, update, 100) - exact) ** 2, axis=1)) / energy
    assert error <= 1.05 * omega_bound / (1 + omega_bound)
    assert encode(scaled, update)[0] == encode(plain, update)[0]


@pytest.mark.parametrize(
    ("levels", "update"),
    [
        (1, worst_for_linf(10_000)),
        # All but the largest half-way between two levels, and so many levels that their energy does not count.
        (200, update_of(np.r_[1.0, np.full(2000, 0.5 / 200)])),
    ],
    ids=["few levels", "many levels"],
)
def test_omega_for_linf_is_nearly_reached(levels, update):
    codec = Qsgd(levels=levels, norm="linf", bucket=None)
    energy = np.sum(update.values.astype(np.float64) ** 2)
    error = np.mean(np.sum((draws(codec, update, 20) - update.values) ** 2, axis=1)) / energy
    bound = omega_linf(levels, update.values.size)
    assert 0.95 * bound <= error <= bound


def kept_after(inner, update, n_rounds=60):
    """The residual of a client that has the same update in every round."""
    codec = ErrorFeedback(inner)
    state = codec.init(update.layout)
    for round_ in range(n_rounds):
        _, state = encode(codec, update, state, seed=round_)
    return state[0].astype(np.float64)


def residual_over_update(levels, contraction):
    """Norm of the residual of a client with a Laplace update, over that of the update."""
    update = source("laplace", 512 * 16)
    kept = kept_after(Qsgd(levels=levels, norm="l2", bucket=512, contraction=contraction), update)
    return np.linalg.norm(kept) / np.linalg.norm(update.values)


@pytest.mark.parametrize(("levels", "expected"), [(1, 25), (7, 3.8), (15, 1.7), (127, 0.08)])
def test_error_feedback_around_the_contraction_stays_bounded(levels, expected):
    assert residual_over_update(levels, contraction=True) == pytest.approx(expected, rel=0.06)


def test_error_feedback_around_few_unscaled_levels_diverges():
    assert residual_over_update(1, contraction=False) > 1e6
    assert residual_over_update(7, contraction=False) > 500


@pytest.mark.parametrize("levels", [2, 7, 15])
def test_error_feedback_around_plain_linf_stays_below_the_bound_of_the_module_head(levels):
    update = source("laplace", 512 * 16)
    kept = np.abs(kept_after(Qsgd(levels=levels, bucket=512), update)).max()
    assert kept <= np.abs(update.values).max() / (levels - 1)


def test_plain_linf_keeps_less_back_than_the_contracted_l2_of_as_many_levels():
    update = source("laplace", 512 * 16)
    kept = np.linalg.norm(kept_after(Qsgd(levels=7, bucket=512), update)) / np.linalg.norm(update.values)
    assert kept < residual_over_update(7, contraction=True) / 5


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"levels": 0}, r"levels must be 1 to 32767 \(got 0\)"),
        ({"levels": 32768}, r"levels must be 1 to 32767 \(got 32768\)"),
        ({"norm": "l1"}, r"norm must be l2 or linf \(got l1\)"),
        ({"bucket": 0}, r"bucket must be at least 1, or empty for one per tensor \(got 0\)"),
        ({"coding": "zip"}, r"coding must be packed, elias or ans \(got zip\)"),
        ({"contraction": True}, r"contraction goes with norm l2 only: .*"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        Qsgd(**settings)


def elias_body(count, pieces, norm=1.0):
    return float32_bytes(np.array([norm])) + count.to_bytes(4, "little") + packed_bits(pieces)


ONES = omega_bits(np.array([1], dtype=np.uint32))
FORTY_BITS = [np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0], dtype=np.uint8)]
"""The groups before a number of 41 bits: 2, 5 and 40."""
NO_SIGN = [np.zeros(1, dtype=np.uint8)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (elias_body(5, [*ONES, *ONES, *NO_SIGN]), "5 levels in 1 bytes for 4 entries"),
        (elias_body(2**32 - 1, []), "for 4 entries"),
        (elias_body(1, []), "ends within distances"),
        (elias_body(1, [np.ones(8, dtype=np.uint8)]), "has distances beyond 32 bits"),
        (elias_body(1, FORTY_BITS), "has distances beyond 32 bits"),
        (elias_body(1, [*omega_bits(np.array([5], dtype=np.uint32)), *ONES, *NO_SIGN]), "beyond entry 3"),
        (elias_body(1, [*ONES, *omega_bits(np.array([6], dtype=np.uint32)), *NO_SIGN]), "or beyond 5"),
        (elias_body(1, [*ONES, *ONES, *NO_SIGN, np.ones(1, dtype=np.uint8)]), "padding is not zero"),
        (elias_body(1, [*ONES, *ONES, *NO_SIGN, np.zeros(9, dtype=np.uint8)]), "before its bytes do"),
        (elias_body(0, [], norm=-1.0), "norm in the body is negative"),
        (elias_body(0, [], norm=np.inf), "norms in the body are not finite"),
    ],
)
def test_bodies_that_no_encoder_writes_are_refused(body, text):
    with pytest.raises(PayloadError, match=text):
        Qsgd(levels=5, bucket=None, coding="elias").decode(body, make_layout((4,)), AGREED)


def test_a_packed_level_beyond_the_last_is_refused():
    with pytest.raises(PayloadError, match="level 10 in the body, expected -5 to 5"):
        Qsgd(levels=5, bucket=None).decode(float32_bytes(np.array([1.0])) + b"\x5f\x55", make_layout((4,)), AGREED)
