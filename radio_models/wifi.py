"""Wi-Fi handset of 2012: the form of the LTE handset with a short promotion and a short tail in power-save mode.

References:
    Huang, Qian, Gerber, Mao, Sen, Spatscheck, "A Close Examination of Performance and Power Characteristics of 4G LTE
    Networks", MobiSys 2012, Tables 3 and 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.coefficients import combine
from harness.core.types import Coefficient, RadioTransfer
from radio_models import handset
from radio_models.coefficients import default, row
from radio_models.sessions import check_range


@dataclass(frozen=True)
class WifiHandset2012:
    """Wi-Fi handset, 2012.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 1000.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 1000.
        tail_s: seconds awake after a transfer, 0 to 60.
    """

    kind: ClassVar[str] = "wifi"
    title: ClassVar[str] = "Wi-Fi handset (2012)"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")

    def __post_init__(self) -> None:
        check_range("rate_up_mbps", self.rate_up_mbps, 0.01, 1000)
        check_range("rate_down_mbps", self.rate_down_mbps, 0.01, 1000)
        check_range("tail_s", self.tail_s, 0, 60)

    transfer_s, usage, inputs = handset.transfer_s, handset.usage, handset.inputs

    def coefficients(self) -> Mapping[str, Coefficient]:
        """Price of each quantity."""
        return {
            "session_j": combine(
                f"{self.kind}.session_j",
                "J",
                lambda power_w, time_s: power_w * time_s,
                row(self.kind, "promotion_w"),
                row(self.kind, "promotion_s"),
            ),
            "tail_w": row(self.kind, "tail_w"),
            "uplink_active_w": row(self.kind, "active_w"),
            "downlink_active_w": row(self.kind, "active_w"),
            "uplink_j_per_mbit": row(self.kind, "uplink_j_per_mbit"),
            "downlink_j_per_mbit": row(self.kind, "downlink_j_per_mbit"),
        }

    def notes(self, transfers: Sequence[RadioTransfer]) -> list[str]:
        """Association with the access point is not part of the model."""
        del transfers
        return ["scanning and association are not charged: the handset is taken to be associated"]
