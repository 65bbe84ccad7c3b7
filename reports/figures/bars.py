"""Draws panels of stacked horizontal bars: name and total are above each bar, so that long names have room."""

from typing import TYPE_CHECKING

from reports.document import Bars
from reports.texts.numbers import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PART_COLOURS = ("#22262e", "#e69f00", "#0072b2", "#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#8b93a1", "#5b6472")
"""In a fixed order in which neighbours differ in grey as well; those after the fourth are seldom needed."""

_HEIGHT = 0.42


def draw_bars(axis: "Axes", panel: Bars, *, is_wide: bool) -> None:
    """Draw `panel` into `axis`, first bar on top; `is_wide` if the panel has a whole wide figure to itself."""
    from matplotlib.ticker import MaxNLocator

    for position, bar in enumerate(panel.bars):
        left = 0.0
        for i, length in enumerate(bar.parts):
            colour = PART_COLOURS[i % len(PART_COLOURS)]
            axis.barh(position, length, _HEIGHT, left, color=colour, edgecolor="#ffffff", linewidth=0.4)
            left += length
        if bar.low is not None and bar.high is not None:
            _whisker(axis, position, bar.low, bar.high)
        _words(axis, position, bar.label, bar.text, longest=48 if is_wide else 24)
    axis.set_title(shorten(panel.title, 60), pad=6)
    axis.set_xlabel(panel.x_label)
    axis.set_ylim(max(len(panel.bars), 1) - 0.6, -0.85)
    axis.set_xlim(left=0)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_locator(MaxNLocator(5))


def _whisker(axis: "Axes", position: int, low: float, high: float) -> None:
    for width, colour in ((2.6, "#ffffff"), (1.0, "#5b6472")):
        axis.plot([low, high], [position, position], color=colour, linewidth=width, solid_capstyle="butt")
    for end in (low, high):
        axis.plot([end, end], [position - 0.11, position + 0.11], color="#5b6472", linewidth=1.0)


def _words(axis: "Axes", position: int, label: str, text: str, longest: int) -> None:
    from matplotlib.transforms import blended_transform_factory

    at = blended_transform_factory(axis.transAxes, axis.transData)
    height = position - _HEIGHT / 2 - 0.07
    axis.text(0, height, shorten(label, longest), transform=at, ha="left", va="bottom", fontsize=8.5)
    axis.text(1, height, text, transform=at, ha="right", va="bottom", fontsize=8, color="#5b6472")
