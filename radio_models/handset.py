"""Implements what handset radios share, as methods that their dataclasses adopt by name.

Active power is counted once while either direction is active; acknowledgements cost the slope of their direction.
"""

from typing import Protocol

from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Int64
from radio_models.carrying import Link, carried
from radio_models.coefficients import absent, inputs_of
from radio_models.overhead import TRANSPORTS
from radio_models.overhead import inputs as overhead_inputs
from radio_models.settings import check_choice, check_range, check_share


class Handset(Protocol):
    """The settings that every handset has."""

    @property
    def kind(self) -> str:
        """Name in the spec and in the table of coefficients."""

    @property
    def rate_up_mbps(self) -> float:
        """Uplink rate, Mbit/s."""

    @property
    def rate_down_mbps(self) -> float:
        """Downlink rate, Mbit/s."""

    @property
    def tail_s(self) -> float:
        """Seconds connected after a transfer."""

    @property
    def transport(self) -> str:
        """Protocols around the payload."""

    @property
    def retransmission_share(self) -> float:
        """Share of frames that are sent again."""


def check(self: Handset, fastest_mbps: float) -> None:
    """Refuse settings out of range.

    Args:
        self: the handset.
        fastest_mbps: the highest rate that is not taken for a slip.

    Raises:
        ValueError: a setting is out of range; the message starts with its name.
    """
    check_range("rate_up_mbps", self.rate_up_mbps, 0.01, fastest_mbps)
    check_range("rate_down_mbps", self.rate_down_mbps, 0.01, fastest_mbps)
    check_range("tail_s", self.tail_s, 0, 60)
    check_choice("transport", self.transport, TRANSPORTS)
    check_share("retransmission_share", self.retransmission_share)


def carry(self: Handset, payload_bytes: Int64, direction: Direction) -> Carriage:
    """Seconds and megabits at the configured rate."""
    link = Link(self.rate_up_mbps, self.rate_down_mbps, self.transport, self.retransmission_share)
    return carried(payload_bytes, direction, link)


def obstacle(self: Handset, payload_bytes: int, direction: Direction) -> str:
    """Nothing: payloads of any size are cut into packets."""
    del self, payload_bytes, direction
    return ""


def inputs(self: Handset) -> tuple[Coefficient, ...]:
    """The table rows that coefficients and default settings come from."""
    return (*inputs_of(self), *overhead_inputs(self.transport))


def without_frames(kind: str) -> dict[str, Coefficient]:
    """The coefficients of what handset models have no term for: awake without traffic, and frames."""
    return {"wait_w": absent(kind, "wait_w", "W"), "frame_j": absent(kind, "frame_j", "J")}
