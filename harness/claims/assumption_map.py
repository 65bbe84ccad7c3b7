"""Tests claims on joules and grams over a map of assumptions: radio, update size, network, cast and supply.

Amounts of one run of a method and of its reference are computed once for each radio and update size; all else are
coefficients (see `harness.price.accounting.terms`). Typical values throughout: how seeds differ is in
``pairs.csv``. The base setting is the study's own update size with clients alone, on mains, and what they are given
before round 1 at no cost. Standby is outside.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from harness.core.protocols import RadioModel
from harness.ledger.ledger import Ledger
from harness.parts import registry
from harness.price.accounting.account import Scaled, scaled
from harness.price.accounting.assumptions import assumptions_of
from harness.price.accounting.carbon import carbon_terms
from harness.price.accounting.draws import RADIO_COMPONENTS
from harness.price.accounting.optional_parts import Cast
from harness.price.accounting.terms import Factor, Term
from harness.price.accounting.timeline import turns_of
from harness.price.assumptions.deployment import deployment_of
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import Grid
from harness.price.assumptions.network import Mode
from harness.price.assumptions.power_supply import grid_of, supply
from harness.price.assumptions.power_supply import names as supply_names
from harness.price.assumptions.scenarios import Scenarios

SCALES = (0.1, 1.0, 10.0, 100.0)
"""Sizes of an update that are tried, relative to the study's own."""

NETWORKS: tuple[tuple[Mode, Cast], ...] = (
    ("marginal", "unicast"),
    ("marginal", "multicast"),
    ("average", "unicast"),
    ("average", "multicast"),
)

Status = Literal["holds", "does not hold", "infeasible", "nothing to save"]
"""What a claim is at a point of the map."""


@dataclass(frozen=True)
class Setting:
    """A point of the map of one radio.

    Attributes:
        scale: size of the model, its payloads and all computing, relative to the study's.
        network: mode of the network in the total, and whether it carries once or for each client; None excludes it.
        supply: where the clients' electricity comes from.
        is_fetched: whether clients fetch what they are given before round 1 over the air.
    """

    scale: float = 1.0
    network: tuple[Mode, Cast] | None = None
    supply: str = "mains"
    is_fetched: bool = False

    @property
    def network_words(self) -> str:
        """The network in words.

        >>> Setting(network=("average", "unicast")).network_words
        'network average, unicast'
        """
        return "network excluded" if self.network is None else f"network {', '.join(self.network)}"


@dataclass(frozen=True)
class Radio:
    """A radio under the name of the study, or of the registry with its default settings."""

    name: str
    model: RadioModel


@dataclass(frozen=True)
class Point:
    """A claim at one point.

    Attributes:
        radio: name of the radio.
        setting: the point.
        ours: joules or grams of the method, all clients of one run.
        theirs: those of its reference.
        status: whether what is saved is enough.
    """

    radio: str
    setting: Setting
    ours: float
    theirs: float
    status: Status

    @property
    def saves(self) -> float | None:
        """Per cent saved; None where the reference takes nothing.

        >>> Point("lte", Setting(), 30.0, 40.0, "holds").saves
        25.0
        """
        return saving(self.ours, self.theirs)


def saving(ours: float, theirs: float) -> float | None:
    """Per cent saved; None where there is nothing to save."""
    return 100 * (1 - ours / theirs) if theirs > 0 else None


class Amounts:
    """What a method and its reference do, on each radio and at each update size: once for all claims about them."""

    def __init__(self, method: str, reference: str, pair: tuple[Ledger, Ledger], scenarios: Scenarios) -> None:
        """Take what is compared.

        Args:
            method: name of the method.
            reference: name of its reference.
            pair: a run of each at one seed, with computing that is ready to be priced.
            scenarios: what the study is priced under: radios, device, pauses and grids are taken from there.
        """
        self.method, self.reference = method, reference
        self.seed = int(pair[0].cell["seed"])
        self.assumptions = assumptions_of(scenarios)
        self.device = device(scenarios.device)
        self._pair = [(ledger, turns_of(ledger)) for ledger in pair]
        self._scaled: dict[tuple[str, float], tuple[Scaled, Scaled]] = {}

    @cached_property
    def radios(self) -> tuple[Radio, ...]:
        """Those of the study, then all others that there are."""
        single = [each for each in self.assumptions.deployments if not each.is_fleet]
        own = [Radio(each.name, each.groups[0].radio) for each in single]
        known = {radio.name for radio in own}
        others = [name for name in registry.names("radio") if name not in known]
        return (*own, *(Radio(name, registry.build("radio", name)) for name in others))

    @property
    def grid(self) -> Grid | None:
        """The first grid of the study: that of clients that see one."""
        return next(iter(self.assumptions.grids), None)

    @property
    def operator_grid(self) -> Grid | None:
        """The grid of the network."""
        return self.assumptions.operator_grid or self.grid

    @cached_property
    def cohort(self) -> int:
        """Largest number of clients that take part in a round of the method."""
        transfers = self._pair[0][0].transfers
        return int(transfers[transfers["round"] > 0].groupby("round")["client"].nunique().max())

    @cached_property
    def reference_bytes(self) -> float:
        """Bytes of an update of the study without a codec."""
        transfers = self._pair[1][0].transfers
        return float(transfers.loc[transfers["round"] > 0, ["reference_bytes", "payload_bytes"]].max().max())

    @cached_property
    def is_given(self) -> bool:
        """Whether clients of either are given anything before round 1."""
        return any((ledger.transfers["round"] == 0).any() for ledger, _ in self._pair)

    @property
    def is_computed(self) -> bool:
        """Whether the computing of both is known."""
        return all(each.is_computed for each in self.at(self.radios[0], 1.0))

    def at(self, radio: Radio, scale: float) -> tuple[Scaled, Scaled]:
        """The method and its reference on a radio at a size."""
        if (radio.name, scale) not in self._scaled:
            here = deployment_of(radio.model, self.device, supply("mains"), radio.name)
            ours, theirs = (scaled(ledger, turns, self.assumptions, here, scale) for ledger, turns in self._pair)
            self._scaled[radio.name, scale] = ours, theirs
        return self._scaled[radio.name, scale]

    def obstacles(self, radio: Radio, scale: float = 1.0) -> tuple[str, ...]:
        """Why a radio cannot carry updates of a size, those of the method or of its reference; empty if it can."""
        found = [reason for each in self.at(radio, scale) for reason in each.obstacles]
        return tuple(dict.fromkeys(found))


