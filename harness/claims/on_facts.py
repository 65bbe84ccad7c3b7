"""Judges claims about facts and what follows from them: compares an interval over seeds with the needed value."""

import operator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from harness.claims.claims_file import SCORES, Judged, Needs, Side
from harness.claims.studies import NO_RESULTS
from harness.results.runs import Runs
from harness.statistics.intervals import Interval
from harness.tables import contrasts, pairs, update_statistics

Verdict = Literal["holds", "does not hold", "not resolved", "holds if"]

BETWEEN = "the needed value lies within the interval"
NOT_RECORDED = "no such statistic was recorded with both initialisations"
ENTROPY_UNIT = "bit an entry"
_COLUMN_OF = {"absmax_over_sigma": "absmax_sigmas"}


@dataclass(frozen=True)
class Finding:
    """What was found of a claim in one study.

    Attributes:
        interval: estimate and interval in `unit`; None if there is nothing to estimate from.
        unit: unit of the numbers.
        verdict: whether the claim holds.
        condition: why it is not resolved, or where it holds; else empty.
    """

    interval: Interval | None
    unit: str
    verdict: Verdict
    condition: str = ""


def verdict_of(interval: Interval, side: Side, needed: float) -> Verdict:
    """Whether a whole interval lies on the needed side; its ends count as inside.

    Facts that are the same at every seed have an interval without width.

    >>> verdict_of(Interval(3, 40.0, 39.0, 41.0), "at least", 39.0)
    'holds'
    >>> verdict_of(Interval(3, 40.0, 39.0, 41.0), "at most", 38.9)
    'does not hold'
    >>> verdict_of(Interval(1, 40.0, None, None), "at most", 50.0)
    'not resolved'
    """
    low, high = interval.low, interval.high
    if low is None or high is None:
        return "not resolved"
    if side == "at most":
        low, high, needed = -high, -low, -needed
    if low >= needed:
        return "holds"
    return "does not hold" if high < needed else "not resolved"


def judge_facts(needs: Needs, on: Judged, runs: Runs | None) -> Finding:
    """A claim about bits, accuracy, a contrast or a statistic of updates."""
    unit, interval, reason = "", None, NO_RESULTS
    if runs is not None and runs.ledgers:
        if needs.contrast is not None:
            unit, interval = _contrast(needs.contrast, runs)
        elif needs.statistic is not None:
            unit, interval = _statistic(needs, runs)
            reason = NOT_RECORDED
        else:
            unit, interval = _paired(str(needs.quantity), str(on.method), runs)
    if interval is None or interval.n == 0:
        return Finding(None, unit, "not resolved", reason)
    verdict = verdict_of(interval, *needs.bound)
    if verdict != "not resolved":
        return Finding(interval, unit, verdict)
    return Finding(interval, unit, verdict, BETWEEN if interval.low is not None else interval.note)


def saved(ratio: Interval) -> Interval:
    """Per cent saved, from a ratio of a method to its reference."""
    return ratio.mapped(lambda share: 100 * (1 - share))


def _paired(quantity: str, method: str, runs: Runs) -> tuple[str, Interval | None]:
    cells = runs.cells
    if quantity == "all_bits":
        cells = cells.assign(all_bits=cells["total_bits"] + cells["provisioning_bits"])
    interval = pairs.fact_interval(cells, method, runs.study.references[method], quantity)
    if quantity in SCORES:
        return "points", None if interval is None else interval.mapped(lambda share: 100 * share)
    return "% saved", None if interval is None else saved(interval)


def _contrast(name: str, runs: Runs) -> tuple[str, Interval]:
    (chosen,) = (contrast for contrast in runs.study.contrasts if contrast.name == name)
    (row,) = contrasts.contrast_rows(runs.cells, [chosen])
    return str(row["unit"]), Interval(*(row[key] for key in ("n", "estimate", "low", "high", "note")))


def _statistic(needs: Needs, runs: Runs) -> tuple[str, Interval | None]:
    measure = _COLUMN_OF.get(str(needs.statistic), str(needs.statistic))
    unit = "times" if measure in update_statistics.RATIOS else ENTROPY_UNIT
    rows = runs.initialisations
    for init, other, is_turned in ((needs.of, needs.over, False), (needs.over, needs.of, True)):
        found = rows[(rows["quantity"] == measure) & (rows["init"] == init) & (rows["other_init"] == other)]
        if len(found):
            row = found.iloc[0]
            estimate, low, high = (
                None if pd.isna(row[key]) else float(row[key]) for key in ("estimate", "low", "high")
            )
            interval = Interval(int(row["n_pairs"]), estimate, low, high, str(row["note"]))
            turned = (lambda ratio: 1 / ratio) if unit == "times" else operator.neg
            return unit, interval.mapped(turned) if is_turned else interval
    return unit, None
