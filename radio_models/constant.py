"""Models a constant energy per bit, as much of the literature charges radios: no session, no tail, no power at rest.

A thousand small messages cost the same as one large one, as on no real radio; this model lets results
be compared with such papers.

References:
    Savazzi, Rampa, Kianoush, Bennis, "An Energy and Carbon Footprint Analysis of Distributed and Federated Learning",
    IEEE Transactions on Green Communications and Networking 2023.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from harness.core.coefficients import combine
from harness.core.notes import Note
from harness.core.prices import Carriage, Coefficient
from harness.core.types import Direction, Int64
from radio_models.carrying import Link, carried
from radio_models.coefficients import absent, default, inputs_of, row, set_by_user
from radio_models.overhead import TRANSPORTS
from radio_models.overhead import inputs as overhead_inputs
from radio_models.settings import check_choice, check_range, check_share

_WAYS = ("uplink", "downlink")
_NJ_PER_BIT_TO_J_PER_MBIT = 1e-3
_J_PER_MBIT_AT_1_KBIT_PER_J = 1000.0
_UNITS = {"session_j": "J", "tail_w": "W", "uplink_w": "W", "downlink_w": "W", "wait_w": "W", "frame_j": "J"}


@dataclass(frozen=True)
class ConstantPerBit:
    """A radio that takes so much energy for each bit, and nothing else.

    Give the energy of each direction, or one efficiency for both; without any, the efficiency is 50 kbit/J.

    Attributes:
        uplink_nj_per_bit: nanojoules for each bit from the client, 0 to 1e9.
        downlink_nj_per_bit: nanojoules for each bit to the client, 0 to 1e9.
        kbit_per_j: kilobits for each joule, in both directions, 1e-6 to 1e9.
        rate_up_mbps: uplink rate, Mbit/s, 1e-6 to 1e5; it decides times only.
        rate_down_mbps: downlink rate, Mbit/s, 1e-6 to 1e5; it decides times only.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`; papers count none.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "per_bit"
    title: ClassVar[str] = "constant energy per bit"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"
    tail_s: ClassVar[float] = 0.0

    uplink_nj_per_bit: float | None = None
    downlink_nj_per_bit: float | None = None
    kbit_per_j: float | None = None
    rate_up_mbps: float = default(kind, "rate_up_mbps")
    rate_down_mbps: float = default(kind, "rate_down_mbps")
    transport: str = "none"
    retransmission_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of range or that contradict each other."""
        by_way = {f"{way}_nj_per_bit": self._nj_per_bit(way) for way in _WAYS}
        given = [name for name, value in by_way.items() if value is not None]
        for name, value in by_way.items():
            if value is not None:
                check_range(name, value, 0, 1e9)
        if self.kbit_per_j is not None:
            check_range("kbit_per_j", self.kbit_per_j, 1e-6, 1e9)
            if given:
                raise ValueError(f"kbit_per_j must be left out where {given[0]} is given, got {self.kbit_per_j:g}")
        if len(given) == 1:
            (missing,) = set(by_way) - set(given)
            raise ValueError(f"{given[0]} must be given together with {missing}, got {by_way[given[0]]:g} alone")
        check_range("rate_up_mbps", self.rate_up_mbps, 1e-6, 1e5)
        check_range("rate_down_mbps", self.rate_down_mbps, 1e-6, 1e5)
        check_choice("transport", self.transport, TRANSPORTS)
        check_share("retransmission_share", self.retransmission_share)

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """Megabits, and seconds at the configured rate."""
        link = Link(self.rate_up_mbps, self.rate_down_mbps, self.transport, self.retransmission_share)
        return carried(payload_bytes, direction, link)

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """Nothing: bits are bits."""
        del payload_bytes, direction
        return ""

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity; only bits cost."""
        nothing = {name: absent(self.kind, name, unit, "only bits cost") for name, unit in _UNITS.items()}
        return {
            **nothing,
            "rest_w": absent(self.kind, "rest_w", "W", "only bits cost"),
            **{f"{way}_j_per_mbit": self._j_per_mbit(way) for way in _WAYS},
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """The rows that coefficients and default settings come from."""
        given = [self._j_per_mbit(way) for way in _WAYS if self._nj_per_bit(way) is not None]
        rows = [row for row in inputs_of(self) if not (given and row.name == f"{self.kind}.kbit_per_j")]
        return (*given, *rows, *overhead_inputs(self.transport))

    def notes(self) -> tuple[Note, ...]:
        """What the model leaves out."""
        left_out = (
            "sessions, tails and power at rest are not charged: the energy is the same however it is spread over time"
        )
        unvalidated = "a constant energy per bit is a convention, with nothing to compare it with"
        return Note("remark", left_out), Note("unvalidated", unvalidated)

    def _nj_per_bit(self, way: str) -> float | None:
        return self.uplink_nj_per_bit if way == "uplink" else self.downlink_nj_per_bit

    def _j_per_mbit(self, way: str) -> Coefficient:
        name = f"{self.kind}.{way}_j_per_mbit"
        efficiency = row(self.kind, "kbit_per_j")
        given = self._nj_per_bit(way)
        if given is not None:
            return set_by_user(replace(efficiency, name=name, unit="J/Mbit"), given * _NJ_PER_BIT_TO_J_PER_MBIT)
        if self.kbit_per_j is not None:
            efficiency = set_by_user(efficiency, self.kbit_per_j)
        return combine(
            name,
            "J/Mbit",
            lambda kbit_per_j: _J_PER_MBIT_AT_1_KBIT_PER_J / kbit_per_j,
            efficiency,
            drawn_with=efficiency.name,
        )
