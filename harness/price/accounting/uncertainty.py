"""Propagates the ranges of coefficients: intervals, paired ratios, the order of methods, and what causes the spread.

All of it is computed from the same draws. Methods that are compared share what they have in common, client by client
and coefficient by coefficient, so that a ratio may be narrow although both of its parts are wide. Settings such as
rates and tails are held; `harness.price.accounting.draws.with_link` lets links vary around them.

Terms may be in joules or, with an intensity among their amounts or factors, in grams.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.core.prices import Coefficient
from harness.core.types import Float64
from harness.core.units import g_from_j
from harness.price.accounting.draws import Draws, Key, is_point, key_of
from harness.price.accounting.terms import Component, Factor, Term, times

SHARES = (0.025, 0.5, 0.975)
"""Quantiles that are told."""

INTERACTIONS = "interactions"
"""Name of the share of the variance that no coefficient causes on its own."""

GRID = "grid"
"""What intensities are drawn with: their ranges stand for what tables of grids share, such as life-cycle factors."""

Row = dict[str, Any]
"""A row of a table: names of columns to texts and numbers."""

Terms = Sequence[Term]


@dataclass(frozen=True)
class Quantiles:
    """A quantity as its draws have it: 95 % of them lie between low and high."""

    low: float
    median: float
    high: float

    def __mul__(self, scale: float) -> "Quantiles":
        """The quantiles of the quantity times a constant, at least 0."""
        return Quantiles(scale * self.low, scale * self.median, scale * self.high)


def amounts_drawn(
    terms: Iterable[Term], method: str, draws: Draws, components: Collection[Component] | None = None
) -> Float64:
    """Draws of the sum of some terms: float64 of shape (draws.n,), in joules or grams as the terms are.

    Args:
        terms: of one deployment of a method.
        method: the method.
        draws: the draws, the same for all that is compared.
        components: what to add up; None adds up all.
    """
    total = np.zeros(draws.n)
    for (factors, group, n_clients), amount in _collected(terms, components).items():
        drawn = [draws.values(factor, method, group, n_clients) for factor in factors if not is_point(factor)]
        scale = times(amount, filter(is_point, factors)).typical
        if not drawn or scale == 0:
            total += scale
            continue
        product = scale * drawn[0]
        for values in drawn[1:]:
            product *= values
        total += product
    return total


def mean_terms(cells: Sequence[Iterable[Term]]) -> tuple[Term, ...]:
    """Terms of the mean over several cells, such as the seeds of a method: the terms of all, each its part.

    Raises:
        ValueError: there is no cell.
    """
    if not cells:
        raise ValueError("the mean of no cells is not defined")
    return tuple(replace(term, amounts=term.amounts / len(cells)) for cell in cells for term in cell)


def quantiles(values: Float64) -> Quantiles:
    """The 2.5, 50 and 97.5 % quantiles of some draws, interpolated linearly between neighbours.

    Args:
        values: shape (n,), at least one.

    >>> quantiles(np.arange(41.0))
    Quantiles(low=1.0, median=20.0, high=39.0)
    """
    ordered = np.sort(values)  # in numpy 2 a whole sort is faster than selecting six places
    places = np.array(SHARES) * (len(ordered) - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    found = ordered[below] + (places - below) * (ordered[above] - ordered[below])
    return Quantiles(*map(float, found))


def grams(joules: Float64, grids: Mapping[str, Coefficient], draws: Draws) -> dict[str, Quantiles]:
    """Grams of CO2-equivalent on each of some grids, of joules that all come from one of them.

    Quantiles scale with a constant, so grids whose ranges are equal relative to their values are priced together.

    Args:
        joules: draws of joules taken from the grid, shape (draws.n,).
        grids: intensities in gCO2e/kWh by name; a range is drawn, for each grid the same way.
        draws: the draws that `joules` is of.
    """
    per_range: dict[tuple[float, ...], Quantiles] = {}
    found = {}
    for name, intensity in grids.items():
        scale = intensity.typical or 1.0
        relative = tuple(round(end / scale, 9) for end in (intensity.low, intensity.typical, intensity.high))
        if relative not in per_range:
            low, typical, high = relative
            spread = replace(intensity, low=low, typical=typical, high=high, drawn_with=GRID)
            per_range[relative] = quantiles(joules * draws.values(Factor(spread)))
        found[name] = per_range[relative] * g_from_j(1.0, scale)
    return found


def ratio(
    terms: Terms,
    method: str,
    reference_terms: Terms,
    reference: str,
    draws: Draws,
    components: Collection[Component] | None = None,
) -> Quantiles | None:
    """What a method takes over what a reference takes, draw by draw; None if the reference takes nothing in one."""
    theirs = amounts_drawn(reference_terms, reference, draws, components)
    if theirs.min() <= 0:
        return None
    return quantiles(amounts_drawn(terms, method, draws, components) / theirs)


def variance_split(values: Float64, keys: Iterable[Key], draws: Draws) -> dict[Key | str, float]:
    """The share of the variance of some draws that each coefficient causes.

    Of the logarithm of the values, because they are sums of products; of the values themselves if some are 0. A
    coefficient's share is the squared correlation with its normal numbers z plus that with |z|, the two of which span
    every range in two pieces; what is left is `INTERACTIONS`. Chance alone gives each about 2 / draws.n.

    Args:
        values: shape (draws.n,), at least 0.
        keys: what was drawn for them, each independent of the others.
        draws: the draws that `values` is of.

    Returns:
        Shares that sum to 1, the largest first and interactions last; nothing if the values do not vary.
    """
    scaled = np.log(values) if values.min() > 0 else values
    centred = scaled - scaled.mean()
    norm = float(np.linalg.norm(centred))
    if norm <= 1e-12 * max(1.0, float(np.linalg.norm(scaled))):
        return {}
    shares = {key: _explained(draws.normals(key), centred / norm) for key in dict.fromkeys(keys)}
    total = sum(shares.values())
    split: dict[Key | str, float] = {
        key: share / max(1.0, total) for key, share in sorted(shares.items(), key=lambda item: -item[1])
    }
    return split | {INTERACTIONS: max(0.0, 1.0 - total)}


def keys_of(terms: Iterable[Term], method: str, components: Collection[Component] | None = None) -> list[Key]:
    """What is drawn for some terms, in their order, each once."""
    found = [
        key_of(factor, method, group)
        for (factors, group, _), amount in _collected(terms, components).items()
        for factor in factors
        if amount and not is_point(factor)
    ]
    return list(dict.fromkeys(found))


def uncertainty_row(method: str, radio: str, grid: str, quantity: str, found: Quantiles) -> Row:
    """A row of ``uncertainty.csv``; `grid` is empty for what does not depend on one."""
    return {
        "method": method,
        "radio": radio,
        "grid": grid,
        "quantity": quantity,
        "low": found.low,
        "median": found.median,
        "high": found.high,
    }


def ratio_rows(
    terms: Mapping[str, Terms], reference: str, radio: str, grid: str, quantity: str, draws: Draws
) -> list[Row]:
    """Rows of ``ratios.csv``: each method over the reference, but for those where that is not defined.

    Args:
        terms: by method, the reference among them.
        reference: what to divide by.
        radio: for the column of that name, as are `grid` and `quantity`.
        grid: see `radio`.
        quantity: see `radio`.
        draws: the draws.
    """
    rows = []
    for method, own in terms.items():
        found = None if method == reference else ratio(own, method, terms[reference], reference, draws)
        if found is not None:
            rows.append({**uncertainty_row(method, radio, grid, quantity, found), "reference": reference})
    return rows


def variance_rows(method: str, radio: str, terms: Terms, draws: Draws) -> list[Row]:
    """Rows of ``variance.csv``: what to measure better first, for one deployment of a method.

    ``scope`` says whose number a coefficient is (see `harness.price.accounting.terms.Scope`) and ``group`` which
    clients it was drawn for, empty unless it varies by client.
    """
    split = variance_split(amounts_drawn(terms, method, draws), keys_of(terms, method), draws)
    return [
        {
            "method": method,
            "radio": radio,
            "coefficient": key.name if isinstance(key, Key) else key,
            "scope": key.scope if isinstance(key, Key) else "",
            "group": key.owner if isinstance(key, Key) and key.scope == "client" else "",
            "share": share,
        }
        for key, share in split.items()
    ]


def rank_rows(terms: Mapping[str, Terms], radio: str, grid: str, draws: Draws) -> list[Row]:
    """Rows of ``ranks.csv``: how far the order of methods survives the ranges.

    ``rank`` is the place by typical values, from 1 for the least; ``share_best`` the share of draws in which a method
    takes least; ``share_before_next`` that in which it takes less than the next in that order, None for the last. Ties
    are split evenly.

    Args:
        terms: by method, of one deployment.
        radio: for the column of that name, as is `grid`.
        grid: see `radio`.
        draws: the draws.
    """
    if not terms:
        return []
    typical = {method: sum(term.joules().typical for term in own) for method, own in terms.items()}
    order = sorted(terms, key=typical.__getitem__)
    drawn = np.array([amounts_drawn(terms[method], method, draws) for method in order])
    is_best = drawn == drawn.min(axis=0)
    share_best = (is_best / is_best.sum(axis=0)).mean(axis=1)
    before_next = (drawn[:-1] < drawn[1:]).mean(axis=1) + (drawn[:-1] == drawn[1:]).mean(axis=1) / 2
    return [
        {
            "method": method,
            "radio": radio,
            "grid": grid,
            "rank": place + 1,
            "share_best": float(share_best[place]),
            "share_before_next": float(before_next[place]) if place < len(before_next) else None,
        }
        for place, method in enumerate(order)
    ]


def _collected(
    terms: Iterable[Term], components: Collection[Component] | None
) -> dict[tuple[tuple[Factor, ...], int, int], float]:
    """Amounts by what prices them; groups and their sizes are distinguished only where a number varies by client."""
    found: dict[tuple[tuple[Factor, ...], int, int], float] = defaultdict(float)
    for term in terms:
        if components is None or term.component in components:
            varies = any(factor.scope == "client" for factor in term.factors)
            key = (term.factors, term.group, term.n_clients) if varies else (term.factors, 0, 1)
            found[key] += float(term.amounts.sum())
    return found


def _explained(z: Float64, direction: Float64) -> float:
    """Squared correlations of normal numbers and of their magnitudes with a centred vector of length 1."""
    share = 0.0
    for regressor in (z, np.abs(z)):
        centred = regressor - regressor.mean()
        share += float(centred @ direction) ** 2 / float(centred @ centred)
    return share
