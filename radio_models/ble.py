"""Models Bluetooth 5 Low Energy: notifications over a connection, packet by packet, on the radio of an nRF52840.

A payload is cut into notifications of the ATT MTU less 3 bytes. Each gets 4 bytes of L2CAP and 3 of ATT around it and
is cut again into link-layer packets of 251 bytes, or 27 without length extension. Each packet is answered by an empty
one, and 150 us lie before and after the answer. A connection event takes as many packets as fit before the next one;
what is left of the interval is rest. Sender and receiver are alike but for which packets they send.

References:
    Bluetooth Core Specification 5.0, Volume 6, Part B, sections 2.1, 2.2 and 4.1.
    Nordic Semiconductor, nRF52840 Product Specification: currents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from harness.core.coefficients import combine
from harness.core.notes import Note, remarks
from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Float64, Int64
from harness.core.units import BITS_PER_BYTE, BITS_PER_MBIT
from radio_models.coefficients import absent, row
from radio_models.settings import check_choice, check_range, check_share
from radio_models.validation import compared, transfer

Phy = Literal["1m", "2m", "coded_s2", "coded_s8"]
"""1 or 2 Mbit/s without coding, 500 or 125 kbit/s with it."""

_INTERFRAME_S = 150e-6
_AFTER_PREAMBLE_BYTES = 4 + 2 + 3  # access address, header, CRC
_PREAMBLE_BYTES = {"1m": 1, "2m": 2}
_MBPS = {"1m": 1.0, "2m": 2.0}
_SYMBOLS_PER_BIT = {"coded_s2": 2, "coded_s8": 8}
_CODED_START_S = (80 + 256 + 16 + 24) * 1e-6  # preamble, access address, coding indicator, first terminator
_CODED_END_SYMBOLS = 3
_MIC_BYTES = 4
_ATT_BYTES, _L2CAP_BYTES = 3, 4
_SMALLEST_ATT_MTU, _LARGEST_ATT_MTU = 23, 247
_LONGEST_PDU_BYTES, _LONGEST_PDU_WITHOUT_EXTENSION_BYTES = 251, 27


@dataclass(frozen=True)
class Ble5:
    """Bluetooth 5 Low Energy.

    Attributes:
        phy: modulation and coding.
        data_length_extension: whether packets carry up to 251 bytes rather than 27.
        att_mtu_bytes: largest ATT packet, 23 to 247; 247 fills one extended packet.
        encryption: whether each packet ends with a message integrity check of 4 bytes.
        tx_power_dbm: transmit power, 0 or 8.
        connection_interval_s: seconds from one connection event to the next, 0.0075 to 4.
        packets_per_event: packets with payload that an event takes at most, 1 to 1000; some phones stop at 4 to 6. An
            event also ends where the next one starts.
        retransmission_share: share of packets that are sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "ble"
    title: ClassVar[str] = "Bluetooth 5 Low Energy"
    access: ClassVar[Literal["mobile", "fixed"]] = "fixed"

    phy: Phy = "1m"
    data_length_extension: bool = True
    att_mtu_bytes: int = 247
    encryption: bool = True
    tx_power_dbm: int = 0
    connection_interval_s: float = 0.05
    packets_per_event: int = 1000
    retransmission_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_choice("phy", self.phy, get_args(Phy))
        check_range("att_mtu_bytes", self.att_mtu_bytes, _SMALLEST_ATT_MTU, _LARGEST_ATT_MTU)
        if self.tx_power_dbm not in (0, 8):
            raise ValueError(f"tx_power_dbm must be 0 or 8, got {self.tx_power_dbm}")
        check_range("connection_interval_s", self.connection_interval_s, 0.0075, 4)
        check_range("packets_per_event", self.packets_per_event, 1, 1000)
        check_share("retransmission_share", self.retransmission_share)

    @property
    def tail_s(self) -> float:
        """None: the connection idles at the power of rest."""
        return 0.0

    def packet_s(self, pdu_bytes: Int64) -> Float64:
        """Seconds on the air of link-layer packets.

        Args:
            pdu_bytes: shape (n,), bytes that a packet carries for L2CAP, 0 to 251; an empty one has no integrity check.

        >>> Ble5(phy="coded_s8").packet_s(np.array([251])) * 1e6
        array([17040.])
        """
        sizes = np.asarray(pdu_bytes, dtype=np.int64)
        sizes = sizes + _MIC_BYTES * ((sizes > 0) & self.encryption)
        if self.phy in _MBPS:
            n_bytes = _PREAMBLE_BYTES[self.phy] + _AFTER_PREAMBLE_BYTES + sizes
            return np.asarray(n_bytes * BITS_PER_BYTE / (_MBPS[self.phy] * BITS_PER_MBIT), dtype=np.float64)
        # The access address is in the start, which every coding spreads eightfold.
        bits = (_AFTER_PREAMBLE_BYTES - 4 + sizes) * BITS_PER_BYTE + _CODED_END_SYMBOLS
        return np.asarray(_CODED_START_S + bits * _SYMBOLS_PER_BIT[self.phy] * 1e-6, dtype=np.float64)

    def cycle_s(self, pdu_bytes: Int64) -> Float64:
        """Seconds of packets with their answers and the pauses around them, shape (n,), as `packet_s`.

        >>> Ble5(phy="2m", encryption=False).cycle_s(np.array([251])) * 1e6
        array([1392.])
        """
        return self.packet_s(pdu_bytes) + _INTERFRAME_S + self.packet_s(np.array(0)) + _INTERFRAME_S

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """Packets, their answers, and the rest between connection events."""
        sizes = np.asarray(payload_bytes, dtype=np.int64)
        notification = self.att_mtu_bytes - _ATT_BYTES
        n_full, rest = np.divmod(sizes, notification)
        n_rest = ((rest > 0) | (sizes == 0)).astype(np.int64)
        tries = 1 / (1 - self.retransmission_share)
        full, last = self._notification(np.array([notification])), self._notification(rest)
        n_packets, data_s, data_bytes = (
            tries * (n_full * of_full + n_rest * of_rest) for of_full, of_rest in zip(full, last, strict=True)
        )
        answer_s = n_packets * self.packet_s(np.array(0))
        pause_s = n_packets * 2 * _INTERFRAME_S
        answer_bytes = n_packets * self._framing_bytes()
        up, down = (data_s, data_bytes), (answer_s, answer_bytes)
        if direction == "downlink":
            up, down = down, up
        mbit_per_byte = BITS_PER_BYTE / BITS_PER_MBIT
        return Carriage(
            seconds=data_s + answer_s + pause_s + self._between_events_s(n_packets),
            uplink_s=up[0],
            downlink_s=down[0],
            wait_s=pause_s,
            uplink_mbit=up[1] * mbit_per_byte,
            downlink_mbit=down[1] * mbit_per_byte,
            frames=np.zeros_like(pause_s),
        )

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """Nothing: payloads of any size are cut into packets."""
        del payload_bytes, direction
        return ""

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        supply_v, tx_ma, rx_ma, turn_ma, sleep_ua = self.inputs()
        prices = {
            name: combine(f"{self.kind}.{name}", "W", lambda volts, ma: volts * ma / 1e3, supply_v, current_ma)
            for name, current_ma in (("uplink_w", tx_ma), ("downlink_w", rx_ma), ("wait_w", turn_ma))
        }
        rest_w = combine(f"{self.kind}.rest_w", "W", lambda volts, ua: volts * ua / 1e6, supply_v, sleep_ua)
        return {
            "session_j": absent(self.kind, "session_j", "J", "the connection is taken to stand"),
            "tail_w": absent(self.kind, "tail_w", "W", "there is no tail"),
            **prices,
            "uplink_j_per_mbit": absent(self.kind, "uplink_j_per_mbit", "J/Mbit"),
            "downlink_j_per_mbit": absent(self.kind, "downlink_j_per_mbit", "J/Mbit"),
            "frame_j": absent(self.kind, "frame_j", "J"),
            "rest_w": rest_w,
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """Supply, transmitting, receiving, turning round, sleep: the table rows for this PHY and power."""
        rx = "rx_2m_ma" if self.phy == "2m" else "rx_1m_ma"
        names = ("supply_v", f"tx_{self.tx_power_dbm}dbm_ma", rx, "turn_ma", "sleep_ua")
        return tuple(row(self.kind, name) for name in names)

    def notes(self) -> tuple[Note, ...]:
        """How it compares with a measurement, and what is left out."""
        streamed = transfer(Ble5(phy="2m", encryption=False), uplink_bytes=1_000_000)
        left_out = (
            "only the radio is charged: neither the processor that feeds it, nor wake-up before connection events, nor "
            "events without payload, nor advertising and connecting",
            "the phone or gateway at the other end needs a link of its own, which is not charged",
        )
        return compared("ble.streamed_megabyte_j", streamed), *remarks(left_out)

    def _framing_bytes(self) -> int:
        """Bytes of an empty packet; a coded one has a preamble of ten."""
        return _PREAMBLE_BYTES.get(self.phy, 10) + _AFTER_PREAMBLE_BYTES

    def _notification(self, value_bytes: Int64) -> tuple[Float64, Float64, Float64]:
        """Packets of one notification each, their seconds on the air, and their bytes: shape (n,)."""
        longest = _LONGEST_PDU_BYTES if self.data_length_extension else _LONGEST_PDU_WITHOUT_EXTENSION_BYTES
        n_bytes = np.asarray(value_bytes, dtype=np.int64) + _ATT_BYTES + _L2CAP_BYTES
        n_full, rest = np.divmod(n_bytes, longest)
        n_packets = (n_full + (rest > 0)).astype(np.float64)
        packets_s = n_full * self.packet_s(np.array(longest)) + (rest > 0) * self.packet_s(rest)
        per_packet_bytes = self._framing_bytes() + _MIC_BYTES * self.encryption
        return n_packets, packets_s, n_bytes + n_packets * per_packet_bytes

    def _between_events_s(self, n_packets: Float64) -> Float64:
        """Seconds between connection events, each filled with packets as long as the first ones are."""
        longest = self.att_mtu_bytes + _L2CAP_BYTES
        if not self.data_length_extension:
            longest = min(longest, _LONGEST_PDU_WITHOUT_EXTENSION_BYTES)
        cycle_s = float(self.cycle_s(np.array(longest)))
        n_fitting = min(max(int(self.connection_interval_s / cycle_s), 1), self.packets_per_event)
        gap_s = max(self.connection_interval_s - n_fitting * cycle_s, 0.0)
        return np.asarray(np.maximum(np.ceil(n_packets / n_fitting) - 1, 0) * gap_s, dtype=np.float64)
