"""Draws coefficients at random for Monte Carlo: which distribution a range means, and who shares a draw.

A range is read as the central 95 % of a distribution whose median is the typical value: log-normal, with one spread
below the median and another above it. Where the low end is 0 it is normal in the same two pieces, cut off at 0. A range
without width is a point and stays one.

Each number is a function of a standard normal one, which comes from a stream of its own: what is drawn for one
coefficient depends neither on the order nor on which others there are.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from harness.core.prices import Coefficient
from harness.core.seeds import stream
from harness.core.types import Float64
from harness.price.accounting.terms import Component, Factor, Scope, Term
from harness.price.assumptions.data import coefficients

Z95 = 1.959963984540054
"""Standard deviations from the median to either end of the central 95 % of a normal distribution."""

FEWEST_DRAWS = 100
"""With fewer, the ends of a 95 % interval rest on two draws."""

RADIO_COMPONENTS: tuple[Component, ...] = ("provisioning", "downlink", "uplink", "standby")
"""Components that the radio of a client has a part in."""

_LINK_OF = {
    "uplink_s": "link.time",
    "downlink_s": "link.time",
    "wait_s": "link.time",
    "uplink_mbit": "link.bits",
    "downlink_mbit": "link.bits",
    "frames": "link.bits",
}


@dataclass(frozen=True)
class Key:
    """What shares one draw.

    Attributes:
        name: of the coefficient, or of the one that it is drawn with.
        scope: whose number it is.
        owner: the method, or the place of the group of clients; empty for a number that is shared.
    """

    name: str
    scope: Scope = "shared"
    owner: str = ""


@dataclass(frozen=True)
class Draws:
    """A set of draws: the same for all methods, radios and grids that are compared.

    Attributes:
        n: number of draws, at least 100.
        seed: seed of all streams, at least 0.
    """

    n: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < FEWEST_DRAWS:
            raise ValueError(f"n must be at least {FEWEST_DRAWS}, got {self.n}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    def normals(self, key: Key) -> Float64:
        """Standard normal numbers of shape (n,), read-only: the same for the same seed and key, always.

        >>> one = Draws(100).normals(Key("lte.tail_w"))
        >>> bool((one == Draws(100).normals(Key("lte.tail_w"))).all())
        True
        """
        return _normals(self.n, self.seed, key)

    def values(self, factor: Factor, method: str = "", group: int = 0, n_clients: int = 1) -> Float64:
        """Draws of one coefficient: float64 of shape (n,), read-only, each at least 0.

        Args:
            factor: the coefficient and whose number it is.
            method: method that it is drawn for.
            group: place of the group of clients that it is drawn for.
            n_clients: clients over which a number that varies by client is averaged, at least 1.

        Raises:
            ValueError: the ends of the range are out of order or below 0.
        """
        number = factor.coefficient
        is_mean = factor.scope == "client" and n_clients > 1
        return _values(
            self.n,
            self.seed,
            key_of(factor, method, group),
            (number.low, number.typical, number.high),
            n_clients if is_mean else 1,
        )


def key_of(factor: Factor, method: str = "", group: int = 0) -> Key:
    """What a coefficient shares its draw with.

    Clients are the same for all methods, so a number that varies by client is drawn once for a group of them.

    >>> watt = Coefficient("p", 1.0, 2.0, 3.0, "W", "key", "Table 1", 2012, "primary", "source", True)
    >>> key_of(Factor(watt, "method"), "signsgd")
    Key(name='p', scope='method', owner='signsgd')
    """
    owner = {"shared": "", "method": method, "client": str(group)}[factor.scope]
    return Key(factor.coefficient.drawn_with or factor.coefficient.name, factor.scope, owner)


def is_point(factor: Factor) -> bool:
    """Whether there is nothing to draw."""
    return factor.coefficient.low == factor.coefficient.high


def at(low: float, typical: float, high: float, z: Float64) -> Float64:
    """The numbers `z` standard deviations of a normal distribution from the median of a range.

    Args:
        low: 2.5 % quantile, at least 0.
        typical: median, at least `low`.
        high: 97.5 % quantile, at least `typical`.
        z: any shape.

    Returns:
        float64 of the shape of `z`, rising with it.

    Raises:
        ValueError: the ends of the range are out of order or below 0.

    >>> at(1.0, 2.0, 8.0, np.array([-Z95, 0.0, Z95])).round(9).tolist()
    [1.0, 2.0, 8.0]
    """
    if not 0 <= low <= typical <= high < math.inf:
        raise ValueError(f"a range must be 0 <= low <= typical <= high, got {low:g}, {typical:g}, {high:g}")
    if low > 0:
        below, above = math.log(typical / low), math.log(high / typical)
        return np.asarray(typical * np.exp(z / Z95 * np.where(z < 0, below, above)), dtype=np.float64)
    return np.maximum(typical + z / Z95 * np.where(z < 0, typical, high - typical), 0.0)


def moments(low: float, typical: float, high: float) -> tuple[float, float]:
    """Mean and variance of the distribution that a range means.

    >>> mean, variance = moments(0.5, 1.0, 2.0)  # log-normal, sigma = ln 2 / 1.96
    >>> round(mean, 4), round(variance, 4)  # exp(sigma^2 / 2), (exp(sigma^2) - 1) exp(sigma^2)
    (1.0645, 0.151)
    """
    z = np.linspace(-12.0, 12.0, 24_001)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    values = at(low, typical, high, z)
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def with_link(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Terms whose radios have, client by client, a better or worse link than the settings say; for draws only.

    With poor coverage a client is on the air for longer and repeats more, so both are drawn together. Rates and
    retransmissions that are set stand for the mean over clients: on average the seconds and bits of the terms stay.
    What waits for the slowest client, and tails, stay as they are.

    Args:
        terms: terms in joules or grams, of any components; those of the network keep their bits.

    Returns:
        The terms in their order, those of radios on the air with one more factor.
    """
    return tuple(
        replace(term, factors=(*term.factors, link_factors()[_LINK_OF[term.quantity]]))
        if term.component in RADIO_COMPONENTS and term.quantity in _LINK_OF
        else term
        for term in terms
    )


