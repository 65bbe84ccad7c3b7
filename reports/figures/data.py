"""Writes the data of a figure as CSV: every point and every bar that is drawn, with the labels of its axes."""

import csv
import io
from collections.abc import Iterator, Sequence

from reports.document import Bars, Curves, Figure, Tiles
from reports.texts.numbers import clean

_CURVES = ("panel", "line", "run", "x_label", "y_label", "x", "y")
_TILES = ("panel", "row", "x_label", "column", "value", "text", "mark")
_BARS = ("panel", "bar", "part", "label", "value", "low", "high")


def figure_csv(figure: Figure) -> str:
    """A figure as CSV text.

    Of lines a row per point; ``run`` is ``mean`` for what is drawn with markers, else the number of the single run. Of
    bars a row per part and one for the whole, ``total``, with the ends of its whisker. Of tiles a row per tile.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    first = figure.panels[0] if figure.panels else None
    writer.writerow(_BARS if isinstance(first, Bars) else _TILES if isinstance(first, Tiles) else _CURVES)
    for panel in figure.panels:
        match panel:
            case Bars():
                writer.writerows(_bar_rows(panel))
            case Tiles():
                writer.writerows(_tile_rows(panel))
            case Curves():
                writer.writerows(_curve_rows(panel))
    return buffer.getvalue()


def _tile_rows(panel: Tiles) -> Iterator[Sequence[object]]:
    for name, row in zip(panel.rows, panel.tiles, strict=True):
        for column, tile in zip(panel.columns, row, strict=True):
            value = "" if tile.value is None else repr(tile.value)
            yield clean(panel.title), clean(name), panel.x_label, clean(column), value, clean(tile.text), tile.mark


def _curve_rows(panel: Curves) -> Iterator[Sequence[object]]:
    for curve in panel.curves:
        runs = [("mean", curve.points), *((str(n), points) for n, points in enumerate(curve.repeats, start=1))]
        for run, points in runs:
            for x, y in points:
                yield clean(panel.title), clean(curve.label), run, panel.x_label, panel.y_label, repr(x), repr(y)


def _bar_rows(panel: Bars) -> Iterator[Sequence[object]]:
    for bar in panel.bars:
        for part, value in zip(panel.parts, bar.parts, strict=True):
            yield clean(panel.title), clean(bar.label), part, panel.x_label, repr(value), "", ""
        ends = ("" if end is None else repr(end) for end in (bar.low, bar.high))
        yield clean(panel.title), clean(bar.label), "total", panel.x_label, repr(sum(bar.parts)), *ends
