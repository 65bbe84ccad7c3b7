"""Computes seconds and megabits of carrying payload bytes at a fixed rate, as most radios do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.prices import Carriage
from harness.core.types import Direction, Int64
from harness.core.units import BITS_PER_BYTE, BITS_PER_MBIT
from radio_models.overhead import packetise

Answers = Literal["unnoticed", "in_turn", "alongside"]
"""Acknowledgements against the payload's way.

``unnoticed``: they take no active seconds of their own, because the model counts active power once; ``in_turn``: the
radio sends or receives, never both, so they lengthen the transfer; ``alongside``: it does both at once.
"""


@dataclass(frozen=True)
class Link:
    """What a transfer over a link depends on.

    Attributes:
        rate_up_mbps: Mbit/s from the client, above 0.
        rate_down_mbps: Mbit/s to the client, above 0.
        transport: one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1; 1 / (1 - share) goes over the
            air for each byte.
        answers: what acknowledgements take.
        response_s: seconds from a question to the start of its answer, at least 0.
    """

    rate_up_mbps: float
    rate_down_mbps: float
    transport: str = "none"
    retransmission_share: float = 0.0
    answers: Answers = "unnoticed"
    response_s: float = 0.0


_STOP_AND_WAIT = ("coap", "coaps")
"""Transports that send nothing on before the last message was answered (RFC 7959, section 2.3 and 2.5)."""


def carried(payload_bytes: Int64, direction: Direction, link: Link) -> Carriage:
    """What it takes to carry payloads over a link.

    A client requests what goes down, so that a downlink waits for one answer; block-wise transfer waits at each block.

    Args:
        payload_bytes: shape (n,), each at least 0.
        direction: the way that the payloads go.
        link: rates, transport, retransmissions.

    >>> link = Link(rate_up_mbps=8.0, rate_down_mbps=16.0, retransmission_share=0.5)
    >>> taken = carried(np.array([1_000_000]), "uplink", link)
    >>> taken.seconds, taken.uplink_mbit, taken.downlink_mbit
    (array([2.]), array([16.]), array([0.]))
    """
    packets = packetise(payload_bytes, link.transport, direction)
    mbit_per_byte = BITS_PER_BYTE / BITS_PER_MBIT / (1 - link.retransmission_share)
    forward_mbit, reverse_mbit = packets.forward_bytes * mbit_per_byte, packets.reverse_bytes * mbit_per_byte
    rates = link.rate_up_mbps, link.rate_down_mbps
    forward_mbps, reverse_mbps = rates if direction == "uplink" else rates[::-1]
    forward_s = forward_mbit / forward_mbps
    reverse_s = np.zeros_like(forward_s) if link.answers == "unnoticed" else reverse_mbit / reverse_mbps
    on_air_s = forward_s + reverse_s if link.answers == "in_turn" else np.maximum(forward_s, reverse_s)
    nothing = np.zeros_like(forward_s)
    n_waits = packets.n_packets if link.transport in _STOP_AND_WAIT else nothing + (direction == "downlink")
    wait_s = n_waits * link.response_s
    up, down = (forward_s, forward_mbit), (reverse_s, reverse_mbit)
    if direction == "downlink":
        up, down = down, up
    return Carriage(
        seconds=on_air_s + wait_s,
        uplink_s=up[0],
        downlink_s=down[0],
        wait_s=wait_s,
        uplink_mbit=up[1],
        downlink_mbit=down[1],
        frames=nothing,
    )
