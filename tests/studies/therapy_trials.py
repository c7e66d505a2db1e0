"""Simulated trials with sites and therapists whose truth is known.

Trials come from `outcomes.simulate` with the preset ``psilocybin-trd``, some of its
parameters replaced. Everything here was settled before the study was first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd

from outcomes.simulate.course import Conditions, Course
from outcomes.simulate.ideal import everybody, sample
from outcomes.simulate.preset import Preset, load_preset
from outcomes.simulate.streams import Streams
from outcomes.simulate.trial import build_trial

SEED: Final = 506_000
ARM, CONTROL = "PSI25", "PSI1"
PRIMARY, LAST = "WEEK3", "WEEK12"
VISITS: Final = ("DAY2", "WEEK1", "WEEK3", "WEEK6", "WEEK9", "WEEK12")
# Up to the primary visit nobody relapses or is rescued.
EARLY: Final = VISITS[:3]
REMISSION: Final = 10
"""Highest MADRS total of a remission."""

# People taken through every arm for the truth, in batches.
BATCHES, PER_BATCH = 40, 25_000

NOBODY_LEAVES: Final = {
    "intercept": dict.fromkeys(("PSI25", "PSI10", "PSI1"), -50.0),
    "not_done": 0.0,
}
# Sites of whole blocks, so that arms come out equal.
LARGE_SITES: Final = (30, 24, *(18,) * 3, *(12,) * 7, *(6,) * 10)
COPIES: Final = 4


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the trials of one part of the study differ from the preset.

    Attributes
    ----------
    name : str
        In tables.
    key : str
        In files.
    site_sd, therapist_sd : float
        Of the latent change.
    stays : bool
        Whether nobody leaves and no interview is missed.
    even : bool
        Whether subjects of all arms vary alike, and normally.
    large : bool
        Whether there are 88 sites and 1,008 subjects.
    n_trials : int
        How many.
    intervals : bool
        Whether profile intervals of standard deviations are computed.
    yes_no : bool
        Whether models of remission are fitted.
    further : bool
        Whether methods are fitted that are only there to be compared with.
    """

    name: str
    key: str
    site_sd: float = 4.0
    therapist_sd: float = 4.0
    stays: bool = False
    even: bool = False
    large: bool = False
    n_trials: int = 500
    intervals: bool = True
    yes_no: bool = True
    further: bool = False


SCENARIOS: Final = (
    Scenario("as it happens", "trial", further=True),
    Scenario("nobody leaves", "complete", stays=True, n_trials=100, intervals=False),
    Scenario(
        "nobody leaves, arms vary alike", "even", stays=True, even=True, n_trials=150
    ),
    Scenario("88 sites", "large", large=True, n_trials=60, intervals=False),
    Scenario(
        "no effect of site or therapist",
        "neither",
        site_sd=0.0,
        therapist_sd=0.0,
        intervals=False,
        yes_no=False,
    ),
)


@cache
def preset_of(scenario: Scenario) -> Preset:
    """Return the preset with the scenario's parameters."""
    raw = load_preset("psilocybin-trd").model_dump(mode="json")
    raw["course"] |= {
        "site_sd": scenario.site_sd,
        "therapist_sd": scenario.therapist_sd,
    }
    raw["conduct"]["wrong_arm"] = None
    if scenario.stays:
        raw["dropout"] |= NOBODY_LEAVES
    if scenario.even:
        arms = [arm["id"] for arm in raw["arms"]]
        raw["course"] |= {"heterogeneity_sd": dict.fromkeys(arms, 10.0)}
        raw["course"] |= {"skewness": 0.0}
        raw["experience"] |= {
            "openness_outcome": dict.fromkeys(arms, -3.0),
            "scale": dict.fromkeys(arms, 1.0),
        }
    if scenario.large:
        _enlarge(raw)
    return Preset.model_validate(raw)


def _enlarge(raw: dict[str, Any]) -> None:
    """Give a preset four times as many sites."""
    sizes = LARGE_SITES * COPIES
    region = raw["sites"][0]["region"]
    raw["sites"] = [
        {"id": f"{k:02d}", "n": n, "region": region} for k, n in enumerate(sizes, 1)
    ]
    for arm in raw["arms"]:
        arm["n"] = sum(sizes) // len(raw["arms"])


