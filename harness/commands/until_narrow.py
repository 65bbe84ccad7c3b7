"""Adds seeds until intervals are narrow enough: ``harness compare --until-interval``, one more per method at a time.

What must be narrow are the primary contrasts of the definition or, where it names none, the paired differences of
test accuracy (of validation accuracy where nothing is scored on test). The requested width is half that of the 95 % t
interval: points for accuracies, per cent for bits. It is stopped by the width, never by the result. An interval that
is stopped so covers less than 95 % where few seeds were there at the start: 88 to 90 % from two, 92 to 94 % from
five, 94 to 95 % from eight on (simulated, normal differences, half-widths of 0.5 to 1 standard deviation). The seeds
follow the last one of the definition, one at a time, so that the same command goes on where another one stopped, and
`spec.yaml` of the results names those that ran.
"""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.core.errors import UsageError
from harness.results.comparison import Study
from harness.results.runs import open_source
from harness.spec.spec import BenchmarkSpec
from harness.statistics import intervals
from harness.tables import contrasts, pairs

HIGHEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Width:
    """How wide an interval is.

    Attributes:
        name: of what, in words.
        half: half its width, in `unit`; None where there is no interval.
        unit: ``points`` or ``%``.
        note: why there is none, or why it has no width; may be empty.
    """

    name: str
    half: float | None
    unit: str
    note: str = ""

    def is_within(self, target: float) -> bool:
        """Whether it is narrow enough; counts that do not vary have no width to narrow.

        Scores that happen to be equal at few seeds are a coincidence, and need another seed.
        """
        return self.note == intervals.DETERMINISTIC or (self.half is not None and self.half <= target)


@dataclass(frozen=True)
class Outlook:
    """The intervals of a run so far, and the cost of a seed.

    Attributes:
        widths: of every interval that must be narrow.
        seed_cpu_s: CPU seconds that a seed took, all methods together, mean.
        seed_j: joules that the meter gave for it; None where it gave none.
        evidence: class of these joules.
    """

    widths: tuple[Width, ...]
    seed_cpu_s: float
    seed_j: float | None
    evidence: str

    def is_met(self, target: float) -> bool:
        """Whether all are narrow enough."""
        return all(width.is_within(target) for width in self.widths)

    def status(self, target: float, n_seeds: int) -> str:
        """The widest interval, the target, and the cost of a further seed, as one line."""
        open_ = [width for width in self.widths if not width.is_within(target)]
        cost = f"{self.seed_cpu_s:.1f} CPU s" + (
            "" if self.seed_j is None else f" and {self.seed_j:.1f} J ({self.evidence})"
        )
        if not open_:
            return f"{n_seeds} seeds: every interval is within ±{target:g}; a seed cost {cost} on this host"
        widest = max(open_, key=lambda width: math.inf if width.half is None else width.half)
        width_text = widest.note or "no interval" if widest.half is None else f"±{widest.half:.3g} {widest.unit}"
        return (
            f"{n_seeds} seeds: {len(open_)} of {len(self.widths)} intervals wider than ±{target:g}, the widest: "
            f"{widest.name}, {width_text}; a further seed costs about {cost} on this host"
        )


def parse_width(text: str) -> float:
    """Parse a requested width such as ``2%`` or ``0.5``: points of accuracy, per cent of bits.

    Raises:
        UsageError: it is no number above 0.

    >>> parse_width("2%"), parse_width("0.5")
    (2.0, 0.5)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*%?\s*", text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--until-interval {text}: a number above 0 is needed, e.g. 2% or 0.5")
    return float(match[1])


def check_can_narrow(spec: BenchmarkSpec, max_seeds: int) -> None:
    """Make sure that more seeds can narrow anything.

    Raises:
        UsageError: nothing is compared, or there are more seeds than are allowed already.
    """
    if not any(contrast.primary for contrast in spec.contrasts) and not spec.references():
        raise UsageError(
            "--until-interval: nothing is compared in this definition; two methods of equal init are needed"
        )
    if len(spec.seeds) > max_seeds:
        raise UsageError(f"--max-seeds {max_seeds}: the definition has {len(spec.seeds)} seeds already")


def with_another_seed(spec: BenchmarkSpec) -> BenchmarkSpec:
    """The definition with the seed that follows its highest; those that it was tuned on are left out."""
    apart = {seed for section in (spec.tune, spec.tuned) if section is not None for seed in section.seeds}
    following = next(seed for seed in itertools.count(max(spec.seeds) + 1) if seed not in apart)
    if following > HIGHEST_SEED:
        raise UsageError(f"no seed follows {max(spec.seeds)}; use lower ones")
    return spec.model_copy(update={"seeds": (*spec.seeds, following)})


def outlook(folder: Path) -> Outlook:
    """The widths of the intervals in a results folder all of whose cells are finished, and what a seed costs."""
    runs = open_source(folder)
    cells = runs.cells
    once = cells.drop_duplicates("cell_id")
    joules = once["testbed_cpu_j"].astype(float)
    evidence = ", ".join(sorted(set(once["testbed_evidence"])))
    n_seeds = cells["seed"].nunique()
    seed_j = None if joules.isna().any() else float(joules.sum()) / n_seeds
    return Outlook(tuple(_widths(runs.study, cells)), float(once["cpu_s"].sum()) / n_seeds, seed_j, evidence)


def _widths(study: Study, cells: pd.DataFrame) -> Iterator[Width]:
    primary = [contrast for contrast in study.contrasts if contrast.primary]
    if primary:
        for row in contrasts.contrast_rows(cells, primary):
            is_points = row["unit"] == contrasts.POINTS
            half = None if row["low"] is None else (row["high"] - row["low"]) / 2
            in_unit = half if half is None or is_points else 100 * math.expm1(half)
            yield Width(row["name"], in_unit, "points" if is_points else "%", row["note"])
        return
    is_tested = cells["deployed_accuracy"].notna().all()
    quantity, words = ("deployed_accuracy", "test") if is_tested else ("validation_accuracy", "validation")
    for method, interval in pairs.score_intervals(cells, study.references, quantity):
        half = None if interval.low is None or interval.high is None else 50 * (interval.high - interval.low)
        yield Width(f"{words} accuracy of {method}", half, "points", interval.note)
