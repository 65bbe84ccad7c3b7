"""Collects the assumptions about a deployment from the scenarios of a definition."""

from dataclasses import dataclass, field
from typing import Literal

from harness.core.prices import Coefficient
from harness.price.accounting import embodied, optional_parts
from harness.price.accounting.draws import link_inputs
from harness.price.accounting.embodied import Rule
from harness.price.accounting.optional_parts import Extra
from harness.price.assumptions.deployment import Deployment, Group, deployment_of
from harness.price.assumptions.devices import battery_of, device
from harness.price.assumptions.grids import Grid, grid
from harness.price.assumptions.network import pue
from harness.price.assumptions.power_supply import supply
from harness.price.assumptions.scenarios import CustomGrid, Fleet, Scenarios, plain_grid


@dataclass(frozen=True)
class Assumptions:
    """What a deployment is taken to be.

    Attributes:
        deployments: one result is computed for each.
        grids: where the electricity comes from, for deployments that bring no grid; joules do not depend on it.
        operator_grid: the grid of access network, core and server; None takes the clients'.
        pause_s: seconds between the end of a round and the start of the next.
        included: optional parts that are in every total.
        cast: whether the network carries a payload that many clients receive alike once for each, or once.
        round_limit_s: a round that keeps a client, or a medium that clients share, for longer is infeasible.
        embodied: rule by which the manufacture of devices is allocated.
        target_accuracy: validation accuracy whose time and cost are told; None takes the reference's.
        pue: power usage effectiveness of the server's data centre.
        draws: Monte-Carlo draws.
        draw_seed: seed of them.
    """

    deployments: tuple[Deployment, ...]
    grids: tuple[Grid, ...]
    operator_grid: Grid | None = None
    pause_s: float = 0.0
    included: frozenset[Extra] = frozenset()
    cast: Literal["unicast", "multicast"] = "unicast"
    round_limit_s: float = 86_400.0
    embodied: Rule = "excluded"
    target_accuracy: float | None = None
    pue: Coefficient = field(default_factory=pue)
    draws: int = 10_000
    draw_seed: int = 0

    def coefficients(self) -> tuple[Coefficient, ...]:
        """Every table row that the results rest on, each once: devices' first, then radios', then the network's."""
        groups = [group for deployment in self.deployments for group in deployment.groups]
        rows = [row for group in groups for row in group.device.inputs()]
        rows += [row for group in groups for row in embodied.inputs(group.device)]
        batteries = [battery_of(group.device, group.supply.name) for group in groups]
        rows += [row for battery in batteries if battery is not None for row in battery.inputs()]
        rows += [row for group in groups for row in group.radio.inputs()]
        rows += link_inputs()
        rows += [row for group in groups for row in group.supply.inputs()]
        rows += optional_parts.inputs(groups, self.pue)
        return tuple({row.name: row for row in rows}.values())


def assumptions_of(scenarios: Scenarios) -> Assumptions:
    """What a deployment is taken to be, all parts built."""
    kind, source = device(scenarios.device), supply(scenarios.supply)
    single = [deployment_of(entry.radio, kind, source, entry.name) for entry in scenarios.radios]
    included: set[Extra] = set()
    if scenarios.provisioning == "over_the_air":
        included.add("provisioning")
    if scenarios.standby == "included":
        included.add("standby")
    if scenarios.network != "excluded":
        included.add("network_average" if scenarios.network == "average" else "network_marginal")
    if scenarios.server == "included":
        included.add("server")
    return Assumptions(
        deployments=(*single, *map(_fleet, scenarios.fleets)),
        grids=tuple(map(_grid, scenarios.grids)),
        operator_grid=None if scenarios.operator_grid is None else _grid(scenarios.operator_grid),
        pause_s=scenarios.pause_s,
        included=frozenset(included),
        cast=scenarios.cast,
        round_limit_s=scenarios.round_limit_s,
        embodied=scenarios.embodied,
        target_accuracy=scenarios.target_accuracy,
        pue=pue(scenarios.pue),
        draws=scenarios.uncertainty.draws,
        draw_seed=scenarios.uncertainty.seed,
    )


def _grid(entry: str | CustomGrid) -> Grid:
    return grid(plain_grid(entry))


def _fleet(fleet: Fleet) -> Deployment:
    groups = tuple(
        Group(
            group.name,
            group.share,
            group.radio,
            device(group.device),
            supply(group.supply),
            None if group.grid is None else _grid(group.grid),
        )
        for group in fleet.groups
    )
    return Deployment(fleet.name, f"fleet {fleet.name}", groups, is_fleet=True)
