"""Frames every payload: twelve bytes that make a damaged or foreign payload an error, never an update.

Layout, little-endian::

    offset  size  field
    0       2     magic, b"FL"
    2       1     frame version, 2
    3       1     wire id of the codec
    4       4     length of the body in bytes, u32
    8       4     CRC-32 of what was agreed, bytes 0..7 and the body, in this order, u32
    12      ...   body, written and read by the codec

What was agreed are the settings of the codec, as bytes. They are not sent: a receiver with other settings computes
another checksum, and so refuses the payload instead of decoding it to something else.
"""

import struct
import zlib

from harness.core.errors import PayloadError

MAGIC = b"FL"
VERSION = 2
_HEAD = struct.Struct("<2sBBI")
_CRC = struct.Struct("<I")
FRAME_BYTES = _HEAD.size + _CRC.size


def seal(body: bytes, wire_id: int, agreed: bytes = b"") -> bytes:
    """The payload that carries `body`.

    Args:
        body: at most 2**32 - 1 bytes.
        wire_id: number of the codec, 0 to 255.
        agreed: the settings that both ends know.

    Raises:
        ValueError: the body is too long for the frame, or `wire_id` is no byte.

    >>> len(seal(b"abc", wire_id=1)) - FRAME_BYTES
    3
    """
    if not 0 <= wire_id <= 255:
        raise ValueError(f"wire_id must be 0 to 255 (got {wire_id})")
    if len(body) >= 2**32:
        raise ValueError(f"a body has at most {2**32 - 1} bytes (got {len(body)})")
    head = _HEAD.pack(MAGIC, VERSION, wire_id, len(body))
    return head + _CRC.pack(_checksum(agreed, head, body)) + body


def unseal(payload: bytes, wire_id: int, agreed: bytes = b"") -> bytes:
    """The body inside `payload`.

    Raises:
        PayloadError: too short, foreign magic, version or codec, wrong length, wrong checksum.
    """
    if len(payload) < FRAME_BYTES:
        raise PayloadError(f"payload of {len(payload)} bytes is shorter than its {FRAME_BYTES}-byte frame")
    magic, version, sent_id, length = _HEAD.unpack_from(payload)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(f"payload starts with {payload[:3].hex()}, not with a frame of version {VERSION}")
    body = payload[FRAME_BYTES:]
    if len(body) != length:
        raise PayloadError(f"payload carries {len(body)} bytes, its frame says {length}")
    (crc,) = _CRC.unpack_from(payload, _HEAD.size)
    if sent_id != wire_id:
        raise PayloadError(f"payload of codec {sent_id} given to codec {wire_id}")
    if _checksum(agreed, payload[: _HEAD.size], body) != crc:
        raise PayloadError("checksum mismatch: the payload was damaged, or its sender has other codec settings")
    return body


def _checksum(agreed: bytes, head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head, zlib.crc32(agreed)))
