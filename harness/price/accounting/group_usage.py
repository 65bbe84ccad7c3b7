"""Computes what each group of a deployment does: its clients and turns, and what carrying and computing cost them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from harness.core.prices import PRICES, Carriage
from harness.core.types import Direction, Float64, Int64
from harness.ledger.ledger import Ledger
from harness.price.accounting import device_projection
from harness.price.accounting.radio_usage import CARRIED, Transfers, Usage, by_round
from harness.price.accounting.shared_medium import SharedUse, shared_use
from harness.price.accounting.terms import Component, Factor, Term
from harness.price.accounting.timeline import NO_PAYLOAD, Schedule, Turns, phases_of, transfers_in_time
from harness.price.assumptions.deployment import Deployment, Group
from harness.price.assumptions.devices import Device

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_COMPONENT_OF: Mapping[str, Component] = {"local_training": "local_training", "decode": "codec", "encode": "codec"}


@dataclass(frozen=True, eq=False)
class Party:
    """A group of a deployment with what its clients do in a cell.

    Attributes:
        number: place of the group in its deployment.
        group: the group.
        clients: mask over client numbers.
        chosen: mask over the turns of the cell.
        carriages: what carrying the payloads of its turns takes, by direction.
        link_s: seconds on the link of each of its turns, both directions.
        phase_s: seconds of computing of each of its turns, by phase; empty if none was recorded.
        shared: what the medium that its clients share needs in the round of each of its turns.
        setup_s: seconds in which the radio leaves rest before the transfer of each of its turns, by direction; none
            before it is known when rounds happen.
    """

    number: int
    group: Group
    clients: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    carriages: Mapping[Direction, Carriage]
    link_s: Float64
    phase_s: Mapping[str, Float64]
    shared: SharedUse
    setup_s: Mapping[Direction, Float64]

    @cached_property
    def compute_s(self) -> Float64:
        """Seconds of computing of each of its turns, all phases together."""
        return np.asarray(sum(self.phase_s.values(), np.zeros(len(self.link_s))), dtype=np.float64)

    @property
    def busy_s(self) -> Float64:
        """Seconds of each turn from the start of its downlink to the end of its uplink, with the medium to itself."""
        return self.link_s + self._off_link_s

    @property
    def turn_s(self) -> Float64:
        """Seconds from the start of the round until each turn is over, where the medium is shared."""
        return np.maximum(self.busy_s, self.shared.seconds + self._off_link_s)

    def sent(self, turns: Turns, schedule: Schedule) -> dict[Direction, Transfers]:
        """Its transfers in time."""
        return transfers_in_time(turns, self.chosen, self.carriages, self.compute_s, self.setup_s, schedule)

    @property
    def _off_link_s(self) -> Float64:
        """Seconds of each turn in which nothing is carried: computing, and leaving rest."""
        return self.compute_s + self.setup_s["downlink"] + self.setup_s["uplink"]

    def on(self, device: Device, ledger: Ledger, turns: Turns) -> "Party":
        """The same group on another device: what it carries stays, what it computes takes other seconds."""
        phase_s = {phase: seconds[self.chosen] for phase, seconds in _phases(ledger, turns, device).items()}
        return replace(self, group=replace(self.group, device=device), phase_s=phase_s)

    @property
    def n_clients(self) -> int:
        """Clients of the group, at least 1 so that means are defined."""
        return max(1, int(self.clients.sum()))


def population(ledger: Ledger) -> int:
    """Clients of the whole population, whether they ever took part or not."""
    seen = max(int(frame["client"].max()) for frame in (ledger.transfers, ledger.windows) if len(frame)) + 1
    return max(seen, int(ledger.cell["task"].get("clients") or 0))


def parties_of(ledger: Ledger, turns: Turns, deployment: Deployment, scale: float = 1.0) -> tuple[Party, ...]:
    """The groups of a deployment with their clients in a cell.

    Args:
        ledger: the cell.
        turns: its turns, or some of them.
        deployment: who its clients are.
        scale: what payloads and computing are multiplied by: 1 unless the model were of another size.

    Raises:
        ValueError: the ledger lacks the computing that belongs to a transfer, or the host's matrix rate.
    """
    group_of = deployment.group_of(population(ledger), int(ledger.cell["seed"]))
    larger = turns if scale == 1.0 else turns.scaled(scale)
    return tuple(
        _party(ledger, turns, larger, deployment, number, group_of, scale) for number in range(len(deployment.groups))
    )


def computing_terms(
    party: Party, ledger: Ledger, turns: Turns, n_rounds: int, counted: NDArray[np.bool_] | None = None
) -> list[Term]:
    """Terms of computing, one per phase; none if none was recorded.

    Args:
        party: whose it is.
        ledger: the cell.
        turns: its turns.
        n_rounds: number of the last round.
        counted: mask over the turns of `party`; None counts all.
    """
    if not party.phase_s:
        return []
    factors = device_projection.factors(ledger, party.group.device)
    mask = slice(None) if counted is None else counted
    rounds = turns.round[party.chosen][mask]
    return [
        Term(
            component,
            party.number,
            f"{phase}_s",
            by_round(rounds, party.phase_s[phase][mask], n_rounds),
            factors[phase],
            party.n_clients,
        )
        for phase, component in _COMPONENT_OF.items()
    ]


def radio_terms(party: Party, usage: Usage, prices: Mapping[str, Factor]) -> list[Term]:
    """Terms of the radio, one per direction and quantity."""
    return [
        Term(way, party.number, name, amounts, (prices[PRICES[name]],), party.n_clients)
        for way in DIRECTIONS
        for name, amounts in usage[way].items()
    ]


def late_terms(
    party: Party, turns: Turns, ledger: Ledger, uplinks: Transfers, prices: Mapping[str, Factor], n_rounds: int
) -> list[Term]:
    """What the late uplinks of a group took, without sessions and tails, and the computing of those clients."""
    is_late = turns.is_late[party.chosen]
    if not is_late.any():
        return []
    sent = is_late[turns.uplink_bytes[party.chosen] != NO_PAYLOAD]
    air = [
        Term(
            "uplink",
            party.number,
            name,
            by_round(uplinks.round[sent], getattr(uplinks.carriage, name)[sent], n_rounds),
            (prices[PRICES[name]],),
            party.n_clients,
        )
        for name in CARRIED
    ]
    return [*computing_terms(party, ledger, turns, n_rounds, is_late), *air]


@lru_cache(maxsize=64)
def _phases(ledger: Ledger, turns: Turns, device: Device) -> dict[str, Float64]:
    """What computing takes on a device, once for all radios and sizes."""
    return phases_of(turns, device_projection.device_seconds(ledger, device))


def _party(
    ledger: Ledger, turns: Turns, larger: Turns, deployment: Deployment, number: int, group_of: Int64, scale: float
) -> Party:
    group, clients = deployment.groups[number], group_of == number
    chosen = turns.of(clients)
    alike = [place for place, other in enumerate(deployment.groups) if other.radio == group.radio]
    shared = shared_use(group.radio, larger, turns.of(np.isin(group_of, alike)), chosen)
    carriages = {way: group.radio.carry(larger.bytes_of(way)[chosen].clip(min=0), way) for way in DIRECTIONS}
    phase_s = {phase: scale * seconds[chosen] for phase, seconds in _phases(ledger, turns, group.device).items()}
    link_s = np.zeros(int(chosen.sum()))
    for way, carriage in carriages.items():
        link_s += np.where(turns.bytes_of(way)[chosen] != NO_PAYLOAD, carriage.seconds, 0.0)
    return Party(
        number,
        group,
        clients,
        chosen,
        carriages,
        link_s,
        phase_s,
        shared,
        dict.fromkeys(DIRECTIONS, np.zeros(len(link_s))),
    )
