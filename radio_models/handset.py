"""What handset radios have in common, as methods that their dataclasses take over by name."""

from collections.abc import Sequence
from typing import Protocol

from harness.core.types import Coefficient, Direction, RadioTransfer, Usage
from harness.core.units import mbit_from_bits
from radio_models.coefficients import inputs_of
from radio_models.sessions import usage_of


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


def transfer_s(self: Handset, bits: int, direction: Direction) -> float:
    """Seconds on the air at the configured rate."""
    return mbit_from_bits(bits) / (self.rate_up_mbps if direction == "uplink" else self.rate_down_mbps)


def usage(self: Handset, transfers: Sequence[RadioTransfer]) -> list[Usage]:
    """Sessions, tails, seconds and megabits per round and direction."""
    return usage_of(transfers, self.tail_s)


def inputs(self: Handset) -> tuple[Coefficient, ...]:
    """The table rows that the prices and default settings come from."""
    return inputs_of(self)
