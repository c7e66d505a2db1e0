"""Administrations of the outcome scale and the MEQ30, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from outcomes.simulate.course import Course, Later
from outcomes.simulate.scores import (
    FloatArray,
    IntArray,
    experience_items,
    spread,
)
from outcomes.simulate.trial import Row, Table, Trial

UNSCHEDULED = "UNSCHEDULED"


@dataclass(frozen=True, slots=True)
class Administration:
    """One interview: what a row (or one row per item) of the raw file says.

    ``items`` is None where the instrument was not done; an item is None where it
    was skipped.
    """

    subject_id: str
    visit: str
    date: str
    rater: str
    items: list[int | None] | None


@dataclass(frozen=True, slots=True)
class _Extra:
    """An interview outside the schedule, or the repeat of one."""

    row: int
    visit: str
    offset: int
    total: int


def outcome_table(trial: Trial) -> Table:
    """Return the raw file of the outcome scale: CAPS-5 wide, MADRS long."""
    interviews = sorted(
        [
            *_screenings(trial),
            *_scheduled(trial),
            *_followed_up(trial),
            *_extras(trial),
        ],
        key=lambda a: (a.subject_id, a.date),
    )
    if trial.preset.instrument == "MADRS":
        return _long(interviews)
    return _wide(trial, interviews)


def _long(interviews: list[Administration]) -> Table:
    """Write one row per item; an item left out has an empty value."""
    header = ("subject_id", "visit", "date", "rater", "item", "value", "not_done")
    rows: list[Row] = []
    for a in interviews:
        start: Row = [a.subject_id, a.visit, a.date, a.rater]
        if a.items is None:
            rows += [[*start, k, "", "Y"] for k in range(1, 11)]
        else:
            rows += [
                [*start, k, "" if value is None else value, ""]
                for k, value in enumerate(a.items, start=1)
            ]
    return Table(header, rows)


def _wide(trial: Trial, interviews: list[Administration]) -> Table:
    """Write one row per interview with all 30 items of the CAPS-5."""
    names = tuple(f"caps5_{k:02d}" for k in range(1, 31))
    header = ("subject_id", "visit", "date", "rater", "not_done", *names)
    rng = trial.streams.part("caps5 further items")
    personal: dict[str, FloatArray] = {}
    first: dict[str, int] = {}
    rows: list[Row] = []
    for a in interviews:
        traits = personal.setdefault(a.subject_id, rng.random(8))
        luck = rng.standard_normal(8)
        start: Row = [a.subject_id, a.visit, a.date, a.rater]
        if a.items is None:
            rows.append([*start, "Y", *([""] * 30)])
            continue
        total = sum(value or 0 for value in a.items)
        before = first.setdefault(a.subject_id, total)
        more = _further(total, before, traits, luck, a.visit)
        values = [*a.items, *more]
        rows.append([*start, "", *("" if v is None else v for v in values)])
    return Table(header, rows)


DISSOCIATIVE = 0.235
"""Share with marked depersonalisation or derealisation at entry."""
NOT_APPLICABLE = "N/A"
"""What the form has for improvement at the first interview."""


def _rated(x: float) -> int:
    """Return the rating from 0 to 4 nearest to a latent value."""
    return int(min(max(np.floor(x + 0.5), 0), 4))


def _further(
    total: int, before: int, traits: FloatArray, luck: FloatArray, visit: str
) -> list[str | int]:
    """Return items 21 to 30 that agree with the total.

    21 onset and 22 duration in months, 23 distress, 24 social and 25 other
    impairment, 26 validity, 27 global severity, 28 improvement since the first
    interview (0 asymptomatic to 4 none), 29 depersonalisation, 30 derealisation.
    """
    delayed = traits[1] < 0.12
    onset = int(6 + 60 * traits[3]) if delayed else int(6 * traits[3])
    duration = int(12 + 12 * 30 * traits[4] ** 2)
    distress = [_rated(total / 14.0 + 0.35 * z) for z in luck[:3]]
    gone = min((before - total) / max(before, 1), 1.0)
    first = visit == "SCREENING"
    marked = traits[0] < DISSOCIATIVE
    level = (2.6 if marked else 0.35) * total / max(before, 20)
    dissociation = [
        _rated(level + 0.35 * z - lower)
        for z, lower in zip(luck[3:5], (0.0, 0.4 * (traits[2] < 0.3)), strict=True)
    ]
    if not marked:
        dissociation = [min(value, 1) for value in dissociation]
    return [
        onset,
        duration,
        *distress,
        int(luck[5] > 1.3),
        _rated(total / 15.0),
        NOT_APPLICABLE if first else _rated(4.0 - 4.0 * gone),
        *dissociation,
    ]


def _rater(number: int) -> str:
    """Return the id of a central rater."""
    return f"R{number + 1:02d}"


def _screenings(trial: Trial) -> Iterator[Administration]:
    """Yield the screening interview of everyone who consented."""
    people, start = trial.recruits.people, trial.cohort.start
    for row, subject in enumerate(trial.recruits.subject_id):
        day = start + timedelta(days=int(people.screened[row]))
        items: list[int | None] = [int(v) for v in people.items[row]]
        rater = _rater(int(people.rater[row]))
        yield Administration(subject, "SCREENING", day.isoformat(), rater, items)


def _item_scores(trial: Trial, part: str, rows: IntArray, total: IntArray) -> IntArray:
    """Spread totals of the subjects in ``rows`` over items."""
    trait = trial.cohort.people.trait[rows]
    noise = trial.streams.part(part).standard_normal(trait.shape)
    propensity = trait + trial.preset.items.noise_sd * noise
    return spread(total, propensity, trial.preset.maximum[1])


def _scheduled(trial: Trial) -> Iterator[Administration]:
    """Yield the interviews of the schedule that took place or were due."""
    visits = ["BASELINE", *(v.id for v in trial.preset.assessments)]
    yield from _interviews(trial, visits, trial.course)


def _followed_up(trial: Trial) -> Iterator[Administration]:
    """Yield the interviews of those who entered the follow-up."""
    if trial.course.later is not None:
        visits = [v.id for v in trial.preset.later]
        yield from _interviews(trial, visits, trial.course.later)


def _interviews(
    trial: Trial, visits: list[str], course: Course | Later
) -> Iterator[Administration]:
    """Yield the interviews of one part of the study, item by item."""
    everybody = np.arange(trial.n)
    for column, visit in enumerate(visits):
        items = _item_scores(
            trial, f"items {visit}", everybody, course.total[:, column]
        )
        rate = trial.preset.dropout.item_skipped if visit != "BASELINE" else 0.0
        skipped = trial.streams.part(f"skipped {visit}").random(items.shape) < rate
        for row in map(int, np.flatnonzero(course.attended[:, column])):
            values: list[int | None] | None = None
            if course.done[row, column]:
                values = [
                    None if gone else int(v)
                    for v, gone in zip(items[row], skipped[row], strict=True)
                ]
            yield Administration(
                trial.cohort.subject_id[row],
                visit,
                trial.iso(row, trial.cohort.days[visit][row]),
                _rater(int(course.rater[row, column])),
                values,
            )


def _extras(trial: Trial) -> Iterator[Administration]:
    """Yield unscheduled interviews and repeats, with items."""
    extras = [*_unscheduled(trial), *_repeats(trial)]
    if not extras:
        return
    rows = np.array([e.row for e in extras])
    total = np.array([e.total for e in extras])
    items = _item_scores(trial, "items extra", rows, total)
    raters = trial.streams.part("extra raters").integers(
        0, trial.preset.severity.raters, len(extras)
    )
    for extra, values, rater in zip(extras, items, raters, strict=True):
        yield Administration(
            trial.cohort.subject_id[extra.row],
            extra.visit,
            trial.iso(extra.row, extra.offset),
            _rater(int(rater)),
            [int(v) for v in values],
        )


def _near(trial: Trial, total: float, luck: float) -> int:
    """Return a score close to another, as a second rater might give it."""
    n_items, highest = trial.preset.maximum
    spread_sd = trial.preset.severity.measurement_sd
    return int(min(max(round(total + spread_sd * luck), 0), n_items * highest))


def _unscheduled(trial: Trial) -> Iterator[_Extra]:
    """Yield interviews on a day halfway between two scheduled ones."""
    rng = trial.streams.part("unscheduled")
    u, luck = rng.random((2, trial.n)), rng.standard_normal(trial.n)
    visits = [v.id for v in trial.preset.assessments]
    for row in map(int, np.flatnonzero(u[0] < trial.preset.conduct.unscheduled)):
        place = 1 + int(u[1, row] * (len(visits) - 1))
        before, after = (trial.cohort.days[visits[k]][row] for k in (place - 1, place))
        offset = int(before + after) // 2
        if after - before >= 6 and trial.there(row, offset):
            mean = trial.course.total[row, place : place + 2].mean()
            total = _near(trial, float(mean), float(luck[row]))
            yield _Extra(row, UNSCHEDULED, offset, total)


def _repeats(trial: Trial) -> Iterator[_Extra]:
    """Yield second interviews for the same visit, two to four days later."""
    rng = trial.streams.part("repeats")
    order, later = rng.permutation(trial.n), rng.integers(2, 5, trial.n)
    luck = rng.standard_normal(trial.n)
    visits = [v.id for v in trial.preset.assessments if v.jitter != (0, 0)]
    ids = [v.id for v in trial.preset.assessments]
    found = 0
    for row in map(int, order):
        if found == trial.preset.conduct.duplicates:
            return
        visit = visits[row % len(visits)]
        column = 1 + ids.index(visit)
        offset = int(trial.cohort.days[visit][row] + later[row])
        if trial.course.done[row, column] and trial.there(row, offset):
            total = _near(trial, float(trial.course.total[row, column]), luck[row])
            found += 1
            yield _Extra(row, visit, offset, total)


def experience_table(trial: Trial) -> Table:
    """Return the raw file of the MEQ30: wide, standalone order, one row per session."""
    names = tuple(f"meq_{k:02d}" for k in range(1, 31))
    header = ("subject_id", "session", "visit", "date", "not_done", *names)
    rows: list[Row] = []
    par = trial.preset.experience
    for session, visit in enumerate(trial.preset.dosing):
        rng = trial.streams.part(f"experience items {visit.id}")
        items = experience_items(
            trial.course.experience[:, session], par.factor_sd, par.item_sd, rng
        )
        luck = trial.streams.part(f"experience missing {visit.id}")
        gone = luck.random(trial.n) < trial.preset.dropout.not_done
        skipped = luck.random(items.shape) < trial.preset.dropout.item_skipped
        for row in range(trial.n):
            offset = int(trial.cohort.days[visit.id][row])
            if not trial.there(row, offset):
                continue
            values: list[str | int] = [
                "" if gone[row] or blank else int(value)
                for value, blank in zip(items[row], skipped[row], strict=True)
            ]
            day = trial.iso(row, offset)
            start: Row = [trial.cohort.subject_id[row], session + 1, visit.id, day]
            rows.append([*start, "Y" if gone[row] else "", *values])
    rows.sort(key=lambda r: (r[0], r[1]))
    return Table(header, rows)
