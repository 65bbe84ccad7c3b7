"""Handset of 2021 (Galaxy S20 Ultra) on LTE, 5G low-band and 5G mmWave: fitted power, promotion or switch, tail.

The fits give the power of the whole phone with its screen on. What the radio adds while it is active is the fit's
intercept less the idle phone, per direction. A rate beyond those tested extrapolates the fit; `notes` says so.

References:
    Narayanan et al., "A Variegated Look at 5G in the Wild: Performance, Power, and QoE Implications", SIGCOMM 2021,
    Figure 11 and Table 2, and its artifact; slopes fitted anew from the released data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.coefficients import combine
from harness.core.types import Coefficient, RadioTransfer
from radio_models import handset
from radio_models.coefficients import default, row
from radio_models.sessions import check_range

_UNVALIDATED = "unvalidated: no end-to-end energy outside its sources was compared with this model"


def _check(self: handset.Handset) -> None:
    check_range("rate_up_mbps", self.rate_up_mbps, 0.01, 10_000)
    check_range("rate_down_mbps", self.rate_down_mbps, 0.01, 10_000)
    check_range("tail_s", self.tail_s, 0, 60)


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
        f"{way}_active_w": combine(
            f"{kind}.{way}_active_w",
            "W",
            lambda phone_w, floor_w: phone_w - floor_w,
            row(kind, f"{way}_phone_w"),
            row(kind, "phone_floor_w"),
        )
        for way in ("uplink", "downlink")
    }
    slopes = {f"{way}_j_per_mbit": row(kind, f"{way}_j_per_mbit") for way in ("uplink", "downlink")}
    return {"tail_w": row(kind, "tail_w"), **active, **slopes}


def _notes(self: handset.Handset, transfers: Sequence[RadioTransfer]) -> list[str]:
    """Whether the rates lie inside the fit."""
    del transfers
    rates = {"up": self.rate_up_mbps, "down": self.rate_down_mbps}
    tested = {way: row(self.kind, f"fitted_{way}_mbps").typical for way in rates}
    outside = [
        f"outside the fitted range: {rate:g} Mbit/s {way}, tested up to {tested[way]:g}"
        for way, rate in rates.items()
        if rate > tested[way]
    ]
    return [*outside, _UNVALIDATED]


def _with_switch(self: handset.Handset) -> Mapping[str, Coefficient]:
    """Price of each quantity; a session starts with the switch from 4G to 5G."""
    return {"session_j": _switch(self.kind), **_fitted(self.kind)}


@dataclass(frozen=True)
class LteHandset2021:
    """LTE handset, 2021.

    The promotion takes as long as in 2012, at this radio's own active power (our judgement).

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 25.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 50.
        tail_s: seconds connected after a transfer, 0 to 60.
    """

    kind: ClassVar[str] = "lte_2021"
    title: ClassVar[str] = "LTE handset (2021)"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")

    transfer_s, usage, inputs = handset.transfer_s, handset.usage, handset.inputs
    notes = _notes

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check(self)

    def coefficients(self) -> Mapping[str, Coefficient]:
        """Price of each quantity."""
        session_j = combine(
            f"{self.kind}.session_j",
            "J",
            lambda phone_w, floor_w, time_s: (phone_w - floor_w) * time_s,
            row(self.kind, "uplink_phone_w"),
            row(self.kind, "phone_floor_w"),
            row(self.kind, "promotion_s"),
        )
        return {"session_j": session_j, **_fitted(self.kind)}


@dataclass(frozen=True)
class NrLowbandHandset2021:
    """5G low-band handset (non-standalone), 2021; a session starts with the switch from 4G to 5G.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 40.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 100.
        tail_s: seconds connected after a transfer, 0 to 60.
    """

    kind: ClassVar[str] = "nr_lowband"
    title: ClassVar[str] = "5G low-band handset (2021)"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")

    transfer_s, usage, inputs = handset.transfer_s, handset.usage, handset.inputs
    notes, coefficients = _notes, _with_switch

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check(self)


@dataclass(frozen=True)
class NrMmwaveHandset2021:
    """5G mmWave handset (non-standalone), 2021; a session starts with the switch from 4G to 5G.

    Attributes:
        rate_up_mbps: uplink rate, Mbit/s, 0.01 to 10000; fitted up to 190.
        rate_down_mbps: downlink rate, Mbit/s, 0.01 to 10000; fitted up to 2196.
        tail_s: seconds connected after a transfer, 0 to 60.
    """

    kind: ClassVar[str] = "nr_mmwave"
    title: ClassVar[str] = "5G mmWave handset (2021)"

    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    tail_s: float = default(kind, "tail_s")

    transfer_s, usage, inputs = handset.transfer_s, handset.usage, handset.inputs
    notes, coefficients = _notes, _with_switch

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check(self)
