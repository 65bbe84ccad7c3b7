"""Computes joules from facts and assumptions: a pure function of a ledger and an assumed deployment.

A ledger is reduced to amounts (see `harness.price.accounting.radio_usage` and
`harness.price.accounting.device_projection`), and joules are amounts times coefficients (see
`harness.price.accounting.terms`). Which optional parts are in a total is an assumption; all are computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from harness.core.notes import Note
from harness.ledger.ledger import Ledger
from harness.price.accounting import feasibility, optional_parts, sessions
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.group_usage import Party, computing_terms, late_terms, parties_of, radio_terms
from harness.price.accounting.optional_parts import Cast, Extra
from harness.price.accounting.pooled_compute import ComputeCosts
from harness.price.accounting.radio_usage import Usage, reduce
from harness.price.accounting.terms import NOTHING, Bounds, Component, Factor, Term
from harness.price.accounting.timeline import Schedule, Turns, turns_of
from harness.price.assumptions.deployment import Deployment
from harness.price.assumptions.network import Mode

COMPONENTS: tuple[Component, ...] = ("local_training", "codec", "downlink", "uplink")
"""What every round of a client is made of."""


@dataclass(frozen=True, eq=False)
class DeploymentResult:
    """A cell in one deployment.

    Attributes:
        deployment: the deployment.
        terms: what clients spent in rounds: the components of `COMPONENTS`; without the two of computing if none was
            recorded.
        extras: terms of the optional parts, whether they are in totals or not.
        included: the optional parts that are in totals.
        late: of `terms`, what late uplinks took, and the computing before them; sessions and tails are not in it.
        parties: the groups with their clients, in the order of the deployment.
        schedule: when rounds happened.
        notes: caveats of these transfers in this deployment.
    """

    deployment: Deployment
    terms: tuple[Term, ...]
    extras: Mapping[Extra, tuple[Term, ...]]
    included: frozenset[Extra]
    late: tuple[Term, ...]
    parties: tuple[Party, ...]
    schedule: Schedule
    notes: tuple[Note, ...]

    @property
    def charged(self) -> tuple[Term, ...]:
        """All terms that are in totals."""
        return (*self.terms, *(term for key in self.extras if key in self.included for term in self.extras[key]))

    @property
    def components(self) -> tuple[Component, ...]:
        """Components that are in totals, in the order of `Component`."""
        present = {term.component for term in self.charged}
        return tuple(component for component in get_args(Component) if component in present)

    @property
    def is_computed(self) -> bool:
        """Whether the computing of clients is in it; where nobody recorded it, it is unknown and not 0."""
        return any(term.component in ("local_training", "codec") for term in self.terms)

    @property
    def is_feasible(self) -> bool:
        """Whether such a deployment is possible on these radios."""
        return not any(note.kind == "infeasible" for note in self.notes)

    def joules(self, components: Sequence[Component] | None = None, group: int | None = None) -> Bounds:
        """Joules of some components (by default all that are charged) and of one group (by default all)."""
        chosen = [
            term
            for term in self.charged
            if (components is None or term.component in components) and (group is None or term.group == group)
        ]
        return sum((term.joules() for term in chosen), NOTHING)


@dataclass(frozen=True, eq=False)
class CellResult:
    """A cell with the assumptions that priced it.

    Attributes:
        cell_id: content address of the cell.
        ledger: its facts.
        assumptions: what they were priced with.
        deployments: one result per assumed deployment, in the order of the assumptions.
    """

    cell_id: str
    ledger: Ledger
    assumptions: Assumptions
    deployments: tuple[DeploymentResult, ...]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A run in one deployment, as it would be with a model of another size.

    Attributes:
        deployment: the deployment.
        schedule: when rounds happen.
        terms: what clients spend in rounds.
        given: what they spend before round 1, if they fetch what they are given over the air.
        networks: what the network takes, by mode and cast.
        obstacles: why such a run is not possible; empty if it is.
    """

    deployment: Deployment
    schedule: Schedule
    terms: tuple[Term, ...]
    given: tuple[Term, ...]
    networks: Mapping[tuple[Mode, Cast], tuple[Term, ...]]
    obstacles: tuple[str, ...]

    @property
    def is_computed(self) -> bool:
        """Whether the computing of clients is in it."""
        return any(term.component in ("local_training", "codec") for term in self.terms)


def account(ledger: Ledger, assumptions: Assumptions, costs: ComputeCosts | None = None) -> CellResult:
    """What a cell would have cost in each assumed deployment.

    What the benchmark spent on its host is in no figure.

    Args:
        ledger: a finished cell, or a run of somebody else's.
        assumptions: what to price it with.
        costs: pooled costs of computing, which methods are compared by; None takes the cell's own windows.

    Raises:
        ValueError: the ledger lacks the computing that belongs to a transfer, or the host's matrix rate.
    """
    facts, ledger = ledger, ledger if costs is None else costs.pooled(ledger)
    turns = turns_of(ledger)
    results = tuple(deploy(ledger, turns, assumptions, deployment) for deployment in assumptions.deployments)
    return CellResult(facts.cell_id, facts, assumptions, results)


