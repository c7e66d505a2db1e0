"""Draws results with one part left out in turn, beside the whole result."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from outcomes.displays.charts import ForestChart, ForestLine, ForestPanel
from outcomes.displays.drawing.style import (
    SIZE,
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    light_grid,
    text_width,
    wrapped,
    zero_line,
)
from outcomes.displays.palette import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3
_LINE = 0.165
_TICKS = 0.32
_RIGHT = 0.15
_GAP = 0.28
_WIDEST = 2.2
"""Inches for the names of what is left out."""
_BOLD = 1.15
"""How much wider than plain letters bold ones are."""
_NAME = 28
"""Letters of such a name on a line."""


def draw_forest(chart: ForestChart) -> Figure:
    """Draw one panel per arm; all of them have the same lines and the same scale."""
    names = [wrapped(line.name, _NAME, widest=_WIDEST - 0.3) for line in chart.lines]
    left = _left(chart, names)
    places, depth = _places(names)
    across = min(_ACROSS, len(chart.panels))
    titles = [wrapped(p.name, int(54 / across)) for p in chart.panels]
    above = 0.16 + 0.16 * max(title.count("\n") + 1 for title in titles)
    label = wrapped(chart.x_label, 70)
    foot = 0.12 + 0.16 * (label.count("\n") + 1)
    each = above + depth * _LINE + _TICKS
    height = each * ceil(len(chart.panels) / across) + foot
    figure = canvas(height)
    width = (WIDTH - left - _RIGHT - (across - 1) * _GAP) / across
    for place, panel in enumerate(chart.panels):
        row, column = divmod(place, across)
        bottom = height - row * each - above - depth * _LINE
        side = left + column * (width + _GAP)
        axes = axes_at(figure, side, bottom, width, depth * _LINE)
        _draw_panel(axes, panel, [_of(line, place) for line in chart.lines], places)
        axes.set_title(titles[place], loc="left", fontsize=SIZE)
        axes.set_xlim(*_limits(chart))
        axes.set_ylim(depth, 0)
        shown = names if column == 0 else [""] * len(names)
        _name_lines(axes, chart, shown, places)
    middle = (left + (WIDTH - left - _RIGHT) / 2) / WIDTH
    figure.text(middle, 0.06 / height, label, ha="center", va="bottom")
    return figure


def _left(chart: ForestChart, names: list[str]) -> float:
    """Return inches for the names of lines."""
    widths = [
        text_width(piece, SMALL) * (_BOLD if line.heading else 1.0)
        for line, name in zip(chart.lines, names, strict=True)
        for piece in name.split("\n")
    ]
    return min(0.25 + max(widths), _WIDEST)


def _places(names: list[str]) -> tuple[list[float], float]:
    """Return where the middle of each line is, and how deep all are, in lines."""
    places, depth = [], 0.35
    for name in names:
        lines = name.count("\n") + 1
        places.append(depth + lines / 2)
        depth += lines
    return places, depth + 0.35


def _of(line: ForestLine, panel: int) -> tuple[float, float, float] | None:
    found = line.intervals[panel] if not line.heading else None
    return None if found is None else (found.value, found.low, found.high)


def _limits(chart: ForestChart) -> tuple[float, float]:
    """Return axis ends a little outside all intervals; zero is always inside."""
    ends = [0.0]
    for panel in chart.panels:
        ends += [panel.whole.low, panel.whole.high]
    for line in chart.lines:
        for one in line.intervals:
            ends += [one.low, one.high] if one else []
    margin = 0.04 * ((max(ends) - min(ends)) or 1.0)
    return min(ends) - margin, max(ends) + margin


def _draw_panel(
    axes: Axes,
    panel: ForestPanel,
    lines: list[tuple[float, float, float] | None],
    places: list[float],
) -> None:
    light_grid(axes, "x")
    colour = panel.look.colour
    axes.axvspan(panel.whole.low, panel.whole.high, color=colour, alpha=0.12, lw=0)
    axes.axvline(panel.whole.value, color=colour, linewidth=1.2, zorder=2)
    zero_line(axes, vertical=True)
    for at, line in zip(places, lines, strict=True):
        if line is None:
            continue
        value, low, high = line
        axes.plot([low, high], [at, at], color=colour, linewidth=1.1, zorder=3)
        axes.plot(
            [value],
            [at],
            marker=panel.look.marker,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            color=colour,
            zorder=4,
        )


def _name_lines(
    axes: Axes, chart: ForestChart, names: list[str], places: list[float]
) -> None:
    axes.set_yticks(places, names, fontsize=SMALL, linespacing=1.05)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for tick, line in zip(axes.get_yticklabels(), chart.lines, strict=True):
        tick.set_color(INK if line.heading else MUTED)
        tick.set_fontweight("bold" if line.heading else "normal")
