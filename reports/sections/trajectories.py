"""Figure 1: validation accuracy against cumulative total bits."""

import pandas as pd

from reports import lookup
from reports.document import Curve, Curves, Figure
from reports.numbers import percent, scale, with_unit
from reports.schema import Tables

_LOG_FROM = 10.0
"""Ratio of the most to the fewest total bits from which the axis is logarithmic."""


def accuracy_against_bits(tables: Tables) -> Figure | None:
    """Mean over seeds with the seeds behind it; None if nothing was scored."""
    scores = tables.trajectories[tables.trajectories["split"] == "validation"]
    finished = [name for name in lookup.methods(tables) if (scores["method"] == name).any()]
    if not finished:
        return None
    ends = [float(scores[scores["method"] == name]["total_bits"].max()) for name in finished]
    is_log = min(ends) > 0 and max(ends) / min(ends) >= _LOG_FROM
    if is_log:
        scores = scores[scores["total_bits"] > 0]
    factor, unit = scale(ends, "bit")
    curves = tuple(_curve(tables, name, scores[scores["method"] == name], factor) for name in finished)
    n_seeds = max(len(curve.repeats) for curve in curves)
    behind = "; faint lines are single seeds" if n_seeds > 1 else " (one seed)"
    start = " Round 0 has sent nothing and stands outside a logarithmic axis." if is_log else ""
    return Figure(
        key="accuracy_bits",
        title="Accuracy against bits",
        caption=f"Validation accuracy against cumulative total bits (uplink and downlink, whole fleet, payloads as "
        f"sent). Lines with markers are means over seeds{behind}. Up and to the left is better.{start}",
        alt=f"Line chart of validation accuracy against total bits. At the end: {_ends(finished, scores)}.",
        panels=(Curves(f"Cumulative total bits ({unit})", "Validation accuracy (%)", curves, is_log),),
    )


def _curve(tables: Tables, name: str, scores: pd.DataFrame, factor: float) -> Curve:
    means = scores.groupby("round")[["total_bits", "accuracy"]].mean().sort_index()
    repeats = tuple(_points(rows, factor) for _, rows in scores.groupby("seed"))
    return Curve(name, lookup.slot(tables, name), _points(means, factor), repeats if len(repeats) > 1 else repeats[:0])


def _points(rows: pd.DataFrame, factor: float) -> tuple[tuple[float, float], ...]:
    known = rows.dropna(subset=["total_bits", "accuracy"]).sort_values("total_bits")
    return tuple(
        (bits / factor, 100 * accuracy)
        for bits, accuracy in zip(known["total_bits"].tolist(), known["accuracy"].tolist(), strict=True)
    )


def _ends(names: list[str], scores: pd.DataFrame) -> str:
    words = []
    for name in names:
        rows = scores[scores["method"] == name]
        last = rows[rows["round"] == rows["round"].max()][["total_bits", "accuracy"]].mean()
        words.append(f"{name} {percent(float(last['accuracy']))} at {with_unit(float(last['total_bits']), 'bit', 4)}")
    return "; ".join(words)
