"""Draws points over time with a smooth line, one panel per comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.displays.charts import TrendPanel, TrendsChart
from outcomes.displays.drawing.style import (
    MANY_POINTS,
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    left_margin,
    light_grid,
    wrapped,
    y_label,
    zero_line,
)
from outcomes.displays.palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 2
_TALL = 2.3
_GAP = 0.25
_RIGHT = 0.15
_FOOT = 0.3
_LABEL = 0.28


def draw_trends(chart: TrendsChart) -> Figure:
    """Draw panels two beside each other, all on one pair of scales."""
    across = min(_ACROSS, max(1, len(chart.panels)))
    rows = -(-len(chart.panels) // across)
    left = left_margin(chart.y_label)
    wide = (WIDTH - left - _RIGHT - (across - 1) * _GAP) / across
    titles = [wrapped(p.name, int(12 * wide), widest=wide) for p in chart.panels]
    head = 0.12 + 0.15 * max(title.count("\n") + 1 for title in titles)
    above = 0.2 if chart.remark else 0.0
    height = above + rows * (head + _TALL + _FOOT) + _LABEL
    figure = canvas(height)
    low, high = _limits(chart)
    for place, (panel, title) in enumerate(zip(chart.panels, titles, strict=True)):
        row, column = divmod(place, across)
        bottom = height - above - (row + 1) * (head + _TALL) - row * _FOOT
        axes = axes_at(figure, left + column * (wide + _GAP), bottom, wide, _TALL)
        axes.set_title(title, loc="left", fontsize=SMALL)
        axes.set_ylim(low, high)
        axes.set_xlim(0, 1.03 * _end(chart))
        axes.tick_params(labelleft=column == 0)
        _draw_panel(axes, panel)
        if column == 0:
            y_label(axes, chart.y_label)
    if chart.remark:
        at = (height - 0.06) / height
        figure.text(left / WIDTH, at, chart.remark, va="top", fontsize=SMALL)
    middle = (left + WIDTH - _RIGHT) / 2 / WIDTH
    figure.text(middle, 0.06 / height, chart.x_label, ha="center", va="bottom")
    return figure


def _end(chart: TrendsChart) -> float:
    return max([1.0, *(x for panel in chart.panels for x, _ in panel.points)])


def _limits(chart: TrendsChart) -> tuple[float, float]:
    values = [y for p in chart.panels for _, y in (*p.points, *p.smooth)]
    low, high = min([0.0, *values]), max([0.0, *values])
    margin = 0.05 * ((high - low) or 1.0)
    return low - margin, high + margin


def _draw_panel(axes: Axes, panel: TrendPanel) -> None:
    light_grid(axes, "both")
    zero_line(axes)
    axes.plot(
        [x for x, _ in panel.points],
        [y for _, y in panel.points],
        linestyle="none",
        marker=panel.look.marker,
        markersize=3.6,
        markeredgewidth=0,
        color=panel.look.colour,
        alpha=0.6,
        zorder=2,
        rasterized=len(panel.points) > MANY_POINTS,
    )
    axes.plot(
        [x for x, _ in panel.smooth],
        [y for _, y in panel.smooth],
        color=INK,
        linewidth=1.6,
        zorder=3,
    )
