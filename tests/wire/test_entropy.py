import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.core.errors import PayloadError
from harness.wire.body import BodyReader
from harness.wire.entropy import AnsReader, AnsWriter, decode_symbols, encode_symbols, read_varint, varint
from harness.wire.groups import grouping
from harness.wire.histogram import fitted, largest_root, restored_roots


def entropy_bytes(symbols):
    """Empirical entropy of all symbols together."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum()) / 8


def decoded(data, count, n_symbols):
    reader = BodyReader(data)
    symbols = decode_symbols(reader, count, n_symbols, "example")
    reader.finish()
    return symbols


def drawn(source, n, levels, seed=0):
    """Buckets of equal width between the smallest and the largest of n samples."""
    rng = np.random.default_rng(seed)
    samples = {"normal": rng.normal, "laplace": rng.laplace, "uniform": rng.uniform}[source](size=n)
    low, high = samples.min(), samples.max()
    return np.minimum((samples - low) / (high - low or 1) * levels, levels - 1).astype(np.uint16)


@given(hnp.arrays(np.uint32, st.integers(0, 300), elements=st.integers(0, 40)), st.sampled_from([41, 64, 70_000]))
def test_symbols_come_back(symbols, n_symbols):
    data = encode_symbols(symbols, n_symbols)
    np.testing.assert_array_equal(decoded(data, len(symbols), n_symbols), symbols)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize(
    ("width", "count"),
    [(1, 50), (2, 7), (2, 16 * 8 + 3), (3, 1001), (11, 150_003), (100, 100_001), (128, 131_072), (200, 5)],
)
def test_groups_of_every_size_come_back(width, count, dtype):
    # One, two or four symbols travel as one, with up to three left over.
    symbols = np.random.default_rng(width).integers(7, 7 + width, count).astype(dtype)
    np.testing.assert_array_equal(decoded(encode_symbols(symbols, 256), count, 256), symbols)


def test_symbols_far_apart_come_back():
    symbols = np.array([0, 65535, 3, 65535], dtype=np.uint32)
    np.testing.assert_array_equal(decoded(encode_symbols(symbols, 65536), 4, 65536), symbols)


def test_a_rare_symbol_among_many_comes_back():
    symbols = np.zeros(300_000, dtype=np.uint8)
    symbols[123_456] = 255
    data = encode_symbols(symbols, 256)
    np.testing.assert_array_equal(decoded(data, len(symbols), 256), symbols)
    assert len(data) < 30


@pytest.mark.parametrize("source", ["normal", "laplace", "uniform"])
@pytest.mark.parametrize("levels", [2, 3, 16, 64, 256])
def test_length_is_within_half_a_percent_and_64_bytes_of_the_entropy(source, levels):
    for n in [100, 300, 1000, 2000, 5000, 10_000, 30_000, 100_000, 1_000_000]:
        symbols = drawn(source, n, levels)
        entropy = entropy_bytes(symbols)
        # Fewer symbols cost more than they say only by their histogram; measured: 45 bytes at the worst.
        assert len(encode_symbols(symbols, levels)) <= 1.005 * entropy + 64


def test_many_symbols_cost_their_entropy():
    symbols = drawn("laplace", 1_000_000, 64)
    assert len(encode_symbols(symbols, 64)) <= 1.0006 * entropy_bytes(symbols)


def test_symbols_that_avoid_every_other_value_pay_no_bit_for_those():
    symbols = 2 * drawn("laplace", 100_000, 32)
    assert len(encode_symbols(symbols, 64)) <= 1.005 * entropy_bytes(symbols) + 64


def test_one_symbol_over_and_over_costs_next_to_nothing():
    assert len(encode_symbols(np.full(1_000_000, 5, dtype=np.uint8), 256)) <= 9


def test_no_symbols_are_no_bytes():
    assert encode_symbols(np.zeros(0, dtype=np.uint32), 4) == b""


def test_a_symbol_beyond_the_alphabet_is_a_bug():
    with pytest.raises(ValueError, match="symbols up to 4 of an alphabet of 4"):
        encode_symbols(np.array([4], dtype=np.uint32), 4)
    with pytest.raises(ValueError, match="which may have"):
        encode_symbols(np.array([4], dtype=np.uint32), 2**23)


def test_a_stream_mixes_numbers_and_runs():
    writer = AnsWriter()
    first, second = drawn("normal", 5000, 30), drawn("laplace", 77, 9)
    writer.number(3, 14)
    writer.symbols(first, 30)
    writer.number(0, 1)
    inner = AnsWriter()
    inner.symbols(second, 9)
    inner.number(255, 256)
    writer.append(inner)
    estimate, words = writer.bits, writer.finish()
    assert len(words) * 8 == pytest.approx(estimate, abs=72)
    reader = AnsReader(words, "example")
    assert reader.number(14) == 3
    np.testing.assert_array_equal(reader.symbols(5000, 30), first)
    assert reader.number(1) == 0
    values = np.empty(77, dtype=np.float32)
    reader.values(np.arange(9, dtype=np.float32) / 4, values)
    np.testing.assert_array_equal(values, second / np.float32(4))
    assert reader.number(256) == 255
    reader.finish()


def test_numbers_come_back_joined_or_not():
    sizes = (14, 256, 256, 1, 2**24, 2, 65536, 65536, 3)
    values = (13, 0, 255, 0, 2**24 - 1, 1, 65535, 0, 2)
    writer = AnsWriter()
    writer.numbers(values, sizes)
    assert writer.bits == pytest.approx(np.log2(np.array(sizes, dtype=float)).sum())
    reader = AnsReader(writer.finish(), "example")
    assert reader.numbers(sizes) == list(values)
    reader.finish()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("source", ["normal", "laplace"])
@pytest.mark.parametrize("low", [0, 90])
def test_rare_symbols_that_travel_apart_come_back(source, dtype, low):
    for levels, count in [(12, 5000), (30, 20_003), (64, 300_001), (160, 100_000)]:
        symbols = (drawn(source, count, levels) + low).astype(dtype)
        np.testing.assert_array_equal(decoded(encode_symbols(symbols, 256), count, 256), symbols)


def test_groups_are_larger_where_rare_symbols_travel_apart():
    weights = 1000 * 0.5 ** np.abs(np.arange(30) - 12.0)
    how = grouping(np.rint(weights), 100_000)
    # Beyond 4 to either side there are less than 2 in 32; nine symbols and a mark fit four to a group, 30 two.
    assert (how.size, how.first, how.n_core) == (4, 8, 9)
    assert grouping(np.ones(30), 100_000).size == 2
    assert not grouping(np.ones(30), 100_000).has_marks


def test_what_is_left_unread_is_refused():
    writer = AnsWriter()
    writer.symbols(drawn("normal", 500, 30), 30)
    reader = AnsReader(writer.finish(), "example")
    reader.symbols(400, 30)
    with pytest.raises(PayloadError, match="example: the coder did not end where it began"):
        reader.finish()


def test_damaged_symbols_are_refused_or_within_their_alphabet():
    rng = np.random.default_rng(0)
    n_refused = 0
    for n_symbols, count in [(2, 40), (5, 300), (200, 100), (3000, 64)]:
        data = encode_symbols(rng.integers(0, n_symbols, count).astype(np.uint32), n_symbols)
        for _ in range(300):
            damaged = bytearray(data if rng.random() < 0.7 else rng.bytes(len(data)))
            for place in rng.integers(0, len(damaged), 3):
                damaged[place] = rng.integers(256)
            try:
                symbols = decoded(bytes(damaged[: rng.integers(1, len(damaged) + 1)]), count, n_symbols)
            except PayloadError:
                n_refused += 1
            else:
                assert symbols.shape == (count,)
                assert symbols.max() < n_symbols
    assert n_refused > 1000


@pytest.mark.parametrize("n_words", [1, 2, 5, 20])
def test_missing_words_are_noticed(n_words):
    data = encode_symbols(drawn("laplace", 2000, 16), 16)
    n_all = (len(data) - 2) // 4
    shortened = varint(n_all - n_words) + data[2 : len(data) - 4 * n_words]
    with pytest.raises(PayloadError):
        decoded(shortened, 2000, 16)


@given(st.integers(0, 2**35 - 1))
def test_a_number_of_any_length_comes_back(number):
    reader = BodyReader(varint(number))
    assert read_varint(reader, "number") == number
    reader.finish()


def test_a_number_without_an_end_is_refused():
    with pytest.raises(PayloadError, match="length takes more than five bytes"):
        read_varint(BodyReader(b"\xff" * 9), "length")


@given(hnp.arrays(np.int64, st.integers(1, 200), elements=st.integers(0, 10_000)))
def test_every_symbol_that_occurs_has_a_weight(counts):
    counts[0] += 1
    histogram, bits = fitted(counts)
    weights = histogram.weights(len(counts))
    assert (weights[counts > 0] > 0).all()
    assert bits >= 0
    limit = largest_root(int(counts.sum()))
    assert np.abs(histogram.differences).max() <= limit
    np.testing.assert_array_equal(restored_roots(histogram.differences, limit, "example"), histogram.roots)
