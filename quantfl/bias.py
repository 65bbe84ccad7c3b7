"""Determines whether QuantFL is biased, and how large the error of an entry is, from the settings that decide it.

To each error of an entry come rounding to float32 and, of the largest magnitude, 2**-22. Entries beyond a range of
``sigma`` or ``percentile`` have no bound. With ``mean`` the decoded update is shorter than the update: with levels it
keeps the sum of each group, and its inner product with the update is its own squared norm.
"""

from collections.abc import Mapping

BIAS: Mapping[str, str] = {
    "trellis": "trellis: deterministic; below 2 dead_zone + 1 steps, mean square a fifteenth of a squared step at high "
    "rates.",
    "stochastic": "stochastic: unbiased for entries within the range; below (high - low) / (L - 1) or step.",
    "dither": "dither: unbiased likewise, with an error that does not depend on the entry: uniform, at most half of "
    "that, mean square a twelfth of its square.",
    "centre": "centre: deterministic; at most (high - low) / (2 L), or step / 2 (dead_zone * step within the zero "
    "bucket), step in units of the entries.",
    "mean": "mean: deterministic; below (high - low) / L or step, and for equal mass within its bucket.",
    "matched": "matched: deterministic; below step; the inner product of update and decoded update is the update's "
    "squared norm, as far as buckets reach, at an error that is larger by about its own square.",
}
"""By rounding, or, where that is to the nearest, by reconstruction; L levels, ``step`` as it is set."""