class ClaimMap:
    """A claim about a method on joules or grams, at any setting."""

    def __init__(self, amounts: Amounts, quantity: str, needed: float) -> None:
        """Take what is claimed.

        Args:
            amounts: of the method and its reference.
            quantity: one of `harness.claims.claims_file.DEPLOYED`.
            needed: per cent that must be saved.
        """
        self.amounts, self.quantity, self.needed = amounts, quantity, needed

    @property
    def supplies(self) -> list[str]:
        """Supplies that can be tried: grams of those that see a grid need one."""
        if self.quantity != "carbon_g" or self.amounts.grid is not None:
            return supply_names()
        return ["primary", "harvested"]

    @property
    def networks(self) -> list[tuple[Mode, Cast] | None]:
        """Modes and casts that can be tried; the first is that of the base."""
        is_priced = self.quantity != "carbon_g" or self.amounts.operator_grid is not None
        return [None, *(NETWORKS if is_priced else ())]

    @property
    def base(self) -> Setting:
        """The study's own size, clients alone, on mains where that can be."""
        return Setting(supply=self.supplies[0])

    def settings(self) -> Iterator[Setting]:
        """All points of one radio."""
        for scale, network, source in itertools.product(SCALES, self.networks, self.supplies):
            yield Setting(scale, network, source)

    def points(self) -> list[Point]:
        """The map, radio by radio."""
        return [self.point(radio, setting) for radio in self.amounts.radios for setting in self.settings()]

    def point(self, radio: Radio, setting: Setting) -> Point:
        """The claim at one point."""
        ours, theirs = self._totals(radio, setting)
        is_possible = not self.amounts.obstacles(radio, setting.scale)
        return Point(radio.name, setting, ours, theirs, self.status(ours, theirs) if is_possible else "infeasible")

    def status(self, ours: float, theirs: float) -> Status:
        """Whether enough is saved."""
        saves = saving(ours, theirs)
        if saves is None:
            return "nothing to save"
        return "holds" if saves >= self.needed else "does not hold"

    def holds_at(self, radio: Radio, scale: float) -> bool:
        """Whether enough is saved at a size, all else as in the base, whether it is possible or not."""
        return self.status(*self._totals(radio, replace(self.base, scale=scale))) == "holds"

    def terms(self, radio: Radio, setting: Setting) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
        """Terms of the method and of its reference, in joules taken from the supply or in grams."""
        ours, theirs = self.amounts.at(radio, setting.scale)
        return self._charged(ours, radio, setting), self._charged(theirs, radio, setting)

    def _totals(self, radio: Radio, setting: Setting) -> tuple[float, float]:
        """Typical joules or grams of the method and of its reference."""
        ours, theirs = (sum(term.joules().typical for term in terms) for terms in self.terms(radio, setting))
        return ours, theirs

    def _charged(self, found: Scaled, radio: Radio, setting: Setting) -> tuple[Term, ...]:
        clients, source = (*found.terms, *(found.given if setting.is_fetched else ())), supply(setting.supply)
        if self.quantity == "radio_energy_j":
            clients = tuple(term for term in clients if term.component in RADIO_COMPONENTS)
        network = () if setting.network is None else found.networks[setting.network]
        if self.quantity != "carbon_g":
            loss = Factor(source.grid_j_per_j)
            return (*(replace(term, factors=(*term.factors, loss)) for term in clients), *network)
        own = grid_of(source) or self.amounts.grid
        if own is None:
            raise ValueError(f"supply {setting.supply} needs a grid, and the study has none")
        here = replace(found, deployment=deployment_of(radio.model, self.amounts.device, source, radio.name))
        return carbon_terms(here, (*clients, *network), (own.name, (own,)), self.amounts.operator_grid)
