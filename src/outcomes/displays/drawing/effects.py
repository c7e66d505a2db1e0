"""Draws predicted effects of sites and therapists, sorted: a caterpillar plot."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from outcomes.displays.charts import EffectsChart, EffectsPanel
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

_ACROSS = 2
_LINE = 0.165
"""Inches of a line with a name."""
_TALLEST = 7.2
"""Inches of a panel, so that the figure goes on a page with its caption."""
_THINNEST = 0.13
"""Inches below which lines have no names."""
_SMALLEST = 0.6
"""Inches of a panel with few lines, or with a note."""
_TICKS = 0.32
_GAP = 0.3
_RIGHT = 0.15
_WIDEST = 1.3
"""Inches for the names of lines."""
_COLOUR = "#0072B2"


def draw_effects(chart: EffectsChart) -> Figure:
    """Draw one panel per grouping, two beside each other, all on one scale.

    Panels of words come last, and beside words only, so that no half stays empty.
    """
    points = [panel for panel in chart.panels if not panel.note]
    words_only = [panel for panel in chart.panels if panel.note]
    rows = [
        part[first : first + _ACROSS]
        for part in (points, words_only)
        for first in range(0, len(part), _ACROSS)
    ]
    label = wrapped(chart.x_label, 70)
    foot = 0.12 + 0.16 * (label.count("\n") + 1)
    shares = [len(row) if row[0].note else min(_ACROSS, len(points)) for row in rows]
    titles = [
        [wrapped(panel.name, int(64 / across)) for panel in row]
        for row, across in zip(rows, shares, strict=True)
    ]
    above = [0.16 + 0.16 * max(t.count("\n") + 1 for t in row) for row in titles]
    tall = [max(_height(panel) for panel in row) for row in rows]
    height = sum(above) + sum(tall) + _TICKS * len(rows) + foot
    figure = canvas(height)
    limits = _limits(chart)
    top = height
    for row, words, head, depth, across in zip(
        rows, titles, above, tall, shares, strict=True
    ):
        column = (WIDTH - _RIGHT - (across - 1) * _GAP) / across
        bottom = top - head - depth
        for place, (panel, title) in enumerate(zip(row, words, strict=True)):
            left = _left(panel, depth)
            side = place * (column + _GAP) + left
            axes = axes_at(figure, side, bottom, column - left, depth)
            axes.set_title(title, loc="left", fontsize=SIZE)
            axes.set_xlim(*limits)
            _draw_panel(axes, panel, depth)
        top = bottom - _TICKS
        if points and row[-1] is points[-1]:
            at = (bottom - _TICKS) / height
            figure.text(0.5, at, label, ha="center", va="top")
            top -= foot
    return figure


def _height(panel: EffectsPanel) -> float:
    if panel.note:
        return _SMALLEST
    return max(_SMALLEST, min(_TALLEST, _LINE * (len(panel.effects) + 1)))


def _pitch(panel: EffectsPanel, depth: float) -> float:
    """Return the inches of a line."""
    return depth / (len(panel.effects) + 1)


def _named(panel: EffectsPanel, depth: float) -> bool:
    return not panel.note and _pitch(panel, depth) >= _THINNEST


def _names(panel: EffectsPanel) -> list[str]:
    return [f"{effect.name} ({effect.count})" for effect in panel.effects]


def _left(panel: EffectsPanel, depth: float) -> float:
    """Return inches for the names of lines."""
    if not _named(panel, depth):
        return 0.15
    return min(0.2 + max(text_width(n, SMALL) for n in _names(panel)), _WIDEST)


def _limits(chart: EffectsChart) -> tuple[float, float]:
    """Return axis ends a little outside all intervals; zero is always inside."""
    ends = [0.0]
    for panel in chart.panels:
        if not panel.note:
            ends += [e.interval.low for e in panel.effects]
            ends += [e.interval.high for e in panel.effects]
    margin = 0.05 * ((max(ends) - min(ends)) or 2.0)
    return min(ends) - margin, max(ends) + margin


def _draw_panel(axes: Axes, panel: EffectsPanel, depth: float) -> None:
    if panel.note:
        _write_note(axes, panel.note)
        return
    light_grid(axes, "x")
    zero_line(axes, vertical=True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    places = [place + 0.5 for place in range(len(panel.effects))]
    axes.set_ylim(len(panel.effects) + 0.5, -0.5)
    thick = 1.1 if _named(panel, depth) else 0.7
    # Area by subjects, within what a line has room for.
    widest = min(7.0, max(2.2, 60.0 * _pitch(panel, depth)))
    most = max(effect.count for effect in panel.effects) or 1
    for at, effect in zip(places, panel.effects, strict=True):
        one = effect.interval
        axes.plot([one.low, one.high], [at, at], color=MUTED, linewidth=thick, zorder=2)
        axes.plot(
            [one.value],
            [at],
            marker="o",
            markersize=max(1.6, widest * sqrt(effect.count / most)),
            markeredgecolor="white",
            markeredgewidth=0.4,
            color=_COLOUR,
            zorder=3,
        )
    if _named(panel, depth):
        axes.set_yticks(places, _names(panel), fontsize=SMALL, color=MUTED)
    else:
        axes.set_yticks([])


def _write_note(axes: Axes, note: str) -> None:
    """Say in words what a panel would show as a line of points at zero."""
    axes.set_axis_off()
    axes.text(
        0.0,
        0.9,
        wrapped(note, 34),
        transform=axes.transAxes,
        va="top",
        fontsize=SMALL,
        color=INK,
    )
