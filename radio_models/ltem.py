"""Models an LTE-M module (category M1): the states of the NB-IoT module with other powers, in half or full duplex.

The tail is that of a network that lets the module doze while it is connected; its range reaches to reception without
pause. In full duplex, acknowledgements go alongside the payload; in half duplex they take turns.

References:
    Kraus, zephyr-coaps-client, docu/POWERCONSUMPTION.md and docu/POWERCONSUMPTION-2022-06.md.
    Nordic Semiconductor, nRF9160 Product Specification; Quectel, BG96 Hardware Design.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from harness.core.coefficients import combine
from harness.core.notes import Note, remarks
from harness.core.prices import Coefficient
from radio_models import iot_module
from radio_models.carrying import Link
from radio_models.coefficients import default, row
from radio_models.settings import check_choice, check_range
from radio_models.validation import compared, lone_session

Duplex = Literal["half", "full"]

_KBIT_PER_MBIT = 1000.0


@dataclass(frozen=True)
class LteMModule:
    """LTE-M module.

    Attributes:
        duplex: whether the module sends and receives in turn or at once.
        rate_up_kbps: uplink rate, kbit/s, 0.1 to 7000; None for the peak rate of the duplex mode.
        rate_down_kbps: downlink rate, kbit/s, 0.1 to 4000; None for the peak rate of the duplex mode.
        inactivity_s: seconds connected after a transfer (RRC inactivity timer), 0 to 120.
        early_release: whether the module says that nothing follows (release assistance), so that there is no tail.
        active_time_s: seconds of listening for paging after each session (T3324), 0 to 11160.
        power_saving: whether the module sleeps at rest (PSM); if not, it goes on to listen for paging.
        response_s: seconds from a question to its answer, 0 to 300.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "ltem"
    title: ClassVar[str] = "LTE-M module"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"

    duplex: Duplex = "half"
    rate_up_kbps: float | None = None
    rate_down_kbps: float | None = None
    inactivity_s: float = default(kind, "inactivity_s")
    early_release: bool = False
    active_time_s: float = 0.0
    power_saving: bool = True
    response_s: float = default(kind, "response_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    carry, obstacle, inputs = iot_module.carry, iot_module.obstacle, iot_module.inputs
    tail_s = property(iot_module.tail_s)

    def __post_init__(self) -> None:
        """Refuse settings out of range; the highest rates are those of category M2."""
        check_choice("duplex", self.duplex, get_args(Duplex))
        if self.rate_up_kbps is not None:
            check_range("rate_up_kbps", self.rate_up_kbps, 0.1, 7000)
        if self.rate_down_kbps is not None:
            check_range("rate_down_kbps", self.rate_down_kbps, 0.1, 4000)
        iot_module.check(self)

    @property
    def link(self) -> Link:
        """The link in this duplex mode."""
        return Link(
            self._rate_kbps(self.rate_up_kbps, "rate_up_kbps") / _KBIT_PER_MBIT,
            self._rate_kbps(self.rate_down_kbps, "rate_down_kbps") / _KBIT_PER_MBIT,
            self.transport,
            self.retransmission_share,
            answers="in_turn" if self.duplex == "half" else "alongside",
            response_s=self.response_s,
        )

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        session_j = combine(
            f"{self.kind}.session_j",
            "J",
            lambda wake_j, idle_w: wake_j + self.active_time_s * idle_w,
            row(self.kind, "wake_j"),
            row(self.kind, "idle_w"),
        )
        return {
            "session_j": session_j,
            "tail_w": row(self.kind, "tail_w"),
            "uplink_w": row(self.kind, "transmit_w"),
            "downlink_w": row(self.kind, "receive_w"),
            "wait_w": row(self.kind, "tail_w"),
            "rest_w": iot_module.at_rest(self),
            **iot_module.without_slopes(self.kind),
        }

    def notes(self) -> tuple[Note, ...]:
        """How long things take, whether the rates exist, and how measured messages compare."""
        texts = [iot_module.pace(self)]
        peak_kbps = row(self.kind, "full_duplex_kbps").typical
        if max(self.rate_up_kbps or 0, self.rate_down_kbps or 0) > peak_kbps:
            texts.append(f"outside the category: M1 does not exceed {peak_kbps:g} kbit/s")
        as_measured = LteMModule(transport="udp")
        return (
            *remarks(texts),
            compared("ltem.up_400_bytes_j", lone_session(as_measured, uplink_bytes=400)),
            compared("ltem.exchange_j", lone_session(as_measured, uplink_bytes=400, downlink_bytes=40)),
            Note(
                "remark",
                "wake-up and tail are of the same author and board as these messages, the tail from an earlier series",
            ),
        )

    def _rate_kbps(self, given: float | None, name: str) -> float:
        if given is not None:
            return given
        return row(self.kind, name if self.duplex == "half" else "full_duplex_kbps").typical
