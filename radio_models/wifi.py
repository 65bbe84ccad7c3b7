"""Models a Wi-Fi handset of 2012: as the LTE handset, with a short promotion and a short tail in power-save mode.

At rest it wakes for beacons.

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
from radio_models.validation import NOT_COMPARED, lone_session, reproduced


@dataclass(frozen=True)
class WifiHandset2012:
    """Wi-Fi handset, 2012.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 1000.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 1000.
        tail_s: seconds awake after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "wifi"
    title: ClassVar[str] = "Wi-Fi handset (2012)"
    access: ClassVar[Literal["mobile", "fixed"]] = "fixed"

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
        beacons = (row(self.kind, name) for name in ("beacon_w", "beacon_s", "beacon_cycle_s"))
        return {
            "session_j": combine(f"{self.kind}.session_j", "J", lambda power_w, time_s: power_w * time_s, *promotion),
            "tail_w": row(self.kind, "tail_w"),
            "uplink_w": row(self.kind, "active_w"),
            "downlink_w": row(self.kind, "active_w"),
            "uplink_j_per_mbit": row(self.kind, "uplink_j_per_mbit"),
            "downlink_j_per_mbit": row(self.kind, "downlink_j_per_mbit"),
            "rest_w": combine(f"{self.kind}.rest_w", "W", lambda on_w, on_s, cycle_s: on_w * on_s / cycle_s, *beacons),
            **handset.without_frames(self.kind),
        }

    def notes(self) -> tuple[Note, ...]:
        """Association with the access point is not part of the model, and nobody else's figure was compared."""
        packet = lone_session(WifiHandset2012(transport="none"), uplink_bytes=0)
        return (
            Note("remark", "scanning and association are not charged: the handset is taken to be associated"),
            reproduced("wifi.single_packet_j", packet),
            NOT_COMPARED,
        )
