"""Models an NB-IoT module: wake-up, transmission, reception, and the tail until the network releases the connection.

The default rates are the NB1 peaks; NB2 peaks are 159 kbit/s up and 127 kbit/s down. In the coverage classes 1 and 2
everything is repeated: data by a number of repetitions that divides the rate, signalling by a factor of its own on
wake-up and on the time to an answer. What the number of repetitions is uncertain by is in the range of the powers.

References:
    u-blox, SARA-N2 Series Data Sheet; Nordic Semiconductor, nRF9160 Product Specification.
    Kraus, zephyr-coaps-client, docu/POWERCONSUMPTION.md; Robinson, MEng thesis, Stellenbosch University 2019.
    Andres-Maldonado et al., "Narrowband IoT Data Transmission Procedures for mMTC", IEEE Network 2017.
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

Coverage = Literal["normal", "robust", "extreme"]
"""Coverage classes 0, 1 and 2: up to 144, 154 and 164 dB of loss."""

_KBIT_PER_MBIT = 1000.0


@dataclass(frozen=True)
class NbIotModule:
    """NB-IoT module.

    Attributes:
        rate_up_kbps: uplink rate without repetitions, kbit/s, 0.1 to 1000.
        rate_down_kbps: downlink rate without repetitions, kbit/s, 0.1 to 1000.
        coverage: coverage class.
        inactivity_s: seconds connected after a transfer (RRC inactivity timer), 0 to 120.
        connected_drx: whether the network lets the module doze in these seconds; not all do.
        early_release: whether the module says that nothing follows (release assistance), so that there is no tail.
        active_time_s: seconds of listening for paging after each session (T3324), 0 to 11160.
        power_saving: whether the module sleeps at rest (PSM); if not, it goes on to listen for paging.
        response_s: seconds from a question to its answer in class 0, 0 to 300.
        transport: protocols around the payload, one of `radio_models.overhead.TRANSPORTS`.
        retransmission_share: share of what is sent that is sent again, 0 to below 1.
    """

    kind: ClassVar[str] = "nbiot"
    title: ClassVar[str] = "NB-IoT module"
    access: ClassVar[Literal["mobile", "fixed"]] = "mobile"

    rate_up_kbps: float = default(kind, "rate_up_kbps")
    rate_down_kbps: float = default(kind, "rate_down_kbps")
    coverage: Coverage = "normal"
    inactivity_s: float = default(kind, "inactivity_s")
    connected_drx: bool = False
    early_release: bool = False
    active_time_s: float = 0.0
    power_saving: bool = True
    response_s: float = default(kind, "response_s")
    transport: str = "tcp"
    retransmission_share: float = 0.0

    carry, obstacle, inputs = iot_module.carry, iot_module.obstacle, iot_module.inputs
    tail_s = property(iot_module.tail_s)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("rate_up_kbps", self.rate_up_kbps, 0.1, 1000)
        check_range("rate_down_kbps", self.rate_down_kbps, 0.1, 1000)
        check_choice("coverage", self.coverage, get_args(Coverage))
        iot_module.check(self)

    @property
    def link(self) -> Link:
        """The link in this coverage class."""
        mbps_per_kbps = 1 / _KBIT_PER_MBIT / self._class("repetitions").typical
        return Link(
            self.rate_up_kbps * mbps_per_kbps,
            self.rate_down_kbps * mbps_per_kbps,
            self.transport,
            self.retransmission_share,
            answers="in_turn",
            response_s=self.response_s * self._class("signalling").typical,
        )

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity."""
        session_j = combine(
            f"{self.kind}.session_j",
            "J",
            lambda wake_j, signalling, idle_w: wake_j * signalling + self.active_time_s * idle_w,
            row(self.kind, "wake_j"),
            self._class("signalling"),
            row(self.kind, "idle_w"),
        )
        return {
            "session_j": session_j,
            "tail_w": self._dozing() if self.connected_drx else row(self.kind, "connected_w"),
            "uplink_w": self._repeated("uplink_w", row(self.kind, "transmit_w")),
            "downlink_w": self._repeated("downlink_w", row(self.kind, "receive_w")),
            "wait_w": row(self.kind, "connected_w"),
            "rest_w": iot_module.at_rest(self),
            **iot_module.without_slopes(self.kind),
        }

    def notes(self) -> tuple[Note, ...]:
        """How long things take, whether the rates exist, and how measured messages compare."""
        texts = [iot_module.pace(self)]
        fastest = row(self.kind, "nb2_up_kbps").typical, row(self.kind, "nb2_down_kbps").typical
        if self.rate_up_kbps > fastest[0] or self.rate_down_kbps > fastest[1]:
            texts.append(
                f"outside the standard: rates of {self.rate_up_kbps:g} up and {self.rate_down_kbps:g} kbit/s down "
                f"exceed the NB2 peaks of {fastest[0]:g} and {fastest[1]:g}"
            )
        as_measured = NbIotModule(coverage=self.coverage, early_release=True, transport="udp")
        comparisons = [compared(f"nbiot.{self.coverage}_512_bytes_j", lone_session(as_measured, uplink_bytes=512))]
        if self.coverage == "normal":
            comparisons += [
                compared("nbiot.up_200_bytes_j", lone_session(as_measured, uplink_bytes=200)),
                compared("nbiot.up_400_bytes_j", lone_session(as_measured, uplink_bytes=400)),
                compared("nbiot.exchange_j", lone_session(as_measured, uplink_bytes=400, downlink_bytes=40)),
            ]
        return *remarks(texts), *comparisons

    def _class(self, quantity: str) -> Coefficient:
        """A row of the coverage class."""
        return row(self.kind, f"{self.coverage}_{quantity}")

    def _dozing(self) -> Coefficient:
        """Mean power of a tail with connected DRX."""
        return combine(
            f"{self.kind}.tail_w",
            "W",
            lambda doze_w, on_w, on_s, cycle_s: doze_w + (on_w - doze_w) * on_s / cycle_s,
            *(row(self.kind, name) for name in ("doze_w", "connected_w", "drx_on_s", "drx_cycle_s")),
        )

    def _repeated(self, name: str, watts: Coefficient) -> Coefficient:
        """A power whose range holds that of the number of repetitions; both directions are repeated alike."""
        repetitions = self._class("repetitions")
        return combine(
            f"{self.kind}.{name}",
            "W",
            lambda power_w, number: power_w * number / repetitions.typical,
            watts,
            repetitions,
            drawn_with=repetitions.name if repetitions.low < repetitions.high else "",
        )
