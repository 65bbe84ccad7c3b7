"""Counts bytes that protocols add to a payload: headers in the payload's direction, acknowledgements in the other.

All transports ride on IPv4 over links with an MTU of 1500 bytes. Connections are kept from round to round, so that
handshakes are not charged (a full TLS handshake with certificates is some kilobytes). A lost packet is not modelled
here: radios have a share of retransmissions. Headers of the link layer belong to the radios as well.

- ``none``: the payload alone.
- ``tcp``: 20 + 20 bytes a segment and 12 of timestamps, so 1448 of payload; one bare acknowledgement for every second
  segment, and for the last.
- ``tls``: TCP that carries TLS 1.3 records of at most 16384 bytes of payload and 22 bytes around it.
- ``udp``: 28 bytes a datagram of at most 1472 bytes, no acknowledgement.
- ``coap``: confirmable messages over UDP, one block of 1024 bytes each, and each answered before the next (RFC 7959).
  The resource is at the root, so that no option names it. A payload that fits into one block needs no block option.
- ``coaps``: the same with every message in a DTLS 1.2 record.
- ``flower``: a message of Flower between SuperNode and SuperLink, unencrypted: objects that are pulled or pushed one by
  one, each in a request of HTTP/1.1 and its answer, over TCP. What is around the payload was counted on sockets (flwr
  1.41, a payload of `harness.flower`) and differs by direction. What a waiting SuperNode sends, a poll of 853 bytes
  answered by 128 every few seconds and a heartbeat of 868 by 130 twice a minute, grows with time and is not in it; nor
  is the app itself, which each node fetches once in a run.

References:
    RFC 791, RFC 894, RFC 768, RFC 9293, RFC 7323, RFC 8446, RFC 7252, RFC 7959, RFC 6347, RFC 6655; Flower 1.41.
"""

from dataclasses import dataclass

import numpy as np

from harness.core.prices import Coefficient
from harness.core.types import Direction, Float64, Int64
from radio_models.coefficients import default, row

_OF_TRANSPORT: dict[str, tuple[str, ...]] = {
    "none": (),
    "tcp": ("mtu_bytes", "ipv4_bytes", "tcp_bytes", "tcp_timestamps_bytes", "tcp_segments_per_ack"),
    "tls": (
        "mtu_bytes",
        "ipv4_bytes",
        "tcp_bytes",
        "tcp_timestamps_bytes",
        "tcp_segments_per_ack",
        "tls_content_bytes",
        "tls_record_bytes",
    ),
    "udp": ("mtu_bytes", "ipv4_bytes", "udp_bytes"),
    "coap": ("ipv4_bytes", "udp_bytes", "coap_header_bytes", "coap_token_bytes", "coap_block_bytes"),
    "coaps": ("ipv4_bytes", "udp_bytes", "coap_header_bytes", "coap_token_bytes", "coap_block_bytes", "dtls_bytes"),
    "flower": (
        "mtu_bytes",
        "ipv4_bytes",
        "tcp_bytes",
        "tcp_timestamps_bytes",
        "tcp_segments_per_ack",
        *(f"flower_{way}_{what}" for way in ("uplink", "downlink") for what in ("exchanges", "bytes", "reverse_bytes")),
    ),
}

TRANSPORTS: tuple[str, ...] = tuple(_OF_TRANSPORT)
"""Names that `packetise` takes."""

_MARKER_BYTES = 1
"""Between the header of a CoAP message and its payload, unless that is empty (RFC 7252, section 3)."""

_BLOCK_OPTION_BYTES = 2
"""Delta and length of a block option, whose number is above 12 (RFC 7252, section 3.1); its value follows."""


@dataclass(frozen=True, eq=False)
class Packets:
    """What crosses the link for some payloads. Every field is float64 of shape (n,).

    Attributes:
        forward_bytes: bytes of IP packets in the direction of the payload, the payload included.
        reverse_bytes: bytes of IP packets in the other direction.
        n_packets: packets in the direction of the payload, at least 1.
        n_reverse_packets: packets in the other direction.
    """

    forward_bytes: Float64
    reverse_bytes: Float64
    n_packets: Float64
    n_reverse_packets: Float64


