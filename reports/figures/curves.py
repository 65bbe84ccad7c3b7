"""Draws panels of lines: repeats faint, means with markers, names next to lines where they fit, else a legend."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.document import Curve, Curves
from reports.texts.numbers import MINUS, shorten, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Annotation

SERIES_COLOURS = ("#22262e", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
RULE_COLOUR = "#5b6472"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""One more than colours, so that the pair tells 56 lines apart."""

DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)))
MOST_DIRECT_LABELS = 6
_CROWDED = 12
"""Lines above which lines, markers and names are smaller and the legend stands below."""
_FONT_PT = {False: 8.5, True: 7.5}
"""Size of names in a legend, by whether it is crowded."""
_LABEL_SPACING = 0.35
"""Space between the lines of a legend, in units of its font."""
MOST_DECADES_WITH_STEPS = 1e4
"""Ratio of the ends of a log axis from which only whole powers of ten have ticks."""

_PLACES = (
    (7, 0, "left", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (4, 5, "left", "bottom"),
    (4, -5, "left", "top"),
    (-4, 5, "right", "bottom"),
    (-4, -5, "right", "top"),
    (-7, 0, "right", "center"),
)
"""Where a name may stand relative to the end of its line, points; tried in this order."""


def draw_curves(axis: "Axes", panel: Curves) -> None:
    """Draw `panel` into `axis`, without names."""
    if panel.is_x_log:
        axis.set_xscale("log")
    for curve in panel.curves:
        colour = SERIES_COLOURS[curve.slot % len(SERIES_COLOURS)]
        for repeat in curve.repeats:
            axis.plot(*_columns(repeat), color=colour, alpha=0.28, linewidth=0.9, solid_capstyle="round")
        axis.plot(*_columns(curve.points), **_look(curve, is_crowded=len(panel.curves) > _CROWDED))
    _axes(axis, panel)


def name_curves(canvas: "Canvas", axes: "Sequence[Axes]", panels: Sequence[Curves], *, is_wide: bool) -> None:
    """Name what was drawn: next to the lines if one wide panel has room for it, else in one legend for all panels."""
    from matplotlib.lines import Line2D

    curves = _named(panels)
    if not curves:
        return
    is_direct = is_wide and len(panels) == 1 and len(curves) <= MOST_DIRECT_LABELS
    if is_direct and _label_directly(canvas, axes[0], panels[0]):
        return
    is_crowded = len(curves) > _CROWDED
    handles = [Line2D([], [], **_look(curve, is_crowded=is_crowded)) for curve in curves]
    labels = [shorten(curve.label) for curve in curves]
    legend = canvas.legend(
        handles,
        ["-"] * len(labels),
        loc="outside lower left" if is_crowded else "outside upper left",
        ncols=_legend_columns(labels, is_wide=is_wide),
        handlelength=2.6,
        fontsize=_FONT_PT[is_crowded],
        labelspacing=_LABEL_SPACING,
        columnspacing=1.4,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)  # given as a label, a name that starts with "_" would be left out


def legend_in(panels: Sequence[Curves], *, is_wide: bool) -> float:
    """Height of the legend of some panels, inches: figures grow with it, so that their axes do not shrink."""
    labels = [shorten(curve.label) for curve in _named(panels)]
    if not labels:
        return 0.0
    n_rows = -(-len(labels) // _legend_columns(labels, is_wide=is_wide))
    return n_rows * _FONT_PT[len(labels) > _CROWDED] * (1.2 + _LABEL_SPACING) / 72 + 0.05


def _named(panels: Sequence[Curves]) -> list[Curve]:
    """One curve for each name, in the order of the panels."""
    return list({(curve.slot, curve.is_rule): curve for panel in panels for curve in panel.curves}.values())


def _legend_columns(labels: list[str], *, is_wide: bool) -> int:
    widest = max(len(label) for label in labels) + 9
    room = (104 if is_wide else 46) * _FONT_PT[False] / _FONT_PT[len(labels) > _CROWDED]
    return max(1, min(len(labels), int(room) // widest))


def _look(curve: Curve, *, is_crowded: bool = False) -> dict[str, Any]:
    slot = curve.slot
    if curve.is_rule:
        return {"color": RULE_COLOUR, "linestyle": DASHES[slot % len(DASHES)], "linewidth": 1.1, "zorder": 2}
    dashes = DASHES[slot // len(SERIES_COLOURS) % len(DASHES)]
    return {
        "color": SERIES_COLOURS[slot % len(SERIES_COLOURS)],
        "marker": MARKERS[slot % len(MARKERS)],
        "linestyle": dashes,
        "markeredgecolor": "#ffffff",
        "markeredgewidth": 0.6,
        "markersize": 4.0 if is_crowded else 5.5,
        "linewidth": 1.2 if is_crowded else 1.8,
        "zorder": 3 + slot / 100,
    }


def _axes(axis: "Axes", panel: Curves) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis.set_xlabel(panel.x_label)
    axis.set_ylabel(panel.y_label)
    if panel.title:
        axis.set_title(shorten(panel.title, 60), pad=8)
    axis.margins(x=0.04, y=0.06)
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, top + 0.05 * (top - bottom))  # room for names above the lines
    axis.grid(visible=False, axis="x")
    if panel.is_x_log:
        first, last = axis.get_xlim()
        subs = (1.0, 2.0, 5.0) if last < MOST_DECADES_WITH_STEPS * first else (1.0,)
        axis.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    """At most four digits, no trailing zeros, no floating-point crumbs; a power of ten below a ten-thousandth."""
    if 0 < value < 0.99e-4:
        return f"{value:.0e}".replace("e-0", "e-").replace("-", MINUS)
    text = significant(round(value, 9), 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _label_directly(canvas: "Canvas", axis: "Axes", panel: Curves) -> bool:
    """Write names next to line ends; False, and nothing written, if one of them would cover a line or a name."""
    canvas.draw_without_rendering()
    renderer = canvas._get_renderer()  # type: ignore[attr-defined]
    obstacles = [axis.transData.transform(_dense(line.get_xydata())) for line in axis.get_lines()]
    written: list[Annotation] = []
    for curve in panel.curves:
        end = curve.points[-1]
        for dx, dy, horizontal, vertical in _PLACES:
            label = axis.annotate(
                shorten(curve.label),
                end,
                (dx, dy),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                color=_look(curve)["color"],
                fontweight="bold",
                fontsize=8,
            )
            if _fits(label, written, obstacles, axis, renderer):
                written.append(label)
                break
            label.remove()
        else:
            for label in written:
                label.remove()
            return False
    return True


def _fits(
    label: "Annotation", written: "Sequence[Annotation]", obstacles: Sequence[Any], axis: "Axes", renderer: Any
) -> bool:
    box = label.get_window_extent(renderer)
    frame = axis.get_window_extent(renderer)
    if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1 + 6:
        return False
    if any(box.overlaps(other.get_window_extent(renderer)) for other in written):
        return False
    return not any(box.count_contains(points) for points in obstacles)


def _dense(points: Any) -> Any:
    """Points along a polyline, close enough together that a word cannot slip between them."""
    if len(points) < 2:
        return points
    at = np.linspace(0, len(points) - 1, 60 * (len(points) - 1) + 1)
    index = np.arange(len(points))
    return np.column_stack([np.interp(at, index, points[:, 0]), np.interp(at, index, points[:, 1])])


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
