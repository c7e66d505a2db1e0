"""Draws step functions of time with their limits, and counts below the days."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from outcomes.displays.charts import Curve, CurvesChart, CurvesPanel
from outcomes.displays.drawing.style import (
    SIZE,
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    dash,
    left_margin,
    legend_above,
    legend_height,
    light_grid,
    text_width,
    wrapped,
    y_label,
)
from outcomes.displays.palette import INK, MUTED, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TALL = {1: 2.9, 2: 2.0, 3: 1.6}
"""Inches of a wide panel, by how many there are."""
_LOWEST = 1.45
_SMALL_TALL = 1.55
_ACROSS = 3
_RIGHT = 0.25
_GAP = 0.18
_TICKS = 0.24
_AXIS = 0.42
"""Inches below an axis for its ticks, and for ticks and title."""
_LINE = 0.145
_CLEAR = 0.07
"""Smallest distance in inches between two counts."""
_BEYOND = 1.05
"""How far after the last curve a declared day may lie and still be on the axis."""
_NAME = 1.5
"""Inches for the label of a line of counts."""


def draw_curves(chart: CurvesChart) -> Figure:
    """Draw wide panels with counts below each other, then small panels in rows."""
    left = _left(chart)
    span = WIDTH - left - _RIGHT
    end = _end(chart)
    shown = _shown(chart, span, end)
    names = [curve.name for curve in chart.panels[0].curves]
    remarks = [wrapped(remark, 100) for remark in chart.remarks]
    above = legend_height(names) + 0.02 + 0.15 * sum(_lines(r) for r in remarks)
    tall = _TALL.get(len(chart.panels), _LOWEST)
    heads = [0.12 + 0.17 * bool(panel.title) for panel in chart.panels]
    feet = [_foot(panel) for panel in chart.panels]
    small = _small_height(chart)
    height = above + sum(heads) + sum(feet) + tall * len(heads) + small
    figure = canvas(height)
    legend_above(figure, [_handle(c) for c in chart.panels[0].curves], names)
    _write_remarks(figure, remarks, height - legend_height(names) - 0.02)
    top = height - above
    for panel, head, foot in zip(chart.panels, heads, feet, strict=True):
        bottom = top - head - tall
        axes = axes_at(figure, left, bottom, span, tall)
        _draw_panel(axes, panel, chart, end)
        axes.set_xticks(_ticks(chart, shown, span, end))
        if panel.title:
            axes.set_title(panel.title, loc="left", fontsize=SIZE, fontweight="bold")
        y_label(axes, chart.y_label)
        axes.set_xlabel(chart.x_label)
        _write_counts(figure, panel, chart, (left, bottom, span), end, shown)
        top = bottom - foot
    if chart.small:
        _draw_small(figure, chart, top, left, end)
    return figure


def _lines(words: str) -> int:
    return words.count("\n") + 1


def _end(chart: CurvesChart) -> float:
    """Return where the time axis ends: after all curves, at a day close to that.

    Days long after anybody was followed would leave the curves no room.
    """
    panels = [*chart.panels, *chart.small]
    last = max([1.0, *(t for p in panels for c in p.curves for t in c.times)])
    return max([last, *(day for day in chart.days if day <= _BEYOND * last)])


def _left(chart: CurvesChart) -> float:
    labels = [
        words
        for panel in chart.panels
        for block in panel.counts
        for words, _ in block.lines
    ]
    widest = max([0.0, *(text_width(words, SMALL) for words in labels)])
    return max(left_margin(chart.y_label), min(widest, _NAME) + 0.42)


def _shown(chart: CurvesChart, span: float, end: float) -> list[int]:
    """Return the places of the days whose counts stand clear of each other.

    The last on the axis is always shown; time 0 has a place of its own.
    """
    widths = [0.16] * (len(chart.days) + 1)
    for panel in chart.panels:
        for block in panel.counts:
            for _, cells in block.lines:
                for place, cell in enumerate(cells):
                    widths[place] = max(widths[place], text_width(cell, SMALL))
    for place, day in enumerate(chart.days, start=1):
        widths[place] = max(widths[place], text_width(f"{day:g}", SIZE))
    inside = [day for day in chart.days if day <= end]
    at = [0.0, *(day / end * span for day in inside)]

    def clear(a: int, b: int) -> bool:
        return at[b] - at[a] >= (widths[a] + widths[b]) / 2 + _CLEAR

    kept, last = [0], len(at) - 1
    for place in range(1, last):
        if clear(kept[-1], place) and clear(place, last):
            kept.append(place)
    return [place - 1 for place in [*kept, last] if place > 0]


def _ticks(
    chart: CurvesChart, shown: list[int], span: float, end: float
) -> list[float]:
    """Return the ticks: the days with counts, and the end where it is far from them."""
    ticks = [0.0, *(chart.days[place] for place in shown)]
    if (end - ticks[-1]) / end * span > 2 * text_width(f"{end:g}", SIZE):
        ticks.append(end)
    return ticks


def _foot(panel: CurvesPanel) -> float:
    """Return the inches below a wide panel."""
    lines = sum(len(block.lines) + 1 for block in panel.counts)
    return _AXIS + 0.1 + _LINE * lines + 0.05 * len(panel.counts)


def _small_height(chart: CurvesChart) -> float:
    if not chart.small:
        return 0.0
    rows = -(-len(chart.small) // _ACROSS)
    keys = sum(_lines(wrapped(words, 90)) for _, words in chart.styles)
    return 0.2 + 0.17 * keys + rows * (0.28 + _SMALL_TALL + _TICKS) + 0.2


def _handle(curve: Curve) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        color=curve.look.colour,
        linewidth=1.8,
        marker=curve.look.marker if curve.marked else "",
        markeredgecolor="white",
        markeredgewidth=0.5,
    )


def _write_remarks(figure: Figure, remarks: list[str], top: float) -> None:
    height = figure.get_figheight()
    for remark in remarks:
        figure.text(
            0.09 / WIDTH, top / height, remark, va="top", fontsize=SMALL, color=INK
        )
        top -= 0.15 * _lines(remark)


def _draw_panel(axes: Axes, panel: CurvesPanel, chart: CurvesChart, end: float) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    light_grid(axes, "y")
    for curve in panel.curves:
        _draw_curve(axes, curve)
    axes.set_xlim(0, end * 1.01)
    axes.set_ylim(0, 1.015 if chart.whole else _highest(chart))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=""))


def _highest(chart: CurvesChart) -> float:
    """Return where the vertical axis ends, the same in all panels."""
    tops = [
        high
        for panel in [*chart.panels, *chart.small]
        for curve in panel.curves
        for pair, value in zip(curve.limits, curve.values, strict=True)
        for high in (pair[1] if pair and curve.band else value,)
    ]
    return min(1.015, 1.05 * max([0.05, *tops]))


def _draw_curve(axes: Axes, curve: Curve, *, thin: bool = False) -> None:
    look = curve.look
    if not curve.times:
        return
    if curve.band:
        x, low, high = _band(curve)
        axes.fill_between(
            x, low, high, color=look.colour, alpha=0.13, linewidth=0, zorder=1
        )
    axes.plot(
        curve.times,
        curve.values,
        drawstyle="steps-post",
        color=look.colour,
        linestyle=dash(Look("", "", curve.dash)),
        linewidth=1.3 if thin else 1.7,
        zorder=3,
    )
    for points, style in (
        (curve.lost, {"marker": "|", "markersize": 5, "markeredgewidth": 0.8}),
        (
            curve.marked,
            {
                "marker": look.marker,
                "markersize": 4.0 if thin else 5.5,
                "markeredgecolor": "white",
            },
        ),
    ):
        marker: dict[str, Any] = {"markeredgewidth": 0.5, **style}
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            color=look.colour,
            zorder=4,
            clip_on=False,
            **marker,
        )


def _band(curve: Curve) -> tuple[list[float], list[float], list[float]]:
    """Return the outline of the limits, each as far as the next time.

    Where there are none, as at survival 0, the band has a gap.
    """
    nan = float("nan")
    x: list[float] = []
    low: list[float] = []
    high: list[float] = []
    for (start, end), pair in zip(pairwise(curve.times), curve.limits, strict=False):
        below, above = pair if pair is not None else (nan, nan)
        x += [start, end]
        low += [below, below]
        high += [above, above]
    return x, low, high


def _write_counts(
    figure: Figure,
    panel: CurvesPanel,
    chart: CurvesChart,
    box: tuple[float, float, float],
    end: float,
    shown: list[int],
) -> None:
    """Print counts under time 0 and the days shown, a block of lines for each arm."""
    left, bottom, span = box
    height = figure.get_figheight()

    def put(x: float, y: float, content: str, align: str, colour: str) -> None:
        figure.text(
            x / WIDTH,
            y / height,
            content,
            ha=align,
            va="top",
            fontsize=SMALL,
            color=colour,
        )

    y = bottom - _AXIS - 0.06
    for block in panel.counts:
        put(0.09, y, block.name, "left", block.look.colour)
        y -= _LINE
        for words, cells in block.lines:
            put(left - 0.3, y, words, "right", MUTED)
            for place in [-1, *shown]:
                day = 0.0 if place < 0 else chart.days[place]
                x = left + day / (1.01 * end) * span
                put(x, y, cells[place + 1], "center", block.look.colour)
            y -= _LINE
        y -= 0.05


def _draw_small(
    figure: Figure, chart: CurvesChart, top: float, left: float, end: float
) -> None:
    """Draw panels beside each other, with a key of their lines above them."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    height = figure.get_figheight()
    y = top - 0.1
    for kind, words in chart.styles:
        said = wrapped(words, 90)
        line = Line2D(
            [0.1 / WIDTH, 0.5 / WIDTH],
            [(y - 0.07) / height] * 2,
            color=INK,
            linewidth=1.3,
            linestyle=dash(Look("", "", kind)),
        )
        figure.add_artist(line)
        figure.text(0.6 / WIDTH, y / height, said, va="top", fontsize=SMALL)
        y -= 0.17 * _lines(said)
    side = 0.68
    across = min(_ACROSS, max(2, len(chart.small)))
    wide = (WIDTH - side - _RIGHT - (across - 1) * _GAP) / across
    y -= 0.1
    for place, panel in enumerate(chart.small):
        row, column = divmod(place, across)
        bottom = y - (row + 1) * (0.28 + _SMALL_TALL + _TICKS) + _TICKS
        axes = axes_at(figure, side + column * (wide + _GAP), bottom, wide, _SMALL_TALL)
        _draw_panel(axes, CurvesPanel(panel.title, ()), chart, end)
        for curve in panel.curves:
            _draw_curve(axes, curve, thin=True)
        axes.set_title(
            wrapped(panel.title, 30, widest=wide),
            loc="left",
            fontsize=SMALL,
            color=panel.curves[0].look.colour if panel.curves else INK,
        )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.tick_params(labelsize=SMALL, labelleft=column == 0)
        if column == 0:
            axes.set_ylabel(chart.y_label.split(" (")[0], fontsize=SMALL)
    middle = (side + WIDTH - _RIGHT) / 2 / WIDTH
    figure.text(
        middle, 0.06 / height, chart.x_label, ha="center", va="bottom", fontsize=SMALL
    )
