"""Defines the scenarios of a spec: the assumptions that facts are priced under."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)

from harness.core.protocols import RadioModel
from harness.parsing.fields import Name, not_empty, positive, whole
from harness.parsing.problems import Clash, in_settings, ranged, rejection, shown
from harness.parsing.strict_model import Part, listed, repeated
from harness.parts import registry
from harness.parts.registry import part
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import Supply, needs_grid

FOLDER = "folder"
"""Key of the validation context: the folder that paths in a spec are relative to."""


def _device(value: str) -> str:
    in_settings(lambda: device(value))
    return value


class CustomGrid(Part):
    """A grid intensity of the user's own, with where it comes from: one value, or a series over time.

    Attributes:
        name: name in reports.
        g_per_kwh: gCO2e per kWh; either this or `series`.
        series: CSV file with columns ``utc`` and ``g_per_kwh``, relative to the definition.
        start: when round 1 starts in the series, as 2025-03-01T00:00:00Z.
        source: where it comes from.
        year: year of the value.
        basis: what it counts, in words.
        kind: whether it is an average or a marginal intensity.
    """

    name: Name
    g_per_kwh: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 10_000))] | None = None
    series: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    start: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    year: Annotated[int, *whole(1900, 2200)] | None = None
    basis: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    kind: Literal["average", "marginal"] = "average"


def _grid(value: object, info: ValidationInfo) -> str | CustomGrid:
    if isinstance(value, str):
        return in_settings(lambda: grid(value)).iso3 or value
    custom = CustomGrid.model_validate(value)
    if custom.series is not None:
        folder = Path((info.context or {}).get(FOLDER, ""))
        custom = custom.model_copy(update={"series": str(folder / custom.series)})
    in_settings(lambda: grid(plain_grid(custom)))
    return custom


def plain_grid(entry: str | CustomGrid) -> Any:
    """A grid entry as a file has it."""
    return entry if isinstance(entry, str) else entry.model_dump(exclude_none=True)


_GridEntry = Annotated[str | CustomGrid, PlainValidator(_grid), PlainSerializer(plain_grid)]


@dataclasses.dataclass(frozen=True)
class RadioEntry:
    """A radio, under a name of its own where one kind stands there with several settings.

    Attributes:
        radio: the radio.
        name: its name in tables; None takes its kind.
    """

    radio: RadioModel
    name: str | None = None

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.name or self.radio.kind


class _Named(BaseModel):
    name: Name


def radio_entry(value: object) -> RadioEntry:
    """The radio that an entry means: a name, a part, or a mapping with settings and perhaps a name of its own.

    Raises:
        ValidationError: with a location relative to `value` for each problem.
    """
    if isinstance(value, RadioEntry):
        return value
    if not isinstance(value, Mapping) or "name" not in value:
        return RadioEntry(registry.validated("radio", value))
    try:
        name = _Named.model_validate({"name": value["name"]}).name
    except ValidationError as error:
        raise rejection("radio", [(("name",), error.errors()[0]["msg"])]) from None
    return RadioEntry(registry.validated("radio", {key: each for key, each in value.items() if key != "name"}), name)


def _plain_radio(entry: RadioEntry) -> dict[str, Any]:
    return registry.describe(entry.radio) | ({"name": entry.name} if entry.name else {})


_Radio = Annotated[RadioEntry, PlainValidator(radio_entry), PlainSerializer(_plain_radio, return_type=dict[str, Any])]


class FleetGroup(Part):
    """A part of a fleet.

    Attributes:
        name: name in reports.
        share: share of the clients, above 0 and at most 1.
        radio: what they send and receive with.
        device: what they compute on.
        supply: where their electricity comes from.
        grid: the grid behind it; not for a primary cell or harvested energy.
    """

    name: Name
    share: Annotated[float, *positive(1)]
    radio: Annotated[RadioModel, *part("radio")]
    device: Annotated[str, AfterValidator(_device)] = "raspberry_pi_4"
    supply: Supply = "mains"
    grid: _GridEntry | None = None

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """A supply with a grid that it does not see, or without one that it needs."""
        yield from _supply_clashes(values.get("supply", "mains"), values.get("grid") is not None, "grid")


class Fleet(Part):
    """Clients of several kinds that train together.

    Attributes:
        name: name in reports.
        groups: the kinds; their shares sum to 1.
    """

    name: Name
    groups: Annotated[tuple[FleetGroup, ...], AfterValidator(not_empty)]

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Report groups with equal names, and shares that do not add up to the fleet."""
        groups = [entry if isinstance(entry, Mapping) else {} for entry in listed(values.get("groups"))]
        names = [entry.get("name") for entry in groups]
        yield from repeated([_folded(name) for name in names], ("groups",), names, "name")
        shares = [entry.get("share") for entry in groups]
        if groups and all(isinstance(share, int | float) and not isinstance(share, bool) for share in shares):
            total = sum(float(share) for share in shares if share is not None)
            if abs(total - 1) > 1e-6:
                yield ("groups",), f"the shares sum to {total:g}; they must sum to 1"


class Uncertainty(Part):
    """How the ranges of coefficients are drawn from.

    Attributes:
        draws: Monte-Carlo draws, 100 to 1,000,000.
        seed: seed of them.
    """

    draws: Annotated[int, *whole(100, 1_000_000)] = 10_000
    seed: Annotated[int, *whole(0, 2**32 - 1)] = 0


