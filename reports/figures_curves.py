"""Panels of lines: repeats faint, means with markers, names beside the lines where they fit, else a legend."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.document import Curves
from reports.numbers import shorten, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Annotation

SERIES_COLOURS = ("#22262e", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""One more than colours, so that the pair tells 56 lines apart."""

DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)))
MOST_DIRECT_LABELS = 6

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
        axis.plot(*_columns(curve.points), **_look(curve.slot))
    _axes(axis, panel)


def name_curves(canvas: "Canvas", axes: "Sequence[Axes]", panels: Sequence[Curves], *, is_wide: bool) -> None:
    """Name what was drawn: beside the lines if one wide panel has room for it, else in one legend for all panels."""
    from matplotlib.lines import Line2D

    curves = list({curve.slot: curve for panel in panels for curve in panel.curves}.values())
    if not curves:
        return
    is_direct = is_wide and len(panels) == 1 and len(curves) <= MOST_DIRECT_LABELS
    if is_direct and _label_directly(canvas, axes[0], panels[0]):
        return
    handles = [Line2D([], [], **_look(curve.slot)) for curve in curves]
    labels = [shorten(curve.label) for curve in curves]
    columns = _legend_columns(labels, is_wide)
    legend = canvas.legend(handles, ["-"] * len(labels), loc="outside upper left", ncols=columns, handlelength=2.6)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)  # given as a label, a name that starts with "_" would be left out


def _legend_columns(labels: list[str], is_wide: bool) -> int:
    widest = max(len(label) for label in labels) + 9
    return max(1, min(len(labels), (104 if is_wide else 46) // widest))


def _look(slot: int) -> dict[str, Any]:
    dashes = DASHES[slot // len(SERIES_COLOURS) % len(DASHES)]
    return {
        "color": SERIES_COLOURS[slot % len(SERIES_COLOURS)],
        "marker": MARKERS[slot % len(MARKERS)],
        "linestyle": dashes,
        "markeredgecolor": "#ffffff",
        "markeredgewidth": 0.6,
        "markersize": 5.5,
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
        axis.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    """At most four digits, no trailing zeros, no floating-point crumbs."""
    text = significant(round(value, 9), 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _label_directly(canvas: "Canvas", axis: "Axes", panel: Curves) -> bool:
    """Write names beside line ends; False, and nothing written, if one of them would cover a line or a name."""
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
                color=SERIES_COLOURS[curve.slot % len(SERIES_COLOURS)],
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
