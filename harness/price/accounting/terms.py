"""Expresses joules as sums of terms: an amount that happened, times the coefficients that price it.

One form serves tables, Monte-Carlo draws, the split of variance and what-if questions. A range is the sum at all low
ends and at all high ends of the coefficients: bounds, not an interval of some probability.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.prices import Coefficient
from harness.core.types import Float64

Component = Literal[
    "provisioning", "local_training", "codec", "downlink", "uplink", "standby", "access", "core", "server"
]
"""What joules of a deployment are spent on.

Codec is the client's share: decoding the downlink, encoding the uplink. Provisioning is the radio's work for what a
client is given before round 1. Standby is what devices and radios take while they wait for their next turn. Access and
core are the network's, server the operator's.
"""

Scope = Literal["shared", "method", "client"]
"""Whose number a coefficient is.

``shared``: unknown, but the same for all methods. ``method``: unknown, and for each method otherwise. ``client``:
varies from client to client, so that a fleet sees its mean.
"""


@dataclass(frozen=True)
class Bounds:
    """A quantity with the lower and upper end that the assumptions allow, all in one unit."""

    low: float
    typical: float
    high: float

    def __add__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.low + other.low, self.typical + other.typical, self.high + other.high)


NOTHING = Bounds(0.0, 0.0, 0.0)
"""The sum of no terms."""


@dataclass(frozen=True)
class Factor:
    """A coefficient of a term.

    Attributes:
        coefficient: the number with its range.
        scope: whose number it is.
    """

    coefficient: Coefficient
    scope: Scope = "shared"


@dataclass(frozen=True, eq=False)
class Term:
    """What one group of clients spent on one component by one quantity.

    Attributes:
        component: what it was spent on.
        group: place of the group in its deployment, from 0.
        quantity: name of the quantity, e.g. ``tail_s``.
        amounts: float64 of shape (rounds + 1,): the amount in each round; entry 0 is what came before round 1.
        factors: their product turns an amount into joules.
        n_clients: clients behind the amounts, at least 1: how many a number that varies by client is averaged over.
    """

    component: Component
    group: int
    quantity: str
    amounts: Float64
    factors: tuple[Factor, ...]
    n_clients: int = 1

    def joules(self) -> Bounds:
        """Joules of all rounds together."""
        return times(float(self.amounts.sum()), self.factors)


def times(amount: float, factors: Iterable[Factor]) -> Bounds:
    """An amount times its coefficients, each at its low end, as it is, and at its high end.

    >>> watt = Coefficient("p", 1.0, 2.0, 3.0, "W", "key", "Table 1", 2012, "primary", "source", True)
    >>> times(10.0, [Factor(watt)])
    Bounds(low=10.0, typical=20.0, high=30.0)
    """
    numbers = [factor.coefficient for factor in factors]
    return Bounds(
        amount * math.prod(number.low for number in numbers),
        amount * math.prod(number.typical for number in numbers),
        amount * math.prod(number.high for number in numbers),
    )


def joules_by_round(terms: Iterable[Term], n_rounds: int) -> Float64:
    """Typical joules in each round, entry 0 before the first: float64 of shape (n_rounds + 1,)."""
    total = np.zeros(n_rounds + 1)
    for term in terms:
        total += times(1.0, term.factors).typical * term.amounts
    return total


OPERATORS: tuple[Component, ...] = ("access", "core", "server")
"""Components that an operator pays for, not a client."""
