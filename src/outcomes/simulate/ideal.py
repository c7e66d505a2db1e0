"""The true effects as they can be observed: every subject under every arm.

Scores are bounded, rounded and made of items, so the latent parameters of a preset
are not quite what a perfect trial would find. A large sample of the same population
is therefore taken through every arm, with everybody followed up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from outcomes.simulate.course import Conditions, Course, run_course
from outcomes.simulate.people import Candidates, draw_candidates, draw_raters
from outcomes.simulate.preset import Preset
from outcomes.simulate.schedule import draw_schedule
from outcomes.simulate.scores import (
    IntArray,
    complete_experience,
    experience_items,
    meets_symptoms,
    spread,
)
from outcomes.simulate.steps import BoolArray
from outcomes.simulate.streams import Streams

SUBJECTS = 20_000
RATERS = 2_000


def sample(preset: Preset, streams: Streams, n: int) -> Candidates:
    """Return ``n`` eligible people of the population a trial recruits from."""
    raters = draw_raters(preset, streams, RATERS)
    rng = streams.part("calendar")
    chosen: list[Candidates] = []
    found = 0
    for batch in range(50):
        day = rng.integers(0, preset.conduct.enrolment_days, n)
        people = draw_candidates(preset, streams.branch(f"batch {batch}"), day, raters)
        people = people.take(np.flatnonzero(people.eligible))
        chosen.append(people)
        found += len(people.severity)
        if found >= n:
            break
    fields = {
        name: np.concatenate([getattr(p, name) for p in chosen])[:n]
        for name in Candidates.__slots__
    }
    return Candidates(**fields)


def everybody(
    preset: Preset, streams: Streams, people: Candidates, conditions: Conditions
) -> dict[str, Course]:
    """Take the same people through every arm."""
    n = len(people.severity)
    raters = draw_raters(preset, streams, RATERS)
    days = draw_schedule(preset, streams, n)
    par = preset.course
    sd = np.hypot(par.site_sd, par.therapist_sd / np.sqrt(2.0))
    shares = np.array([s.n for s in preset.sites], dtype=np.float64)
    site = streams.part("site").choice(len(shares), n, p=shares / shares.sum())
    team = sd * streams.part("team").standard_normal(n)
    return {
        arm: run_course(
            preset,
            people,
            np.full(n, number, dtype=np.int64),
            team=team,
            site=site,
            days=days,
            dosed_on=people.screened + 28,
            raters=raters,
            streams=streams,
            conditions=conditions,
        )
        for number, arm in enumerate(preset.arm_ids)
    }


def _round(value: float) -> float:
    """Round for the truth file."""
    return round(float(value), 3)


def _items(
    preset: Preset, streams: Streams, people: Candidates, total: IntArray
) -> IntArray:
    """Spread totals of these people over items."""
    noise = streams.part("ideal items").standard_normal(people.trait.shape)
    propensity = people.trait + preset.items.noise_sd * noise
    return spread(total, propensity, preset.maximum[1])


def endpoints(
    preset: Preset, streams: Streams, people: Candidates, course: Course
) -> dict[str, float]:
    """Return the true rates of the yes/no endpoints at the primary visit, percent."""
    column = 1 + [v.id for v in preset.assessments].index(preset.course.primary)
    base, last = course.total[:, 0], course.total[:, column]
    if preset.instrument == "CAPS5":
        lost = ~meets_symptoms(_items(preset, streams, people, last))
        rates: dict[str, BoolArray] = {
            "response": base - last >= 10,
            "loss_of_diagnosis": lost,
            "remission": np.asarray(lost & (last <= 11)),
        }
    else:
        halved = 2 * course.total[:, 1:] <= base[:, None]
        rates = {
            "response": halved[:, column - 1],
            "remission": last <= 10,
            "sustained_response": np.asarray(halved[:, column - 1 :].all(axis=1)),
        }
    return {
        name: _round(float(100.0 * np.mean(value))) for name, value in rates.items()
    }


def describe(
    preset: Preset, streams: Streams, people: Candidates, course: Course
) -> dict[str, Any]:
    """Return what a perfect trial would find in one arm."""
    change = course.total[:, 1:] - course.total[:, [0]]
    column = [v.id for v in preset.assessments].index(preset.course.primary)
    base = course.total[:, 0].astype(np.float64)
    outcome = change[:, column].astype(np.float64)
    slope = np.cov(base, outcome)[0, 1] / np.var(base, ddof=1)
    residual = outcome - slope * base
    percent = course.experience[:, 0]
    items = experience_items(
        percent,
        preset.experience.factor_sd,
        preset.experience.item_sd,
        streams.part("ideal experience items"),
    )
    return {
        "baseline_mean": _round(base.mean()),
        "baseline_sd": _round(base.std(ddof=1)),
        "change_mean": {
            v.id: _round(change[:, k].mean()) for k, v in enumerate(preset.assessments)
        },
        "change_sd": {
            v.id: _round(change[:, k].std(ddof=1))
            for k, v in enumerate(preset.assessments)
        },
        "residual_sd_primary": _round(residual.std(ddof=1)),
        "baseline_slope_primary": _round(slope),
        "rates_percent_primary": endpoints(preset, streams, people, course),
        "experience_mean_percent": _round(percent.mean()),
        "experience_sd_percent": _round(percent.std(ddof=1)),
        "complete_experience_percent": _round(
            100.0 * complete_experience(items).mean()
        ),
        "experience_change_correlation": _round(np.corrcoef(percent, outcome)[0, 1]),
        "experience_change_partial_correlation": _round(
            np.corrcoef(percent, residual)[0, 1]
        ),
    }
