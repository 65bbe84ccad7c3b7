"""Computes what seeds can show: p values of paired differences, Holm's correction, and seeds needed for a difference.

Every function takes one paired difference per seed (of accuracies, or of logarithms of costs). Two tests stand side by
side: Student's, which takes differences to be normal, and the exact permutation of their signs, which takes them to be
symmetric around zero and nothing else. With n seeds the second has 2**n outcomes, so no p value of it is below
2**(1 - n): five seeds cannot reach 0.05, six can. Where it cannot be reached nothing is called significant.

References:
    Student, "The Probable Error of a Mean", Biometrika 6(1), 1908.
    Fisher, "The Design of Experiments", 1935 (the permutation of signs, section 21).
    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2), 1979.
    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit  # scipy.stats has the same functions and takes seconds to import

ALPHA = 0.05
"""Two-sided level of every test."""
POWER = 0.80
"""Chance of showing a difference that is there, behind the seeds that it takes; the convention after Cohen."""

MOST_SIGNS = 20
"""Seeds up to which all assignments of signs are counted; beyond, there are over a million."""
MOST_SEEDS = 10_000
"""Seeds beyond which nobody would go; a difference that takes more is as good as not to be shown."""

SIGNIFICANT = "significant"
NOT_SIGNIFICANT = "not significant"
NO_TEST = "no test"

_TIE = 1e-9
"""Relative difference of sums below which float rounding parts them."""


def t_test(differences: Sequence[float]) -> float | None:
    """Two-sided p value of Student's one-sample t test against 0; None for one seed, or where nothing varies.

    >>> round(t_test([1.0, 2.0, 3.0]), 4)
    0.0742
    """
    values = np.asarray(differences, dtype=np.float64)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread <= _TIE * float(np.abs(values).max(initial=0.0)):
        return None
    t = float(values.mean()) / (spread / math.sqrt(len(values)))
    return float(2 * stdtr(len(values) - 1, -abs(t)))


def sign_flip_test(differences: Sequence[float]) -> float | None:
    """Two-sided p value of the exact permutation of signs: the share of 2**n signings whose sum is as far from 0.

    None for one seed, beyond `MOST_SIGNS` seeds, or where every difference is 0.

    >>> sign_flip_test([1.0, 2.0, 3.0])
    0.25
    """
    values = np.asarray(differences, dtype=np.float64)
    if not 1 < len(values) <= MOST_SIGNS or not values.any():
        return None
    sums = np.zeros(1)
    for value in np.abs(values):
        sums = np.concatenate([sums + value, sums - value])
    threshold = abs(float(values.sum())) - _TIE * float(np.abs(values).sum())
    return float(np.mean(np.abs(sums) >= threshold))


def smallest_p(n_seeds: int) -> float:
    """The smallest p value that `n_seeds` signs can have.

    >>> smallest_p(5), smallest_p(6)
    (0.0625, 0.03125)
    """
    return 2.0 ** (1 - n_seeds)


def seeds_to_reach(family: int) -> int:
    """Seeds with which the permutation of signs can be below `ALPHA` in a family of so many comparisons.

    >>> seeds_to_reach(1), seeds_to_reach(2)
    (6, 7)
    """
    return 1 + math.ceil(math.log2(family / ALPHA))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values after Holm's step-down correction, in the order given.

    One that is not known stays so, and still counts: the family is what was named, not what finished.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    family = len(p_values)
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * family
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (family - rank) * p))
        corrected[place] = highest
    return corrected


def verdict(t_p: float | None, sign_flip_p: float | None, n_seeds: int, family: int) -> str:
    """The verdict on a comparison with these corrected p values.

    Both tests must agree; and where the permutation cannot reach the level, no word of significance falls.

    >>> verdict(0.001, 0.0625, 5, 1)
    'no test: 5 seeds cannot reach p < 0.05, 6 can'
    """
    needed = seeds_to_reach(family)
    if n_seeds < needed:
        seeds = f"{n_seeds} seed{'s' if n_seeds != 1 else ''}"
        return f"{NO_TEST}: {seeds} cannot reach p < {ALPHA:g}, {needed} can"
    if t_p is None:
        return f"{NO_TEST}: the same at every seed"
    tests = [p for p in (t_p, sign_flip_p) if p is not None]
    return SIGNIFICANT if max(tests) < ALPHA else NOT_SIGNIFICANT


def power(difference: float, spread: float, n_seeds: int) -> float:
    """Chance that a paired t test of `n_seeds` seeds shows a true mean difference, at the level `ALPHA`.

    Args:
        difference: the true mean of the paired differences.
        spread: their standard deviation, above 0, in the same unit.
        n_seeds: at least 2.
    """
    critical = float(stdtrit(n_seeds - 1, 1 - ALPHA / 2))
    shift = math.sqrt(n_seeds) * abs(difference) / spread
    return float(1 - nctdtr(n_seeds - 1, shift, critical) + nctdtr(n_seeds - 1, shift, -critical))


def seeds_needed(difference: float, spread: float) -> int | None:
    """Fewest seeds with which a paired t test shows a true mean difference with a chance of `POWER`.

    Returns:
        At least 2; None if it is more than `MOST_SEEDS`.

    >>> seeds_needed(0.5, 0.5)
    10
    """
    if power(difference, spread, MOST_SEEDS) < POWER:
        return None
    low, high = 1, 2
    while power(difference, spread, high) < POWER:
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, spread, middle) >= POWER else (middle, high)
    return high
