"""``truth.json``: everything that generated a trial, and what it comes to."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcomes.simulate.course import Conditions, Course
from outcomes.simulate.durability import durability_truth
from outcomes.simulate.ideal import SUBJECTS, describe, everybody, sample
from outcomes.simulate.people import Candidates
from outcomes.simulate.preset import SHARES, Preset
from outcomes.simulate.streams import GENERATOR, Streams
from outcomes.simulate.trial import Trial

NAME = "outcomes.simulate"
VERSION = 2
"""Raised whenever the same preset and seed give other bytes."""
EVERYBODY_STAYS = Conditions(dropout=False, selection=False)
WITHOUT_RESCUE = Conditions(dropout=False, rescue=False, follow_up=False)


def truth_of(trial: Trial) -> dict[str, Any]:
    """Return the truth of a trial, ready for JSON; keys: ``docs/simulator.md``."""
    preset = trial.preset
    streams = Streams(trial.streams.seed).branch("ideal")
    people = sample(preset, streams, SUBJECTS)
    followed = everybody(preset, streams, people, EVERYBODY_STAYS)
    return {
        "synthetic": True,
        "study": preset.id,
        "title": preset.title,
        "generator": {
            "name": NAME,
            "version": VERSION,
            "preset": preset.id,
            "preset_version": preset.version,
            "seed": trial.streams.seed,
            "random": GENERATOR,
        },
        "arms": {arm.id: arm.model_dump(mode="json") for arm in preset.arms},
        "primary_visit": preset.course.primary,
        "effects": {
            "targeted_change": preset.course.target,
            "latent_change": preset.course.latent,
            "realised": realised(preset, streams, people, followed),
        },
        "residual_covariance": _covariance(preset),
        "severity": preset.severity.model_dump(mode="json"),
        "course": preset.course.model_dump(mode="json", exclude={"target", "latent"}),
        "items": preset.items.model_dump(mode="json"),
        "experience": _experience(preset),
        "expectancy": {
            "outcome_effect": preset.experience.expectancy_outcome,
            "correlation_with_openness": preset.experience.openness_expectancy,
        },
        "relapse": preset.relapse.model_dump(mode="json") if preset.relapse else None,
        "follow_up": (
            preset.follow_up.model_dump(mode="json") if preset.follow_up else None
        ),
        "time_to_event": durability_truth(preset, streams, people, followed),
        "rescue": preset.rescue.model_dump(mode="json"),
        "dropout": preset.dropout.model_dump(mode="json"),
        "guesses": [guess.model_dump(mode="json") for guess in preset.guesses],
        "adverse_events": {
            "site_reporting_sd": preset.safety.site_reporting_sd,
            "probability_per_session": {
                event.term: event.probability for event in preset.safety.events
            },
        },
        "this_trial": _this_trial(trial),
    }


def realised(
    preset: Preset, streams: Streams, people: Candidates, followed: dict[str, Course]
) -> dict[str, Any]:
    """Return what a perfect trial of this population would find.

    Everybody is followed up; the same people go through every arm. Once as the trial
    treats them (treatment policy: rescue as it happens), once without rescue
    (hypothetical).
    """
    found: dict[str, Any] = {"n_per_arm": len(people.severity)}
    policies = {
        "treatment_policy": followed,
        "without_rescue": everybody(preset, streams, people, WITHOUT_RESCUE),
    }
    control = preset.arms[-1].id
    for policy, courses in policies.items():
        arms = {
            arm: describe(preset, streams, people, course)
            for arm, course in courses.items()
        }
        found[policy] = {
            "arms": arms,
            "difference_to_control": {
                arm: {
                    visit: round(mean - arms[control]["change_mean"][visit], 3)
                    for visit, mean in values["change_mean"].items()
                }
                for arm, values in arms.items()
                if arm != control
            },
        }
    return found


def _covariance(preset: Preset) -> dict[str, Any]:
    """Return the latent residual covariance of the change by arm, target days.

    Given severity at entry: heterogeneity, openness, expectancy and experience grow
    with ``growth``, the fluctuation is autoregressive, measurement and rater add to
    the diagonal; the baseline's own fluctuation and error are not part of it.
    """
    visits, due = [v.id for v in preset.assessments], _due(preset)
    days = np.array([due[v] for v in visits])
    late = [v.hour is not None for v in preset.assessments]
    held = np.array(
        [
            sum(due[d.id] < day + after for d in preset.dosing)
            for day, after in zip(days, late, strict=True)
        ]
    )
    par, road, measure = preset.course, preset.experience, preset.severity
    growth = np.array([par.growth[v] for v in visits])
    gap = np.abs(np.subtract.outer(days, days)) / 7.0
    wobble = par.autoregressive_sd**2 * par.autoregressive_rho_per_week**gap
    error = measure.measurement_sd**2 + measure.rater_sd**2
    causal = SHARES[road.effect] * road.slope_full
    matrices: dict[str, Any] = {}
    for arm in preset.arm_ids:
        scale = road.scale[arm]
        on_openness = road.openness_outcome[arm] + causal * scale * road.openness
        on_expectancy = road.expectancy_outcome + causal * scale * road.expectancy
        shared = (
            par.heterogeneity_sd[arm] ** 2
            + par.site_sd**2
            + par.therapist_sd**2 / 2.0
            + on_openness**2
            + on_expectancy**2
            + 2.0 * road.openness_expectancy * on_openness * on_expectancy
            + (causal * scale * road.person_sd) ** 2
        )
        session = (causal * scale * road.session_sd) ** 2 / np.maximum.outer(held, held)
        matrix = np.outer(growth, growth) * (shared + session) + wobble
        matrix += error * np.eye(len(visits))
        matrices[arm] = np.round(matrix, 3).tolist()
    return {"visits": visits, "by_arm": matrices}


def _due(preset: Preset) -> dict[str, int]:
    """Return the day each visit is due, counted from the first dose."""
    due: dict[str, int] = {}
    for visit in preset.visits:
        due[visit.id] = visit.offset + (due[visit.anchor] if visit.anchor else 0)
    return due


def _experience(preset: Preset) -> dict[str, Any]:
    """Return the two roads from experience to outcome, and how effects divide."""
    road = preset.experience
    causal = SHARES[road.effect] * road.slope_full
    control = preset.arms[-1].id
    column = preset.course.latent[preset.course.primary]
    growth = preset.course.growth[preset.course.primary]
    mean = {arm: float(np.mean(road.mean[arm])) for arm in preset.arm_ids}
    effects = {}
    for arm in preset.arm_ids[:-1]:
        total = column[arm] - column[control]
        indirect = growth * causal * (mean[arm] - mean[control])
        effects[arm] = {
            "total": round(total, 4),
            "indirect": round(indirect, 4),
            "direct": round(total - indirect, 4),
        }
    return road.model_dump(mode="json") | {
        "causal_effect_per_percent": causal,
        "confounding_openness_on_experience": {
            arm: round(road.scale[arm] * road.openness, 4) for arm in preset.arm_ids
        },
        "confounding_openness_on_outcome": road.openness_outcome,
        "latent_mediation_primary": effects,
    }


def _this_trial(trial: Trial) -> dict[str, Any]:
    """Return counts of the trial as it went."""
    cohort, course = trial.cohort, trial.course
    names = trial.preset.arm_ids
    wrong = np.flatnonzero(cohort.planned != cohort.actual)
    stayed = course.attended[:, -1]
    later = course.later
    entered = (
        {}
        if later is None
        else {
            "entered_follow_up": {
                arm: int((later.entered & (cohort.planned == k)).sum())
                for k, arm in enumerate(names)
            },
            "completed_follow_up": {
                arm: int((later.attended[:, -1] & (cohort.planned == k)).sum())
                for k, arm in enumerate(names)
            },
        }
    )
    return {
        "consented": len(trial.recruits.failure),
        "screen_failures": sum(bool(f) for f in trial.recruits.failure),
        "randomised": {
            arm: int((cohort.planned == k).sum()) for k, arm in enumerate(names)
        },
        "not_completed": {
            arm: int((~stayed & (cohort.planned == k)).sum())
            for k, arm in enumerate(names)
        },
        **entered,
        "raters": {
            f"R{k + 1:02d}": {
                "severity": round(float(trial.raters.severity[k]), 4),
                "drift_per_year": round(float(trial.raters.drift[k]), 4),
            }
            for k in range(trial.preset.severity.raters)
        },
        "actual_arm_differs": [
            {
                "subject_id": cohort.subject_id[k],
                "planned": names[int(cohort.planned[k])],
                "actual": names[int(cohort.actual[k])],
            }
            for k in wrong
        ],
    }
