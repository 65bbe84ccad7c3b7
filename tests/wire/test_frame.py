import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import PayloadError
from harness.wire.frame import FRAME_BYTES, VERSION, seal, unseal

GOLDEN = Path(__file__).parents[1] / "golden"


def test_the_frame_is_twelve_bytes_in_the_documented_order():
    body = bytes(range(5))
    head = b"FL" + bytes([2, 9]) + (5).to_bytes(4, "little")
    expected = head + zlib.crc32(head + body).to_bytes(4, "little") + body
    assert seal(body, wire_id=9) == expected
    assert FRAME_BYTES == 12


def test_what_was_agreed_is_in_the_checksum_and_nowhere_else():
    head = b"FL" + bytes([2, 9]) + (3).to_bytes(4, "little")
    checksum = zlib.crc32(b"levels: 4" + head + b"abc").to_bytes(4, "little")
    assert seal(b"abc", wire_id=9, agreed=b"levels: 4") == head + checksum + b"abc"


@given(st.binary(max_size=200), st.integers(0, 255), st.binary(max_size=50))
def test_unseal_inverts_seal(body, wire_id, agreed):
    payload = seal(body, wire_id, agreed)
    assert len(payload) == FRAME_BYTES + len(body)
    assert unseal(payload, wire_id, agreed) == body


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_receiver_with_other_settings_refuses(sender, receiver):
    payload = seal(b"some body", wire_id=3, agreed=sender)
    if sender == receiver:
        assert unseal(payload, 3, receiver) == b"some body"
        return
    with pytest.raises(PayloadError, match="its sender has other codec settings"):
        unseal(payload, 3, receiver)


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
        (b"PK" + seal(b"x", 3)[2:], "not with a frame of version 2"),
        (seal(b"x", 3)[:2] + b"\x01" + seal(b"x", 3)[3:], "not with a frame of version 2"),
        (seal(b"x", 3)[:2] + b"\x03" + seal(b"x", 3)[3:], "not with a frame of version 2"),
        (seal(b"x", 3)[:-1] + b"y", "checksum mismatch"),
        (seal(b"x", 3, b"levels: 4"), "checksum mismatch: .* other codec settings"),
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


def test_payloads_of_earlier_versions_are_refused_as_such():
    assert VERSION == 2
    earlier = json.loads((GOLDEN / "v1" / "payloads.json").read_text(encoding="utf-8"))
    for payload in map(bytes.fromhex, earlier.values()):
        with pytest.raises(PayloadError, match="starts with 464c01, not with a frame of version 2"):
            unseal(payload, wire_id=payload[3])
