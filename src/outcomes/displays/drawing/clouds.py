"""Draws a scatter of two measurements by arm, with a fitted line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.displays.charts import CloudsChart
from outcomes.displays.drawing.style import (
    MANY_POINTS,
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = 3.7


def draw_clouds(chart: CloudsChart) -> Figure:
    """Draw points and lines; very many points become an image inside the file."""
    from matplotlib.lines import Line2D

    names = [cloud.name for cloud in chart.clouds]
    x_label = wrapped(chart.x_label, 80)
    left, above = left_margin(chart.y_label), legend_height(names) + 0.1
    below = 0.5 + 0.16 * x_label.count("\n")
    height = _PANEL + below + above
    figure = canvas(height)
    handles = [
        Line2D(
            [],
            [],
            color=c.look.colour,
            marker=c.look.marker,
            linestyle=dash(c.look) if c.line else "none",
        )
        for c in chart.clouds
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
    light_grid(axes, "both")
    zero_line(axes)
    many = sum(len(c.points) for c in chart.clouds) > MANY_POINTS
    for cloud in chart.clouds:
        axes.scatter(
            [x for x, _ in cloud.points],
            [y for _, y in cloud.points],
            s=22,
            marker=cloud.look.marker,
            color=cloud.look.colour,
            alpha=0.65,
            edgecolors="white",
            linewidths=0.4,
            rasterized=many,
            zorder=2,
        )
    for cloud in chart.clouds:
        if cloud.line:
            x, y = zip(*cloud.line, strict=True)
            axes.plot(x, y, color="white", linewidth=3.6, zorder=3)
            axes.plot(
                x,
                y,
                color=cloud.look.colour,
                linestyle=dash(cloud.look),
                linewidth=2,
                zorder=4,
            )
    axes.set_xlabel(x_label)
    y_label(axes, chart.y_label)
    return figure
