"""Draws survival of several studies: panels on the same axes, at-risk counts below."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from outcomes.displays.across_chart import AcrossChart, AcrossCourse, AcrossPanel
from outcomes.displays.drawing.style import (
    SIZE,
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    dash,
    left_margin,
    light_grid,
    text_width,
    wrapped,
    y_label,
)
from outcomes.displays.palette import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ACROSS = 3
_PANEL = 2.3
_GAP = 0.3
_RIGHT = 0.2
_PAD = 0.14
"""Inches between the last day and the end of the axis."""
_TICKS = 0.27
_AXIS = 0.29
"""Inches of the title of the time axis."""
_LINE = 0.145
"""Inches of a line of small text."""
_DODGE = 0.05
"""Inches between the arms at one day."""
_BESIDE = 0.07
"""Smallest distance in inches between two counts."""
_LETTER = 0.078
"""Inches of a letter, on average."""
_SHADE = 0.35


def draw_across(chart: AcrossChart) -> Figure:
    """Draw one panel per study, as many side by side as have room for their counts."""
    left = left_margin(chart.y_label)
    across = _across(chart, left)
    width = _width(left, across)
    rows = [
        chart.panels[first : first + across]
        for first in range(0, len(chart.panels), across)
    ]
    heads = [
        0.14 + 0.17 * max(_title(p, width).count("\n") + 1 for p in r) for r in rows
    ]
    feet = [_TICKS + _AXIS + max(_below(panel, width) for panel in row) for row in rows]
    height = sum(heads) + sum(feet) + len(rows) * _PANEL
    figure = canvas(height)
    top = height
    for row, head, foot in zip(rows, heads, feet, strict=True):
        bottom = top - head - _PANEL
        for place, panel in enumerate(row):
            side = left + place * (width + _GAP)
            axes = axes_at(figure, side, bottom, width, _PANEL)
            _draw_panel(axes, panel, chart, width)
            if place == 0:
                y_label(axes, chart.y_label)
            else:
                axes.set_yticklabels([])
            axes.set_title(_title(panel, width), loc="left", fontsize=SIZE)
            _counts_below(figure, panel, chart, (side, bottom - _TICKS - _AXIS, width))
        middle = (left + WIDTH - _RIGHT) / 2 / WIDTH
        below = (bottom - _TICKS) / height
        figure.text(middle, below, chart.x_label, ha="center", va="top")
        top = bottom - foot
    return figure


def _width(left: float, across: int) -> float:
    return (WIDTH - left - _RIGHT - (across - 1) * _GAP) / across


def _across(chart: AcrossChart, left: float) -> int:
    """Return how many panels go side by side with all counts legible."""
    most = min(_MOST_ACROSS, len(chart.panels))
    for across in range(most, 1, -1):
        places = _places(chart, _width(left, across))
        wide = [_widest(chart, place) for place in range(len(chart.days))]
        if all(
            second - first >= (one + other) / 2 + _BESIDE
            for (first, second), (one, other) in zip(
                pairwise(places), pairwise(wide), strict=True
            )
        ):
            return across
    return 1


def _widest(chart: AcrossChart, place: int) -> float:
    """Return the inches of the widest text at a day: its label or a count."""
    counts = [c.counts[place] for panel in chart.panels for c in panel.courses]
    return max(text_width(text, SMALL) for text in (str(chart.days[place]), *counts))


def _places(chart: AcrossChart, width: float) -> list[float]:
    """Return the inches of days along the axis, by their square roots."""
    end = sqrt(chart.days[-1])
    return [sqrt(day) / end * (width - _PAD) for day in chart.days]


def _limit(chart: AcrossChart, width: float) -> float:
    """Return the end of the axis in square roots of days."""
    return sqrt(chart.days[-1]) * width / (width - _PAD)


def _title(panel: AcrossPanel, width: float) -> str:
    return wrapped(panel.name, int(width / _LETTER), widest=width)


def _arm_name(course: AcrossCourse, width: float) -> str:
    return wrapped(course.name, int((width - 0.3) / _LETTER * 1.1), widest=width - 0.3)


def _below(panel: AcrossPanel, width: float) -> float:
    """Return the inches that the counts of a panel take."""
    lines = [_arm_name(c, width).count("\n") + 2 for c in panel.courses]
    return _LINE * (1 + sum(lines)) + 0.05 * len(lines) + 0.1


def _draw_panel(
    axes: Axes, panel: AcrossPanel, chart: AcrossChart, width: float
) -> None:
    limit = _limit(chart, width)
    unit = limit / width
    axes.set_xlim(0, limit)
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 25))
    axes.set_xticks([sqrt(d) for d in chart.days], [str(d) for d in chart.days])
    axes.tick_params(axis="x", labelsize=SMALL)
    light_grid(axes, "y")
    _shade(axes, panel, limit, unit)
    middle = (len(panel.courses) - 1) / 2
    for place, course in enumerate(panel.courses):
        _draw_course(axes, course, limit, (place - middle) * _DODGE * unit)


def _shade(axes: Axes, panel: AcrossPanel, limit: float, unit: float) -> None:
    """Shade the days after which nobody of the study was followed, and say so."""
    if panel.until is None or sqrt(panel.until) >= limit - _PAD * unit:
        return
    start = sqrt(panel.until)
    axes.axvspan(start, limit, color=RULE, alpha=_SHADE, linewidth=0, zorder=0)
    room = (limit - start) / unit
    words = wrapped(
        f"not followed after day {panel.until:g}",
        max(4, int(room / _LETTER)),
        widest=max(room, 0.6),
    )
    if max(text_width(line, SMALL) for line in words.split("\n")) > room - 0.06:
        return
    axes.text(
        (start + limit) / 2,
        50,
        words,
        ha="center",
        va="center",
        fontsize=SMALL,
        color=INK,
        zorder=2,
    )


def _draw_course(axes: Axes, course: AcrossCourse, limit: float, shift: float) -> None:
    look = course.look
    if course.steps:
        shown = [(sqrt(max(day, 0.0)), value) for day, value in course.steps]
        inside = [step for step in shown if step[0] <= limit]
        if len(inside) < len(shown):
            inside.append((limit, inside[-1][1]))
        axes.plot(
            [x for x, _ in inside],
            [y for _, y in inside],
            drawstyle="steps-post",
            color=look.colour,
            linestyle=dash(look),
            linewidth=1.1,
            alpha=0.75,
            zorder=3,
        )
    for point in course.points:
        x = sqrt(point.day) + shift
        if point.low is not None and point.high is not None:
            axes.plot(
                [x, x],
                [point.low, point.high],
                color=look.colour,
                linewidth=1.2,
                zorder=4,
            )
        axes.plot(
            [x],
            [point.value],
            linestyle="none",
            marker=look.marker,
            color=look.colour,
            markeredgecolor="white",
            markeredgewidth=0.6,
            zorder=5,
            clip_on=False,
        )


def _counts_below(
    figure: Figure,
    panel: AcrossPanel,
    chart: AcrossChart,
    place: tuple[float, float, float],
) -> None:
    """Print, below a panel, each arm with its sign and how many are at risk."""
    from matplotlib.lines import Line2D

    side, y, width = place
    height = figure.get_figheight()

    def put(x: float, content: str, colour: str, align: str) -> None:
        figure.text(
            x / WIDTH,
            y / height,
            content,
            ha=align,
            va="top",
            fontsize=SMALL,
            color=colour,
            linespacing=1.05,
        )

    put(side, chart.counts_label, MUTED, "left")
    y -= _LINE
    for course in panel.courses:
        y -= 0.05
        name, look = _arm_name(course, width), course.look
        mark = Line2D(
            [side / WIDTH, (side + 0.26) / WIDTH],
            [(y - 0.06) / height] * 2,
            color=look.colour,
            linestyle=dash(look),
            linewidth=1.1,
            marker=look.marker,
            markersize=4,
            markevery=[1],
            transform=figure.transFigure,
        )
        figure.add_artist(mark)
        put(side + 0.34, name, look.colour, "left")
        y -= _LINE * (name.count("\n") + 1)
        for x, count in zip(_places(chart, width), course.counts, strict=True):
            put(side + x, count, look.colour, "center")
        y -= _LINE
