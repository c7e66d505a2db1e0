"""Measure and draw how the cost of an MMRM grows with subjects, visits and patterns.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/cost.py [--draw]

Writes ``docs/figures/mmrm-cost.csv``, best of several wall times of whole calls (design
matrix, fit, inference, coefficient table), and from it ``docs/figures/mmrm-cost.svg``.
``--draw`` draws the figure from the numbers that are there. The same numbers give the
same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gc
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
FORMULA = "change ~ base + site + arm*week"

SERIES: Final[dict[str, dict[str, str]]] = {
    "us, Kenward-Roger": {"covariance": "us", "df": "kenward-roger"},
    "us, CR2": {"covariance": "us", "vcov": "cr2"},
    "ar1h, Kenward-Roger": {"covariance": "ar1h", "df": "kenward-roger"},
}
SUBJECTS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
VISITS = (2, 4, 6, 8, 10, 12, 14, 16)
PATTERNS = (1, 2, 4, 8, 16, 32, 64, 128, 255)
PANELS = ("subjects", "visits", "patterns")
# So that a passing load of the machine does not bend one stretch of a curve.
ROUNDS = 2
# Of the seconds shown.
LIMITS = (0.01, 60.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One timed call."""

    panel: str
    series: str
    subjects: int
    visits: int
    patterns: int
    records: int
    seconds: float


def trials() -> Iterator[tuple[str, int, int, Any]]:
    """Yield panel, subjects, visits and data of each trial."""
    from trials import first_patterns, large_trial

    for n in SUBJECTS:
        yield "subjects", n, 6, large_trial(n, 6)
    for visits in VISITS:
        yield "visits", 1_000, visits, large_trial(1_000, visits)
    for count in PATTERNS:
        masks = first_patterns(count, 8)
        yield "patterns", 5_000, 8, large_trial(5_000, 8, masks=masks)


def measure() -> list[Point]:
    """Time every series on every trial; the best of several rounds."""
    best: dict[tuple[Any, ...], float] = {}
    for _ in range(ROUNDS):
        for key, taken in measure_once():
            best[key] = min(taken, best.get(key, taken))
    return [Point(*key, seconds=float(f"{best[key]:.4g}")) for key in best]


def measure_once() -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield all of a point but the seconds, and the seconds."""
    from timing import time_call

    for panel, subjects, visits, data in trials():
        patterns = count_patterns(data)
        for series, options in SERIES.items():
            gc.collect()
            call = {"subject": "subject", "visit": "week", **options}
            taken = time_call(data, FORMULA, call).wall
            key = (panel, series, subjects, visits, patterns, len(data))
            print(*key, f"{taken:.4f}", flush=True)
            yield key, taken


def count_patterns(data: Any) -> int:
    """Count the distinct sets of visits that subjects have."""
    return int((2 ** data["week"]).groupby(data["subject"]).sum().nunique())


def write(points: list[Point], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        names = [field.name for field in fields(Point)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def read(path: Path) -> list[Point]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            Point(
                row["panel"],
                row["series"],
                *(int(row[name]) for name in Point.__slots__[2:6]),
                float(row["seconds"]),
            )
            for row in csv.DictReader(stream)
        ]


def draw(points: list[Point], stream: Any, kind: str) -> None:
    """Draw the three panels; ``kind`` is svg or png."""
    from matplotlib.figure import Figure

    from outcomes.displays.drawing.style import light_grid, styled
    from outcomes.displays.palette import look_at

    with styled():
        figure = Figure(figsize=(9.0, 3.5))
        panels = figure.subplots(1, 3, sharey=True)
        handles = []
        for place, series in enumerate(SERIES):
            look = look_at(place)
            for axes, panel in zip(panels, PANELS, strict=True):
                chosen = [p for p in points if (p.panel, p.series) == (panel, series)]
                (line,) = axes.plot(
                    [getattr(point, panel) for point in chosen],
                    [point.seconds for point in chosen],
                    color=look.colour,
                    marker=look.marker,
                    markersize=4.5,
                    linewidth=1.4,
                )
            handles.append(line)
        for axes in panels:
            light_grid(axes, "both")
        _label(panels)
        (line,) = _proportional(panels[0], points)
        handles.append(line)
        figure.legend(
            handles,
            [*SERIES, "proportional to subjects"],
            loc="upper center",
            ncols=len(handles),
            handlelength=3.0,
            columnspacing=2.2,
        )
        figure.subplots_adjust(
            left=0.075, right=0.985, top=0.80, bottom=0.15, wspace=0.1
        )
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(
            stream, format=kind, metadata=metadata if kind == "svg" else None
        )


def _proportional(axes: Axes, points: list[Point]) -> Any:
    """Draw, below all points, how a cost grows that is proportional to subjects."""
    from outcomes.displays.palette import MUTED

    own = [point for point in points if point.panel == "subjects"]
    most = max(point.subjects for point in own)
    each = 0.6 * min(point.seconds / point.subjects for point in own)
    return axes.plot(
        [LIMITS[0] / each, most],
        [LIMITS[0], most * each],
        color=MUTED,
        linewidth=0.9,
        linestyle=(0, (4, 3)),
        zorder=1,
    )


def _label(panels: Any) -> None:
    """Title and ticks of the three panels."""
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        NullFormatter,
        NullLocator,
    )

    subjects, visits, patterns = panels
    subjects.set_ylabel("Wall time of a whole call, seconds")
    subjects.set_yscale("log")  # all three share it
    subjects.set_ylim(*LIMITS)
    subjects.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    subjects.yaxis.set_minor_formatter(NullFormatter())
    _panel(subjects, "a", "6 visits", "Subjects")
    subjects.set_xscale("log")
    subjects.set_xticks(
        [100, 1_000, 10_000, 100_000, 1_000_000], ["100", "1k", "10k", "100k", "1M"]
    )
    subjects.xaxis.set_minor_locator(NullLocator())
    _panel(visits, "b", "1,000 subjects", "Visits")
    visits.xaxis.set_major_locator(FixedLocator(VISITS))
    _panel(patterns, "c", "5,000 subjects, 8 visits", "Patterns of attended visits")
    patterns.set_xscale("log", base=2)
    patterns.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    patterns.xaxis.set_major_locator(FixedLocator([1, 4, 16, 64, 255]))
    patterns.xaxis.set_minor_locator(NullLocator())


def _panel(axes: Axes, letter: str, what: str, label: str) -> None:
    axes.set_title(letter, loc="left", fontsize=10, fontweight="bold")
    axes.set_title(what, loc="center", fontsize=9)
    axes.set_xlabel(label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--png", type=Path, help="write this picture as well")
    given = parser.parse_args()
    table = FIGURES / "mmrm-cost.csv"
    if not given.draw:
        write(measure(), table)
    points = read(table)
    with (FIGURES / "mmrm-cost.svg").open("wb") as stream:
        draw(points, stream, "svg")
    if given.png is not None:
        with given.png.open("wb") as stream:
            draw(points, stream, "png")


if __name__ == "__main__":
    sys.exit(main())
