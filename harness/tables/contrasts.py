"""Builds ``contrasts.csv``: comparisons that a definition names before anything is run.

A contrast is ``(sum over plus - sum over minus) / per``, seed by seed, with a t interval over the seeds that all of its
methods have finished. With two methods on either side it is an interaction. Those that are primary are one family:
their p values are corrected for how many of them the definition names.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import pandas as pd

from harness.statistics import intervals, significance
from harness.statistics.intervals import Interval

COLUMNS = [
    *("name", "quantity", "unit", "n", "estimate", "low", "high", "note"),
    *("role", "t_p", "t_holm_p", "sign_flip_p", "sign_flip_holm_p", "verdict"),
]
PRIMARY, SECONDARY = "primary", "secondary"
EXPLORATORY = "exploratory: not tested"
NO_SEED = "no seed that all its methods have finished"
POINTS = "points"
LOGARITHM = "ln"
"""Unit of a contrast of bits: differences of natural logarithms, so that exp(estimate) is a ratio."""


class Contrast(Protocol):
    """What a definition says of a contrast; see `harness.spec.spec.Contrast`."""

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

    @property
    def primary(self) -> bool:
        """Whether it is tested, in one family with the others that are."""


def contrast_rows(cells: pd.DataFrame, contrasts: Iterable[Contrast]) -> list[dict[str, Any]]:
    """One row per contrast, in the order of the definition.

    Args:
        cells: as in ``cells.csv``.
        contrasts: as the definition names them.
    """
    facts = cells.set_index(["method", "seed"])
    named = list(contrasts)
    differences = [_differences(contrast, facts[contrast.quantity]) for contrast in named]
    tests = [
        (significance.t_test(found), significance.sign_flip_test(found)) if contrast.primary and found else (None, None)
        for contrast, found in zip(named, differences, strict=True)
    ]
    family = [place for place, contrast in enumerate(named) if contrast.primary]
    corrected: dict[int, dict[str, float | None]] = {place: {} for place in family}
    for number, test in enumerate(("t", "sign_flip")):
        for place, p in zip(family, significance.holm([tests[place][number] for place in family]), strict=True):
            corrected[place] |= {f"{test}_p": tests[place][number], f"{test}_holm_p": p}
    return [
        _row(contrast, differences[place], facts[contrast.quantity])
        | _tested(corrected.get(place), differences[place], len(family))
        for place, contrast in enumerate(named)
    ]


def _tested(p_values: dict[str, float | None] | None, differences: list[float] | None, family: int) -> dict[str, Any]:
    """The columns of a row that are about its tests; a contrast outside the family has none."""
    if p_values is None:
        nothing = dict.fromkeys(("t_p", "t_holm_p", "sign_flip_p", "sign_flip_holm_p"))
        return {"role": SECONDARY, **nothing, "verdict": EXPLORATORY}
    verdict = significance.verdict(p_values["t_holm_p"], p_values["sign_flip_holm_p"], len(differences or []), family)
    return {"role": PRIMARY, **p_values, "verdict": verdict}


def _row(contrast: Contrast, differences: list[float] | None, facts: "pd.Series[Any]") -> dict[str, Any]:
    is_accuracy = _is_accuracy(contrast)
    if differences:
        interval = intervals.mean_interval(differences, is_counted=not is_accuracy)
    else:
        seeds = _common_seeds(contrast, facts)
        note = intervals.ZERO_COST if seeds else NO_SEED
        interval = Interval(len(seeds), None, None, None, note)
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


def _is_accuracy(contrast: Contrast) -> bool:
    return contrast.quantity.endswith("_accuracy")


def _common_seeds(contrast: Contrast, facts: "pd.Series[Any]") -> list[Any]:
    """Seeds that all methods of a contrast have finished, in the order of the cells."""
    names = (*contrast.plus, *contrast.minus)
    return [seed for seed in dict.fromkeys(facts.index.get_level_values("seed").tolist())
            if all((name, seed) in facts.index for name in names)]  # fmt: skip


def _differences(contrast: Contrast, facts: "pd.Series[Any]") -> list[float] | None:
    """The contrast at each seed, in its unit; None where there is no seed, or bits of zero have no logarithm."""
    names, is_accuracy = (*contrast.plus, *contrast.minus), _is_accuracy(contrast)
    signs = [1] * len(contrast.plus) + [-1] * len(contrast.minus)
    values = [[float(facts[name, seed]) for name in names] for seed in _common_seeds(contrast, facts)]
    if not values or (not is_accuracy and min(map(min, values)) <= 0):
        return None
    in_unit = (lambda share: 100 * share) if is_accuracy else math.log
    sums = [sum(sign * in_unit(value) for sign, value in zip(signs, row, strict=True)) for row in values]
    return [total / contrast.per for total in sums]
