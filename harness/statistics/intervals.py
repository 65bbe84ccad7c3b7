"""Computes intervals over seeds: Student's t on means, paired differences and paired log-ratios.

Every function takes one value per seed and returns an `Interval`. Two cases have no t interval and say so: values that
do not vary at all ("deterministic"; fixed-rate codecs send the same bits at every seed) and a single seed.

References:
    Student, "The Probable Error of a Mean", Biometrika 6(1), 1908.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats has the same quantile and takes seconds to import

DETERMINISTIC = "deterministic"
ONE_SEED = "one seed: no interval"
NO_SPREAD = "the same at every seed: no interval"
ZERO_COST = "undefined: a cost of zero"
NOTHING_SAVED = "undefined: the bits differ by less than 0.1 %"

CONFIDENCE = 0.95
SMALLEST_SAVING = 0.001
"""Share of bits below which a pass-through divides noise by nothing."""

NOT_RECORDED = "not recorded"

_RELATIVE_NOISE = 1e-12
"""Spread, relative to the largest magnitude, that is float rounding and not variation."""


@dataclass(frozen=True)
class Interval:
    """An estimate over seeds.

    Attributes:
        n: seeds (or pairs of seeds), at least 1.
        estimate: the point estimate; None where it is undefined (see `note`).
        low: lower end of the 95 % interval; None if there is none.
        high: upper end of the 95 % interval; None if there is none.
        note: empty, or why the interval is not an ordinary one: one of the constants of this module.
    """

    n: int
    estimate: float | None
    low: float | None
    high: float | None
    note: str = ""

    def mapped(self, change: Callable[[float], float]) -> "Interval":
        """The interval of what a monotone function makes of the estimate.

        >>> Interval(2, 0.75, 0.5, 1.0).mapped(lambda ratio: 100 * (1 - ratio))
        Interval(n=2, estimate=25.0, low=0.0, high=50.0, note='')
        """
        estimate, one, other = (None if end is None else change(end) for end in (self.estimate, self.low, self.high))
        if one is None or other is None:
            return replace(self, estimate=estimate, low=None, high=None)
        return replace(self, estimate=estimate, low=min(one, other), high=max(one, other))


def mean_interval(values: Sequence[float], *, is_counted: bool = True) -> Interval:
    """The mean over seeds with its t interval.

    Args:
        values: one finite number per seed, at least one.
        is_counted: whether values are counts such as bits, which are deterministic where they do not vary; scores that
            do not vary are a coincidence of few test examples, and have no interval then.

    Raises:
        ValueError: `values` is empty or not finite.

    >>> round(mean_interval([1.0, 2.0, 3.0]).high, 3)
    4.484
    >>> mean_interval([5.0]).note
    'one seed: no interval'
    """
    checked = _checked(values)
    return _interval(checked, scale=_magnitude(checked), is_counted=is_counted)


def unknown(values: Sequence[float]) -> Interval:
    """In place of an interval where values are not known: the mean of the others would be of lucky seeds.

    Args:
        values: one per seed, NaN where it is not known.

    >>> unknown([math.nan, 0.5]).note
    'not recorded at 1 of 2 seeds'
    """
    n, n_unknown = len(values), sum(map(math.isnan, values))
    note = NOT_RECORDED if n_unknown == n else f"{NOT_RECORDED} at {n_unknown} of {n} seeds"
    return Interval(n, None, None, None, note)


def within(interval: Interval, lowest: float, highest: float) -> Interval:
    """An interval cut to the values that its quantity can have, e.g. 0 to 1 for a share.

    >>> within(Interval(2, 0.9, 0.6, 1.2), 0.0, 1.0).high
    1.0
    """
    low = None if interval.low is None else max(lowest, interval.low)
    high = None if interval.high is None else min(highest, interval.high)
    return replace(interval, low=low, high=high)


def paired_difference(values: Sequence[float], reference: Sequence[float]) -> Interval:
    """Mean of ``value - reference`` of scores over seeds, with its t interval; none where they do not vary.

    Args:
        values: one finite number per seed.
        reference: the reference at the same seeds, in the same order.

    Raises:
        ValueError: the lengths differ, nothing is there, or a value is not finite.

    >>> paired_difference([0.75, 0.5], [0.5, 0.25])
    Interval(n=2, estimate=0.25, low=None, high=None, note='the same at every seed: no interval')
    """
    ours, theirs = _checked_pair(values, reference)
    return _interval(ours - theirs, scale=max(_magnitude(ours), _magnitude(theirs)), is_counted=False)


def paired_ratio(values: Sequence[float], reference: Sequence[float]) -> Interval:
    """Geometric mean of ``value / reference`` over seeds, with a t interval on the log-ratios.

    Args:
        values: one finite cost per seed, at least 0.
        reference: the reference at the same seeds, in the same order.

    Returns:
        The ratio and its interval, all above 0; undefined if any cost is zero.

    Raises:
        ValueError: the lengths differ, nothing is there, or a value is negative or not finite.

    >>> paired_ratio([1.0, 8.0], [2.0, 4.0]).estimate
    1.0
    >>> paired_ratio([0.0], [2.0]).note
    'undefined: a cost of zero'
    """
    ours, theirs = _checked_pair(values, reference)
    if min(ours.min(), theirs.min()) < 0:
        raise ValueError("a ratio of costs takes costs of at least 0")
    if min(ours.min(), theirs.min()) == 0:
        return Interval(len(ours), None, None, None, ZERO_COST)
    logs = _interval(np.log(ours / theirs), scale=1.0)
    return Interval(logs.n, _exp(logs.estimate), _exp(logs.low), _exp(logs.high), logs.note)


def pass_through(
    joules: Sequence[float],
    reference_joules: Sequence[float],
    bits: Sequence[float],
    reference_bits: Sequence[float],
) -> Interval:
    """Share of joules saved divided by share of bits saved: how much of a saving in bits reaches the battery.

    1 means that joules fall as fast as bits; 0 that they do not fall; below 0 that they rise although bits fall.

    Args:
        joules: joules of a method, one per seed, at least 0.
        reference_joules: joules of the reference at the same seeds, above 0.
        bits: bits of the method at the same seeds.
        reference_bits: bits of the reference at the same seeds, above 0.

    Returns:
        Mean of the per-seed quotients with its t interval; undefined where the bits hardly differ.

    Raises:
        ValueError: the lengths differ, nothing is there, or a value is not finite.

    >>> pass_through([90.0], [100.0], [60.0], [100.0]).estimate
    0.25
    """
    ours_j, theirs_j = _checked_pair(joules, reference_joules)
    ours_bits, theirs_bits = _checked_pair(bits, reference_bits)
    if len(ours_j) != len(ours_bits):
        raise ValueError(f"joules of {len(ours_j)} seeds do not pair with bits of {len(ours_bits)}")
    if min(theirs_j.min(), theirs_bits.min()) <= 0:
        return Interval(len(ours_j), None, None, None, ZERO_COST)
    saved_bits = (theirs_bits - ours_bits) / theirs_bits
    if np.abs(saved_bits).min() < SMALLEST_SAVING:
        return Interval(len(ours_j), None, None, None, NOTHING_SAVED)
    quotients = (theirs_j - ours_j) / theirs_j / saved_bits
    return _interval(quotients, scale=max(1.0, _magnitude(quotients)))


def _interval(values: NDArray[np.float64], scale: float, *, is_counted: bool = True) -> Interval:
    """The t interval of the mean; `scale` is the magnitude that rounding noise is measured against."""
    n = len(values)
    estimate = float(values.mean())
    if n == 1:
        return Interval(n, estimate, None, None, ONE_SEED)
    if np.ptp(values) <= _RELATIVE_NOISE * scale:
        if not is_counted:
            return Interval(n, estimate, None, None, NO_SPREAD)
        return Interval(n, estimate, estimate, estimate, DETERMINISTIC)
    half = float(half_width(values))
    return Interval(n, estimate, estimate - half, estimate + half)


def half_width(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width of the t interval of the mean.

    How often it covers the mean of normal and of skewed data is simulated by the tests and printed in the README;
    because of the latter, costs are compared by their logarithms.

    Args:
        values: shape (..., n): n seeds, at least 2, of each of any number of samples.
    """
    n = values.shape[-1]
    quantile = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
    return np.asarray(quantile * values.std(axis=-1, ddof=1) / math.sqrt(n))


def _checked(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"an interval takes one finite value per seed, at least one; got {list(values)}")
    return array


def _checked_pair(
    values: Sequence[float], reference: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} values do not pair with {len(reference)} of the reference")
    return _checked(values), _checked(reference)


def _magnitude(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max())


def _exp(value: float | None) -> float | None:
    return None if value is None else math.exp(value)
