"""P values, corrections and seeds, against hand-worked cases, SciPy and simulation; and what intervals cover."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.statistics import significance as sg
from harness.statistics.intervals import half_width

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SEEDS = (3, 5, 10, 20)
DRAWS = 100_000


# --- Tests ---


@pytest.mark.parametrize("n_seeds", [2, 3, 7, 12])
def test_the_tests_agree_with_scipy(n_seeds: int) -> None:
    values = np.random.default_rng(n_seeds).normal(0.4, 1.0, n_seeds)
    assert sg.t_test(list(values)) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, rel=1e-9)
    flipped = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=2**n_seeds, alternative="two-sided"
    )
    assert sg.sign_flip_test(list(values)) == pytest.approx(flipped.pvalue, rel=1e-12)


def test_signs_by_hand() -> None:
    """|sum| is 4 for + + +, 2 for + + -, 2 for + - +, 0 for - + +, and the same for the other four."""
    assert sg.sign_flip_test([1.0, 1.0, 2.0]) == 2 / 8
    assert sg.sign_flip_test([-1.0, 1.0, 2.0]) == 6 / 8
    assert sg.sign_flip_test([1.0, 1.0, -2.0]) == 1.0


def test_ties_that_rounding_parts_still_count() -> None:
    assert sg.sign_flip_test([0.1, 0.2, -0.3 + 1e-17, 0.0]) == 1.0
    assert sg.sign_flip_test([0.1 + 0.2, 0.3, 0.3]) == 2 / 8


def test_the_smallest_p_value_is_what_equal_signs_give() -> None:
    for n_seeds in (2, 5, 6, 20):
        assert sg.sign_flip_test([0.5 + seed for seed in range(n_seeds)]) == sg.smallest_p(n_seeds)
    assert sg.smallest_p(5) > sg.ALPHA > sg.smallest_p(6)


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], []])
def test_nothing_to_test_has_no_p_value(values: list[float]) -> None:
    assert sg.sign_flip_test(values) is None
    assert sg.t_test(values) is None


def test_differences_that_do_not_vary_have_no_t_test_and_many_seeds_no_permutation() -> None:
    assert sg.t_test([0.3, 0.1 + 0.2, 0.3]) is None
    assert sg.sign_flip_test([1.0] * (sg.MOST_SIGNS + 1)) is None


def test_the_level_holds_under_no_difference() -> None:
    rng = np.random.default_rng(1)
    p_values = [(sg.t_test(list(row)), sg.sign_flip_test(list(row))) for row in rng.normal(0, 1, (2000, 7))]
    for found in zip(*p_values, strict=True):
        assert 0.035 < np.mean([p < sg.ALPHA for p in found]) < 0.065


# --- Holm ---


def test_holm_by_hand() -> None:
    """Of 0.01, 0.02, 0.03, 0.04: 4 x 0.01, 3 x 0.02, 2 x 0.03, and 0.04 which may not be below the one before."""
    assert sg.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert sg.holm([0.5, 0.6]) == [1.0, 1.0]
    assert sg.holm([]) == []


def test_a_contrast_that_is_not_known_still_counts() -> None:
    assert sg.holm([0.01, None, 0.02]) == [0.03, None, 0.04]


def test_holm_is_never_below_the_value_nor_above_bonferroni() -> None:
    p_values = list(np.random.default_rng(2).uniform(0, 0.2, 9))
    for p, corrected in zip(p_values, sg.holm(p_values), strict=True):
        assert corrected is not None
        assert p <= corrected <= min(1.0, 9 * p) + 1e-15


@pytest.mark.parametrize(
    ("t_p", "flip_p", "n_seeds", "family", "said"),
    [
        (1e-9, 0.0625, 5, 1, "no test: 5 seeds cannot reach p < 0.05, 6 can"),
        (1e-9, None, 1, 1, "no test: 1 seed cannot reach p < 0.05, 6 can"),
        (1e-9, 0.03125, 6, 1, "significant"),
        (1e-9, 0.0625, 6, 2, "no test: 6 seeds cannot reach p < 0.05, 7 can"),
        (0.06, 0.03, 8, 1, "not significant"),
        (0.03, 0.06, 8, 1, "not significant"),
        (None, 0.01, 8, 1, "no test: the same at every seed"),
        (0.01, None, 25, 1, "significant"),
    ],
)
def test_the_word_falls_only_where_both_tests_allow_it(
    t_p: float, flip_p: float | None, n_seeds: int, family: int, said: str
) -> None:
    assert sg.verdict(t_p, flip_p, n_seeds, family) == said


@pytest.mark.parametrize("family", range(1, 12))
def test_seeds_to_reach_are_the_fewest_that_do(family: int) -> None:
    needed = sg.seeds_to_reach(family)
    assert family * sg.smallest_p(needed) <= sg.ALPHA < family * sg.smallest_p(needed - 1)


# --- Power ---


@pytest.mark.parametrize(("difference", "spread"), [(0.5, 1.0), (0.2, 0.1), (-0.3, 0.5), (1e-3, 0.02)])
def test_seeds_needed_have_the_power_and_one_fewer_has_not(difference: float, spread: float) -> None:
    def of_scipy(n: int) -> float:
        critical = stats.t.ppf(0.975, n - 1)
        of = stats.nct(n - 1, abs(difference) / spread * math.sqrt(n))
        return float(of.sf(critical) + of.cdf(-critical))

    found = sg.seeds_needed(difference, spread)
    assert found is not None
    assert of_scipy(found) >= sg.POWER
    assert found == 2 or of_scipy(found - 1) < sg.POWER
    assert sg.power(difference, spread, found) == pytest.approx(of_scipy(found), abs=1e-6)


def test_power_is_what_repeated_experiments_show() -> None:
    draws = np.random.default_rng(3).normal(0.8, 1.0, (20_000, 10))
    is_shown = np.abs(draws.mean(axis=1)) > half_width(draws)
    assert is_shown.mean() == pytest.approx(sg.power(0.8, 1.0, 10), abs=0.01)


def test_what_too_many_seeds_would_take_is_not_planned() -> None:
    assert sg.seeds_needed(1e-6, 1.0) is None
    assert sg.seeds_needed(100.0, 1.0) == 2


# --- Coverage, as the README prints it ---


def coverage(n_seeds: int) -> tuple[float, float, float]:
    """Shares in per cent of intervals that cover: normal mean, log-normal mean, log-normal geometric mean."""
    rng = np.random.default_rng(n_seeds)
    normal, skewed = rng.normal(1.0, 2.0, (DRAWS, n_seeds)), rng.lognormal(0.0, 1.0, (DRAWS, n_seeds))
    cases = ((normal, 1.0), (skewed, math.exp(0.5)), (np.log(skewed), 0.0))
    shares = (np.mean(np.abs(values.mean(axis=1) - truth) <= half_width(values)) for values, truth in cases)
    normal_share, skewed_share, geometric_share = (100 * float(share) for share in shares)
    return normal_share, skewed_share, geometric_share


def test_intervals_cover_what_the_readme_says() -> None:
    found = [coverage(n_seeds) for n_seeds in SEEDS]
    assert all(94 <= normal <= 96 and 94 <= geometric <= 96 for normal, _, geometric in found)
    assert all(80 < skewed < 90 for _, skewed, _ in found)
    sentence = " ".join(re.findall(r"Drawn 100,000 times.*?\n-", README, re.DOTALL)[0].split())
    for shares in zip(*found, strict=True):
        *first, last = (f"{share:.1f}" for share in shares)
        assert f"{', '.join(first)} and {last} %" in sentence
