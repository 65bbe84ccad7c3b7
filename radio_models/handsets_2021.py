"""Models a handset of 2021 (Galaxy S20 Ultra) on LTE, 5G low-band and mmWave: fitted power, promotion or switch, tail.

The fits give the power of the whole phone with its screen on. What the radio adds while it is active is the fit's
intercept less the idle phone, per direction; what it takes at rest stays with the idle phone. A rate beyond those
tested extrapolates the fit; `notes` says so.

References:
    Narayanan et al., "A Variegated Look at 5G in the Wild: Performance, Power, and QoE Implications", SIGCOMM 2021,
    Figure 11 and Table 2, and its artifact; slopes fitted anew from the released data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.core.coefficients import combine
from harness.core.notes import Note, remarks
from harness.core.prices import Coefficient
from radio_models import handset
from radio_models.coefficients import absent, default, row
from radio_models.validation import NOT_COMPARED, compared, transfer

_IN_THE_PHONE = "its energy is in that of the idle phone, which the fit leaves out"
_BYTES_PER_MBIT = 125_000
_FASTEST_MBPS = 10_000


def _switch(kind: str) -> Coefficient:
    return combine(
        f"{kind}.session_j",
        "J",
        lambda power_w, time_s: power_w * time_s,
        row(kind, "switch_w"),
        row(kind, "switch_s"),
    )


def _fitted(kind: str) -> dict[str, Coefficient]:
    active = {
        f"{way}_w": combine(
            f"{kind}.{way}_w",
            "W",
            lambda phone_w, floor_w: phone_w - floor_w,
            row(kind, f"{way}_phone_w"),
            row(kind, "phone_floor_w"),
            drawn_with=f"{kind}.phone_floor_w",
        )
        for way in ("uplink", "downlink")
    }
    slopes = {f"{way}_j_per_mbit": row(kind, f"{way}_j_per_mbit") for way in ("uplink", "downlink")}
    rest = {"rest_w": absent(kind, "rest_w", "W", _IN_THE_PHONE)}
    return {"tail_w": row(kind, "tail_w"), **active, **slopes, **rest, **handset.without_frames(kind)}


def _remarks(self: handset.Handset) -> tuple[Note, ...]:
    """Whether the rates are inside the fit, and where the power at rest is."""
    rates = {"up": self.rate_up_mbps, "down": self.rate_down_mbps}
    tested = {way: row(self.kind, f"fitted_{way}_mbps").typical for way in rates}
    outside = [
        f"outside the fitted range: {rate:g} Mbit/s {way}, tested up to {tested[way]:g}"
        for way, rate in rates.items()
        if rate > tested[way]
    ]
    return remarks([*outside, "at rest the radio is part of the idle phone and is not charged"])


def _with_switch(self: handset.Handset) -> Mapping[str, Coefficient]:
    """The coefficient of each quantity; a session starts with the switch from 4G to 5G."""
    return {"session_j": _switch(self.kind), **_fitted(self.kind)}


@dataclass(frozen=True)
class LteHandset2021:
    """LTE handset, 2021.

    The promotion takes as long as in 2012, at this radio's own active power (our judgement).

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 25.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 50.
        tail_s: seconds connected after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "lte_2021"
    title: ClassVar[str] = "LTE handset (2021)"
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
        handset.check(self, _FASTEST_MBPS)

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        session_j = combine(
            f"{self.kind}.session_j",
            "J",
            lambda phone_w, floor_w, time_s: (phone_w - floor_w) * time_s,
            row(self.kind, "uplink_phone_w"),
            row(self.kind, "phone_floor_w"),
            row(self.kind, "promotion_s"),
        )
        return {"session_j": session_j, **_fitted(self.kind)}

    def notes(self) -> tuple[Note, ...]:
        """Whether the rates are inside the fit, and that nothing was compared."""
        return *_remarks(self), NOT_COMPARED


@dataclass(frozen=True)
class NrLowbandHandset2021:
    """5G low-band handset (non-standalone), 2021; a session starts with the switch from 4G to 5G.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 40.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 100.
        tail_s: seconds connected after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "nr_lowband"
    title: ClassVar[str] = "5G low-band handset (2021)"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    carry, obstacle, inputs = handset.carry, handset.obstacle, handset.inputs
    session_s: ClassVar[float] = default(kind, "switch_s")
    coefficients = _with_switch

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        handset.check(self, _FASTEST_MBPS)

    def notes(self) -> tuple[Note, ...]:
        """Whether the rates lie inside the fit, and how it compares with a download while walking."""
        # 2811 Mbit in 34 s.
        walk = transfer(
            NrLowbandHandset2021(rate_down_mbps=2811 / 34, transport="none"), downlink_bytes=2811 * _BYTES_PER_MBIT
        )
        return *_remarks(self), compared("nr_lowband.walk_j", walk)


@dataclass(frozen=True)
class NrMmwaveHandset2021:
    """5G mmWave handset (non-standalone), 2021; a session starts with the switch from 4G to 5G.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 190.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 2196.
        tail_s: seconds connected after a transfer, 0 to 60.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "nr_mmwave"
    title: ClassVar[str] = "5G mmWave handset (2021)"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    carry, obstacle, inputs = handset.carry, handset.obstacle, handset.inputs
    session_s: ClassVar[float] = default(kind, "switch_s")
    coefficients = _with_switch

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        handset.check(self, _FASTEST_MBPS)

    def notes(self) -> tuple[Note, ...]:
        """Whether the rates lie inside the fit, and how it compares with a download while walking."""
        # 5009 Mbit in 45 s.
        walk = transfer(
            NrMmwaveHandset2021(rate_down_mbps=5009 / 45, transport="none"), downlink_bytes=5009 * _BYTES_PER_MBIT
        )
        return *_remarks(self), compared("nr_mmwave.walk_j", walk)
