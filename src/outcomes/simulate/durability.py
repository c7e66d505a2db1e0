"""True times to the events of a study file, and what estimates of them tend to.

The rules are those of the study file that goes with a preset, applied to a large
simulated population. Nothing here uses the estimators that are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from outcomes.errors import SpecError
from outcomes.simulate.course import Conditions, Course
from outcomes.simulate.ideal import everybody
from outcomes.simulate.people import Candidates
from outcomes.simulate.preset import Preset, study_template
from outcomes.simulate.safety import serious_days
from outcomes.simulate.schedule import Schedule, draw_schedule
from outcomes.simulate.scores import FloatArray, IntArray
from outcomes.simulate.steps import NEVER, BoolArray
from outcomes.simulate.streams import Streams
from outcomes.study.analyses import TimeToEvent
from outcomes.study.endpoints import ResponseEndpoint, ThresholdEndpoint
from outcomes.study.events import (
    AdverseEvent,
    AnyEventRule,
    Criterion,
    Medication,
    TimeToEventEndpoint,
)
from outcomes.study.spec import Study

ORIGINS = ("first-dose", "first-response")


@dataclass(frozen=True, slots=True)
class History:
    """What is recorded of ``n`` subjects after the dose; days are from the dose."""

    base: IntArray
    day: IntArray
    """Day of each assessment, shape (n, visits)."""
    total: IntArray
    seen: BoolArray
    rescued: IntArray
    serious: dict[str, IntArray]
    """Adverse event to the day a serious one starts, or NEVER."""
    end: IntArray
    """Last day of each subject."""


@dataclass(frozen=True, slots=True)
class Times:
    """Time to event: day of origin is 1; ``cause`` 0 censored, 1 event, 2 competing."""

    time: IntArray
    cause: IntArray
    rows: IntArray
    """Subjects with an origin."""


def plan_of(preset: Preset) -> Study:
    """Return the study file of a preset, unchecked against data."""
    text = study_template(preset.id).read_text(encoding="utf-8")
    return Study.model_validate(yaml.safe_load(text))


def declared_days(plan: Study) -> dict[str, list[int]]:
    """Return the days at which analyses state each time-to-event endpoint."""
    days: dict[str, set[int]] = {}
    for analysis in plan.analyses:
        if isinstance(analysis, TimeToEvent):
            name = analysis.endpoint
            if name is None and analysis.estimand is not None:
                name = plan.estimand(analysis.estimand).endpoint
            days.setdefault(str(name), set()).update(analysis.days)
    return {name: sorted(of) for name, of in sorted(days.items())}


def history_of(
    preset: Preset, days: Schedule, course: Course, serious: dict[str, IntArray]
) -> History:
    """Return what a course leaves in the records, follow-up included."""
    visits = [v.id for v in preset.assessments]
    total, seen = course.total[:, 1:], course.done[:, 1:]
    end = np.minimum(course.left, days[visits[-1]])
    if course.later is not None:
        later = [v.id for v in preset.later]
        total = np.concatenate([total, course.later.total], axis=1)
        seen = np.concatenate([seen, course.later.done], axis=1)
        until = np.minimum(course.later.left, days[later[-1]])
        end = np.where(course.later.entered, until, end)
        visits += later
    day = np.stack([days[v] for v in visits], axis=1)
    return History(course.total[:, 0], day, total, seen, course.rescued, serious, end)


def times_of(plan: Study, endpoint: TimeToEventEndpoint, history: History) -> Times:
    """Return the time to an endpoint of each subject with an origin.

    Raises
    ------
    SpecError
        If the endpoint is of a kind for which the simulator states no truth.
    """
    if endpoint.origin not in ORIGINS or endpoint.censoring:
        raise SpecError(f"endpoints: no truth of {endpoint.paramcd} can be stated.")
    origin = np.zeros(len(history.base), dtype=np.int64)
    if endpoint.response is not None and endpoint.origin == "first-response":
        yes = _holds(plan, endpoint.response, history) & history.seen
        origin = np.where(yes, history.day, NEVER).min(axis=1)
    # A first response is itself an assessment: then only those after it count.
    start = origin + (endpoint.origin == "first-response")
    after = history.seen & (history.day >= start[:, None])
    other = _first(plan, endpoint.competing, history, origin, after)
    # What is seen after a competing event confirms nothing.
    before = after & (history.day <= other[:, None])
    first = _first(plan, endpoint.rules, history, origin, before)
    last = np.where(after, history.day, origin[:, None]).max(axis=1)
    if endpoint.settled_censor == "end-of-study":
        last = history.end
    cause = np.where(first <= other, 1, 2)
    day = np.minimum(first, other)
    cause = np.where(day == NEVER, 0, cause)
    rows = np.flatnonzero(origin != NEVER)
    time = np.where(cause > 0, day, last) - origin + 1
    return Times(time[rows], cause[rows], rows)


def _first(
    plan: Study,
    rules: list[AnyEventRule],
    history: History,
    origin: IntArray,
    after: BoolArray,
) -> IntArray:
    """Return the first day, not before the origin, on which one of the rules holds."""
    day = np.full(len(origin), NEVER, dtype=np.int64)
    for rule in rules:
        if isinstance(rule, Criterion):
            found = _criterion(plan, rule, history, after)
        elif isinstance(rule, Medication):
            found = history.rescued
        elif isinstance(rule, AdverseEvent) and rule.serious:
            found = np.full(len(origin), NEVER, dtype=np.int64)
            for term in rule.terms:
                found = np.minimum(found, history.serious.get(term, found))
        else:
            raise SpecError(f"endpoints: no truth of a rule '{rule.kind}' is stated.")
        seen = (found >= origin) & (found <= history.end)
        day = np.where(seen, np.minimum(day, found), day)
    return day


def _criterion(
    plan: Study, rule: Criterion, history: History, after: BoolArray
) -> IntArray:
    """Return the day a yes/no first holds at consecutive assessments."""
    holds = _holds(plan, rule.endpoint, history) == (rule.equals == "Y")
    n = len(holds)
    run, began, last = (np.zeros(n, dtype=np.int64) for _ in range(3))
    day = np.full(n, NEVER, dtype=np.int64)
    low, high = rule.apart or (0, NEVER)
    for column in range(holds.shape[1]):
        today, seen = history.day[:, column], after[:, column]
        gap = today - last
        goes_on = (run > 0) & (gap >= low) & (gap <= high)
        length = np.where(holds[:, column], np.where(goes_on, run + 1, 1), 0)
        run = np.where(seen, length, run)
        began = np.where(seen & (run == 1), today, began)
        last = np.where(seen, today, last)
        dated = began if rule.dated == "first" else today
        met = seen & (run >= rule.assessments) & (day == NEVER)
        day = np.where(met, dated, day)
    return day


def _holds(plan: Study, name: str, history: History) -> BoolArray:
    """Return a yes/no endpoint of the total at each assessment."""
    endpoint, total = plan.endpoints[name], history.total
    base = history.base[:, None]
    if isinstance(endpoint, ResponseEndpoint):
        if endpoint.reduction is not None:
            fall, needed = 100 * (base - total), endpoint.reduction * base
        else:
            fall, needed = base - total, np.full_like(total, endpoint.points or 0)
        return np.asarray(fall > needed if endpoint.strict else fall >= needed)
    if isinstance(endpoint, ThresholdEndpoint):
        low = -np.inf if endpoint.at_least is None else endpoint.at_least
        high = np.inf if endpoint.at_most is None else endpoint.at_most
        return np.asarray((total >= low) & (total <= high))
    raise SpecError(f"endpoints.{name}: no truth of a {endpoint.kind} is stated.")


def incidence(times: Times) -> tuple[IntArray, dict[int, FloatArray]]:
    """Return the cumulative incidence of both causes at each time, Aalen-Johansen."""
    at, place = np.unique(times.time, return_inverse=True)
    ends = np.bincount(place)
    risk = ends[::-1].cumsum()[::-1]
    events = {k: np.bincount(place, weights=times.cause == k) for k in (1, 2)}
    free = np.cumprod(1.0 - (events[1] + events[2]) / risk)
    before = np.concatenate([[1.0], free[:-1]])
    return at, {k: np.cumsum(before * of / risk) for k, of in events.items()}


def describe_times(times: Times, n: int, days: list[int]) -> dict[str, Any]:
    """Return survival at the days, or with competing events both incidences.

    A day beyond the last time of anybody has null. The median is that of being free
    of the event and of competing ones.
    """
    at, found = incidence(times)
    free = 1.0 - found[1] - found[2]
    half = np.flatnonzero(free <= 0.5)
    place = np.searchsorted(at, days, side="right") - 1

    def state(curve: FloatArray, start: float) -> dict[str, float | None]:
        return {
            str(day): None
            if day > at[-1]
            else round(float(curve[k]) if k >= 0 else start, 4)
            for day, k in zip(days, place, strict=True)
        }

    content: dict[str, Any] = {
        "at_risk_percent": round(100.0 * len(times.rows) / n, 2),
        "median": int(at[half[0]]) if len(half) else None,
        "event_free": state(free, 1.0),
    }
    if found[2][-1] > 0:
        content["incidence"] = state(found[1], 0.0)
        content["incidence_competing"] = state(found[2], 0.0)
    return content


def durability_truth(
    preset: Preset, streams: Streams, people: Candidates, followed: dict[str, Course]
) -> dict[str, Any]:
    """Return the truth of each time-to-event endpoint of a preset's study file.

    ``truth`` is from ``followed``, in which nobody is lost. ``all_randomised`` and
    ``entered_only`` are what Kaplan-Meier estimates tend to when the same people leave,
    enter and are lost as in the trial, and stand beside it where there is a follow-up.
    """
    plan = plan_of(preset)
    n = len(people.severity)
    days = draw_schedule(preset, streams, n)
    goes = {}
    if preset.follow_up is not None:
        goes = everybody(preset, streams, people, Conditions())
    found: dict[str, Any] = {}
    for name, at in declared_days(plan).items():
        endpoint = plan.endpoints[name]
        if not isinstance(endpoint, TimeToEventEndpoint):
            continue
        found[name] = {}
        for number, arm in enumerate(preset.arm_ids):
            code = np.full(n, number, dtype=np.int64)
            serious = serious_days(preset, streams, code, days)
            true = history_of(preset, days, followed[arm], serious)
            states = {"truth": describe_times(times_of(plan, endpoint, true), n, at)}
            if arm in goes:
                states |= _as_it_goes(plan, endpoint, at, goes[arm], true, preset, days)
            found[name][arm] = states
    return found


def _as_it_goes(
    plan: Study,
    endpoint: TimeToEventEndpoint,
    at: list[int],
    course: Course,
    true: History,
    preset: Preset,
    days: Schedule,
) -> dict[str, Any]:
    """Return what estimates from all randomised, and from who entered, tend to."""
    n = len(true.base)
    times = times_of(plan, endpoint, history_of(preset, days, course, true.serious))
    assert course.later is not None
    inside = course.later.entered[times.rows]
    entered = Times(times.time[inside], times.cause[inside], times.rows[inside])
    return {
        "all_randomised": describe_times(times, n, at),
        "entered_only": describe_times(entered, int(course.later.entered.sum()), at)
        | {"entered_percent": round(100.0 * float(course.later.entered.mean()), 2)},
    }
