"""When things happen: days after the first dose for every scheduled contact."""

from __future__ import annotations

import numpy as np

from outcomes.simulate.preset import Preset, Visit
from outcomes.simulate.scores import IntArray
from outcomes.simulate.streams import Streams

LATE = 0.03
"""Share of visits that come one to two weeks late where the visit has any play."""

Schedule = dict[str, IntArray]
"""Visit id to days after the first dose, one per subject."""


def draw_schedule(preset: Preset, streams: Streams, n: int) -> Schedule:
    """Draw the day each subject would attend each visit, in the preset's order."""
    days: Schedule = {}
    after: IntArray | None = None
    for visit in preset.visits:
        rng = streams.part(f"schedule {visit.id}")
        day = _draw(visit, days, rng, n)
        if visit.kind in ("dosing", "assessment", "follow-up"):
            if after is not None:
                day = np.maximum(day, after + (visit.hour is None))
            after = day
        days[visit.id] = day
    return days


def _draw(visit: Visit, days: Schedule, rng: np.random.Generator, n: int) -> IntArray:
    """Draw the days of one visit: its target, jitter, and now and then a delay."""
    base = days[visit.anchor] if visit.anchor else np.zeros(n, dtype=np.int64)
    early, late = visit.jitter
    jitter = rng.integers(early, late + 1, n)
    delay = np.where(rng.random(n) < LATE, rng.integers(6, 13, n), 0)
    if visit.kind not in ("assessment", "follow-up") or late - early < 3:
        delay = np.zeros(n, dtype=np.int64)
    return np.asarray(base + visit.offset + jitter + delay, dtype=np.int64)


def study_day(offset: int) -> int:
    """Return the study day of a number of days after the first dose (no day 0)."""
    return offset + 1 if offset >= 0 else offset
