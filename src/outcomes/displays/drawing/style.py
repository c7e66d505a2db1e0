"""One style for all figures, and files that are the same bytes every time."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.datasets.store import atomic
from outcomes.displays.palette import INK, MUTED, RULE, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.5
"""Inches: the text width of a letter or A4 page."""
WIDEST = 3.0
"""Inches of a word before it is cut."""
MOST_LEFT = 3.4
"""Inches: the axes keep the rest, whatever stands beside them."""
SIZE = 9.0
SMALL = 8.0
MANY_POINTS = 2000
"""More points than this are drawn as an image inside the vector file."""

_BESIDE = 42
_ACROSS = 76
"""Letters that fit along the vertical axis, and across the figure."""

_DASHES: dict[str, Any] = {
    "solid": "-",
    "dashed": (0, (5, 1.6)),
    "dashdot": (0, (5, 1.4, 1.2, 1.4)),
    "dotted": (0, (1.3, 1.3)),
}
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "outcomes",
    "svg.id": None,
    "pdf.fonttype": 42,
}
_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in the style of the house, whatever the user's own settings."""
    with _without_backend():
        import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


@contextmanager
def _without_backend() -> Iterator[None]:
    """Hide the user's choice of a window, at which matplotlib may fail to import.

    Figures are written to files only, by the writer of each format.
    """
    wish = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if wish is not None:
            os.environ["MPLBACKEND"] = wish


def canvas(height: float) -> Figure:
    """Return an empty figure of the house's width; no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height))


def axes_at(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> Axes:
    """Add axes whose place and size are given in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def save(figure: Figure, folder: Path, id: str) -> None:
    """Write a figure as SVG, PDF and PNG, without dates or names of programs."""
    for end, metadata in _METADATA.items():
        with atomic(folder / f"{id}.{end}", binary=True) as stream:
            figure.savefig(stream, format=end, metadata=metadata)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SIZE) -> float:
    """Return the width in inches that a line of text takes."""
    with _without_backend():
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans")
    outline = TextPath((0, 0), text, size=size, prop=font, usetex=False)
    return float(outline.get_extents().width) / 72


def wrapped(text: str, columns: int, *, widest: float = WIDEST) -> str:
    """Break a text at spaces into few lines of about one length.

    A word is cut only where it is wider than ``widest`` inches.
    """
    parts = [""]
    for word in text.split():
        first, *more = _pieces(word, widest)
        parts[-1] = f"{parts[-1]} {first}".lstrip()
        parts += more

    def lines(width: int) -> list[str]:
        return [
            line
            for part in parts
            for line in textwrap.wrap(
                part, width, break_long_words=False, break_on_hyphens=False
            )
        ]

    fewest = len(lines(columns))
    while columns > 1 and len(lines(columns - 1)) == fewest:
        columns -= 1
    return "\n".join(lines(columns))


def _pieces(word: str, widest: float) -> list[str]:
    """Cut a word into pieces of one length that are no wider than a line may be."""
    width = text_width(word)
    if width <= widest:
        return [word]
    letters = len(word)
    count = ceil(width / widest)
    while count < letters:
        size = ceil(letters / count)
        pieces = [word[i : i + size] for i in range(0, letters, size)]
        if all(text_width(piece) <= widest for piece in pieces):
            return pieces
        count += 1
    return list(word)


def dash(look: Look) -> Any:
    """Return matplotlib's name for the line of an arm."""
    return _DASHES[look.dash]


def zero_line(axes: Axes, *, vertical: bool = False) -> None:
    """Mark no change."""
    mark = axes.axvline if vertical else axes.axhline
    mark(0, color=MUTED, linewidth=0.9, zorder=1)


def light_grid(axes: Axes, axis: str) -> None:
    """Add faint lines behind the data, along one axis."""
    axes.set_axisbelow(True)
    axes.grid(axis=axis, color=RULE, linewidth=0.5, alpha=0.6)  # type: ignore[arg-type]


def y_label(axes: Axes, label: str) -> None:
    """Set the title of the vertical axis, on as many lines as it needs."""
    axes.set_ylabel(wrapped(label, _BESIDE))


def left_margin(label: str) -> float:
    """Return inches for the vertical axis with its title."""
    lines = wrapped(label, _BESIDE).count("\n") + 1
    return min(0.5 + 0.17 * lines, MOST_LEFT)


def legend_height(names: list[str]) -> float:
    """Return the inches that `legend_above` takes."""
    wide = [wrapped(name, _ACROSS) for name in names]
    columns = _legend_columns(wide)
    rows = [wide[n : n + columns] for n in range(0, len(wide), columns)]
    lines = sum(max(name.count("\n") + 1 for name in row) for row in rows)
    return 0.12 + 0.19 * lines


def _legend_columns(names: list[str]) -> int:
    pieces = [line for name in names for line in name.split("\n")]
    beside = 0.85  # line and marker, and the distance to the next column
    widest = max(text_width(piece) for piece in pieces) + beside
    return max(1, min(len(names), int((WIDTH + 0.1) / widest)))


def legend_above(figure: Figure, handles: list[Any], names: list[str]) -> None:
    """Put the legend into the top of the figure.

    Entries go side by side as far as they fit, so a long name is never cut.
    """
    names = [wrapped(name, _ACROSS) for name in names]
    columns = _legend_columns(names)
    # Matplotlib fills columns; people read rows.
    order = [p for first in range(columns) for p in range(first, len(names), columns)]
    figure.legend(
        [handles[place] for place in order],
        [names[place] for place in order],
        loc="upper left",
        bbox_to_anchor=(0.005, 1.0),
        ncols=columns,
        handlelength=3.2,
        columnspacing=1.6,
        borderaxespad=0.2,
    )
