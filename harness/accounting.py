"""From facts and assumptions to joules: a pure function of a ledger and what the user assumes about a deployment.

Joules are sums of a quantity times a coefficient. A range is the sum at all low ends and at all high ends of the
coefficients: bounds, not an interval of some probability. Settings (rates, tail lengths) are held.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.carbon import Grid
from harness.core.protocols import RadioModel
from harness.core.types import Coefficient, Usage
from harness.core.units import g_from_j
from harness.devices import Device
from harness.ledger import Ledger
from harness.pooling import ComputeCosts
from harness.timeline import device_seconds, provisioning, timeline

Component = Literal["provisioning", "local_training", "codec", "downlink", "uplink"]
"""What joules of a client are spent on.

Codec is the client's share: decoding the downlink, encoding the uplink. Provisioning is the radio's work for what a
client is given before round 1; it is a component only where that comes over the air.
"""

COMPONENTS: tuple[Component, ...] = ("local_training", "codec", "downlink", "uplink")
"""What every round is made of."""

Provisioning = Literal["factory", "over_the_air"]
"""How clients come by what they have before round 1: at no cost, or by one download each."""

_ORDER: tuple[Component, ...] = ("provisioning", *COMPONENTS)
_COMPONENT_OF: dict[str, Component] = {"local_training": "local_training", "decode": "codec", "encode": "codec"}


@dataclass(frozen=True)
class Bounds:
    """A quantity with the lower and upper end that the assumptions allow, all in one unit."""

    low: float
    typical: float
    high: float

    def __add__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.low + other.low, self.typical + other.typical, self.high + other.high)


NOTHING = Bounds(0.0, 0.0, 0.0)
"""The sum of no terms."""


@dataclass(frozen=True)
class Assumptions:
    """What a deployment is taken to be.

    Attributes:
        radios: one result is computed for each.
        grids: where the electricity comes from; joules do not depend on it.
        device: what the clients compute on.
        pause_s: seconds between the end of a round and the start of the next.
        provisioning: how clients come by what they have before round 1.
    """

    radios: tuple[RadioModel, ...]
    grids: tuple[Grid, ...]
    device: Device
    pause_s: float = 0.0
    provisioning: Provisioning = "factory"

    def coefficients(self) -> tuple[Coefficient, ...]:
        """Every table row that the results rest on, each once: the device's first, then each radio's."""
        rows = [*self.device.inputs(), *(row for radio in self.radios for row in radio.inputs())]
        return tuple({row.name: row for row in rows}.values())


@dataclass(frozen=True)
class RoundJoules:
    """What all clients of one round spent on one component.

    Attributes:
        round: round number, from 1; 0 for provisioning.
        component: what it was spent on.
        joules: joules of all clients of the round together.
    """

    round: int
    component: Component
    joules: Bounds


@dataclass(frozen=True)
class RadioResult:
    """A cell deployed with one radio.

    Attributes:
        radio: the radio.
        usage: what the radios did in the rounds, per round and direction.
        rounds: joules per round and component, by round.
        joules: joules of the whole cell per component: all of `COMPONENTS`, and provisioning where it is charged.
        provisioning: joules of what clients are given before round 1 if it comes over the air, charged or not.
        duration_s: seconds until the last transfer of the last round has ended, without its tail.
        notes: what must be said about these transfers on this radio.
    """

    radio: RadioModel
    usage: tuple[Usage, ...]
    rounds: tuple[RoundJoules, ...]
    joules: Mapping[Component, Bounds]
    provisioning: Bounds
    duration_s: float
    notes: tuple[str, ...]

    @property
    def is_feasible(self) -> bool:
        """Whether such a deployment is possible on this radio."""
        return not any(note.startswith("infeasible: ") for note in self.notes)

    def total(self, components: Iterable[Component] | None = None) -> Bounds:
        """Joules of some components together, by default all that are charged."""
        chosen = self.joules if components is None else components
        return sum((self.joules[component] for component in chosen), NOTHING)


@dataclass(frozen=True, eq=False)
class CellResult:
    """A cell with the assumptions that priced it.

    Attributes:
        cell_id: content address of the cell.
        ledger: its facts.
        assumptions: what they were priced with.
        device_s: projected seconds of all client devices together, per compute component.
        radios: one result per assumed radio, in the order of the assumptions.
    """

    cell_id: str
    ledger: Ledger
    assumptions: Assumptions
    device_s: Mapping[Component, float]
    radios: tuple[RadioResult, ...]


def account(ledger: Ledger, assumptions: Assumptions, costs: ComputeCosts | None = None) -> CellResult:
    """What a cell would have cost its clients, for each assumed radio.

    Server, access network and core are outside; so is everything that the benchmark spent on its host.

    Args:
        ledger: a finished cell.
        assumptions: what to price it with.
        costs: pooled costs of computing, which methods are compared by; None takes the cell's own windows.

    Raises:
        ValueError: the ledger lacks the computing that belongs to a transfer, or the host's matrix rate.
    """
    facts, ledger = ledger, ledger if costs is None else costs.pooled(ledger)
    device_s = _device_seconds_by_round(ledger, assumptions.device)
    compute = [
        RoundJoules(number, component, compute_j(seconds, assumptions.device))
        for (number, component), seconds in device_s.items()
    ]
    totals: dict[Component, float] = defaultdict(float)
    for (_, component), seconds in device_s.items():
        totals[component] += seconds
    return CellResult(
        cell_id=facts.cell_id,
        ledger=facts,
        assumptions=assumptions,
        device_s=dict(totals),
        radios=tuple(_on_radio(ledger, assumptions, radio, compute) for radio in assumptions.radios),
    )


def compute_j(device_s: float, device: Device) -> Bounds:
    """Joules of `device_s` projected seconds of computing on a device.

    >>> from harness.devices import device
    >>> compute_j(10.0, device("raspberry_pi_4")).typical
    72.0
    """
    scale, power = device.seconds_scale, device.active_w
    return Bounds(
        low=device_s * scale.low * power.low,
        typical=device_s * scale.typical * power.typical,
        high=device_s * scale.high * power.high,
    )


def radio_j(usage: Usage, prices: Mapping[str, Coefficient]) -> Bounds:
    """Joules of a usage: the sum over its quantities of quantity times price.

    Args:
        usage: what radios did in one round and direction.
        prices: as `RadioModel.coefficients` gives them.
    """
    terms = (
        (usage.sessions, prices["session_j"]),
        (usage.tail_s, prices["tail_w"]),
        (usage.active_s, prices[f"{usage.direction}_active_w"]),
        (usage.mbit, prices[f"{usage.direction}_j_per_mbit"]),
    )
    return Bounds(
        low=sum(quantity * price.low for quantity, price in terms),
        typical=sum(quantity * price.typical for quantity, price in terms),
        high=sum(quantity * price.high for quantity, price in terms),
    )


def carbon_g(energy: Bounds, grid: Grid) -> Bounds:
    """Grams of CO2-equivalent of `energy` joules taken from a grid; low meets low and high meets high."""
    return Bounds(
        low=g_from_j(energy.low, grid.low_g_per_kwh),
        typical=g_from_j(energy.typical, grid.g_per_kwh),
        high=g_from_j(energy.high, grid.high_g_per_kwh),
    )


def _on_radio(
    ledger: Ledger, assumptions: Assumptions, radio: RadioModel, compute: Sequence[RoundJoules]
) -> RadioResult:
    transfers = timeline(ledger, assumptions.device, radio, assumptions.pause_s)
    usage = tuple(radio.usage(transfers))
    prices = radio.coefficients()
    air = [RoundJoules(use.round, use.direction, radio_j(use, prices)) for use in usage]
    given = provisioning(ledger, radio)
    given_j = sum((radio_j(use, prices) for use in radio.usage(given)), NOTHING) if given else NOTHING
    charged = [RoundJoules(0, "provisioning", given_j)] if assumptions.provisioning == "over_the_air" else []
    rounds = sorted([*charged, *compute, *air], key=lambda entry: (entry.round, _ORDER.index(entry.component)))
    joules: dict[Component, Bounds] = dict.fromkeys((*COMPONENTS, *(entry.component for entry in charged)), NOTHING)
    for entry in rounds:
        joules[entry.component] += entry.joules
    return RadioResult(
        radio=radio,
        usage=usage,
        rounds=tuple(rounds),
        joules=joules,
        provisioning=given_j,
        duration_s=max((transfer.start_s + transfer.seconds for transfer in transfers), default=0.0),
        notes=tuple(radio.notes(transfers)),
    )


def _device_seconds_by_round(ledger: Ledger, device: Device) -> dict[tuple[int, Component], float]:
    per_round = device_seconds(ledger, device).groupby(level="round").sum(min_count=1)
    seconds: dict[tuple[int, Component], float] = defaultdict(float)
    for phase, component in _COMPONENT_OF.items():
        known = per_round[phase].dropna()
        for number, value in zip(known.index.tolist(), known.tolist(), strict=True):
            seconds[number, component] += value
    return dict(seconds)
