"""Builds the tables about deployments: joules and grams, time, endurance, and the parts outside the totals."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.core.types import Float64
from harness.core.units import bits_from_bytes
from harness.price.accounting.account import CellResult, DeploymentResult
from harness.price.accounting.carbon import Place, carbon_terms, places
from harness.price.accounting.embodied import Rule, embodied_g
from harness.price.accounting.terms import NOTHING, Bounds, Term, joules_by_round
from harness.price.assumptions.devices import battery_of

Key = Mapping[str, Any]
"""Columns that name a cell in every table."""

PROVISIONING_COLUMNS = [
    *("cell_id", "method", "seed", "radio", "n_clients", "bits", "energy_j", "energy_low_j", "energy_high_j"),
]
GROUP_COLUMNS = [
    *("cell_id", "method", "seed", "radio", "group", "share", "n_clients", "group_radio", "group_grid", "group_device"),
    *("supply", "component", "energy_j", "energy_low_j", "energy_high_j", "carbon_g", "carbon_low_g", "carbon_high_g"),
]
FOOTPRINT_COLUMNS = [
    *("cell_id", "method", "seed", "radio", "grid", "round", "time_s", "energy_j", "carbon_g"),
]
ENDURANCE_COLUMNS = [
    *("cell_id", "method", "seed", "radio", "group", "battery", "battery_j", "client_j", "rounds", "days"),
]

_CARRIED = ("sessions", "tail_s", "uplink_s", "downlink_s", "wait_s", "uplink_mbit", "downlink_mbit", "frames")
_S_PER_DAY = 86_400.0


def breakdown_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """Joules and grams of every component that is in totals, by deployment and grid."""
    rows = []
    for here, place in _places(result):
        for component in here.components:
            terms = [term for term in here.charged if term.component == component]
            rows.append({**key, **_scenario(here, place), "component": component, **_costs(result, here, terms, place)})
        if result.assumptions.embodied != "excluded":
            rows.append({**key, **_scenario(here, place), "component": "embodied", **_embodied(result, here)})
    return rows


def boundary_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """Joules and grams of the optional parts, by deployment and grid, whether they are in totals or not."""
    rows = []
    for here, place in _places(result):
        for extra, terms in here.extras.items():
            if terms:
                row = {"part": extra, "is_included": extra in here.included, **_costs(result, here, terms, place)}
                rows.append({**key, **_scenario(here, place), **row})
        rule = {"part": f"embodied_{_shown_rule(result)}", "is_included": result.assumptions.embodied != "excluded"}
        rows.append({**key, **_scenario(here, place), **rule, **_embodied(result, here)})
    return rows


def group_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """The breakdown of fleets by group."""
    rows = []
    for here, place in _places(result):
        if not here.deployment.is_fleet:
            continue
        for party, component in itertools.product(here.parties, here.components):
            terms = [term for term in here.charged if term.component == component and term.group == party.number]
            group = party.group
            rows.append(
                {
                    **key,
                    "radio": here.deployment.name,
                    "group": group.name,
                    "share": group.share,
                    "n_clients": int(party.clients.sum()),
                    "group_radio": group.radio.kind,
                    "group_grid": place[1][party.number].iso3 or place[1][party.number].name,
                    "group_device": group.device.kind,
                    "supply": group.supply.name,
                    "component": component,
                    **_costs(result, here, terms, place),
                }
            )
    return rows


def usage_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """What radios did in the rounds, by the direction of the payloads that caused it."""
    rows = []
    for here, way in itertools.product(result.deployments, ("uplink", "downlink")):
        terms = [term for term in here.terms if term.component == way]
        sums = {name: sum(float(term.amounts.sum()) for term in terms if term.quantity == name) for name in _CARRIED}
        rows.append({**key, "radio": here.deployment.name, "direction": way, **sums})
    return rows


def schedule_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """How long a run takes, and what late clients waste."""
    rows = []
    for here in result.deployments:
        late = sum((term.joules() for term in here.late), NOTHING)
        rows.append(
            {
                **key,
                "radio": here.deployment.name,
                "is_feasible": here.is_feasible,
                "duration_s": here.schedule.duration_s,
                "round_s": float(here.schedule.round_s[1:].mean()),
                "longest_round_s": float(here.schedule.round_s.max()),
                "late_uplinks": _n_late(result),
                "late_energy_j": late.typical,
            }
        )
    return rows


def provisioning_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """What clients were given before round 1, and its joules over the air; none where nothing was given."""
    given = result.ledger.transfers.query("round == 0")
    if given.empty:
        return []
    facts = {
        "n_clients": int(given["client"].nunique()),
        "bits": bits_from_bytes(int(given["payload_bytes"].sum())),
    }
    return [
        {**key, "radio": here.deployment.name, **facts, **_energy(here.extras["provisioning"])}
        for here in result.deployments
    ]


def endurance_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """How long batteries last at the pace of the run, standby of the whole fleet included; none for mains devices."""
    rows = []
    for here in result.deployments:
        days_of_run = float(here.schedule.period_s.sum()) / _S_PER_DAY
        for party in here.parties:
            battery = battery_of(party.group.device, party.group.supply.name)
            if battery is None or days_of_run == 0:
                continue
            terms = [term for term in (*here.terms, *here.extras["standby"]) if term.group == party.number]
            client_j = sum((term.joules() for term in terms), NOTHING).typical / party.n_clients
            runs = battery.usable_j.typical / client_j
            rows.append(
                {
                    **key,
                    "radio": here.deployment.name,
                    "group": party.group.name,
                    "battery": battery.name,
                    "battery_j": battery.usable_j.typical,
                    "client_j": client_j,
                    "rounds": runs * here.schedule.n_rounds,
                    "days": runs * days_of_run,
                }
            )
    return rows


def footprint_rows(key: Key, result: CellResult) -> list[dict[str, Any]]:
    """Seconds, joules and grams that a deployment has taken by each round in which validation was scored."""
    scores = result.ledger.scores
    scored = sorted({int(number) for number in scores[scores["split"] == "validation"]["round"]})
    rows = []
    for here, place in _places(result):
        joules = np.cumsum(joules_by_round(here.charged, here.schedule.n_rounds))
        grams = np.cumsum(_grams_by_round(result, here, place))
        rows += [
            {
                **key,
                **_scenario(here, place),
                "round": number,
                "time_s": float(here.schedule.end_s[at]),
                "energy_j": float(joules[at]),
                "carbon_g": float(grams[at]),
            }
            # Nothing crosses the air in a round after the last one with a payload.
            for number, at in ((number, min(number, here.schedule.n_rounds)) for number in scored)
        ]
    return rows


def _places(result: CellResult) -> list[tuple[DeploymentResult, Place]]:
    return [(here, place) for here in result.deployments for place in places(here, result.assumptions)]


def _scenario(here: DeploymentResult, place: Place) -> dict[str, Any]:
    return {"radio": here.deployment.name, "grid": place[0]}


def _costs(result: CellResult, here: DeploymentResult, terms: Sequence[Term], place: Place) -> dict[str, Any]:
    grams = carbon_terms(here, terms, place, result.assumptions.operator_grid)
    return {**_energy(terms), **_carbon(sum((term.joules() for term in grams), NOTHING))}


def _energy(terms: Sequence[Term]) -> dict[str, Any]:
    joules = sum((term.joules() for term in terms), NOTHING)
    return {"energy_j": joules.typical, "energy_low_j": joules.low, "energy_high_j": joules.high}


def _carbon(grams: Bounds) -> dict[str, Any]:
    return {"carbon_g": grams.typical, "carbon_low_g": grams.low, "carbon_high_g": grams.high}


def _grams_by_round(result: CellResult, here: DeploymentResult, place: Place) -> Float64:
    terms = carbon_terms(here, here.charged, place, result.assumptions.operator_grid)
    return joules_by_round(terms, here.schedule.n_rounds)


def _embodied(result: CellResult, here: DeploymentResult) -> dict[str, Any]:
    """Grams of manufacture by the rule that was chosen, or by calendar time if none was; no joules of a deployment."""
    rule = _shown_rule(result)
    grams = [embodied_g(party.group.device, float(party.busy_s.sum()), rule) for party in here.parties]
    return {**_energy(()), **_carbon(sum(grams, NOTHING))}


def _shown_rule(result: CellResult) -> Rule:
    return "calendar" if result.assumptions.embodied == "excluded" else result.assumptions.embodied


def _n_late(result: CellResult) -> int:
    transfers = result.ledger.transfers
    return int(transfers["is_late"].sum())