def packetise(payload_bytes: Int64, transport: str, direction: Direction = "uplink") -> Packets:
    """The packets that carry payloads.

    Args:
        payload_bytes: shape (n,), each at least 0; a payload of 0 bytes still takes one packet.
        transport: one of `TRANSPORTS`.
        direction: the way of the payloads; only ``flower`` differs by it.

    Raises:
        ValueError: a negative size, or an unknown transport.

    >>> packets = packetise(np.array([1_000_000]), "tcp")
    >>> packets.forward_bytes, packets.reverse_bytes, packets.n_packets
    (array([1035932.]), array([17992.]), array([691.]))
    """
    sizes = np.asarray(payload_bytes, dtype=np.int64)
    if sizes.size and sizes.min() < 0:
        raise ValueError(f"payload_bytes must be at least 0, got {sizes.min()}")
    if transport not in _OF_TRANSPORT:
        raise ValueError(f"transport must be one of {', '.join(TRANSPORTS)}, got {transport!r}")
    if transport == "none":
        return _packets(sizes, np.zeros_like(sizes), np.ones_like(sizes), np.zeros_like(sizes))
    if transport == "udp":
        return _udp(sizes)
    if transport in ("coap", "coaps"):
        return _coap(sizes, _size("dtls_bytes") if transport == "coaps" else 0)
    if transport == "flower":
        return _flower(sizes, direction)
    if transport == "tls":
        sizes = sizes + _pieces(sizes, _size("tls_content_bytes")) * _size("tls_record_bytes")
    return _tcp(sizes)


def inputs(transport: str) -> tuple[Coefficient, ...]:
    """The rows of the table that a transport rests on.

    >>> [row.typical for row in inputs("udp")]
    [1500.0, 20.0, 8.0]
    """
    return tuple(row("overhead", name) for name in _OF_TRANSPORT[transport])


def _tcp(sizes: Int64) -> Packets:
    header = _size("ipv4_bytes") + _size("tcp_bytes") + _size("tcp_timestamps_bytes")
    n_segments = _pieces(sizes, _size("mtu_bytes") - header)
    n_acks = _pieces(n_segments, _size("tcp_segments_per_ack"))
    return _packets(sizes + n_segments * header, n_acks * header, n_segments, n_acks)


def _flower(sizes: Int64, direction: Direction) -> Packets:
    """Requests and answers of HTTP, each in segments of its own; one of them carries the payload."""
    header = _size("ipv4_bytes") + _size("tcp_bytes") + _size("tcp_timestamps_bytes")
    n_exchanges, around = _size(f"flower_{direction}_exchanges"), _size(f"flower_{direction}_bytes")
    n_segments = _pieces(sizes + around // n_exchanges, _size("mtu_bytes") - header) + n_exchanges - 1
    n_reverse = n_exchanges + _pieces(n_segments, _size("tcp_segments_per_ack"))
    forward = sizes + around + n_segments * header
    return _packets(forward, _size(f"flower_{direction}_reverse_bytes") + n_reverse * header, n_segments, n_reverse)


def _udp(sizes: Int64) -> Packets:
    header = _size("ipv4_bytes") + _size("udp_bytes")
    n_datagrams = _pieces(sizes, _size("mtu_bytes") - header)
    return _packets(sizes + n_datagrams * header, np.zeros_like(sizes), n_datagrams, np.zeros_like(sizes))


def _coap(sizes: Int64, record_bytes: int) -> Packets:
    """Blocks, each in a message that is answered by one with the same options and no payload."""
    n_blocks = _pieces(sizes, _size("coap_block_bytes"))
    header = _size("ipv4_bytes") + _size("udp_bytes") + record_bytes
    header += _size("coap_header_bytes") + _size("coap_token_bytes")
    # The value of a block option has 4 bits for the number of the block in its first byte and 8 in each further one.
    values = n_blocks + np.maximum(n_blocks - 2**4, 0) + np.maximum(n_blocks - 2**12, 0)
    options = np.where(n_blocks > 1, n_blocks * _BLOCK_OPTION_BYTES + values, 0)
    markers = np.where(sizes > 0, n_blocks * _MARKER_BYTES, 0)
    answers = n_blocks * header + options
    return _packets(sizes + answers + markers, answers, n_blocks, n_blocks)


def _pieces(sizes: Int64, largest: int) -> Int64:
    """Into how many pieces of at most `largest` each size falls; nothing is one piece."""
    return np.maximum(-(-sizes // largest), 1)


def _packets(*fields: Int64) -> Packets:
    return Packets(*(field.astype(np.float64) for field in fields))


def _size(name: str) -> int:
    return int(default("overhead", name))
