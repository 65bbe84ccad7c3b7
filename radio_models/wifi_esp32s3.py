"""Models Wi-Fi of an ESP32-S3: the current of the whole chip while it sends, receives, listens and sleeps.

Bits are on the air at the rate of the physical layer; what the MAC takes around them (contention, preambles, link-layer
acknowledgements) is listening, so that a payload takes its bits over rate times efficiency. Acknowledgements of the
transport go the other way and take their share of the channel.

References:
    Espressif, ESP32-S3 Series Data Sheet, version 2.2: currents.
    Espressif, ESP-IDF Programming Guide: throughput, currents of the sleep modes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from harness.core.coefficients import combine
from harness.core.notes import Note, remarks
from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Int64
from harness.core.units import BITS_PER_BYTE, BITS_PER_MBIT
from radio_models.coefficients import absent, default, row, set_by_user
from radio_models.overhead import TRANSPORTS, packetise
from radio_models.overhead import inputs as overhead_inputs
from radio_models.settings import check_choice, check_range, check_share
from radio_models.validation import NOT_COMPARED

Phy = Literal["11b", "11g", "11n_ht20", "11n_ht40"]
"""Generation of the standard and width of the channel."""

Sleep = Literal["modem_sleep", "light_sleep"]
"""What the chip does between transfers while it stays connected: only the radio sleeps, or the processor too."""

_FASTEST_MBPS: Mapping[Phy, float] = {"11b": 11.0, "11g": 54.0, "11n_ht20": 72.2, "11n_ht40": 150.0}
_LONG_GUARD_MBPS: Mapping[Phy, float] = {"11b": 11.0, "11g": 54.0, "11n_ht20": 65.0, "11n_ht40": 135.0}


@dataclass(frozen=True)
class WifiEsp32S3:
    """Wi-Fi of an ESP32-S3 that stays connected to its access point.

    Attributes:
        phy: generation and width of the channel.
        phy_rate_mbps: rate of the physical layer, Mbit/s, 1 to the highest of the generation (11, 54, 72.2, 150); by
            default the highest with a long guard interval (11, 54, 65, 135), for which the currents hold.
        mac_efficiency: throughput over the rate of the physical layer, 0.01 to 1.
        rest: what the chip does between transfers.
        tail_s: seconds awake after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "wifi_esp32s3"
    title: ClassVar[str] = "Wi-Fi of an ESP32-S3"
    access: ClassVar[Literal["mobile", "fixed"]] = "fixed"

    phy: Phy = "11n_ht20"
    phy_rate_mbps: float | None = None
    mac_efficiency: float = default(kind, "mac_efficiency")
    rest: Sleep = "modem_sleep"
    tail_s: float = default(kind, "tail_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_choice("phy", self.phy, get_args(Phy))
        check_range(f"phy_rate_mbps of {self.phy}", self.rate_mbps, 1, _FASTEST_MBPS[self.phy])
        check_range("mac_efficiency", self.mac_efficiency, 0.01, 1)
        check_choice("rest", self.rest, get_args(Sleep))
        check_range("tail_s", self.tail_s, 0, 60)
        check_choice("transport", self.transport, TRANSPORTS)
        check_share("retransmission_share", self.retransmission_share)

    @property
    def rate_mbps(self) -> float:
        """Rate of the physical layer, Mbit/s: the setting, or the default of the generation."""
        return _LONG_GUARD_MBPS[self.phy] if self.phy_rate_mbps is None else self.phy_rate_mbps

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """Seconds of sending and receiving at the rate of the physical layer, and of listening around them."""
        packets = packetise(payload_bytes, self.transport, direction)
        mbit_per_byte = BITS_PER_BYTE / BITS_PER_MBIT / (1 - self.retransmission_share)
        ways = packets.forward_bytes * mbit_per_byte, packets.reverse_bytes * mbit_per_byte
        uplink_mbit, downlink_mbit = ways if direction == "uplink" else ways[::-1]
        uplink_s, downlink_s = uplink_mbit / self.rate_mbps, downlink_mbit / self.rate_mbps
        listening_s = (uplink_s + downlink_s) * (1 / self.mac_efficiency - 1)
        return Carriage(
            seconds=uplink_s + downlink_s + listening_s,
            uplink_s=uplink_s,
            downlink_s=downlink_s,
            wait_s=listening_s,
            uplink_mbit=uplink_mbit,
            downlink_mbit=downlink_mbit,
            frames=np.zeros_like(uplink_s),
        )

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """Nothing: payloads of any size are cut into packets."""
        del payload_bytes, direction
        return ""

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        supply_v, tx_ma, rx_ma, rest_ma = self._currents()
        states = {"tail_w": rx_ma, "uplink_w": tx_ma, "downlink_w": rx_ma, "wait_w": rx_ma, "rest_w": rest_ma}
        return {
            "session_j": absent(self.kind, "session_j", "J", "waking takes less than the tail"),
            **{
                name: combine(f"{self.kind}.{name}", "W", lambda volts, ma: volts * ma / 1e3, supply_v, current_ma)
                for name, current_ma in states.items()
            },
            "uplink_j_per_mbit": absent(self.kind, "uplink_j_per_mbit", "J/Mbit"),
            "downlink_j_per_mbit": absent(self.kind, "downlink_j_per_mbit", "J/Mbit"),
            "frame_j": absent(self.kind, "frame_j", "J"),
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows for these settings, and those of the transport."""
        settings = (
            row(self.kind, name) if value == default(self.kind, name) else set_by_user(row(self.kind, name), value)
            for name, value in (("mac_efficiency", self.mac_efficiency), ("tail_s", self.tail_s))
        )
        return (*self._currents(), *settings, *overhead_inputs(self.transport))

    def notes(self) -> tuple[Note, ...]:
        """That it was not compared, and what is left out."""
        throughput_mbps = self.rate_mbps * self.mac_efficiency
        texts = (
            f"{throughput_mbps:.3g} Mbit/s get through, headers included, at full transmit power; "
            "the currents are those of the whole chip with its processor mostly idle",
            "scanning and association are not charged: the chip is taken to be associated",
        )
        return NOT_COMPARED, *remarks(texts)

    def _currents(self) -> tuple[Coefficient, Coefficient, Coefficient, Coefficient]:
        """Supply, sending, receiving, resting."""
        rx = "rx_ht40_ma" if self.phy == "11n_ht40" else "rx_ht20_ma"
        supply_v, tx_ma, rx_ma, rest_ma = (
            row(self.kind, name) for name in ("supply_v", f"tx_{self.phy}_ma", rx, f"{self.rest}_ma")
        )
        return supply_v, tx_ma, rx_ma, rest_ma
