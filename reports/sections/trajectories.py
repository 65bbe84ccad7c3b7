"""Figures of accuracy: against cumulative total bits, and against the grams that a deployment has cost by then."""

from collections.abc import Sequence

import pandas as pd

from reports import lookup, phrases
from reports.document import Curve, Curves, Figure
from reports.numbers import ESTIMATE_DIGITS, fixed, percent, scale, significant, with_unit
from reports.schema import Tables

_CELL = ["cell_id", "method", "seed", "round"]
_MOST_PANELS = 2
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
    curves = tuple(_curve(tables, name, scores[scores["method"] == name], "total_bits", factor) for name in finished)
    behind = _behind(curves)
    start = " Round 0 has sent nothing and stands outside a logarithmic axis." if is_log else ""
    return Figure(
        key="accuracy_bits",
        title="Accuracy against bits",
        caption=f"Validation accuracy against cumulative total bits (unicast: uplink and downlink, whole fleet, a "
        f"payload once per receiver). Lines with markers are means over seeds{behind}. Up and to the left is "
        f"better.{start}",
        alt=f"Line chart of validation accuracy against total bits. At the end: {_ends(finished, scores)}.",
        panels=(Curves(f"Cumulative total bits ({unit}, unicast)", "Validation accuracy (%)", curves, is_log),),
    )


def accuracy_against_carbon(tables: Tables) -> Figure | None:
    """On the first grid, a panel for each of the first radios; None if nothing was scored or priced."""
    grid = next(iter(lookup.grids(tables)), "")
    radios = lookup.headline_radios(tables)[:_MOST_PANELS] or [""]
    scores = tables.trajectories[tables.trajectories["split"] == "validation"][[*_CELL, "accuracy"]]
    priced = tables.footprint[(tables.footprint["grid"] == grid) & tables.footprint["radio"].isin(radios)]
    rows = priced.merge(scores, on=_CELL)
    finished = [name for name in lookup.methods(tables) if (rows["method"] == name).any()]
    if not finished:
        return None
    panels = [_carbon_panel(tables, rows[rows["radio"] == radio], radio, finished) for radio in radios]
    titles = phrases.listing([lookup.radio_title(tables, radio) for radio in radios if radio] or ["no radio"])
    return Figure(
        key="accuracy_carbon",
        title="Accuracy against carbon",
        caption=f"Validation accuracy against cumulative device carbon on grid {grid} with {titles}: computing and "
        f"radio of the whole fleet, {phrases.PROJECTED} at the typical value of every assumption. Lines with markers "
        f"are means over seeds{_behind(panels[0].curves)}. Up and to the left is better."
        + (" Each panel has its own scale." if len(panels) > 1 else ""),
        alt=f"Line charts of validation accuracy against grams of CO2-equivalent. At the end: "
        f"{'. '.join(_grams(panel) for panel in panels)}.",
        panels=tuple(panels),
    )


def _carbon_panel(tables: Tables, rows: pd.DataFrame, radio: str, names: list[str]) -> Curves:
    factor, unit = scale(rows["carbon_g"].tolist(), "g")
    curves = tuple(_curve(tables, name, rows[rows["method"] == name], "carbon_g", factor) for name in names)
    title = lookup.radio_title(tables, radio) if radio else "No radio"
    return Curves(f"Cumulative device carbon ({unit} CO2e)", "Validation accuracy (%)", curves, title=title)


def _grams(panel: Curves) -> str:
    ends = [
        f"{curve.label} {fixed(curve.points[-1][1], 1)} % at {significant(curve.points[-1][0], ESTIMATE_DIGITS)}"
        for curve in panel.curves
        if curve.points
    ]
    return f"{panel.title}, {panel.x_label}: {'; '.join(ends)}"


def _behind(curves: Sequence[Curve]) -> str:
    n_seeds = max(len(curve.repeats) for curve in curves)
    return "; faint lines are single seeds" if n_seeds > 1 else " (one seed)"


def _curve(tables: Tables, name: str, scores: pd.DataFrame, cost: str, factor: float) -> Curve:
    means = scores.groupby("round")[[cost, "accuracy"]].mean().sort_index()
    repeats = tuple(_points(rows, cost, factor) for _, rows in scores.groupby("seed"))
    points = _points(means, cost, factor)
    return Curve(name, lookup.slot(tables, name), points, repeats if len(repeats) > 1 else repeats[:0])


def _points(rows: pd.DataFrame, cost: str, factor: float) -> tuple[tuple[float, float], ...]:
    known = rows.dropna(subset=[cost, "accuracy"]).sort_values(cost)
    return tuple(
        (amount / factor, 100 * accuracy)
        for amount, accuracy in zip(known[cost].tolist(), known["accuracy"].tolist(), strict=True)
    )


def _ends(names: list[str], scores: pd.DataFrame) -> str:
    words = []
    for name in names:
        rows = scores[scores["method"] == name]
        last = rows[rows["round"] == rows["round"].max()][["total_bits", "accuracy"]].mean()
        words.append(f"{name} {percent(float(last['accuracy']))} at {with_unit(float(last['total_bits']), 'bit', 4)}")
    return "; ".join(words)
