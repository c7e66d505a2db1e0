"""Draws whichever chart a figure has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.displays.across_chart import AcrossChart
from outcomes.displays.across_drawing import draw_across
from outcomes.displays.charts import (
    Chart,
    CloudsChart,
    CoursesChart,
    CurvesChart,
    EffectsChart,
    ForestChart,
    HeatChart,
    LanesChart,
    ResidualsChart,
    StepsChart,
    TrendsChart,
)
from outcomes.displays.drawing.clouds import draw_clouds
from outcomes.displays.drawing.courses import draw_courses
from outcomes.displays.drawing.curves import draw_curves
from outcomes.displays.drawing.effects import draw_effects
from outcomes.displays.drawing.forest import draw_forest
from outcomes.displays.drawing.heat import draw_heat
from outcomes.displays.drawing.lanes import draw_lanes
from outcomes.displays.drawing.quantiles import draw_residuals
from outcomes.displays.drawing.steps import draw_steps
from outcomes.displays.drawing.style import canvas, save, styled, wrapped
from outcomes.displays.drawing.trends import draw_trends

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(chart: Chart | None, failures: tuple[str, ...], folder: Path, id: str) -> None:
    """Draw a chart and write it as SVG, PDF and PNG.

    Parameters
    ----------
    chart : Chart or None
        None if there is nothing to draw; the figure then says so.
    failures : tuple of str
        Why results are absent.
    folder : Path
        Where the files go.
    id : str
        Their name before the ending.
    """
    with styled():
        save(drawn(chart, failures), folder, id)


def drawn(chart: Chart | None, failures: tuple[str, ...]) -> Figure:
    """Return the drawing of a chart, or of the reasons why there is none."""
    match chart:
        case CoursesChart():
            return draw_courses(chart)
        case StepsChart():
            return draw_steps(chart)
        case CloudsChart():
            return draw_clouds(chart)
        case ResidualsChart():
            return draw_residuals(chart)
        case HeatChart():
            return draw_heat(chart)
        case ForestChart():
            return draw_forest(chart)
        case EffectsChart():
            return draw_effects(chart)
        case CurvesChart():
            return draw_curves(chart)
        case LanesChart():
            return draw_lanes(chart)
        case TrendsChart():
            return draw_trends(chart)
        case AcrossChart():
            return draw_across(chart)
        case None:
            return _no_figure(failures)


def _no_figure(failures: tuple[str, ...]) -> Figure:
    """Say plainly that there is no figure, and why."""
    figure = canvas(2.0)
    reasons = "\n".join(wrapped(failure, 80, widest=5.8) for failure in failures[:3])
    figure.text(0.05, 0.72, "Not computed", fontsize=13, fontweight="bold", va="center")
    figure.text(0.05, 0.55, reasons, va="top")
    return figure
