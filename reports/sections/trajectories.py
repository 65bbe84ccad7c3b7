"""Draws figures of accuracy: against cumulative bits, and against the grams that a deployment has cost by then."""

from collections.abc import Sequence

import pandas as pd

from reports.document import Curve, Curves, Figure
from reports.sections.provisioning import has_provisioning
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, fixed, percent, scale, significant, with_unit

_CELL = ["cell_id", "method", "seed", "round"]
_MOST_PANELS = 2
_LOG_FROM = 10.0
"""Ratio of the most to the fewest bits from which the axes are logarithmic."""
_MOST_WITH_SEEDS = 8
"""Methods up to which single seeds are drawn; beyond, they would hide the means."""
_DIRECTIONS = {
    "uplink_bits": ("Uplink", "Cumulative uplink bits"),
    "total_bits": ("Uplink and downlink", "Cumulative total bits"),
}


def accuracy_against_bits(tables: Tables) -> Figure | None:
    """A panel for the uplink and one for both directions, a line per method; None if nothing was scored."""
    scores = tables.trajectories[tables.trajectories["split"] == "validation"]
    finished = [name for name in lookup.methods(tables) if (scores["method"] == name).any()]
    if not finished:
        return None
    is_log = any(_is_wide(scores, key) for key in _DIRECTIONS)
    if is_log:
        scores = scores[scores["round"] > 0]
    panels = tuple(_bits_panel(tables, scores, key, finished, is_log=is_log) for key in _DIRECTIONS)
    given = has_provisioning(tables)
    start = f" Round 0{'' if given else ' has sent nothing and'} stands outside a logarithmic axis." if is_log else ""
    start += " What clients were given before round 1 is left out." if given else ""
    return Figure(
        key="accuracy_bits",
        title="Accuracy against bits",
        caption="Validation accuracy against cumulative bits of the whole fleet: uplink alone, and both directions "
        "(unicast, a downlink payload once per receiver). Lines with markers are means over seeds"
        f"{_behind(tables, panels[0].curves)}, and end where the runs ended. Up and to the left is better.{start}",
        alt=f"Line charts of validation accuracy against uplink and total bits. At the end: {_ends(finished, scores)}.",
        panels=panels,
    )


def _is_wide(scores: pd.DataFrame, key: str) -> bool:
    """Whether the runs end so far apart that a linear axis would press most of them to its edge."""
    ends = scores.groupby("method")[key].max()
    return bool(ends.min() > 0 and ends.max() / ends.min() >= _LOG_FROM)


def _bits_panel(tables: Tables, scores: pd.DataFrame, key: str, names: Sequence[str], *, is_log: bool) -> Curves:
    factor, unit = scale(scores[key].tolist(), "bit")
    chosen = scores[scores[key] > 0] if is_log else scores
    by_method = dict(list(chosen.groupby("method")))
    curves = tuple(_curve(tables, name, by_method[name], key, factor) for name in names if name in by_method)
    title, label = _DIRECTIONS[key]
    return Curves(f"{label} ({unit})", "Validation accuracy (%)", curves, is_log, title)


def accuracy_against_carbon(tables: Tables) -> Figure | None:
    """On the first grid of each, a panel for each of the first radios; None if nothing was scored or priced."""
    radios = priced.shown_radios(tables)[:_MOST_PANELS] or [""]
    places = pd.DataFrame([(radio, priced.first_grid(tables, radio)) for radio in radios], columns=["radio", "grid"])
    scores = tables.trajectories[tables.trajectories["split"] == "validation"][[*_CELL, "accuracy"]]
    rows = tables.footprint.merge(places).merge(scores, on=_CELL)
    finished = [name for name in lookup.methods(tables) if (rows["method"] == name).any()]
    if not finished:
        return None
    panels = [_carbon_panel(tables, rows[rows["radio"] == radio], radio, finished) for radio in radios]
    titles = phrases.listing([priced.radio_title(tables, radio) for radio in radios if radio] or ["no radio"])
    return Figure(
        key="accuracy_carbon",
        title="Accuracy against carbon",
        caption=f"Validation accuracy against cumulative carbon on {phrases.listing(_grids(places))} with {titles}: "
        f"all joules that are in the totals, {phrases.PROJECTED} at the typical value of every assumption. Lines with "
        f"markers are means over seeds{_behind(tables, panels[0].curves)}. Up and to the left is better."
        + (" Each panel has its own scale." if len(panels) > 1 else ""),
        alt=f"Line charts of validation accuracy against grams of CO2-equivalent. At the end: "
        f"{'. '.join(_grams(panel) for panel in panels)}.",
        panels=tuple(panels),
    )


def _grids(places: pd.DataFrame) -> list[str]:
    return [priced.grid_title(str(grid)) if grid else "no grid" for grid in places["grid"].drop_duplicates()]


def _carbon_panel(tables: Tables, rows: pd.DataFrame, radio: str, names: list[str]) -> Curves:
    factor, unit = scale(rows["carbon_g"].tolist(), "g")
    curves = tuple(_curve(tables, name, rows[rows["method"] == name], "carbon_g", factor) for name in names)
    title = priced.radio_title(tables, radio) if radio else "No radio"
    return Curves(f"Cumulative carbon ({unit} CO2e)", "Validation accuracy (%)", curves, title=title)


def _grams(panel: Curves) -> str:
    ends = [
        f"{curve.label} {fixed(curve.points[-1][1], 1)} % at {significant(curve.points[-1][0], ESTIMATE_DIGITS)}"
        for curve in panel.curves
        if curve.points
    ]
    return f"{panel.title}, {panel.x_label}: {'; '.join(ends)}"


def _behind(tables: Tables, curves: Sequence[Curve]) -> str:
    if any(curve.repeats for curve in curves):
        return "; faint lines are single seeds"
    return " (one seed)" if len(set(tables.cells["seed"])) == 1 else ""


def _curve(tables: Tables, name: str, scores: pd.DataFrame, cost: str, factor: float) -> Curve:
    """The mean over seeds at the rounds that all of them scored, up to the mean of where they ended."""
    by_round, n_seeds = scores.groupby("round"), scores["seed"].nunique()
    means = by_round[[cost, "accuracy"]].mean()[by_round["seed"].nunique() == n_seeds]
    ends = _last(scores)
    if len(set(ends["round"])) > 1:  # a budget of bits may end each seed in a round of its own
        means = pd.concat([means, ends[[cost, "accuracy"]].mean().to_frame().T])
    has_seeds = n_seeds > 1 and len(lookup.methods(tables)) <= _MOST_WITH_SEEDS
    repeats = tuple(_points(rows, cost, factor) for _, rows in scores.groupby("seed")) if has_seeds else ()
    return Curve(name, lookup.slot(tables, name), _points(means, cost, factor), repeats)


def _last(scores: pd.DataFrame) -> pd.DataFrame:
    """The last score of each seed."""
    return scores.sort_values("round").groupby("seed").tail(1)


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
        last = _last(rows)[["total_bits", "accuracy"]].mean()
        words.append(f"{name} {percent(float(last['accuracy']))} at {with_unit(float(last['total_bits']), 'bit', 4)}")
    return "; ".join(words)
