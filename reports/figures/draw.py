"""Draws figures of the neutral document with matplotlib, in one colour-blind-safe style.

Colours are those of Okabe and Ito; lines carry markers as well, so that colour is never the only key. Output depends
on the figure alone: no date, no random identifiers. matplotlib is imported when something is drawn, not before.

References:
    Okabe and Ito, "Color Universal Design", 2008 (colours).
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from reports.document import Bars, Curves, Figure, Tiles
from reports.figures.bars import PART_COLOURS, draw_bars
from reports.figures.curves import draw_curves, legend_in, name_curves
from reports.figures.svg import slim, themed
from reports.figures.tiles import draw_tiles, tiles_in
from reports.figures.venues import IEEE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

WIDE_IN = IEEE.page_in
"""Width of a two-column figure, inches."""
COLUMN_IN = IEEE.column_in
"""Width of a figure in one column of a two-column paper, inches."""

_LEGEND_COLUMNS = {True: 5, False: 2}
"""Parts of bars that stand beside each other in a legend, by whether the figure is wide."""


def svg(figure: Figure, width_in: float = WIDE_IN, *, is_themed: bool = False) -> str:
    """A figure as SVG text, byte-identical for equal figures.

    Args:
        figure: what to draw.
        width_in: width, inches; height follows from the content.
        is_themed: colours as CSS variables, identifiers that are unique in a page, no XML prolog: for inlining.
    """
    text, prefix = _saved(figure, width_in, "svg").decode("utf-8"), f"{figure.key}-{round(width_in * 100)}"
    return slim(themed(text, prefix) if is_themed else text, f"{prefix}s")


def pdf(figure: Figure, width_in: float = COLUMN_IN) -> bytes:
    """A figure as PDF with embedded fonts, byte-identical for equal figures; `width_in` in inches."""
    return _saved(figure, width_in, "pdf")


_UNDATED: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@lru_cache(maxsize=64)
def _saved(figure: Figure, width_in: float, file_format: str) -> bytes:
    """Drawn once for a page, a sheet and a paper of the same report."""
    buffer = io.BytesIO()
    with _style(f"{figure.key}-{width_in}"):
        _draw(figure, width_in).savefig(buffer, format=file_format, metadata=_UNDATED[file_format])
    return buffer.getvalue()


def _draw(figure: Figure, width_in: float) -> "Canvas":
    from matplotlib.figure import Figure as Canvas

    is_wide = width_in > (WIDE_IN + COLUMN_IN) / 2
    panels = figure.panels
    n_per_row = len(panels) if is_wide and panels and isinstance(panels[0], Tiles) else 2
    n_columns = min(n_per_row if is_wide else 1, max(1, len(panels)))
    n_rows = math.ceil(max(1, len(panels)) / n_columns)
    canvas = Canvas(figsize=(width_in, _height_in(figure, n_rows, is_wide)))
    grid = canvas.subplots(n_rows, n_columns, squeeze=False)
    axes = [axis for row in grid for axis in row]
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    for place, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
        if isinstance(panel, Tiles):
            draw_tiles(axis, panel, is_named=place % n_columns == 0)
        elif isinstance(panel, Curves):
            draw_curves(axis, panel)
        elif isinstance(panel, Bars):
            draw_bars(axis, panel, is_wide=is_wide and n_columns == 1)
    curves = [panel for panel in panels if isinstance(panel, Curves)]
    if curves:
        name_curves(canvas, axes, curves, is_wide=is_wide)
    elif panels and isinstance(panels[0], Bars):
        _legend_of_parts(canvas, panels[0], is_wide=is_wide)
    return canvas


def _height_in(figure: Figure, n_rows: int, is_wide: bool) -> float:
    if not figure.panels or isinstance(figure.panels[0], Curves):
        curves = [panel for panel in figure.panels if isinstance(panel, Curves)]
        if len(curves) > 1:
            return 0.3 + (2.6 if is_wide else 2.2) * n_rows + legend_in(curves, is_wide=is_wide)
        return (3.55 if is_wide else 3.2) + legend_in(curves, is_wide=is_wide)
    tiles = [panel for panel in figure.panels if isinstance(panel, Tiles)]
    if tiles:
        return n_rows * tiles_in(tiles)
    n_bars = max(len(panel.bars) for panel in figure.panels if isinstance(panel, Bars))
    n_parts = max(len(panel.parts) for panel in figure.panels if isinstance(panel, Bars))
    n_lines = math.ceil(n_parts / _LEGEND_COLUMNS[is_wide])
    return 0.15 + 0.2 * n_lines + n_rows * (0.75 + 0.4 * n_bars)


def _legend_of_parts(canvas: "Canvas", panel: Bars, is_wide: bool) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=PART_COLOURS[i % len(PART_COLOURS)], label=part) for i, part in enumerate(panel.parts)]
    canvas.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(len(handles), _LEGEND_COLUMNS[is_wide]),
        handlelength=1.0,
        handleheight=0.9,
        columnspacing=1.4,
    )


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib.style

    sheet = resources.files("reports.page.templates") / "paper.mplstyle"
    overrides: dict[str, Any] = {"svg.hashsalt": salt}
    with (
        resources.as_file(sheet) as path,
        warnings.catch_warnings(),
        matplotlib.style.context(["default", str(path), overrides]),
    ):
        # Names may hold characters that the measuring font lacks; the reader's own font draws them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