def deploy(ledger: Ledger, turns: Turns, assumptions: Assumptions, deployment: Deployment) -> DeploymentResult:
    """What a cell would have cost in one deployment.

    Args:
        ledger: a finished cell with the computing that is to be priced.
        turns: its turns; payloads may have another size.
        assumptions: what to price it with.
        deployment: who its clients are.
    """
    parties = parties_of(ledger, turns, deployment)
    parties, schedule = timed(ledger, turns, parties, assumptions)
    terms: list[Term] = []
    late: list[Term] = []
    extras: dict[Extra, tuple[Term, ...]] = dict.fromkeys(get_args(Extra), ())
    for party in parties:
        sent = party.sent(turns, schedule)
        usage = reduce(sent, party.group.radio.tail_s, schedule.n_rounds)
        prices = _prices(party)
        terms += computing_terms(party, ledger, turns, schedule.n_rounds)
        terms += radio_terms(party, usage, prices)
        late += late_terms(party, turns, ledger, sent["uplink"], prices, schedule.n_rounds)
        found = optional_parts.extra_terms(party, ledger, turns, usage, prices, schedule, assumptions.cast)
        extras = {key: extras[key] + found.get(key, ()) for key in extras}
    extras["server"] = optional_parts.server_terms(schedule, assumptions.pue)
    return DeploymentResult(
        deployment=deployment,
        terms=tuple(terms),
        extras=extras,
        included=assumptions.included,
        late=tuple(late),
        parties=parties,
        schedule=schedule,
        notes=tuple(
            feasibility.notes(ledger, turns, parties, sessions.turn_s(turns, parties), assumptions.round_limit_s)
        ),
    )


def scaled_terms(
    ledger: Ledger, turns: Turns, assumptions: Assumptions, deployment: Deployment, scale: float
) -> tuple[Term, ...]:
    """Terms of the rounds as they would be if the model, its payloads and all computing were that many times as large.

    Args:
        ledger: a cell with the computing that is to be priced.
        turns: its turns, or those of its first rounds.
        assumptions: what to price it with.
        deployment: who its clients are.
        scale: above 0.
    """
    parties = parties_of(ledger, turns, deployment, scale)
    parties, schedule = timed(ledger, turns, parties, assumptions)
    return tuple(term for party in parties for term in _carried(ledger, turns, party, schedule)[1])


def scaled(ledger: Ledger, turns: Turns, assumptions: Assumptions, deployment: Deployment, scale: float) -> Scaled:
    """A run as it would be with a model of another size, and with the network behind it; see `scaled_terms`."""
    parties = parties_of(ledger, turns, deployment, scale)
    parties, schedule = timed(ledger, turns, parties, assumptions)
    larger = turns.scaled(scale)
    terms: list[Term] = []
    obstacles: list[str] = []
    given: list[Term] = []
    networks: dict[tuple[Mode, Cast], tuple[Term, ...]] = {}
    for party in parties:
        usage, found = _carried(ledger, turns, party, schedule)
        terms += found
        given += optional_parts.provisioning_terms(party, ledger, _prices(party), schedule.n_rounds, scale)
        obstacles += feasibility.obstacles(party, larger, assumptions.round_limit_s)
        for cast in get_args(Cast):
            mbit = optional_parts.network_mbit(party, ledger, usage, schedule.n_rounds, cast, scale)
            for mode in get_args(Mode):
                known = networks.get((mode, cast), ())
                networks[mode, cast] = known + optional_parts.network_terms(party, mbit, mode)
    return Scaled(deployment, schedule, tuple(terms), tuple(given), networks, tuple(obstacles))


def _carried(ledger: Ledger, turns: Turns, party: Party, schedule: Schedule) -> tuple[Usage, list[Term]]:
    """What a group does on the air, and the terms of its rounds."""
    usage = reduce(party.sent(turns, schedule), party.group.radio.tail_s, schedule.n_rounds)
    computing = computing_terms(party, ledger, turns, schedule.n_rounds)
    return usage, [*computing, *radio_terms(party, usage, _prices(party))]


def _prices(party: Party) -> dict[str, Factor]:
    return {name: Factor(price) for name, price in party.group.radio.coefficients().items()}


def timed(
    ledger: Ledger, turns: Turns, parties: Sequence[Party], assumptions: Assumptions
) -> tuple[tuple[Party, ...], Schedule]:
    """The groups with what waits for their radios to connect, and when rounds happen."""
    deadline = ledger.cell["federation"].get("deadline")
    deadline_s = None if deadline is None else float(deadline["round_s"])
    return sessions.in_time(turns, parties, assumptions.pause_s, deadline_s)
