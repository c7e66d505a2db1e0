"""What a figure draws, as data: the values of ARD rows, and how arms look.

Coordinates are unrounded ARD values; nothing here is computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.displays.palette import Look


@dataclass(frozen=True, slots=True)
class Estimate:
    """One point with its interval; ``place`` is the index of a tick."""

    place: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """The estimates of one arm over time, and the count to print below each tick."""

    name: str
    look: Look
    estimates: tuple[Estimate, ...]
    counts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A visit on the time axis: ``time`` in days since the origin."""

    time: float
    label: str


@dataclass(frozen=True, slots=True)
class CoursesChart:
    """Estimates with intervals over time, by arm."""

    ticks: tuple[Tick, ...]
    start: Tick | None
    """The baseline, where change is zero by definition; None leaves it out."""
    courses: tuple[Course, ...]
    x_label: str
    y_label: str
    counts_label: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The cumulative distribution of one arm: ``percent`` reached at each ``value``."""

    name: str
    look: Look
    values: tuple[float, ...]
    percents: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepsChart:
    """Cumulative distributions by arm."""

    steps: tuple[Steps, ...]
    x_label: str
    y_label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points of one arm and the ends of its fitted line."""

    name: str
    look: Look
    points: tuple[tuple[float, float], ...]
    line: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CloudsChart:
    """Scatter of two measurements by arm."""

    clouds: tuple[Cloud, ...]
    x_label: str
    y_label: str


Chart = CoursesChart | StepsChart | CloudsChart
