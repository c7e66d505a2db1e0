"""Draws estimates with intervals over time, with the counts below the axis."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any

from outcomes.displays.charts import Course, CoursesChart, Tick
from outcomes.displays.drawing.style import (
    MOST_LEFT,
    SIZE,
    SMALL,
    WIDTH,
    canvas,
    dash,
    left_margin,
    legend_above,
    legend_height,
    light_grid,
    text_width,
    wrapped,
    y_label,
    zero_line,
)
from outcomes.displays.palette import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 3.3
_RIGHT = 0.25
_DODGE = 0.085
"""Inches between the arms at one visit."""
_BESIDE = 0.075
"""Inches between an estimate and what was observed."""
_PAD = 0.15
"""Inches between the ends of the axis and the visits next to them."""
_NARROW = 5
"""Letters of a tick label on a line, where labels are broken as far as they can be."""
_WORD = 1.6
"""Inches of a word in a tick label or beside the counts before it is cut."""
_GAP = 0.12
"""Smallest distance in inches between two tick labels."""


def draw_courses(chart: CoursesChart) -> Figure:
    """Draw estimates over time."""
    names = [wrapped(course.name, 26, widest=_WORD) for course in chart.courses]
    ticks = [*([chart.start] if chart.start else []), *chart.ticks]
    left = _left_margin(chart, names)
    apart, pad = _spacing(chart)
    right = max(
        _RIGHT, _half(wrapped(ticks[-1].label, _NARROW, widest=_WORD)) - pad + 0.05
    )
    span = WIDTH - left - right - 2 * pad
    positions, scale, labels = _axis(ticks, span, right + pad)
    under = 0.38 + 0.15 * max(label.count("\n") + 1 for label in labels)
    below = under + 0.2 + sum(_row_height(name) for name in names)
    legend = [course.name for course in chart.courses]
    legend += [chart.observed_label] if chart.observed_label else []
    above = legend_height(legend) + 0.1
    height = _PANEL + below + above
    figure = canvas(height)
    legend_above(figure, _legend_handles(chart), legend)
    axes = figure.add_axes(
        (
            left / WIDTH,
            below / height,
            (WIDTH - left - right) / WIDTH,
            _PANEL / height,
        )
    )
    unit = ((positions[-1] - positions[0]) or 1.0) / span
    zero_line(axes)
    light_grid(axes, "y")
    for place, course in enumerate(chart.courses):
        shift = (place - (len(chart.courses) - 1) / 2) * apart * unit
        _draw_course(axes, course, chart, positions, shift)
        _draw_observed(axes, course, chart, positions, shift + _BESIDE * unit)
    axes.set_xlim(positions[0] - pad * unit, positions[-1] + pad * unit)
    axes.set_xticks(positions, labels)
    axes.set_xlabel(f"{chart.x_label}{scale}")
    y_label(axes, chart.y_label)
    if chart.percent:
        axes.set_ylim(0, min(axes.get_ylim()[1], 100))
    _counts_below(figure, axes, chart, names, positions, below - under)
    return figure


def _spacing(chart: CoursesChart) -> tuple[float, float]:
    """Return inches between arms at a visit, and beyond the first and last visit."""
    if not chart.observed_label:
        return _DODGE, _PAD
    apart = _DODGE + _BESIDE
    widest = (len(chart.courses) - 1) / 2 * apart + _BESIDE
    return apart, max(_PAD, widest + 0.08)


def _half(label: str) -> float:
    """Return half the width in inches of a label of several lines."""
    return max(text_width(line, SIZE) for line in label.split("\n")) / 2


def _row_height(name: str) -> float:
    """Return the inches that the counts of an arm take, by the lines of its name."""
    return 0.06 + 0.14 * (name.count("\n") + 1)


def _legend_handles(chart: CoursesChart) -> list[object]:
    from matplotlib.lines import Line2D

    handles: list[object] = [
        Line2D(
            [],
            [],
            color=course.look.colour,
            marker=course.look.marker,
            linestyle=dash(course.look),
        )
        for course in chart.courses
    ]
    if chart.observed_label:
        handles.append(Line2D([], [], linestyle="none", **_open(MUTED, "o")))
    return handles


def _open(colour: str, marker: str) -> dict[str, Any]:
    """Return the look of a marker without filling."""
    return {
        "marker": marker,
        "markerfacecolor": "white",
        "markeredgecolor": colour,
        "markeredgewidth": 1.0,
        "markersize": 4.5,
    }


def _draw_observed(
    axes: Axes,
    course: Course,
    chart: CoursesChart,
    positions: list[float],
    shift: float,
) -> None:
    if not course.observed:
        return
    skip = 1 if chart.start else 0
    x = [positions[e.place + skip] + shift for e in course.observed]
    y = [e.value for e in course.observed]
    look = _open(course.look.colour, course.look.marker)
    axes.plot(x, y, linestyle="none", zorder=5, clip_on=False, **look)


def _left_margin(chart: CoursesChart, names: list[str]) -> float:
    """Return inches for the names of the arms beside their counts."""
    pieces = [line for name in names for line in name.split("\n")]
    widest = max(text_width(line, SMALL) for line in [*pieces, chart.counts_label])
    return min(max(left_margin(chart.y_label), widest + 0.32), MOST_LEFT)


def _axis(
    ticks: list[Tick], span: float, room: float
) -> tuple[list[float], str, list[str]]:
    """Choose a time axis whose labels stand clear of each other.

    True time if it can be; visits that cluster after a dose get a square-root scale,
    and where that is not enough either, all visits the same distance.

    Parameters
    ----------
    ticks : list of Tick
        The visits.
    span : float
        Inches from the first to the last.
    room : float
        Inches to the right of the last, for half of its label.

    Returns
    -------
    positions : list of float
        Of the ticks.
    scale : str
        What the axis title must add; '' for true time.
    labels : list of str
        Of the ticks, on several lines where they must.
    """
    scales: list[tuple[str, Callable[[float], float]]] = [
        ("", lambda time: time),
        (", square-root scale", lambda time: sqrt(max(time, 0.0))),
    ]
    first = min(tick.time for tick in ticks)
    plain = [tick.label for tick in ticks]
    broken = [wrapped(tick.label, 9, widest=_WORD) for tick in ticks]
    narrow = [wrapped(tick.label, _NARROW, widest=_WORD) for tick in ticks]
    for labels in (plain, broken, narrow):
        for words, scale in scales:
            positions = [scale(tick.time - min(first, 0.0)) for tick in ticks]
            if _half(labels[-1]) <= room and _clear(positions, labels, span):
                return positions, words, labels
    even = [float(place) for place in range(len(ticks))]
    fitting = (each for each in (plain, broken) if _clear(even, each, span))
    labels = next(fitting, narrow)
    return even, " (visits evenly spaced, not to scale)", labels


def _clear(positions: list[float], labels: list[str], span: float) -> bool:
    """Tell whether neighbouring tick labels do not touch."""
    if len(positions) < 2:
        return True
    unit = span / ((positions[-1] - positions[0]) or 1.0)
    halves = [_half(label) for label in labels]
    return all(
        (b - a) * unit >= v + w + _GAP
        for (a, v), (b, w) in pairwise(zip(positions, halves, strict=True))
    )


def _draw_course(
    axes: Axes,
    course: Course,
    chart: CoursesChart,
    positions: list[float],
    shift: float,
) -> None:
    skip = 1 if chart.start else 0
    look = course.look
    x = [positions[e.place + skip] + shift for e in course.estimates]
    y = [e.value for e in course.estimates]
    if not x:
        return
    if skip:
        axes.plot(
            [positions[0], x[0]], [0, y[0]], color=look.colour, linewidth=1, alpha=0.55
        )
    axes.plot(x, y, color=look.colour, linestyle=dash(look), zorder=3)
    for at, estimate in zip(x, course.estimates, strict=True):
        if estimate.low is None or estimate.high is None:
            continue
        axes.errorbar(
            [at],
            [estimate.value],
            yerr=[[estimate.value - estimate.low], [estimate.high - estimate.value]],
            color=look.colour,
            capsize=2.5,
            elinewidth=1.1,
            capthick=1.1,
            zorder=3,
        )
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=look.marker,
        color=look.colour,
        markeredgecolor="white",
        markeredgewidth=0.6,
        markersize=6.5,
        zorder=4,
    )


def _counts_below(
    figure: Figure,
    axes: Axes,
    chart: CoursesChart,
    names: list[str],
    positions: list[float],
    top: float,
) -> None:
    """Print n under every tick, a line for each arm, from ``top`` inches down."""
    height = figure.get_figheight()
    box = axes.get_position()
    edge = box.x0 * WIDTH - 0.22
    low, high = axes.get_xlim()
    skip = 1 if chart.start else 0

    def put(x: float, y: float, content: str, align: str, colour: str) -> None:
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

    put(edge, top, chart.counts_label, "right", MUTED)
    y = top - 0.18
    for course, name in zip(chart.courses, names, strict=True):
        put(edge, y, name, "right", course.look.colour)
        for place, count in enumerate(course.counts):
            share = (positions[place + skip] - low) / (high - low)
            x = (box.x0 + share * box.width) * WIDTH
            put(x, y, count, "center", course.look.colour)
        y -= _row_height(name)
