"""Collects what a report's reader needs to reprice: amounts of every run on every radio and device, and their prices.

Joules are amounts times coefficients here as everywhere (see `harness.price.accounting.terms`), so a page that holds
both can price a run anew. Amounts are sums over rounds, which is why a grid whose intensity changes over time is not
offered; neither are fleets, whose groups take other turns. `harness price` has both.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from harness.core.notes import URGENT, Note, jsonable, notes_from
from harness.core.prices import PRICES, Coefficient
from harness.core.protocols import RadioModel
from harness.ledger.ledger import Ledger
from harness.parts import registry
from harness.price.accounting import device_projection, feasibility, optional_parts
from harness.price.accounting.account import timed
from harness.price.accounting.assumptions import Assumptions, assumptions_of
from harness.price.accounting.embodied import embodied_g
from harness.price.accounting.group_usage import DIRECTIONS, Party, computing_terms, parties_of
from harness.price.accounting.optional_parts import MODE_OF, Cast
from harness.price.accounting.pooled_compute import ComputeCosts
from harness.price.accounting.radio_usage import CARRIED, Usage, reduce
from harness.price.accounting.terms import Factor, Term, times
from harness.price.accounting.timeline import Schedule, Turns, turns_of
from harness.price.assumptions import devices
from harness.price.assumptions.deployment import Group, deployment_of
from harness.price.assumptions.devices import Device
from harness.price.assumptions.grids import Grid
from harness.price.assumptions.grids import table as grid_table
from harness.price.assumptions.network import Mode, NetworkKind, network, server_w
from harness.price.assumptions.overrides import settings_that_differ
from harness.price.assumptions.power_supply import PowerSupply, grid_of, supply
from harness.price.assumptions.power_supply import names as supply_names
from harness.price.assumptions.scenarios import CustomGrid, Scenarios, plain_grid
from harness.tables.priced_cell import PricedCell

SCHEMA_VERSION = 2
TIMED = ("uplink_sessions", "uplink_tail_s", "downlink_sessions", "downlink_tail_s", "round_s")
"""Amounts that depend on the device as well: how long it computes decides when transfers happen."""

_CHOICES = ("radios", "fleets", "grids", "device")
"""Scenarios that a choice names by itself."""

_DEADLINE = Note("warning", "there was a deadline; harness price tells how many would miss it with this choice")

_DIGITS = 14
"""Significant digits of amounts: two more than what is rounded before it is printed (see `reports.texts.numbers`)."""


@dataclass(frozen=True)
class _Radio:
    """A radio that is offered, under the name that `harness price --radio` takes."""

    name: str
    title: str
    model: RadioModel


def what_if(
    priced: Sequence[PricedCell],
    written: Scenarios,
    scenarios: Scenarios,
    references: Mapping[str, str],
    costs: ComputeCosts | None = None,
) -> dict[str, Any]:
    """Everything that a page needs to price the runs anew, JSON-able.

    Args:
        priced: the finished cells, at least one.
        written: the scenarios that `harness price` takes by default.
        scenarios: what the cells were priced with: the choice that the page opens with.
        references: for each method, what it is compared with.
        costs: pooled costs of computing that they were priced with; None takes each run's own.
    """
    assumptions = assumptions_of(scenarios)
    radios, kinds = _radios(assumptions), [devices.device(name) for name in devices.names()]
    ledgers = {cell.result.cell_id: cell.result.ledger for cell in priced}
    names = list(dict.fromkeys(cell.method for cell in priced))
    runs = [_Run(ledger if costs is None else costs.pooled(ledger), assumptions) for ledger in ledgers.values()]
    found = [run.amounts(radios, kinds) for run in runs]
    return {
        "schema_version": SCHEMA_VERSION,
        "definition": _definition(assumptions, radios),
        "written": _chosen(assumptions_of(written)),
        "changes": settings_that_differ(written, scenarios, {*_CHOICES, *_chosen(assumptions)}),
        "methods": [{"name": name, "reference": references.get(name)} for name in names],
        "cells": [_cell(cell, names, list(ledgers)) for cell in priced],
        "radios": [_priced_radio(radio, runs) | {"argument": _radio_argument(radio, written)} for radio in radios],
        "devices": [_priced_device(device, runs) for device in kinds],
        "supplies": [_priced_supply(supply(name)) for name in supply_names()],
        "grids": [
            _priced_grid(grid) | {"argument": _grid_argument(grid, written, scenarios)} for grid in _grids(assumptions)
        ],
        "operator_grid": _fixed_operator_grid(assumptions),
        "networks": {
            kind: {mode: [_ends(row) for row in _network(kind, mode)] for mode in get_args(Mode)}
            for kind in get_args(NetworkKind)
        },
        "server_w": _ends(server_w()),
        "pue": _ends(assumptions.pue),
        "carried": list(CARRIED),
        "timed": list(TIMED),
        "runs": found,
        "left_out": _left_out(assumptions),
    }


class _Run:
    """A run that is reduced to amounts, radio by radio and device by device."""

    def __init__(self, ledger: Ledger, assumptions: Assumptions) -> None:
        self.ledger = ledger
        self.assumptions = assumptions
        self.turns: Turns = turns_of(ledger)
        self.infeasible: dict[str, list[Note]] = {}

    def amounts(self, radios: Sequence[_Radio], kinds: Sequence[Device]) -> dict[str, Any]:
        """Amounts of the run: of computing by device, and of each radio."""
        first = self._party(radios[0].model, kinds[0])
        n_rounds = int(self.turns.round.max(initial=0))
        return {
            "computing": [
                _computing(
                    computing_terms(first.on(device, self.ledger, self.turns), self.ledger, self.turns, n_rounds)
                )
                for device in kinds
            ],
            "radios": [self._on_radio(radio, kinds) for radio in radios],
        }

    def _party(self, radio: RadioModel, device: Device) -> Party:
        """All clients of the run with one radio and device."""
        return parties_of(self.ledger, self.turns, deployment_of(radio, device, supply("mains")))[0]

    def _on_radio(self, radio: _Radio, kinds: Sequence[Device]) -> dict[str, Any]:
        prices = {key: Factor(row) for key, row in radio.model.coefficients().items()}
        party = self._party(radio.model, kinds[0])
        limit_s = self.assumptions.round_limit_s
        self.infeasible[radio.name] = feasibility.infeasible(party, self.turns, limit_s)
        found: dict[str, Any] = {"devices": []}
        for device in kinds:
            here = party.on(device, self.ledger, self.turns)
            (here,), schedule = timed(self.ledger, self.turns, [here], self.assumptions)
            usage = self._usage(here, schedule)
            if device is kinds[0]:
                found |= self._carried(here, usage, schedule, prices)
            found["devices"].append(self._timed(here, usage, schedule, prices))
        return found

    def _usage(self, party: Party, schedule: Schedule) -> Usage:
        return reduce(party.sent(self.turns, schedule), party.group.radio.tail_s, schedule.n_rounds)

    def _carried(self, party: Party, usage: Usage, schedule: Schedule, prices: Mapping[str, Factor]) -> dict[str, Any]:
        """What is the same on every device."""
        n_rounds = schedule.n_rounds
        mbit = [optional_parts.network_mbit(party, self.ledger, usage, n_rounds, cast) for cast in get_args(Cast)]
        found: dict[str, Any] = {way: [_short(usage[way][name].sum()) for name in CARRIED] for way in DIRECTIONS}
        found["mbit"] = [_short(amounts.sum()) for amounts in mbit]
        if "provisioning" in self.assumptions.included:
            found["provisioning"] = _sums(optional_parts.provisioning_terms(party, self.ledger, prices, n_rounds))
        return found

    def _timed(self, party: Party, usage: Usage, schedule: Schedule, prices: Mapping[str, Factor]) -> list[Any]:
        """What depends on the device: the amounts of `TIMED`, and optional parts of the definition in ends."""
        found: list[Any] = [_short(usage[way][key].sum()) for way in DIRECTIONS for key in ("sessions", "tail_s")]
        found.append(_short(schedule.round_s.sum()))
        if "standby" in self.assumptions.included:
            found.append(_sums(optional_parts.standby_terms(party, self.turns, usage, prices, schedule)))
        elif self.assumptions.embodied != "excluded":
            found.append(None)
        if self.assumptions.embodied != "excluded":
            grams = embodied_g(party.group.device, float(party.busy_s.sum()), self.assumptions.embodied)
            found.append([_short(end) for end in (grams.low, grams.typical, grams.high)])
        return found


def _sums(terms: Iterable[Term]) -> list[float]:
    """Joules of some terms at the low, typical and high end."""
    found = [term.joules() for term in terms]
    return [_short(sum(getattr(joules, end) for joules in found)) for end in ("low", "typical", "high")]


def _computing(terms: Sequence[Term]) -> dict[str, Any] | None:
    """Seconds and watts of each phase; None if no computing was recorded."""
    if not terms:
        return None
    priced = {term.quantity.removesuffix("_s"): (term.amounts.sum(), times(1.0, term.factors)) for term in terms}
    return {
        phase: [_short(seconds), *(_short(end) for end in (watts.low, watts.typical, watts.high))]
        for phase, (seconds, watts) in priced.items()
    }


def _definition(assumptions: Assumptions, radios: Sequence[_Radio]) -> dict[str, Any]:
    """The choice that the page opens with: that of the assumptions, as far as it can be offered."""
    return {
        "radio": radios[0].name,
        "grid": _label(_grids(assumptions)[0]),
        "device": _first_group(assumptions).device.kind,
        **_chosen(assumptions),
    }


def _chosen(assumptions: Assumptions) -> dict[str, Any]:
    """The part of a choice that `harness price` takes with ``--set``."""
    modes = [mode for part, mode in MODE_OF.items() if part in assumptions.included]
    return {
        "supply": _first_group(assumptions).supply.name,
        "network": modes[0] if modes else "excluded",
        "server": "included" if "server" in assumptions.included else "excluded",
        "pue": assumptions.pue.typical,
        "cast": assumptions.cast,
    }


def _first_group(assumptions: Assumptions) -> Group:
    single = [deployment for deployment in assumptions.deployments if not deployment.is_fleet]
    return (single or list(assumptions.deployments))[0].groups[0]


def _radios(assumptions: Assumptions) -> list[_Radio]:
    """Those of the definition with its settings, then all others as `harness price --radio` would build them."""
    own = [
        _Radio(deployment.name, deployment.title, deployment.groups[0].radio)
        for deployment in assumptions.deployments
        if not deployment.is_fleet
    ]
    known = {radio.name for radio in own}
    others = [registry.build("radio", name) for name in registry.names("radio") if name not in known]
    return [*own, *(_Radio(model.kind, model.title, model) for model in others)]


def _grids(assumptions: Assumptions) -> list[Grid]:
    """Grids of one value: those of the definition, then all countries of the table."""
    own = [grid for grid in assumptions.grids if grid.series is None]
    known = {_label(grid) for grid in own}
    table = sorted(grid_table().values(), key=lambda grid: grid.name)
    return [*own, *(grid for grid in table if grid.g_per_kwh > 0 and _label(grid) not in known)]


def _left_out(assumptions: Assumptions) -> list[str]:
    """What the definition has and the page cannot offer, in words."""
    fleets = [deployment.name for deployment in assumptions.deployments if deployment.is_fleet]
    operator = assumptions.operator_grid
    grids = [grid for grid in (*assumptions.grids, *([operator] if operator else [])) if grid.series is not None]
    names = [f"the fleet {name}" for name in fleets]
    return [*names, *(f"the grid {_label(grid)}, whose intensity changes from hour to hour" for grid in grids)]


def _fixed_operator_grid(assumptions: Assumptions) -> dict[str, Any] | None:
    """The grid of network and server, where the definition has one of its own; with unknown grams where it is a series.

    Charged on the chosen grid instead, they would be grams that `harness price` does not print.
    """
    grid = assumptions.operator_grid
    if grid is None:
        return None
    return _priced_grid(grid) | ({} if grid.series is None else {"g_per_kwh": None})


def _cell(cell: PricedCell, names: Sequence[str], cell_ids: Sequence[str]) -> dict[str, Any]:
    return {"method": names.index(cell.method), "seed": cell.seed, "run": cell_ids.index(cell.result.cell_id)}


def _priced_radio(radio: _Radio, runs: Sequence[_Run]) -> dict[str, Any]:
    own = notes_from(radio.model.notes())
    shown = [note for note in own if note.kind in URGENT]
    for run in runs:
        shown += run.infeasible[radio.name]
        if run.ledger.cell["federation"].get("deadline") is not None:
            shown.append(_DEADLINE)
    return {
        "name": radio.name,
        "title": radio.title,
        "access": radio.model.access,
        "prices": {key: _ends(radio.model.coefficients()[PRICES[key]]) for key in ("sessions", "tail_s", *CARRIED)},
        "notes": jsonable(shown),
        "is_validated": not any(note.kind == "unvalidated" for note in own),
    }


def _radio_argument(radio: _Radio, written: Scenarios) -> str:
    """What `harness price --radio` must be given for it: its name, or all its settings where the name means another."""
    own = {entry.label: entry.radio for entry in written.radios}
    is_packaged = radio.name in registry.names("radio")
    meant = own.get(radio.name) or (registry.build("radio", radio.name) if is_packaged else None)
    if radio.model == meant:
        return radio.name
    settings = registry.describe(radio.model)
    return json.dumps(settings if radio.name == radio.model.kind else settings | {"name": radio.name})


def _grid_argument(grid: Grid, written: Scenarios, scenarios: Scenarios) -> str | None:
    """What `harness price --set grids=[…]` must be given for a grid that ``--grid`` does not know by its name."""
    ours, known = ({entry.name: entry for entry in each.grids if isinstance(entry, CustomGrid)}
                   for each in (scenarios, written))  # fmt: skip
    entry = ours.get(_label(grid))
    return None if entry is None or entry == known.get(entry.name) else json.dumps(plain_grid(entry))


def _priced_device(device: Device, runs: Sequence[_Run]) -> dict[str, Any]:
    """A device, with what it cannot hold: the seconds and watts of its computing are with the runs."""
    ledgers = [run.ledger for run in runs if not device_projection.can_hold(run.ledger, device)]
    verdicts = sorted({device_projection.memory_verdict(ledger, device) for ledger in ledgers})
    notes = jsonable(Note("infeasible", f"training {verdict}") for verdict in verdicts[-1:])
    return {"name": device.kind, "title": device.title, "notes": notes}


def _priced_supply(power: PowerSupply) -> dict[str, Any]:
    own = grid_of(power)
    return {
        "name": power.name,
        "title": power.title,
        "j_per_j": _ends(power.grid_j_per_j),
        "own_grid": None if own is None else _priced_grid(own),
    }


def _priced_grid(grid: Grid) -> dict[str, Any]:
    ends = [grid.low_g_per_kwh, grid.g_per_kwh, grid.high_g_per_kwh]
    return {"name": _label(grid), "title": grid.name, "g_per_kwh": ends, "year": grid.year, "kind": grid.kind}


def _label(grid: Grid) -> str:
    return grid.iso3 or grid.name


def _network(kind: NetworkKind, mode: Mode) -> tuple[Coefficient, Coefficient]:
    side = network(kind, mode)
    return side.access_j_per_mbit, side.core_j_per_mbit


def _ends(row: Coefficient) -> list[float]:
    return [row.low, row.typical, row.high]


def _short(value: Any) -> float:
    """A number at `_DIGITS` significant digits; whole ones as such."""
    short = float(f"{float(value):.{_DIGITS - 1}e}")
    if not math.isfinite(short):
        raise ValueError(f"an amount is {short}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short
