"""Draws panels of tiles: a grid of short texts, shaded where something holds, so that it reads in grey as well."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.document import Tiles
from reports.texts.numbers import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADED, _EMPTY, _EDGE = "#dfe3e9", "#ffffff", "#8b93a1"
_INK, _MUTED = "#1a2029", "#5b6472"
_LONGEST_NAME = 18


def tiles_in(panels: Sequence[Tiles]) -> float:
    """Height of a row of panels, inches."""
    return 0.85 + 0.22 * max(len(panel.rows) for panel in panels)


def draw_tiles(axis: "Axes", panel: Tiles, *, is_named: bool) -> None:
    """Draw `panel` into `axis`, first row on top; `is_named` if its rows are named at its side."""
    from matplotlib.patches import Rectangle

    for y, row in enumerate(panel.tiles):
        for x, tile in enumerate(row):
            is_yes = tile.mark == "yes"
            axis.add_patch(
                Rectangle(
                    (x - 0.46, y - 0.44),
                    0.92,
                    0.88,
                    facecolor=_SHADED if is_yes else _EMPTY,
                    edgecolor=_INK if is_yes else _EDGE,
                    linewidth=1.0 if is_yes else 0.4,
                    linestyle="dotted" if tile.mark == "none" else "solid",
                )
            )
            axis.text(
                x,
                y,
                tile.text,
                ha="center",
                va="center_baseline",
                fontsize=7.5,
                fontweight="bold" if is_yes else "normal",
                color=_INK if is_yes else _MUTED,
            )
    axis.set_title(shorten(panel.title, 40), pad=6)
    axis.set_xlabel(panel.x_label)
    axis.set_xlim(-0.5, len(panel.columns) - 0.5)
    axis.set_ylim(len(panel.rows) - 0.5, -0.5)
    axis.set_xticks(range(len(panel.columns)), panel.columns)
    names = [shorten(name, _LONGEST_NAME) for name in panel.rows] if is_named else [""] * len(panel.rows)
    axis.set_yticks(range(len(panel.rows)), names)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
