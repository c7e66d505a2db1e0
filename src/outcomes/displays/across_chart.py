"""What the figure of several studies draws, as data: one panel for each of them."""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.displays.palette import Look


@dataclass(frozen=True, slots=True)
class AcrossPoint:
    """The estimate at a declared day, in per cent; without limits where none exist."""

    day: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class AcrossCourse:
    """One arm: its estimates, its curve, and the count to print below each day."""

    name: str
    look: Look
    points: tuple[AcrossPoint, ...]
    steps: tuple[tuple[float, float], ...]
    """Day and per cent, from each of which the curve is level to the next."""
    counts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcrossPanel:
    """One study; nobody is followed after ``until``, None where that is unknown."""

    name: str
    courses: tuple[AcrossCourse, ...]
    until: float | None


@dataclass(frozen=True, slots=True)
class AcrossChart:
    """Survival at declared days, a panel for each study, on the same axes."""

    days: tuple[int, ...]
    panels: tuple[AcrossPanel, ...]
    x_label: str
    y_label: str
    counts_label: str
