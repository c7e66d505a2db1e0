"""Draws cumulative distributions as step lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.displays.charts import StepsChart
from outcomes.displays.drawing.style import (
    SMALL,
    WIDTH,
    canvas,
    dash,
    left_margin,
    legend_above,
    legend_height,
    light_grid,
    wrapped,
    y_label,
    zero_line,
)
from outcomes.displays.palette import MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = 3.5


def draw_steps(chart: StepsChart) -> Figure:
    """Draw the share of subjects at or below each value, by arm."""
    from matplotlib.lines import Line2D

    names = [steps.name for steps in chart.steps]
    x_label = wrapped(chart.x_label, 80)
    left, above = left_margin(chart.y_label), legend_height(names) + 0.1
    below = 0.75 + 0.16 * x_label.count("\n")
    height = _PANEL + below + above
    figure = canvas(height)
    handles = [
        Line2D([], [], color=s.look.colour, linestyle=dash(s.look), linewidth=1.8)
        for s in chart.steps
    ]
    legend_above(figure, handles, names)
    axes = figure.add_axes(
        (
            left / WIDTH,
            below / height,
            (WIDTH - left - 0.2) / WIDTH,
            _PANEL / height,
        )
    )
    low, high = _limits(chart)
    light_grid(axes, "both")
    zero_line(axes, vertical=True)
    for steps in chart.steps:
        if not steps.values:
            continue
        axes.plot(
            [low, *steps.values, high],
            [0.0, *steps.percents, steps.percents[-1]],
            drawstyle="steps-post",
            color=steps.look.colour,
            linestyle=dash(steps.look),
            linewidth=1.8,
            zorder=3,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(0, 101)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel(x_label)
    y_label(axes, chart.y_label)
    figure.text(
        left / WIDTH,
        0.08 / height,
        chart.hint,
        ha="left",
        va="bottom",
        fontsize=SMALL,
        color=MUTED,
    )
    return figure


def _limits(chart: StepsChart) -> tuple[float, float]:
    """Return axis ends a little outside all values; zero is always inside."""
    values = [value for steps in chart.steps for value in steps.values]
    low, high = min([0.0, *values]), max([0.0, *values])
    margin = 0.03 * ((high - low) or 1.0)
    return low - margin, high + margin