def link_inputs() -> tuple[Coefficient, ...]:
    """The table rows behind `with_link`: one client's seconds and bits on the air relative to the settings."""
    return tuple(coefficients("link").values())


@cache
def link_factors() -> dict[str, Factor]:
    """Factors ``link.time`` and ``link.bits``: the ranges of `link_inputs`, scaled to a mean of 1."""
    factors = {}
    for row in link_inputs():
        mean, _ = moments(row.low, row.typical, row.high)
        scaled = replace(row, low=row.low / mean, typical=row.typical / mean, high=row.high / mean, drawn_with="link")
        factors[row.name] = Factor(scaled, "client")
    return factors


@lru_cache(maxsize=256)
def _normals(n: int, seed: int, key: Key) -> Float64:
    drawn = stream(seed, f"coefficient/{key.scope}/{key.owner}/{key.name}").standard_normal(n)
    drawn.setflags(write=False)
    return drawn


@lru_cache(maxsize=512)
def _values(n: int, seed: int, key: Key, ends: tuple[float, float, float], n_clients: int) -> Float64:
    z = _normals(n, seed, key)
    drawn = at(*ends, z) if n_clients == 1 else _fleet_mean(ends, n_clients, z)
    drawn.setflags(write=False)
    return drawn


def _fleet_mean(ends: tuple[float, float, float], n_clients: int, z: Float64) -> Float64:
    """The mean over clients: log-normal, with the mean of one client and its variance divided by their number."""
    mean, variance = _moments(ends)
    if mean == 0:
        return np.zeros_like(z)
    squared_sigma = math.log1p(variance / n_clients / mean**2)
    return np.asarray(mean * np.exp(math.sqrt(squared_sigma) * z - squared_sigma / 2), dtype=np.float64)


@cache
def _moments(ends: tuple[float, float, float]) -> tuple[float, float]:
    return moments(*ends)
