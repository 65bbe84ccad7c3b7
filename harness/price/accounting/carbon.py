"""Converts joules to grams: each round at the intensity of the hours in which it runs, each layer on its own grid.

What clients take comes through their power supply; what the network and the server take comes straight from a grid.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.core.prices import Coefficient
from harness.core.types import Float64
from harness.core.units import J_PER_KWH
from harness.price.accounting.account import DeploymentResult, Scaled
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.terms import OPERATORS, Factor, Term
from harness.price.accounting.uncertainty import GRID
from harness.price.assumptions.grids import Grid, intensity
from harness.price.assumptions.power_supply import grid_of

FLEET_GRIDS = "own grids"
"""What tables call the grids of a fleet, where each group brings its own."""

Place = tuple[str, tuple[Grid, ...]]
"""A name for tables, and the grid of each group of a deployment."""


def places(result: DeploymentResult, assumptions: Assumptions) -> list[Place]:
    """Where a deployment takes its electricity from: each grid of the assumptions in turn, or the grids it brings.

    A supply that has no grid behind it, such as a primary cell, takes the place of the grids.
    """
    groups = result.deployment.groups
    own = [grid_of(group.supply) or group.grid for group in groups]
    if result.deployment.is_fleet:
        return [(FLEET_GRIDS, tuple(grid for grid in own if grid is not None))]
    if own[0] is not None:
        return [(own[0].iso3 or own[0].name, (own[0],))]
    return [(grid.iso3 or grid.name, (grid,)) for grid in assumptions.grids]


def carbon_terms(
    result: DeploymentResult | Scaled, terms: Iterable[Term], place: Place, operator_grid: Grid | None = None
) -> tuple[Term, ...]:
    """Terms in grams of CO2-equivalent instead of joules.

    Args:
        result: the deployment that the terms are of.
        terms: terms in joules.
        place: the grids of its groups.
        operator_grid: the grid of network and server; None takes that of the group.
    """
    ends = {"start_s": result.schedule.start_s, "end_s": result.schedule.end_s}
    found = []
    per_grid: dict[int, tuple[Float64, Factor]] = {}
    for term in terms:
        is_client = term.component not in OPERATORS
        grid = _grid_of(term, place[1], None if is_client else operator_grid)
        if id(grid) not in per_grid:
            per_grid[id(grid)] = intensity(grid, **ends) / J_PER_KWH, Factor(_relative(grid))
        g_per_j, spread = per_grid[id(grid)]
        supply = (Factor(result.deployment.groups[term.group].supply.grid_j_per_j),) if is_client else ()
        found.append(replace(term, amounts=term.amounts * g_per_j, factors=(*term.factors, *supply, spread)))
    return tuple(found)


def _grid_of(term: Term, grids: Sequence[Grid], operator_grid: Grid | None) -> Grid:
    return operator_grid or grids[term.group]


def _relative(grid: Grid) -> Coefficient:
    """The range of a grid's intensity as a factor around 1."""
    typical = grid.g_per_kwh
    low, high = (grid.low_g_per_kwh / typical, grid.high_g_per_kwh / typical) if typical else (1.0, 1.0)
    return Coefficient(
        name=f"grid.{grid.iso3 or grid.name}",
        low=low,
        typical=1.0,
        high=high,
        unit="1",
        source="judgement",
        locator=grid.source,
        year=grid.year or 0,
        basis="judgement",
        range_basis=grid.range_basis,
        is_verified=False,
        drawn_with=GRID,
    )
