"""Subject-level raw file: everyone who consented, with who they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

import numpy as np

from outcomes.simulate.scores import IntArray
from outcomes.simulate.steps import expit
from outcomes.simulate.trial import Row, Table, Trial

PRIOR_USE_OPENNESS = 0.7
"""Log odds of prior use per standard deviation of openness."""
RECENCY = ("MORE THAN 10 YEARS AGO", "1 TO 10 YEARS AGO", "WITHIN 1 YEAR")
RECENCY_SHARES = (0.45, 0.45, 0.10)

Key = TypeVar("Key", bound=str)


def pick_level(shares: Mapping[Key, float], u: float) -> Key:
    """Return the level of a categorical distribution at a uniform number."""
    levels = list(shares)
    edges = np.cumsum(list(shares.values()))
    place = int(np.searchsorted(edges, u * edges[-1], side="right"))
    return levels[min(place, len(levels) - 1)]


def subject_table(trial: Trial, expectancy: IntArray) -> Table:
    """Return the raw file of subjects, screen failures included."""
    par = trial.preset.people
    header = (
        "subject_id",
        "site",
        "region",
        "arm",
        "actual_arm",
        "stratum",
        "consent_date",
        "randomised_date",
        "age",
        "sex",
        "race",
        "ethnicity",
        par.prior_use_column,
        "prior_use_recency",
        *par.flags,
        *par.counts,
        "expectancy_positive",
        "expectancy_negative",
        "lead_therapist",
    )
    place = {s: k for k, s in enumerate(trial.cohort.subject_id)}
    who = _Draws(trial)
    rows: list[Row] = []
    for row, subject in enumerate(trial.recruits.subject_id):
        start = _randomisation(trial, row, place.get(subject))
        ends: Row = ["", "", ""]
        if subject in place:
            own = place[subject]
            sets = expectancy[own, 0]
            ends = [f"{sets[k::2].sum() / 3:.2f}" for k in (0, 1)]
            ends.append(trial.therapist(own, 0))
        rows.append([subject, *start, *who.describe(row), *ends])
    return Table(header, rows)


def _randomisation(trial: Trial, row: int, place: int | None) -> Row:
    """Return site, region, arms, stratum and dates; failures have no arm."""
    preset, recruits = trial.preset, trial.recruits
    site = preset.sites[int(recruits.site[row])]
    consent = trial.cohort.start + timedelta(days=int(recruits.consented[row]))
    if place is None:
        arms: Row = ["SCRNFAIL", "", "", consent.isoformat(), ""]
    else:
        stratum = f"SITE {site.id}" if preset.conduct.strata == "site" else site.region
        randomised = trial.iso(place, trial.cohort.days["BASELINE"][place])
        planned, actual = (
            preset.arm_ids[int(a[place])]
            for a in (trial.cohort.planned, trial.cohort.actual)
        )
        arms = [planned, actual, stratum, consent.isoformat(), randomised]
    return [site.id, site.region, *arms]


class _Draws:
    """Demographic draws of everyone who consented, one stream per kind."""

    def __init__(self, trial: Trial) -> None:
        self.par = trial.preset.people
        n = len(trial.recruits.subject_id)
        part = trial.streams.part
        mean, sd, low, high = self.par.age
        age = np.floor(mean + sd * part("age").standard_normal(n) + 0.5)
        self.age = np.clip(age, low, high).astype(np.int64)
        self.u = part("demographics").random((n, 3))
        odds = np.log(self.par.prior_use / (1.0 - self.par.prior_use))
        self.used = expit(odds + PRIOR_USE_OPENNESS * trial.recruits.people.openness)
        self.history = part("prior use").random((n, 2))
        self.flags = part("flags").random((n, len(self.par.flags)))
        self.counts = part("counts").random((n, len(self.par.counts)))

    def describe(self, row: int) -> Row:
        """Return age, sex, race, ethnicity, prior use, flags and counts."""
        u = self.u[row]
        used = self.history[row, 0] < self.used[row]
        shares = dict(zip(RECENCY, RECENCY_SHARES, strict=True))
        hispanic = u[2] < self.par.hispanic
        return [
            int(self.age[row]),
            "F" if u[0] < self.par.female else "M",
            pick_level(self.par.race, u[1]),
            "HISPANIC OR LATINO" if hispanic else "NOT HISPANIC OR LATINO",
            "Y" if used else "N",
            pick_level(shares, self.history[row, 1]) if used else "NEVER",
            *(
                "Y" if luck < share else "N"
                for luck, share in zip(
                    self.flags[row], self.par.flags.values(), strict=True
                )
            ),
            *(
                int(pick_level(shares, luck))
                for luck, shares in zip(
                    self.counts[row], self.par.counts.values(), strict=True
                )
            ),
        ]
