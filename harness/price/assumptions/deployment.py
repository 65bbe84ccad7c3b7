"""Defines who the clients are: groups, each with its own radio, device, power supply and grid.

A deployment of one kind of client is a group of its own. Which clients belong to which group is drawn once for a seed,
without regard to what data they have, and is the same for all methods.
"""

from dataclasses import dataclass

import numpy as np

from harness.core.protocols import RadioModel
from harness.core.seeds import stream
from harness.core.types import Int64
from harness.price.assumptions.devices import Device
from harness.price.assumptions.grids import Grid
from harness.price.assumptions.power_supply import PowerSupply


@dataclass(frozen=True)
class Group:
    """Clients of one kind.

    Attributes:
        name: name in reports.
        share: share of the clients, above 0.
        radio: what they send and receive with.
        device: what they compute on.
        supply: where their electricity comes from.
        grid: the grid behind it; None where each grid of the assumptions is tried in turn.
    """

    name: str
    share: float
    radio: RadioModel
    device: Device
    supply: PowerSupply
    grid: Grid | None = None


@dataclass(frozen=True)
class Deployment:
    """All clients.

    Attributes:
        name: what tables call it: the kind of its radio, or the name of a fleet.
        title: name in reports.
        groups: at least one; their shares sum to one.
        is_fleet: whether it brings grids of its own.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    is_fleet: bool = False

    def group_of(self, n_clients: int, seed: int) -> Int64:
        """The group of each client, shape (n_clients,): as many of each as its share says, to the nearest client.

        Args:
            n_clients: clients of the whole population.
            seed: evaluation seed of the cell.
        """
        ends = np.rint(np.cumsum([group.share for group in self.groups]) * n_clients).astype(np.int64)
        place = np.searchsorted(ends, np.arange(n_clients), side="right").clip(max=len(self.groups) - 1)
        if len(self.groups) == 1:
            return place.astype(np.int64)
        return place[stream(seed, "fleet").permutation(n_clients)].astype(np.int64)


def deployment_of(radio: RadioModel, device: Device, supply: PowerSupply, name: str | None = None) -> Deployment:
    """A deployment of one kind of client, on each grid of the assumptions in turn.

    Args:
        radio: what the clients send and receive with.
        device: what they compute on.
        supply: where their electricity comes from.
        name: what tables call it; None takes the kind of the radio.
    """
    title = radio.title if name is None else f"{radio.title}, {name}"
    return Deployment(name or radio.kind, title, (Group("all", 1.0, radio, device, supply),))
