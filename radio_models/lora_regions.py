"""Regions of LoRaWAN: data rates, how much a frame may carry at each, and channels.

References:
    LoRa Alliance, RP002, "LoRaWAN Regional Parameters".
    Semtech, LoRaMac-node, RegionEU868.h and RegionUS915.h: data rates, payload limits, sub-bands.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from harness.core.types import Direction
from radio_models.lora_airtime import Fsk, LoRa, Modulation

Region = Literal["eu868", "us915"]
"""Band and rules: 868 MHz in Europe with duty cycles, 915 MHz in the USA with 0.4 s at most for a frame."""

HEADER_BYTES = 13
"""Around the payload of a frame: MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, FPort 1, MIC 4."""

EMPTY_FRAME_BYTES = 12
"""A frame without payload, which needs no FPort."""

_PAYLOAD_LIMITS: Mapping[Region, tuple[int, ...]] = {
    "eu868": (51, 51, 51, 115, 242, 242, 242, 242),
    "us915": (11, 53, 125, 242, 242),
}
_US915_DOWNLINK_LIMIT = 242  # DR10 to DR13, the answers to DR0 to DR4
_DWELL_S = 0.4
_CHANNELS_OF_125_KHZ: Mapping[Region, int] = {"eu868": 3, "us915": 8}
"""In EU868 those that every device has, in one sub-band of 1 %; in US915 those of a sub-band."""


def n_data_rates(region: Region) -> int:
    """Data rates from the client: 0 to one less."""
    return len(_PAYLOAD_LIMITS[region])


def modulation(region: Region, data_rate: int, coding_rate: int, direction: Direction) -> Modulation:
    """How frames are sent: in US915 those to the client at the data rate that answers the client's."""
    # Frames to the client carry no checksum of the payload besides their MIC.
    has_crc = direction == "uplink"
    if region == "us915":
        factor, bandwidth_khz = (10 - data_rate, 125) if data_rate < 4 else (8, 500)
        if direction == "downlink":
            factor, bandwidth_khz = max(10 - data_rate, 7), 500
        return LoRa(factor, bandwidth_khz, coding_rate, has_crc=has_crc)
    if data_rate == 7:
        return Fsk()
    factor, bandwidth_khz = (12 - data_rate, 125) if data_rate < 6 else (7, 250)
    return LoRa(factor, bandwidth_khz, coding_rate, has_crc=has_crc)


def payload_limit(region: Region, data_rate: int, coding_rate: int, direction: Direction) -> int:
    """Bytes of payload in a full frame: the limit of the data rate, less where 0.4 s on the air allow less."""
    if region == "us915" and direction == "downlink":
        return _US915_DOWNLINK_LIMIT
    limit = _PAYLOAD_LIMITS[region][data_rate]
    if region == "eu868":
        return limit
    sizes = np.arange(1, limit + 1)
    airtime_s = modulation(region, data_rate, coding_rate, direction).airtime_s(sizes + HEADER_BYTES)
    return int(sizes[airtime_s <= _DWELL_S].max())


def uplink_channels(region: Region, data_rate: int) -> int:
    """Channels that frames from clients spread over.

    >>> uplink_channels("eu868", 5), uplink_channels("eu868", 7), uplink_channels("us915", 4)
    (3, 1, 1)
    """
    is_125_khz = data_rate < (6 if region == "eu868" else 4)
    return _CHANNELS_OF_125_KHZ[region] if is_125_khz else 1