def simulate_trial(scenario: Scenario, index: int, seed: int = SEED) -> pd.DataFrame:
    """Simulate one trial.

    Parameters
    ----------
    scenario : Scenario
        Which population.
    index : int
        Number of the trial, from 0; trials of one number in different scenarios share
        their random numbers as far as they have the same use for them.
    seed : int
        Of the study; that of the trial is the sum of both.

    Returns
    -------
    pandas.DataFrame
        ``subject arm visit base site ther1 ther2 change remission``, one row per
        interview done.
    """
    preset = preset_of(scenario)
    trial = build_trial(preset, seed + index)
    row, visit = np.nonzero(trial.course.done[:, 1:])
    total = trial.course.total
    site = np.array([s.id for s in preset.sites])[trial.cohort.site]
    pair = [
        np.array([f"{s}-{k}" for s, k in zip(site, numbers, strict=True)])
        for numbers in trial.cohort.therapists.T
    ]
    score = total[row, visit + 1]
    arms = preset.arm_ids[::-1]  # control first
    return pd.DataFrame(
        {
            "subject": row,
            "arm": pd.Categorical.from_codes(
                len(arms) - 1 - trial.cohort.planned[row], arms
            ),
            "visit": pd.Categorical.from_codes(visit, list(VISITS), ordered=True),
            "base": total[row, 0].astype(float),
            "site": site[row],
            "ther1": pair[0][row],
            "ther2": pair[1][row],
            "change": (score - total[row, 0]).astype(float),
            "remission": (score <= REMISSION).astype(int),
        }
    )


def find_truth(
    scenario: Scenario, *, batches: int = BATCHES, per_batch: int = PER_BATCH
) -> dict[str, tuple[float, float]]:
    """Find what an endless trial of a scenario would find, and its Monte Carlo error.

    Eligible people are taken through every arm, the same people through each, and
    everybody is followed up; rescue medication is taken as it happens.

    Returns
    -------
    dict
        Quantity to value and standard error: ``difference`` of mean change at the
        primary visit; ``site_sd`` and ``therapist_sd``, of the observed change, mean of
        arms and visits up to the primary; ``risk_WEEK3_PSI25`` and so on;
        ``rd_WEEK3``, ``rd_WEEK12``; ``or_WEEK3``, the marginal odds ratio.
    """
    preset = preset_of(scenario)
    each = []
    for batch in range(batches):
        streams = Streams(SEED).branch(f"truth {batch}")
        people = sample(preset, streams, per_batch)
        courses = everybody(preset, streams, people, Conditions(dropout=False))
        # The same stream as `everybody`: what the teams of these people were.
        own = np.hypot(preset.course.site_sd, preset.course.therapist_sd / np.sqrt(2.0))
        team = own * streams.part("team").standard_normal(per_batch)
        each.append(_moments(courses, team, preset))
    found = {
        name: np.array([moments[name] for moments in each], dtype=float)
        for name in each[0]
    }
    return {
        name: (float(values.mean()), float(values.std(ddof=1) / np.sqrt(batches)))
        for name, values in found.items()
    }


def _moments(
    courses: Mapping[str, Course], team: np.ndarray, preset: Preset
) -> dict[str, float]:
    """Quantities of one batch of people."""
    at = {visit: 1 + VISITS.index(visit) for visit in VISITS}
    out: dict[str, float] = {}
    change = {
        arm: course.total - course.total[:, [0]] for arm, course in courses.items()
    }
    mean = {arm: values[:, at[PRIMARY]].mean() for arm, values in change.items()}
    out["difference"] = mean[ARM] - mean[CONTROL]
    seen = _seen_of_team(change, team)
    out["site_sd"] = seen * preset.course.site_sd
    out["therapist_sd"] = seen * preset.course.therapist_sd
    for visit in (PRIMARY, LAST):
        risk = {
            arm: float(np.mean(courses[arm].total[:, at[visit]] <= REMISSION))
            for arm in (ARM, CONTROL)
        }
        out |= {f"risk_{visit}_{arm}": value for arm, value in risk.items()}
        out[f"rd_{visit}"] = risk[ARM] - risk[CONTROL]
        odds = {arm: value / (1.0 - value) for arm, value in risk.items()}
        out[f"or_{visit}"] = odds[ARM] / odds[CONTROL]
    return out


def _seen_of_team(change: Mapping[str, np.ndarray], team: np.ndarray) -> float:
    """Points of observed change per point of latent change by site and therapists.

    Less than one: scores do not fall below zero. It is the slope of change on the
    team's effect, mean of arms and visits up to the primary.
    """
    if not team.any():
        return 0.0
    centred = team - team.mean()
    slopes = [
        centred @ values[:, 1 + VISITS.index(visit)] / (centred @ centred)
        for values in change.values()
        for visit in EARLY
    ]
    return float(np.mean(slopes))
