"""The gateways of LoRaWAN, which all clients of a round share: how long they take to serve them.

What is assumed:
    All clients have the same region and data rate, and are in reach of all gateways.
    To clients: a gateway sends one frame after the other, within its duty cycle. Gateways divide the frames between
    them.
    From clients: pure ALOHA. A frame is lost if another client's overlaps it on its channel, without capture: of a load
    of G frames a frame time and channel, a share of exp(-2 G) arrives. A lost frame is sent again, at the pace that its
    client's duty cycle sets. The load is what the other clients of the round send, spread over the time that the
    longest of them takes alone. Above G = 1/2, where pure ALOHA carries most, clients back off to that load.
    Gateways hear what clients send alike: more of them save no frame from a collision.
    Half-duplex: a gateway that sends receives nothing, so that clients' frames take what is left of the time.
    To and from clients are one after the other, as the rounds of federated learning are: the next model needs all.

Left out, each of which would make rounds longer: other networks on the band, answers that are lost, and how many frames
a gateway can demodulate at a time. Frames that collide are charged time and no joules.

References:
    Georgiou, Raza, "Low Power Wide Area Network Analysis: Can LoRa Scale?", IEEE Wireless Communications Letters 2017.
    Adelantado et al., "Understanding the Limits of LoRaWAN", IEEE Communications Magazine 2017: ALOHA, duty cycle of
    gateways, half-duplex.
    ETSI EN 300 220-2: duty cycles in 868 MHz, 10 % at 869.4 to 869.65 MHz, where the second window is.
    LoRa Alliance, RP002, "LoRaWAN Regional Parameters": channels that every end device has.
"""

import math
from typing import NamedTuple

import numpy as np

from harness.core.types import Float64

_BEST_LOAD = 0.5
"""Frames a frame time at which pure ALOHA carries most."""


class Traffic(NamedTuple):
    """Payloads in one direction, each of a client alone on the medium; float64 of shape (n,), seconds.

    Attributes:
        own_s: from the first frame to the last.
        uplink_s: on the air from the client.
        answer_s: on the air from the gateway.
        last_answer_s: of that, its last frame.
    """

    own_s: Float64
    uplink_s: Float64
    answer_s: Float64
    last_answer_s: Float64


def aloha_s(own_s: float, others_s: float, channels: int) -> float:
    """Seconds that a client takes among others that send at random, lost frames sent again.

    Args:
        own_s: seconds that it takes alone, above 0.
        others_s: seconds that the others are on the air for what they send once, at least 0.
        channels: channels that they spread over, at least 1.

    >>> aloha_s(100, 0, 3)
    100.0
    >>> round(aloha_s(100, 15, 3), 3)  # G = 0.05: 90.5 % arrive
    110.517
    >>> round(aloha_s(100, 600, 3), 3)  # 200 s on each channel, of which 1/(2 e) is carried
    1087.313
    """
    load = others_s / (channels * own_s)
    if load > _BEST_LOAD:
        return math.e * others_s / (_BEST_LOAD * channels)
    return own_s * math.exp(2 * load)


def phase_s(traffic: Traffic, gateways: int, gateway_duty: float, channels: int) -> float:
    """Seconds until all payloads in one direction have arrived; 0 if there are none.

    Args:
        traffic: the payloads.
        gateways: gateways that divide what is sent to clients between them, at least 1.
        gateway_duty: share of the time that each may send, above 0 and at most 1.
        channels: channels that clients spread over, at least 1.
    """
    if not len(traffic.own_s):
        return 0.0
    silence_s = traffic.last_answer_s.max() * (1 / gateway_duty - 1)  # none follows the last frame
    sending_s = (traffic.answer_s.sum() / gateway_duty - silence_s) / gateways
    longest = int(np.argmax(traffic.own_s))
    others_s, answers_s = (float(each.sum() - each[longest]) for each in (traffic.uplink_s, traffic.answer_s))
    receiving_s = aloha_s(float(traffic.own_s[longest]), others_s, channels) + answers_s / gateways
    return max(float(sending_s), receiving_s)
