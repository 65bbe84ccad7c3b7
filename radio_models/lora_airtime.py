"""Computes time on air of LoRa frames, and of the FSK frames that one LoRaWAN data rate uses.

Symbols last ``2**SF / BW``; a frame is a preamble of ``n + 4.25`` symbols and ``8 + max(ceil((8 PL - 4 SF + 28 + 16 CRC
- 20 IH) / (4 (SF - 2 DE))) (CR + 4), 0)`` symbols more. DE, the low data rate optimisation, is compulsory where a
symbol lasts 16 ms or longer: at SF11 and SF12 in 125 kHz, at SF12 in 250 kHz.

References:
    Semtech, AN1200.13, "SX1272/3/6/7/8: LoRa Modem Designer's Guide", 2013, section 4.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.types import Float64, Int64

LowDataRate = Literal["auto", "on", "off"]
"""Low data rate optimisation: where it is compulsory, everywhere, nowhere."""

_LONG_SYMBOL_S = 0.016


@dataclass(frozen=True)
class LoRa:
    """How a LoRa frame is modulated.

    Attributes:
        spreading_factor: 7 to 12.
        bandwidth_khz: 125, 250 or 500.
        coding_rate: 1 to 4, for 4/5 to 4/8.
        preamble_symbols: at least 6; LoRaWAN uses 8.
        has_header: whether the frame states its own length (explicit header); LoRaWAN frames do.
        has_crc: whether a checksum of the payload follows; uplink frames have one.
        low_data_rate: the low data rate optimisation.
    """

    spreading_factor: int
    bandwidth_khz: int = 125
    coding_rate: int = 1
    preamble_symbols: int = 8
    has_header: bool = True
    has_crc: bool = True
    low_data_rate: LowDataRate = "auto"

    def __post_init__(self) -> None:
        """Refuse what the modem cannot be set to."""
        _check_among("spreading_factor", self.spreading_factor, range(7, 13))
        _check_among("bandwidth_khz", self.bandwidth_khz, (125, 250, 500))
        _check_among("coding_rate", self.coding_rate, range(1, 5))
        if self.preamble_symbols < 6:
            raise ValueError(f"preamble_symbols must be at least 6, got {self.preamble_symbols}")

    @property
    def symbol_s(self) -> float:
        """Seconds that one symbol lasts."""
        return 2.0**self.spreading_factor / (1000.0 * self.bandwidth_khz)

    @property
    def is_optimised(self) -> bool:
        """Whether the low data rate optimisation is on."""
        if self.low_data_rate == "auto":
            return self.symbol_s >= _LONG_SYMBOL_S
        return self.low_data_rate == "on"

    def airtime_s(self, phy_bytes: Int64) -> Float64:
        """Seconds that frames take.

        Args:
            phy_bytes: shape (n,), bytes that the modem is given, each at least 0: of a LoRaWAN frame its payload and
                13 more.

        >>> LoRa(spreading_factor=7).airtime_s(np.array([10, 13])) * 1e3
        array([41.216, 46.336])
        """
        bits = 8 * np.asarray(phy_bytes, dtype=np.int64) - 4 * self.spreading_factor + 28
        bits = bits + 16 * self.has_crc - 20 * (not self.has_header)
        bits_per_block = 4 * (self.spreading_factor - 2 * self.is_optimised)
        n_blocks = -(-bits // bits_per_block)
        n_payload = 8 + np.maximum(n_blocks * (self.coding_rate + 4), 0)
        return np.asarray((self.preamble_symbols + 4.25 + n_payload) * self.symbol_s, dtype=np.float64)

    @property
    def window_s(self) -> float:
        """Seconds that a receive window stays open if nothing arrives: 12 symbols up to SF10, 8 above.

        The receive windows of Casals et al., Sensors 2017: 12.29 ms at SF7, 262.14 ms at SF12, both in 125 kHz.
        """
        return (12 if self.spreading_factor <= 10 else 8) * self.symbol_s


@dataclass(frozen=True)
class Fsk:
    """GFSK at 50 kbit/s, as LoRaWAN frames it: preamble 5, sync word 3, length 1 and checksum 2 bytes."""

    bits_per_s: int = 50_000

    def airtime_s(self, phy_bytes: Int64) -> Float64:
        """Seconds that frames take.

        Args:
            phy_bytes: shape (n,), bytes that the modem is given, each at least 0.

        >>> Fsk().airtime_s(np.array([200])) * 1e3
        array([33.76])
        """
        return np.asarray((np.asarray(phy_bytes, dtype=np.int64) + 11) * 8 / self.bits_per_s, dtype=np.float64)

    @property
    def window_s(self) -> float:
        """Seconds that a receive window stays open if nothing arrives: 8 bytes, preamble and sync word."""
        return 8 * 8 / self.bits_per_s


Modulation = LoRa | Fsk
"""How a frame is sent."""


def off_s(airtime_s: float, duty_cycle: float) -> float:
    """Silence that a duty cycle demands after a frame.

    Args:
        airtime_s: seconds of the frame.
        duty_cycle: share of the time that may be spent sending, above 0 and at most 1.

    >>> round(off_s(2.0, 0.01), 9)
    198.0
    """
    return airtime_s * (1 / duty_cycle - 1)


def _check_among(name: str, value: int, allowed: range | tuple[int, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value}")
