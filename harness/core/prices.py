"""Defines coefficients, and the quantities of carrying payloads that they price."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from harness.core.types import Float64


@dataclass(frozen=True)
class Coefficient:
    """An assumption: one number that turns usage into joules, seconds or grams.

    Attributes:
        name: key in its table, e.g. "lte_2012.alpha_up".
        low: lower end of the plausible range, in `unit`.
        typical: value used for point estimates, in `unit`.
        high: upper end of the plausible range, in `unit`.
        unit: e.g. "W", "J/Mbit", "s", "gCO2e/kWh".
        source: key of a BibTeX entry, or "judgement".
        locator: table, equation or file inside the source.
        year: year of the value.
        basis: primary, secondary, derived, memory or judgement; says how the number reached us.
        range_basis: "source" if the source states low and high, else the rule they were derived by.
        is_verified: whether the number was read in the named source.
        drawn_with: name of the coefficient that this one rises and falls with, when its range is drawn from; empty
            for one of its own.
    """

    name: str
    low: float
    typical: float
    high: float
    unit: str
    source: str
    locator: str
    year: int
    basis: str
    range_basis: str
    is_verified: bool
    drawn_with: str = ""


@dataclass(frozen=True, eq=False)
class Carriage:
    """What carrying payloads over a link takes, retransmissions, headers and acknowledgements included.

    Every field is float64 of shape (n,), one entry per payload, at least 0.

    Attributes:
        seconds: from the start until the payload has arrived: on the air, between frames, in silence that a duty cycle
            demands.
        uplink_s: seconds that the client's radio sends.
        downlink_s: seconds that the client's radio receives.
        wait_s: seconds that the client's radio is awake but neither sends nor receives.
        uplink_mbit: megabits (1e6 bit) from the client, whichever way the payload goes.
        downlink_mbit: megabits to the client, whichever way the payload goes.
        frames: frames whose cost does not depend on their size.
    """

    seconds: Float64
    uplink_s: Float64
    downlink_s: Float64
    wait_s: Float64
    uplink_mbit: Float64
    downlink_mbit: Float64
    frames: Float64


class SharedRound(NamedTuple):
    """What carrying all payloads of a round takes on a medium that its clients share.

    Attributes:
        seconds: least seconds from the first downlink to the last uplink, computing left out, at least 0.
        medium: what they share, in words that stand after "share", e.g. "one LoRaWAN gateway".
    """

    seconds: float
    medium: str


PRICES: Mapping[str, str] = {
    "sessions": "session_j",
    "tail_s": "tail_w",
    "uplink_s": "uplink_w",
    "downlink_s": "downlink_w",
    "wait_s": "wait_w",
    "uplink_mbit": "uplink_j_per_mbit",
    "downlink_mbit": "downlink_j_per_mbit",
    "frames": "frame_j",
    "rest_s": "rest_w",
}
"""Quantities of a radio's usage, each with the name of the coefficient that turns it into joules.

Besides those of `Carriage`: ``sessions``, times a radio left rest; ``tail_s``, seconds that it stays connected after a
transfer because the network does not let go; ``rest_s``, seconds in which it does none of these.
"""
