"""Draws correlations between visits as heat maps with numbers, fitted and empirical."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from outcomes.displays.charts import Heat, HeatChart
from outcomes.displays.drawing.style import (
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    text_width,
    wrapped,
)
from outcomes.displays.palette import INK, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHADE = "#f0f0f0"
"""Behind standard deviations, which have another unit than correlations."""
_ENDS = ("#F1A340", "#F7F7F7", "#67A9CF")
"""Orange over white to blue: told apart with every common colour vision, in grey by
the numbers, and light enough for these to be read everywhere."""
_TITLE = 0.32
_BAR = 0.62
_GAP = 0.3
_WORD = 1.6
_LINE = 0.14
"""Inches of a line of a name."""
_READABLE = 0.33
"""Inches of a cell from which a number with a sign fits."""
_CELL = 0.46
"""Inches of a cell at most."""


def draw_heat(chart: HeatChart) -> Figure:
    """Draw pairs of matrices; the diagonal has standard deviations."""
    size = len(chart.names)
    beside = _layout(chart.names, 2)
    across = 2 if beside.cell >= _READABLE else 1
    layout = beside if across == 2 else _layout(chart.names, 1)
    side = layout.cell * size
    heats = [heat for pair in chart.pairs for heat in pair]
    each = _TITLE + side + layout.below.inches
    height = 0.1 + each * (len(heats) // across) + _BAR
    figure = canvas(height)
    for place, heat in enumerate(heats):
        row, column = divmod(place, across)
        top = height - 0.1 - row * each - _TITLE
        at = layout.left + column * (side + _GAP)
        axes = axes_at(figure, at, top - side, side, side)
        _draw_matrix(axes, heat, layout)
        names = layout.names if column == 0 else [""] * size
        axes.set_yticks(_middles(size), names, linespacing=1.0)
        axes.tick_params(length=0, labelsize=SMALL)
    width = across * side + (across - 1) * _GAP
    _colour_bar(figure, chart.label, layout.left, max(width, 1.5))
    return figure


def _layout(names: tuple[str, ...], across: int) -> _Layout:
    """Return the sizes of matrices, of which so many stand side by side.

    The names of rows are broken where the rows are high enough for two lines.
    """
    for columns in (10, 26):
        broken = [wrapped(name, columns, widest=_WORD) for name in names]
        lines = [line for name in broken for line in name.split("\n")]
        left = 0.2 + max(text_width(line, SMALL) for line in lines)
        room = WIDTH - left - 0.08 - (across - 1) * _GAP
        cell = min(room / across / len(names), _CELL)
        most = max(name.count("\n") + 1 for name in broken)
        if most * _LINE <= cell:
            break
    return _Layout(broken, left, cell, _names_below(names, cell))


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("correlation", _ENDS)


def _middles(size: int) -> list[float]:
    return [place + 0.5 for place in range(size)]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names of rows, inches they take, inches of a cell, and names of columns."""

    names: list[str]
    left: float
    cell: float
    below: _Below


@dataclass(frozen=True, slots=True)
class _Below:
    """The names below columns, the inches they take, and whether they stand upright."""

    names: list[str]
    inches: float
    upright: bool


def _names_below(names: tuple[str, ...], cell: float) -> _Below:
    """Break the names of columns, or set them upright where they are too wide."""
    broken = [wrapped(name, 5, widest=_WORD) for name in names]
    lines = [line for name in broken for line in name.split("\n")]
    if all(text_width(line, SMALL) < cell - 0.04 for line in lines):
        most = max(name.count("\n") + 1 for name in broken)
        return _Below(broken, 0.12 + 0.14 * most, upright=False)
    upright = [wrapped(name, 26, widest=_WORD) for name in names]
    lines = [line for name in upright for line in name.split("\n")]
    widest = max(text_width(line, SMALL) for line in lines)
    return _Below(upright, 0.12 + widest, upright=True)


def _draw_matrix(axes: Axes, heat: Heat, layout: _Layout) -> None:
    below = layout.below
    from matplotlib.patches import Rectangle

    size = len(below.names)
    colours = _colours()
    for cell in heat.cells:
        known = cell.value is not None and isfinite(cell.value)
        value = cell.value if cell.value is not None and known else 0.0
        axes.add_patch(
            Rectangle(
                (cell.column, cell.row),
                1,
                1,
                facecolor=colours((value + 1) / 2) if known else _SHADE,
                edgecolor="white",
                linewidth=1.2,
            )
        )
        axes.text(
            cell.column + 0.5,
            cell.row + 0.5,
            cell.text,
            ha="center",
            va="center",
            fontsize=(SMALL - 1) * min(1.0, layout.cell / _READABLE),
            color=INK,
        )
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)
    turn = 90 if below.upright else 0
    axes.set_xticks(_middles(size), below.names, rotation=turn, linespacing=1.05)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(wrapped(heat.name, 34), loc="left", fontsize=SMALL + 1)


def _colour_bar(figure: Figure, label: str, left: float, width: float) -> None:
    """Draw the scale: a picture of few colours, so that the file stays small."""
    from matplotlib.patches import Rectangle

    axes = axes_at(figure, left, 0.38, width, 0.1)
    colours, steps = _colours(), 80
    for step in range(steps):
        axes.add_patch(
            Rectangle(
                (-1 + 2 * step / steps, 0),
                2 / steps,
                1,
                facecolor=colours((step + 0.5) / steps),
                linewidth=0,
                antialiased=False,
            )
        )
    axes.set_xlim(-1, 1)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.tick_params(length=2, labelsize=SMALL - 1, colors=INK)
    for spine in axes.spines.values():
        spine.set_color(RULE)
        spine.set_linewidth(0.5)
    axes.set_xlabel(label, fontsize=SMALL, labelpad=1)
