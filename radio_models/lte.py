"""LTE handset of 2012: promotion, active power with a slope per megabit, and a long tail with DRX.

In the tail the radio wakes for the on-duration once a DRX cycle; the mean of that is part of the tail power. The first
0.1 s of the tail, in which the cycle is shorter, is not modelled apart (below 0.1 % of a session).
Active power is charged once while either direction is active.

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
class LteHandset2012:
    """LTE handset, 2012.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 1000.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 1000.
        tail_s: seconds connected after a transfer, 0 to 60.
    """

    kind: ClassVar[str] = "lte"
    title: ClassVar[str] = "LTE handset (2012)"

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
            "tail_w": combine(
                f"{self.kind}.tail_w",
                "W",
                lambda base_w, on_w, on_s, cycle_s: base_w + (on_w - base_w) * on_s / cycle_s,
                row(self.kind, "tail_base_w"),
                row(self.kind, "drx_on_w"),
                row(self.kind, "drx_on_s"),
                row(self.kind, "drx_cycle_s"),
            ),
            "uplink_active_w": row(self.kind, "active_w"),
            "downlink_active_w": row(self.kind, "active_w"),
            "uplink_j_per_mbit": row(self.kind, "uplink_j_per_mbit"),
            "downlink_j_per_mbit": row(self.kind, "downlink_j_per_mbit"),
        }

    def notes(self, transfers: Sequence[RadioTransfer]) -> list[str]:
        """Nothing to remark: the model was fitted on the whole range of its network."""
        del transfers
        return []
