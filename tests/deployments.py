"""Deployments and assumptions for tests, as functions."""

from typing import Any

from harness.price.accounting.account import DeploymentResult
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.terms import Bounds
from harness.price.assumptions.deployment import deployment_of
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import supply
from radio_models.lte import LteHandset2012

PI = device("raspberry_pi_4")
RADIO = LteHandset2012(rate_up_mbps=4, rate_down_mbps=8, transport="none")
"""Payload bits and nothing else on the air, at rates to reckon with."""


def assuming(*radios: Any, grids: tuple[str, ...] = ("NOR",), **settings: Any) -> Assumptions:
    """Assumptions with a deployment for each radio, of Raspberry Pis on mains."""
    deployments = tuple(deployment_of(radio, PI, supply("mains")) for radio in radios or (RADIO,))
    return Assumptions(deployments, tuple(map(grid, grids)), **settings)


def by_component(result: DeploymentResult) -> dict[str, Bounds]:
    """Joules of each component that is in totals."""
    return {component: result.joules([component]) for component in result.components}


def amount(result: DeploymentResult, component: str, quantity: str) -> float:
    """Amount of a quantity in one component, all rounds together."""
    return sum(
        float(term.amounts.sum()) for term in result.terms if (term.component, term.quantity) == (component, quantity)
    )