class Scenarios(Part):
    """The assumptions that facts are priced under; changing them trains nothing again.

    Attributes:
        radios: radio technologies; one that stands there with several settings needs a ``name`` for each.
        grids: country codes (stored as ISO 3166-1 alpha-3) or custom grids; none where the supply needs none.
        device: the client hardware that compute is projected to.
        supply: where the clients' electricity comes from: ``mains``, ``rechargeable``, ``primary`` or ``harvested``.
        fleets: clients of several kinds that train together, each with grids of its own.
        operator_grid: the grid of network and server; by default that of the clients.
        pause_s: seconds between the end of a round and the start of the next, 0 to a year. Longer than a radio's tail,
            each round is a radio session of its own; at 0 rounds of a small model share one.
        round_limit_s: a round that keeps a client, or a medium that clients share, for longer is infeasible, 1 s to a
            year.
        provisioning: how clients come by what they have before the first round: from the ``factory``, at no cost, or
            ``over_the_air``, at that of one download each. Reports print both.
        standby: whether totals have what radios and devices take while they wait for their next turn.
        network: whether totals have what access network and core take, as ``average`` or ``marginal`` intensity.
        server: whether totals have what the server takes while rounds run.
        pue: power usage effectiveness of the server's data centre, 1 to 3; by default that of the table.
        cast: whether the network carries what many clients receive alike once for each (``unicast``) or once.
        embodied: the rule by which the manufacture of devices is allocated.
        target_accuracy: validation accuracy, 0 to 1, whose time and cost are told; by default the reference's last,
            less one percentage point.
        uncertainty: how ranges are drawn from.
    """

    radios: tuple[_Radio, ...] = ()
    grids: tuple[_GridEntry, ...] = ()
    device: Annotated[str, AfterValidator(_device)] = "raspberry_pi_4"
    supply: Supply = "mains"
    fleets: tuple[Fleet, ...] = ()
    operator_grid: _GridEntry | None = None
    pause_s: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 31_536_000))] = 60.0
    round_limit_s: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(1, 31_536_000))] = 86_400.0
    provisioning: Literal["factory", "over_the_air"] = "factory"
    standby: Literal["excluded", "included"] = "excluded"
    network: Literal["excluded", "average", "marginal"] = "excluded"
    server: Literal["excluded", "included"] = "excluded"
    pue: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(1, 3))] | None = None
    cast: Literal["unicast", "multicast"] = "unicast"
    embodied: Literal["excluded", "calendar", "active"] = "excluded"
    target_accuracy: Annotated[float, *positive(1)] | None = None
    uncertainty: Uncertainty = Uncertainty()

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Scenarios that a report could not tell apart, or that lack something."""
        radios, grids, fleets = (listed(values.get(key)) for key in ("radios", "grids", "fleets"))
        radio_names = [_radio_label(entry) for entry in radios]
        fleet_names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in fleets]
        grid_names = [entry.get("name") if isinstance(entry, Mapping) else entry for entry in grids]
        yield from repeated(list(map(_folded, radio_names)), ("radios",), radio_names)
        yield from repeated(list(map(_folded, grid_names)), ("grids",), grid_names)
        yield from repeated(list(map(_folded, fleet_names)), ("fleets",), fleet_names, "name")
        for place, name in enumerate(fleet_names):
            if name is not None and _folded(name) in map(_folded, radio_names):
                yield (
                    ("fleets", place, "name"),
                    f"{shown(name)} is the name of a radio; tables could not tell them apart",
                )
        if not radios and not fleets:
            yield ("radios",), "an empty list; at least one radio, or a fleet, is needed"
        supply = values.get("supply", "mains")
        if radios:
            yield from _supply_clashes(supply, bool(grids), "grids")
        if values.get("operator_grid") is None and _lacks_operator_grid(values, supply, fleets):
            yield ("operator_grid",), "missing; network and server need a grid where the clients' supply has none"


def _supply_clashes(supply: object, has_grid: bool, key: str) -> Iterator[Clash]:
    if supply not in ("mains", "rechargeable", "primary", "harvested"):
        return
    if has_grid and not needs_grid(supply):
        yield (key,), f"{supply} supply sees no grid; leave {key} out, or choose mains or rechargeable"
    if not has_grid and needs_grid(supply):
        yield (key,), f"missing; {supply} supply takes its electricity from a grid"


def _lacks_operator_grid(values: Mapping[str, Any], supply: object, fleets: list[Any]) -> bool:
    """Whether a network or server in the totals would take electricity from a cell of the clients."""
    if values.get("network", "excluded") == "excluded" and values.get("server", "excluded") == "excluded":
        return False
    groups = [entry for fleet in fleets if isinstance(fleet, Mapping) for entry in listed(fleet.get("groups"))]
    supplies = [supply, *(entry.get("supply", "mains") for entry in groups if isinstance(entry, Mapping))]
    return any(each in ("primary", "harvested") for each in supplies)


def _radio_label(entry: object) -> object:
    if isinstance(entry, Mapping):
        return entry.get("name") or entry.get("kind")
    return entry.label if isinstance(entry, RadioEntry) else getattr(entry, "kind", entry)


def _folded(name: object) -> str | None:
    return name.casefold() if isinstance(name, str) else None
