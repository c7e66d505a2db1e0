"""One simulated trial in memory, before it becomes files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.simulate.course import Conditions, Course, run_course
from outcomes.simulate.people import Raters, draw_raters
from outcomes.simulate.preset import Preset
from outcomes.simulate.recruitment import Cohort, Recruits, form_cohort, recruit
from outcomes.simulate.scores import IntArray
from outcomes.simulate.streams import Streams

Row = list[str | int]


@dataclass(frozen=True, slots=True)
class Table:
    """A raw file: header, rows, and how it is written."""

    header: tuple[str, ...]
    rows: list[Row]
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Trial:
    """A simulated trial: who took part, and what happened to them."""

    preset: Preset
    streams: Streams
    raters: Raters
    recruits: Recruits
    cohort: Cohort
    course: Course

    @property
    def n(self) -> int:
        """Number randomised."""
        return len(self.cohort.planned)

    @property
    def last_visit(self) -> str:
        """Id of the last assessment of the main study."""
        return self.preset.assessments[-1].id

    @property
    def end(self) -> IntArray:
        """Last day of each subject in the main study, days after the first dose."""
        return np.asarray(
            np.minimum(self.course.left, self.cohort.days[self.last_visit])
        )

    @property
    def seen_until(self) -> IntArray:
        """Last day anything is recorded of each subject, follow-up included."""
        later = self.course.later
        if later is None:
            return self.end
        last = np.minimum(later.left, self.cohort.days[self.preset.later[-1].id])
        return np.where(later.entered, last, self.end)

    def iso(self, row: int, offset: int) -> str:
        """Return the ISO date ``offset`` days after the first dose of a subject."""
        return self.cohort.on(row, offset).isoformat()

    def therapist(self, row: int, place: int) -> str:
        """Return the id of a subject's therapist: place 0 leads, 1 assists."""
        site = self.preset.sites[int(self.cohort.site[row])].id
        return f"{site}-T{int(self.cohort.therapists[row, place]) + 1}"

    def there(self, row: int, offset: int) -> bool:
        """Say whether a subject is still in the main study on a day."""
        return bool(offset <= self.end[row])


def build_trial(preset: Preset, seed: int, size: int = 1) -> Trial:
    """Simulate a trial.

    Parameters
    ----------
    preset : Preset
        Parameters.
    seed : int
        Not negative.
    size : int
        Multiplies every site, for studies of the generator itself; arm sizes are
        then near the preset's shares, not equal to a multiple of its numbers.
    """
    streams = Streams(seed)
    raters = draw_raters(preset, streams, preset.severity.raters)
    recruits = recruit(preset, streams, raters, size)
    cohort = form_cohort(preset, streams, recruits, size)
    course = run_course(
        preset,
        cohort.people,
        cohort.actual,
        team=cohort.team,
        site=cohort.site,
        days=cohort.days,
        dosed_on=cohort.dosed_on,
        raters=raters,
        streams=streams,
        conditions=Conditions(),
    )
    return Trial(preset, streams, raters, recruits, cohort, course)
