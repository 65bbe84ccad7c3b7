"""Models an LTE handset of 2012: promotion, active power with a slope per megabit, and a long tail with DRX.

In the tail the radio wakes for the on-duration once a DRX cycle; the mean of that is part of the tail power. The first
0.1 s of the tail, in which the cycle is shorter, is not a separate state (below 0.1 % of a session). At rest it listens
for paging once a cycle. Active power is charged once while either direction is active.

References:
    Huang, Qian, Gerber, Mao, Sen, Spatscheck, "A Close Examination of Performance and Power Characteristics of 4G LTE
    Networks", MobiSys 2012, Tables 3 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.core.coefficients import combine
from harness.core.notes import Note
from harness.core.prices import Coefficient
from radio_models import handset
from radio_models.coefficients import default, row
from radio_models.validation import lone_session, reproduced


@dataclass(frozen=True)
class LteHandset2012:
    """LTE handset, 2012.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 1000.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 1000.
        tail_s: seconds connected after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "lte"
    title: ClassVar[str] = "LTE handset (2012)"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    carry, obstacle, inputs = handset.carry, handset.obstacle, handset.inputs
    session_s: ClassVar[float] = default(kind, "promotion_s")

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        handset.check(self, fastest_mbps=1000)

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        promotion = row(self.kind, "promotion_w"), row(self.kind, "promotion_s")
        drx = (row(self.kind, name) for name in ("tail_base_w", "drx_on_w", "drx_on_s", "drx_cycle_s"))
        paging = (row(self.kind, name) for name in ("paging_w", "paging_s", "paging_cycle_s"))
        return {
            "session_j": combine(f"{self.kind}.session_j", "J", lambda power_w, time_s: power_w * time_s, *promotion),
            "tail_w": combine(
                f"{self.kind}.tail_w",
                "W",
                lambda base_w, on_w, on_s, cycle_s: base_w + (on_w - base_w) * on_s / cycle_s,
                *drx,
            ),
            "uplink_w": row(self.kind, "active_w"),
            "downlink_w": row(self.kind, "active_w"),
            "uplink_j_per_mbit": row(self.kind, "uplink_j_per_mbit"),
            "downlink_j_per_mbit": row(self.kind, "downlink_j_per_mbit"),
            "rest_w": combine(f"{self.kind}.rest_w", "W", lambda on_w, on_s, cycle_s: on_w * on_s / cycle_s, *paging),
            **handset.without_frames(self.kind),
        }

    def notes(self) -> tuple[Note, ...]:
        """How the model compares with what its authors measured."""
        packet = lone_session(LteHandset2012(transport="none"), uplink_bytes=0)
        text = (
            "within 6 % of measured sessions of applications, by the model's authors (huang2012, abstract); "
            "no measurement of others was found"
        )
        return reproduced("lte.single_packet_j", packet), Note("validated", text)
