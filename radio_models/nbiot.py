"""NB-IoT module: wake-up, transmission and reception at the module's power, and the tail until the network lets go.

Energy on the air is power times time, so the terms per megabit are zero and the rate decides. The default rates are
the NB1 peaks; NB2 peaks are 159 kbit/s up and 127 kbit/s down. Repetitions in poor coverage lower the rate further.

References:
    u-blox, SARA-N2 Series Data Sheet; Nordic Semiconductor, nRF9160 Product Specification.
    Kraus, zephyr-coaps-client, docu/POWERCONSUMPTION.md; Robinson, MEng thesis, Stellenbosch University 2019.
    Andres-Maldonado et al., "Narrowband IoT Data Transmission Procedures for mMTC", IEEE Network 2017.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.types import Coefficient, Direction, RadioTransfer, Usage
from harness.core.units import mbit_from_bits
from radio_models.coefficients import absent, default, inputs_of, row
from radio_models.sessions import check_range, usage_of

_KBIT_PER_MBIT = 1000.0
_BITS_PER_MB = 8_000_000
_DIRECTIONS: tuple[Direction, Direction] = ("uplink", "downlink")


@dataclass(frozen=True)
class NbIotModule:
    """NB-IoT module.

    Attributes:
        rate_up_kbps: uplink rate, kbit/s, 0.1 to 1000.
        rate_down_kbps: downlink rate, kbit/s, 0.1 to 1000.
        tail_s: seconds connected after a transfer (RRC inactivity timer), 0 to 120.
        round_limit_s: longest time on the air, per client and round, that still counts as feasible, s, at least 1.
    """

    kind: ClassVar[str] = "nbiot"
    title: ClassVar[str] = "NB-IoT module"

    rate_up_kbps: float = default(kind, "rate_up_kbps")
    rate_down_kbps: float = default(kind, "rate_down_kbps")
    tail_s: float = default(kind, "tail_s")
    round_limit_s: float = 3600.0

    def __post_init__(self) -> None:
        check_range("rate_up_kbps", self.rate_up_kbps, 0.1, 1000)
        check_range("rate_down_kbps", self.rate_down_kbps, 0.1, 1000)
        check_range("tail_s", self.tail_s, 0, 120)
        check_range("round_limit_s", self.round_limit_s, 1, 1e9)

    def transfer_s(self, bits: int, direction: Direction) -> float:
        """Seconds on the air at the configured rate."""
        rate_kbps = self.rate_up_kbps if direction == "uplink" else self.rate_down_kbps
        return mbit_from_bits(bits) * _KBIT_PER_MBIT / rate_kbps

    def usage(self, transfers: Sequence[RadioTransfer]) -> list[Usage]:
        """Sessions, tails, seconds and megabits per round and direction."""
        return usage_of(transfers, self.tail_s)

    def coefficients(self) -> Mapping[str, Coefficient]:
        """Price of each quantity."""
        return {
            "session_j": row(self.kind, "session_j"),
            "tail_w": row(self.kind, "tail_w"),
            "uplink_active_w": row(self.kind, "uplink_active_w"),
            "downlink_active_w": row(self.kind, "downlink_active_w"),
            "uplink_j_per_mbit": absent(self.kind, "uplink_j_per_mbit", "J/Mbit"),
            "downlink_j_per_mbit": absent(self.kind, "downlink_j_per_mbit", "J/Mbit"),
        }

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows that the prices and default settings come from."""
        return inputs_of(self)

    def notes(self, transfers: Sequence[RadioTransfer]) -> list[str]:
        """Whether a round fits the limit, and what was not checked."""
        on_air_s: dict[tuple[int, int], float] = defaultdict(float)
        for transfer in transfers:
            on_air_s[transfer.round, transfer.client] += transfer.seconds
        longest_s = max(on_air_s.values(), default=0.0)
        if longest_s > self.round_limit_s:
            verdict = (
                f"infeasible: a round keeps a client on the air for {longest_s:.0f} s, "
                f"the limit is {self.round_limit_s:.0f} s"
            )
        else:
            up_s, down_s = (self.transfer_s(_BITS_PER_MB, way) for way in _DIRECTIONS)
            verdict = f"feasible: {up_s:.0f} s per MB up, {down_s:.0f} s per MB down, no repetitions"
        notes = [verdict, "unvalidated: no end-to-end energy outside its sources was compared with this model"]
        fastest = row(self.kind, "nb2_up_kbps").typical, row(self.kind, "nb2_down_kbps").typical
        if self.rate_up_kbps > fastest[0] or self.rate_down_kbps > fastest[1]:
            notes.append(
                f"outside the standard: rates of {self.rate_up_kbps:g} up and {self.rate_down_kbps:g} kbit/s down "
                f"exceed the NB2 peaks of {fastest[0]:g} and {fastest[1]:g}"
            )
        return notes
