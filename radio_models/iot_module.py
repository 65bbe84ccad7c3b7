"""Implements what cellular modules for the Internet of Things share, as methods that their dataclasses adopt by name.

One state machine: asleep, waking, sending or receiving, listening for an answer, connected until the network lets go,
listening for paging, asleep. Energy on the air is power times time, so nothing is charged per megabit.
"""

from typing import Protocol

from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Int64
from radio_models.carrying import Link, carried
from radio_models.coefficients import absent, inputs_of, row
from radio_models.overhead import TRANSPORTS
from radio_models.overhead import inputs as overhead_inputs
from radio_models.settings import check_choice, check_range, check_share

_BYTES_PER_MB = 1_000_000


class Module(Protocol):
    """The settings that every module has."""

    @property
    def kind(self) -> str:
        """Name in the spec and in the table of coefficients."""

    @property
    def link(self) -> Link:
        """Rates, transport and answers as they are with these settings."""

    @property
    def inactivity_s(self) -> float:
        """Seconds after which the network lets go."""

    @property
    def response_s(self) -> float:
        """Seconds from a question to its answer."""

    @property
    def active_time_s(self) -> float:
        """Seconds of listening for paging after each session."""

    @property
    def early_release(self) -> bool:
        """Whether the module tells the network that nothing follows."""

    @property
    def power_saving(self) -> bool:
        """Whether the module sleeps at rest, unreachable."""

    @property
    def transport(self) -> str:
        """Protocols around the payload."""

    @property
    def retransmission_share(self) -> float:
        """Share of frames that are sent again."""


def check(self: Module) -> None:
    """Refuse settings out of range that all modules have.

    Raises:
        ValueError: a setting is out of range; the message starts with its name.
    """
    check_range("inactivity_s", self.inactivity_s, 0, 120)
    check_range("response_s", self.response_s, 0, 300)
    check_range("active_time_s", self.active_time_s, 0, 11_160)
    check_choice("transport", self.transport, TRANSPORTS)
    check_share("retransmission_share", self.retransmission_share)


def carry(self: Module, payload_bytes: Int64, direction: Direction) -> Carriage:
    """Seconds of sending, receiving and waiting for answers."""
    return carried(payload_bytes, direction, self.link)


def obstacle(self: Module, payload_bytes: int, direction: Direction) -> str:
    """Nothing: payloads of any size are cut into packets."""
    del self, payload_bytes, direction
    return ""


def inputs(self: Module) -> tuple[Coefficient, ...]:
    """The table rows that coefficients and default settings come from."""
    return (*inputs_of(self), *overhead_inputs(self.transport))


def tail_s(self: Module) -> float:
    """Seconds connected after a transfer: until the network lets go, none if the module asks to be released."""
    return 0.0 if self.early_release else self.inactivity_s


def at_rest(self: Module) -> Coefficient:
    """Power while nothing happens: asleep, or listening for paging."""
    return row(self.kind, "sleep_w" if self.power_saving else "idle_w")


def without_slopes(kind: str) -> dict[str, Coefficient]:
    """The coefficients of what module models have no term for: megabits and frames."""
    slopes = {f"{way}_j_per_mbit": absent(kind, f"{way}_j_per_mbit", "J/Mbit") for way in ("uplink", "downlink")}
    return {**slopes, "frame_j": absent(kind, "frame_j", "J")}


def pace(self: Module) -> str:
    """One line on how long a megabyte takes with these settings."""
    up_s, down_s = (
        _BYTES_PER_MB * 8e-6 / rate / (1 - self.retransmission_share)
        for rate in (self.link.rate_up_mbps, self.link.rate_down_mbps)
    )
    waits = f", and {self.link.response_s:g} s more for each block of CoAP" if self.transport.startswith("coap") else ""
    return f"on the air {up_s:.0f} s per MB up, {down_s:.0f} s per MB down{waits}"
