import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import PayloadError
from harness.wire.packing import MAX_BITS, bits_for, pack, packed_bytes, unpack

WIDTHS = range(MAX_BITS + 1)


def random_values(count, bits, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << bits, count, dtype=np.uint64).astype(np.uint32)


def pack_by_hand(values, bits):
    """The documented format in plain integers: planes of low bytes, then one long little-endian number."""
    planes = b""
    while bits > 8:
        planes += bytes(value & 0xFF for value in values)
        values, bits = [value >> 8 for value in values], bits - 8
    number = sum(value << (place * bits) for place, value in enumerate(values))
    return planes + number.to_bytes((len(values) * bits + 7) // 8, "little")


@pytest.mark.parametrize("count", [*range(18), 255, 256, 257])
def test_every_width_round_trips_at_its_stated_length(count):
    for bits in WIDTHS:
        values = random_values(count, bits)
        data = pack(values, bits)
        assert len(data) == packed_bytes(count, bits), f"{bits} bits"
        unpacked = unpack(data, count, bits)
        assert unpacked.dtype == np.uint32
        np.testing.assert_array_equal(unpacked, values, err_msg=f"{bits} bits")


@pytest.mark.parametrize("count", [1, 7, 8, 9, 23])
def test_bytes_are_those_of_the_documented_format(count):
    for bits in WIDTHS:
        values = random_values(count, bits, seed=1)
        assert pack(values, bits) == pack_by_hand(values.tolist(), bits), f"{bits} bits"


def test_the_largest_value_fits_and_the_next_does_not():
    for bits in WIDTHS[1:]:
        largest = np.full(11, (1 << bits) - 1, dtype=np.uint32)
        np.testing.assert_array_equal(unpack(pack(largest, bits), 11, bits), largest, err_msg=f"{bits} bits")
        if bits < MAX_BITS:
            with pytest.raises(ValueError, match=f"{1 << bits} does not fit into {bits} bits"):
                pack(largest + np.uint32(1), bits)


def test_every_value_of_every_width_up_to_eight_sits_at_every_place():
    for bits in range(1, 9):
        for shift in range(8):
            values = np.roll(np.arange(1 << bits, dtype=np.uint32).repeat(8), shift)
            np.testing.assert_array_equal(unpack(pack(values, bits), values.size, bits), values)


@given(st.integers(0, MAX_BITS), st.data())
def test_unpack_inverts_pack(bits, data):
    values = np.array(data.draw(st.lists(st.integers(0, (1 << bits) - 1), max_size=70)), dtype=np.uint32)
    packed = pack(values, bits)
    assert len(packed) == packed_bytes(values.size, bits)
    np.testing.assert_array_equal(unpack(packed, values.size, bits), values)


@given(st.integers(1, MAX_BITS), st.integers(0, 40), st.binary(max_size=180))
def test_bytes_are_either_refused_or_the_only_encoding_of_their_values(bits, count, data):
    try:
        values = unpack(data, count, bits)
    except PayloadError:
        return
    assert pack(values, bits) == data


@pytest.mark.parametrize("bits", [1, 3, 6, 11, 20])
def test_another_length_is_refused(bits):
    data = pack(random_values(13, bits), bits)
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(PayloadError, match="bytes of packed values"):
            unpack(wrong, 13, bits)


@pytest.mark.parametrize("bits", [1, 3, 6, 11, 20])
def test_padding_that_is_not_zero_is_refused(bits):
    data = bytearray(pack(random_values(13, bits), bits))
    data[-1] |= 0x80
    with pytest.raises(PayloadError, match="padding"):
        unpack(bytes(data), 13, bits)


@pytest.mark.parametrize("bits", [-1, MAX_BITS + 1])
def test_widths_out_of_range_are_refused(bits):
    with pytest.raises(ValueError, match="0 to 32 bits"):
        pack(np.zeros(3, dtype=np.uint32), bits)
    with pytest.raises(ValueError, match="0 to 32 bits"):
        unpack(b"", 0, bits)


def test_pack_leaves_its_argument_alone():
    values = random_values(9, 14)
    before = values.copy()
    pack(values, 14)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("n_values", [1, 2, 3, 4, 5, 255, 256, 257, 65535, 65536])
def test_bits_for_is_the_least_width_that_tells_values_apart(n_values):
    bits = bits_for(n_values)
    assert (1 << bits) >= n_values
    assert bits == 0 or (1 << (bits - 1)) < n_values
