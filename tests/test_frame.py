import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import PayloadError
from harness.wire.frame import FRAME_BYTES, seal, unseal


def test_the_frame_is_twelve_bytes_in_the_documented_order():
    body = bytes(range(5))
    head = b"FL" + bytes([1, 9]) + (5).to_bytes(4, "little")
    expected = head + zlib.crc32(head + body).to_bytes(4, "little") + body
    assert seal(body, wire_id=9) == expected
    assert FRAME_BYTES == 12


@given(st.binary(max_size=200), st.integers(0, 255))
def test_unseal_inverts_seal(body, wire_id):
    payload = seal(body, wire_id)
    assert len(payload) == FRAME_BYTES + len(body)
    assert unseal(payload, wire_id) == body


def test_every_single_bit_flip_is_refused():
    payload = seal(b"some body", wire_id=3)
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PayloadError):
            unseal(bytes(damaged), wire_id=3)


def test_every_truncation_and_extension_is_refused():
    payload = seal(b"some body", wire_id=3)
    for length in range(len(payload)):
        with pytest.raises(PayloadError):
            unseal(payload[:length], wire_id=3)
    for extra in (b"\0", b"FL", payload):
        with pytest.raises(PayloadError, match="its frame says 9"):
            unseal(payload + extra, wire_id=3)


def test_random_damage_is_refused():
    rng = np.random.default_rng(0)
    payload = seal(rng.bytes(40), wire_id=3)
    for _ in range(1000):
        damaged = bytearray(payload)
        for place in rng.choice(len(payload), size=rng.integers(1, 8), replace=False):
            damaged[place] ^= rng.integers(1, 256)
        with pytest.raises(PayloadError):
            unseal(bytes(damaged), wire_id=3)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "shorter than its 12-byte frame"),
        (b"PK" + seal(b"x", 3)[2:], "not with a frame of version 1"),
        (seal(b"x", 3)[:2] + b"\x02" + seal(b"x", 3)[3:], "not with a frame of version 1"),
        (seal(b"x", 3)[:-1] + b"y", "checksum mismatch"),
        (seal(b"x", 4), "payload of codec 4 given to codec 3"),
    ],
)
def test_the_error_says_what_is_wrong(payload, reason):
    with pytest.raises(PayloadError, match=reason):
        unseal(payload, wire_id=3)


@pytest.mark.parametrize("wire_id", [-1, 256])
def test_a_wire_id_that_is_no_byte_is_refused(wire_id):
    with pytest.raises(ValueError, match="0 to 255"):
        seal(b"", wire_id)
