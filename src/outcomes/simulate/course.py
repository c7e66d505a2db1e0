"""The course of one trial: visit by visit, then the follow-up of those who enter it.

How a person moves from one visit to the next: `outcomes.simulate.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.simulate.people import Candidates, Raters
from outcomes.simulate.preset import Preset
from outcomes.simulate.schedule import Schedule
from outcomes.simulate.scores import FloatArray, IntArray
from outcomes.simulate.steps import NEVER, BoolArray, Stepper, by_arm, expit
from outcomes.simulate.streams import Streams


@dataclass(frozen=True, slots=True)
class Conditions:
    """What can happen: the trial has everything, the truth is asked without some.

    Without ``selection`` everybody still in the study enters the follow-up. Without
    ``follow_up`` it is not simulated.
    """

    dropout: bool = True
    rescue: bool = True
    selection: bool = True
    follow_up: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """The follow-up of ``n`` subjects; arrays by visit have shape (n, later visits)."""

    entered: BoolArray
    entered_on: IntArray
    """Day of entry, or NEVER."""
    left: IntArray
    """Day of leaving the follow-up, or NEVER."""
    total: IntArray
    rater: IntArray
    attended: BoolArray
    done: BoolArray


@dataclass(frozen=True, slots=True)
class Course:
    """What happened to ``n`` subjects; column 0 of visits is the baseline."""

    experience: FloatArray
    """Percent of the MEQ30 maximum, shape (n, sessions), before rounding."""
    total: IntArray
    """Score as it would be observed, shape (n, visits)."""
    rater: IntArray
    attended: BoolArray
    """Still in the study at the visit."""
    done: BoolArray
    """Attended and the instrument was done."""
    left: IntArray
    """Day of leaving the main study, or NEVER."""
    rescued: IntArray
    """Day rescue medication starts, or NEVER; seen only while in study or follow-up."""
    relapsed: IntArray
    """Day the loss of effect starts, or NEVER."""
    later: Later | None
    """The follow-up, where the preset has one."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """Assessments in order; arrays have shape (n, visits)."""

    total: IntArray
    rater: IntArray
    attended: BoolArray
    done: BoolArray
    last: IntArray
    """Last score seen, shape (n,)."""


def run_course(
    preset: Preset,
    people: Candidates,
    arm: IntArray,
    *,
    team: FloatArray,
    site: IntArray,
    days: Schedule,
    dosed_on: IntArray,
    raters: Raters,
    streams: Streams,
    conditions: Conditions,
) -> Course:
    """Simulate a trial visit by visit.

    Parameters
    ----------
    arm : IntArray, shape (n,)
        Index of the arm whose treatment is taken.
    team : FloatArray, shape (n,)
        Effect of site and therapists on the change.
    site : IntArray, shape (n,)
        Index of the site.
    days : Schedule
        Days after the first dose of each visit.
    dosed_on : IntArray, shape (n,)
        Calendar day of the first dose.
    """
    stepper = Stepper(preset, people, arm, team, days, dosed_on, raters, streams)
    visits = ["BASELINE", *(v.id for v in preset.assessments)]
    nothing = np.zeros(len(arm), dtype=np.int64)
    main = _walk(stepper, None, visits, nothing, conditions)
    left, later = stepper.left, None
    if preset.follow_up is not None and conditions.follow_up:
        later = _follow(stepper, main, site, visits[-1], conditions)
    return Course(
        stepper.percent,
        main.total,
        main.rater,
        main.attended,
        main.done,
        left,
        stepper.rescued,
        stepper.relapsed,
        later,
    )


def _walk(
    stepper: Stepper,
    start: str | None,
    visits: list[str],
    last: IntArray,
    conditions: Conditions,
) -> _Walk:
    """Walk through visits, from the visit ``start`` on if there was one."""
    preset, n = stepper.preset, stepper.n
    leaving = preset.dropout
    totals, raters, attended, done = [], [], [], []
    before = start
    for visit in visits:
        if before:
            stepper.fluctuate(before, visit)
            if conditions.rescue:
                stepper.maybe_rescue(before, visit, last)
            if conditions.dropout:
                later = preset.follow_up if start else None
                stepper.maybe_leave(
                    before, visit, last, later.loss if later else leaving
                )
        here = stepper.left >= stepper.days[visit]
        rate = leaving.not_done if before else 0.0
        luck = stepper.streams.part(f"not done {visit}").random(n)
        observed = here & ((luck >= rate) | (not conditions.dropout))
        total, rater = stepper.observe(visit, baseline=before is None)
        last = np.where(observed, total, last)
        totals.append(total)
        raters.append(rater)
        attended.append(np.asarray(here))
        done.append(np.asarray(observed))
        before = visit
    return _Walk(
        np.stack(totals, axis=1),
        np.stack(raters, axis=1),
        np.stack(attended, axis=1),
        np.stack(done, axis=1),
        last,
    )


def _follow(
    stepper: Stepper, main: _Walk, site: IntArray, end: str, conditions: Conditions
) -> Later:
    """Let subjects enter the follow-up, and walk through it.

    Who does not enter is out of sight from the last visit ``end`` on.
    """
    preset = stepper.preset
    assert preset.follow_up is not None
    day = stepper.days[end]
    entered = np.asarray(stepper.left == NEVER)
    if conditions.selection:
        entered &= _enters(stepper, main, site)
    low, high = preset.follow_up.entry.delay
    wait = stepper.streams.part("entry delay").integers(low, high + 1, stepper.n)
    on = np.where(entered, day + wait, NEVER)
    stepper.relapse_again(day, main.last)
    stepper.left = np.where(entered, NEVER, np.minimum(stepper.left, day))
    visits = [v.id for v in preset.later]
    walk = _walk(stepper, end, visits, main.last, conditions)
    left = np.where(entered & (stepper.left != NEVER), stepper.left, NEVER)
    left = np.where(left != NEVER, np.maximum(left, on + 1), NEVER)
    return Later(entered, on, left, walk.total, walk.rater, walk.attended, walk.done)


def _enters(stepper: Stepper, main: _Walk, site: IntArray) -> BoolArray:
    """Say who of those still there enters: by arm, last score seen, and site."""
    preset, arm = stepper.preset, stepper.arm
    assert preset.follow_up is not None
    par = preset.follow_up.entry
    logit = (
        by_arm(preset, par.intercept, arm)
        + by_arm(preset, par.per_ten_points, arm) * (main.last - par.centre) / 10.0
        + by_arm(preset, par.response, arm) * (2 * main.last <= main.total[:, 0])
        + par.hidden * stepper.frailty
    )
    closed = np.array([s.id in par.closed_sites for s in preset.sites])[site]
    u = stepper.streams.part("entry").random(stepper.n)
    return np.asarray((u < expit(logit)) & ~closed)
