"""Draws residuals: normal quantile plots by visit, and spread against fitted values."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from outcomes.displays.charts import Bin, Quantiles, ResidualsChart
from outcomes.displays.drawing.style import (
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    light_grid,
    wrapped,
    zero_line,
)
from outcomes.displays.palette import MUTED, look_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3
_SIDE = 1.6
"""Inches of a panel, which is square: a slope of one rises at 45 degrees."""
_GAP = 0.4
_LEFT = 0.7
_RIGHT = 0.15
_TITLE = 0.3
_TICKS = 0.3
_LABEL = 0.28
_SPREAD = 1.7


def draw_residuals(chart: ResidualsChart) -> Figure:
    """Draw quantiles visit by visit, and below them means and SDs by fitted value."""
    rows = max(1, ceil(len(chart.panels) / _ACROSS))
    each = _TITLE + _SIDE + _TICKS
    label = wrapped(chart.fitted_label, 80)
    foot = 0.5 + 0.16 * label.count("\n")
    below = 0.2 + _SPREAD + foot if chart.bins else 0.0
    height = 0.05 + rows * each + _LABEL + below
    figure = canvas(height)
    reach = _reach(chart)
    for place, panel in enumerate(chart.panels):
        row, column = divmod(place, _ACROSS)
        top = height - 0.05 - row * each - _TITLE
        side = _LEFT + column * (_SIDE + _GAP)
        axes = axes_at(figure, side, top - _SIDE, _SIDE, _SIDE)
        _draw_panel(axes, panel, reach)
        if column == 0:
            axes.set_ylabel(chart.y_label)
    across = min(_ACROSS, max(1, len(chart.panels)))
    middle = _LEFT + (across * _SIDE + (across - 1) * _GAP) / 2
    under = (height - 0.07 - rows * each) / height
    figure.text(middle / WIDTH, under, chart.x_label, ha="center", va="top")
    if chart.bins:
        axes = axes_at(figure, _LEFT, foot, WIDTH - _LEFT - _RIGHT, _SPREAD)
        _draw_spread(axes, chart, label)
    return figure


def _reach(chart: ResidualsChart) -> float:
    """Return how far axes go, the same in all panels and in both directions."""
    values = [abs(v) for panel in chart.panels for point in panel.points for v in point]
    return 1.08 * max([1.0, *values])


def _draw_panel(axes: Axes, panel: Quantiles, reach: float) -> None:
    from matplotlib.ticker import MaxNLocator

    look = look_at(0)
    light_grid(axes, "both")
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=0.9, zorder=2)
    axes.plot(
        [x for x, _ in panel.points],
        [y for _, y in panel.points],
        linestyle="none",
        marker="o",
        markersize=3,
        markeredgewidth=0,
        color=look.colour,
        zorder=3,
    )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_title(wrapped(panel.name, 24, widest=_SIDE), fontsize=SMALL, loc="left")


def _draw_spread(axes: Axes, chart: ResidualsChart, label: str) -> None:
    """Draw each mean with one SD to both sides; a true model has means 0 and SDs 1."""
    light_grid(axes, "y")
    zero_line(axes)
    for side in (-1, 1):
        axes.axhline(side, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    look = look_at(0)
    for one in chart.bins:
        _draw_bin(axes, one, look.colour)
    axes.set_xlabel(label)
    axes.set_ylabel("Mean ± SD")


def _draw_bin(axes: Axes, one: Bin, colour: str) -> None:
    axes.errorbar(
        [one.at],
        [one.mean],
        yerr=[[one.sd], [one.sd]] if one.sd is not None else None,
        color=colour,
        marker="o",
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        elinewidth=1.1,
        capsize=2.5,
        capthick=1.1,
        zorder=3,
    )
