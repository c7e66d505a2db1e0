"""Draws a scatter of two measurements by arm, with a fitted line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.displays.charts import CloudsChart
from outcomes.displays.drawing.style import (
    MANY_POINTS,
    WIDTH,
    canvas,
    dash,
    legend_above,
    light_grid,
    wrapped,
    zero_line,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = 3.7


def draw_clouds(chart: CloudsChart) -> Figure:
    """Draw points and lines; very many points become an image inside the file."""
    from matplotlib.lines import Line2D

    legend = 0.35 + 0.19 * (len(chart.clouds) // 2)
    height = _PANEL + 0.55 + legend
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
    above = legend_above(figure, handles, [c.name for c in chart.clouds])
    axes = figure.add_axes(
        (
            0.8 / WIDTH,
            0.55 / height,
            (WIDTH - 1.0) / WIDTH,
            (height - 0.55 - above - 0.1) / height,
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
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(wrapped(chart.y_label, 44))
    return figure
