"""Comparisons that a definition names before anything is run: the rows of ``contrasts.csv``.

A contrast is ``(sum over plus - sum over minus) / per``, seed by seed, with a t interval over the seeds that all of its
methods have finished. With two methods on either side it is an interaction.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import pandas as pd

from harness import statistics
from harness.statistics import Interval

COLUMNS = ["name", "quantity", "unit", "n", "estimate", "low", "high", "note"]
NO_SEED = "no seed that all its methods have finished"
POINTS = "points"
LOGARITHM = "ln"
"""Unit of a contrast of bits: differences of natural logarithms, so that exp(estimate) is a ratio."""


class Contrast(Protocol):
    """What a definition says of a contrast; see `harness.spec.Contrast`."""

    @property
    def name(self) -> str:
        """How reports call it."""

    @property
    def plus(self) -> tuple[str, ...]:
        """Names of methods that are added."""

    @property
    def minus(self) -> tuple[str, ...]:
        """Names of methods that are subtracted."""

    @property
    def quantity(self) -> str:
        """A column of ``cells.csv``: an accuracy, or bits."""

    @property
    def per(self) -> int:
        """What the difference of the sums is divided by, at least 1."""


def contrast_rows(cells: pd.DataFrame, contrasts: Iterable[Contrast]) -> list[dict[str, Any]]:
    """One row per contrast, in the order of the definition.

    Args:
        cells: as in ``cells.csv``.
        contrasts: as the definition names them.
    """
    facts = cells.set_index(["method", "seed"])
    return [_row(contrast, facts[contrast.quantity]) for contrast in contrasts]


def _row(contrast: Contrast, facts: "pd.Series[Any]") -> dict[str, Any]:
    is_accuracy = contrast.quantity.endswith("_accuracy")
    interval = _interval(contrast, facts, is_accuracy=is_accuracy)
    return {
        "name": contrast.name,
        "quantity": contrast.quantity,
        "unit": POINTS if is_accuracy else LOGARITHM,
        "n": interval.n,
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "note": interval.note,
    }


def _interval(contrast: Contrast, facts: "pd.Series[Any]", *, is_accuracy: bool) -> Interval:
    names = (*contrast.plus, *contrast.minus)
    seeds = [seed for seed in dict.fromkeys(facts.index.get_level_values("seed").tolist())
             if all((name, seed) in facts.index for name in names)]  # fmt: skip
    if not seeds:
        return Interval(0, None, None, None, NO_SEED)
    signs = [1] * len(contrast.plus) + [-1] * len(contrast.minus)
    values = [[float(facts[name, seed]) for name in names] for seed in seeds]
    if not is_accuracy and min(map(min, values)) <= 0:
        return Interval(len(seeds), None, None, None, statistics.ZERO_COST)
    in_unit = (lambda share: 100 * share) if is_accuracy else math.log
    sums = [sum(sign * in_unit(value) for sign, value in zip(signs, row, strict=True)) for row in values]
    return statistics.mean_interval([total / contrast.per for total in sums], is_counted=not is_accuracy)
