"""Draws one bar per subject, in a panel per arm: a swimmer plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.displays.charts import Ending, Lane, LanesChart, LanesPanel
from outcomes.displays.drawing.style import (
    SMALL,
    WIDTH,
    axes_at,
    canvas,
    text_width,
    wrapped,
)
from outcomes.displays.palette import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3
_LEFT = 0.15
_RIGHT = 0.2
_GAP = 0.22
_THICKEST = 0.17
_THINNEST = 0.083
"""Inches from one bar to the next."""
_TALLEST = 6.8
"""Inches of a panel, so that the figure goes on a page with its caption."""
_FOOT = 0.5
_LINE = 0.18
_MARKS = {
    "event": ("X", "D", "P", "v", "*", "<", "H"),
    "competing": ("s", "^", "p", "h", "d", "8", "v"),
    "censored": ("|", "o", ">", "1", "2", "3", "4"),
}
"""Markers of endings: filled for events, open for competing events, thin without."""


def draw_lanes(chart: LanesChart) -> Figure:
    """Draw the panels beside each other, all on one time axis."""
    looks = _looks(chart.endings)
    across = min(_ACROSS, max(1, len(chart.panels)))
    rows = -(-len(chart.panels) // across)
    most = max(1, *(len(panel.lanes) for panel in chart.panels))
    pitch = min(_THICKEST, max(_THINNEST, _TALLEST / rows / most))
    tall = max(0.8, pitch * (most + 1))
    wide = (WIDTH - _LEFT - _RIGHT - (across - 1) * _GAP) / across
    titles = [wrapped(p.name, 30, widest=wide) for p in chart.panels]
    head = 0.1 + 0.15 * max(title.count("\n") + 1 for title in titles)
    keys = _keys(chart, looks)
    key_rows, places = _laid_out([words for _, words in keys])
    above = 0.1 + _LINE * key_rows
    height = above + rows * (head + tall + _FOOT)
    figure = canvas(height)
    _draw_keys(figure, keys, places)
    end = max(
        [
            1.0,
            *(lane.stop for p in chart.panels for lane in p.lanes),
            *(day for p in chart.panels for lane in p.lanes for day, _ in lane.seen),
        ]
    )
    for place, (panel, title) in enumerate(zip(chart.panels, titles, strict=True)):
        row, column = divmod(place, across)
        bottom = height - above - (row + 1) * (head + tall) - row * _FOOT
        axes = axes_at(figure, _LEFT + column * (wide + _GAP), bottom, wide, tall)
        axes.set_title(title, loc="left", fontsize=SMALL, color=panel.look.colour)
        _draw_lanes(axes, panel, looks, pitch, most)
        axes.set_xlim(0, 1.04 * end)
    middle = (_LEFT + WIDTH - _RIGHT) / 2 / WIDTH
    figure.text(middle, 0.08 / height, chart.x_label, ha="center", va="bottom")
    return figure


def _looks(endings: tuple[Ending, ...]) -> list[dict[str, Any]]:
    """Return how each ending is drawn, told apart by its marker."""
    seen: dict[str, int] = {}
    looks = []
    for ending in endings:
        place = seen.get(ending.kind, 0)
        seen[ending.kind] = place + 1
        markers = _MARKS[ending.kind]
        filled = ending.kind == "event"
        looks.append(
            {
                "marker": markers[place % len(markers)],
                "markerfacecolor": INK if filled else "white",
                "markeredgecolor": INK,
                "markeredgewidth": 0.4 if filled else 0.9,
            }
        )
    return looks


def _keys(
    chart: LanesChart, looks: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], str]]:
    keys = [
        ({**look, "markersize": 5.0}, ending.name)
        for look, ending in zip(looks, chart.endings, strict=True)
    ]
    if chart.entry:
        keys.append(({**_ENTRY, "markersize": 7.0}, chart.entry))
    if chart.seen is not None:
        keys += [
            ({**_seen(yes), "markersize": 3.6}, words)
            for yes, words in zip((True, False), chart.seen, strict=True)
        ]
    return keys


_ENTRY: dict[str, Any] = {
    "marker": "|",
    "markeredgecolor": "#D55E00",
    "markeredgewidth": 1.6,
}


def _seen(yes: bool) -> dict[str, Any]:
    return {
        "marker": "o",
        "markerfacecolor": INK if yes else "white",
        "markeredgecolor": INK if yes else MUTED,
        "markeredgewidth": 0.5,
    }


def _laid_out(words: list[str]) -> tuple[int, list[tuple[float, int]]]:
    """Place keys beside each other as far as they fit; return rows and places."""
    x, row = 0.12, 0
    places = []
    for each in words:
        wide = 0.16 + text_width(each, SMALL) + 0.22
        if x > 0.12 and x + wide > WIDTH:
            x, row = 0.12, row + 1
        places.append((x, row))
        x += wide
    return row + 1 if words else 0, places


def _draw_keys(
    figure: Figure,
    keys: list[tuple[dict[str, Any], str]],
    places: list[tuple[float, int]],
) -> None:
    from matplotlib.lines import Line2D

    height = figure.get_figheight()
    for (look, words), (x, row) in zip(keys, places, strict=True):
        y = (height - 0.12 - _LINE * row) / height
        figure.add_artist(Line2D([x / WIDTH], [y], linestyle="none", **look))
        at = (x + 0.12) / WIDTH
        figure.text(at, y, words, va="center_baseline", fontsize=SMALL)


def _draw_lanes(
    axes: Axes,
    panel: LanesPanel,
    looks: list[dict[str, Any]],
    pitch: float,
    most: int,
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_axisbelow(True)
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_ylim(most + 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.tick_params(labelsize=SMALL)
    lanes = panel.lanes
    at = [place + 0.5 for place in range(len(lanes))]
    axes.barh(
        at,
        [lane.stop for lane in lanes],
        height=0.72,
        color=panel.look.colour,
        alpha=0.3,
        linewidth=0,
        zorder=2,
    )
    size = 72 * pitch
    _draw_entries(axes, lanes, at, size)
    for yes in (False, True):
        dots = [
            (day, y)
            for lane, y in zip(lanes, at, strict=True)
            for day, answer in lane.seen
            if answer is yes
        ]
        _points(axes, dots, min(3.2, 0.42 * size), 3, _seen(yes))
    for number, look in enumerate(looks):
        ends = [
            (lane.stop, y)
            for lane, y in zip(lanes, at, strict=True)
            if lane.ending == number
        ]
        _points(
            axes,
            ends,
            min(6.0, (0.66 if look["marker"] == "D" else 0.82) * size),
            5,
            look,
        )


def _draw_entries(
    axes: Axes, lanes: tuple[Lane, ...], at: list[float], size: float
) -> None:
    ticks = [
        (lane.entry, y)
        for lane, y in zip(lanes, at, strict=True)
        if lane.entry is not None
    ]
    _points(axes, ticks, 0.95 * size, 4, _ENTRY)


def _points(
    axes: Axes,
    points: list[tuple[float, float]],
    size: float,
    order: int,
    look: dict[str, Any],
) -> None:
    if points:
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            markersize=size,
            zorder=order,
            clip_on=False,
            **look,
        )
