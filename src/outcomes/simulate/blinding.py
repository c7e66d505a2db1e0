"""Expectancy before treatment and guesses of the treatment after it."""

from __future__ import annotations

import numpy as np

from outcomes.simulate.preset import Guess
from outcomes.simulate.scores import FloatArray, IntArray
from outcomes.simulate.steps import by_arm
from outcomes.simulate.trial import Row, Table, Trial

LEVELS = (
    "CONTROL CERTAIN",
    "CONTROL PROBABLE",
    "DO NOT KNOW",
    "ACTIVE PROBABLE",
    "ACTIVE CERTAIN",
)
CUTS = (-1.5, -0.4, 0.4, 1.5)
"""Where the latent guess is cut into the five levels."""
TYPICAL_CHANGE = 13.0
CHANGE_UNIT = 12.0
EXPERIENCE_UNIT = 20.0
"""What the improvement and experience weights of a guess are per unit of."""

SETS_MEAN = (4.9, 2.6)
SETS_LOADING = (0.9, -0.4)
SETS_NOISE = (0.7, 0.8)
SETS_LATER = 0.3
"""SETS items 1-7: mean, loading on expectancy and noise of positive and negative ones,
and how much expectancy moves between the two occasions."""


def draw_expectancy(trial: Trial) -> IntArray:
    """Draw the six SETS items before randomisation and before the first dose.

    Returns
    -------
    IntArray, shape (n, 2, 6)
        Subject, occasion, item; odd items are positive, even ones negative.
    """
    rng = trial.streams.part("expectancy")
    n = trial.n
    moved = SETS_LATER * rng.standard_normal(n)
    noise = rng.standard_normal((n, 2, 6))
    felt = np.stack([trial.cohort.people.expectancy] * 2, axis=1)
    felt[:, 1] += moved
    sign = np.arange(6) % 2
    raw = (
        np.array(SETS_MEAN)[sign]
        + np.array(SETS_LOADING)[sign] * felt[:, :, None]
        + np.array(SETS_NOISE)[sign] * noise
    )
    return np.clip(np.floor(raw + 0.5), 1, 7).astype(np.int64)


def expectancy_table(trial: Trial, items: IntArray) -> Table:
    """Return the raw file of the expectancy scale."""
    header = ("subject_id", "visit", "date", *(f"sets_{k:02d}" for k in range(1, 7)))
    rows: list[Row] = []
    for row, subject in enumerate(trial.cohort.subject_id):
        for occasion, visit in enumerate(("BASELINE", trial.preset.dosing[0].id)):
            day = trial.iso(row, trial.cohort.days[visit][row])
            rows.append([subject, visit, day, *map(int, items[row, occasion])])
    return Table(header, rows)


def guess_table(trial: Trial) -> Table:
    """Return the raw file of treatment guesses."""
    header = (
        "subject_id",
        "visit",
        "date",
        "role",
        "assessor",
        "guess",
        "confidence",
        "reason",
    )
    rows: list[Row] = []
    for guess in trial.preset.guesses:
        rows += _ask(trial, guess)
    return Table(header, sorted(rows, key=lambda r: (r[0], r[2], r[3])))


def _asked(trial: Trial, guess: Guess) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return experience and improvement known at a visit, and who is asked."""
    ids = [v.id for v in trial.preset.assessments]
    day = trial.cohort.days[guess.visit]
    improvement: FloatArray = np.zeros(trial.n)
    if guess.visit in ids:
        column = 1 + ids.index(guess.visit)
        change = trial.course.total[:, column] - trial.course.total[:, 0]
        improvement = np.asarray((-change - TYPICAL_CHANGE) / CHANGE_UNIT)
        rows = np.flatnonzero(trial.course.done[:, column])
    else:
        rows = np.flatnonzero(day <= trial.end)
    mean = np.array([trial.preset.experience.mean[a][0] for a in trial.preset.arm_ids])
    felt = (trial.course.experience[:, 0] - mean[trial.cohort.actual]) / EXPERIENCE_UNIT
    return felt, improvement, rows


def _ask(trial: Trial, guess: Guess) -> list[Row]:
    """Ask one kind of assessor at one visit."""
    rng = trial.streams.part(f"guess {guess.role} {guess.visit}")
    z = rng.standard_normal((2, trial.n))
    u = rng.random(trial.n)
    felt, improvement, asked = _asked(trial, guess)
    latent = (
        by_arm(trial.preset, guess.mean, trial.cohort.actual)
        + guess.experience * felt
        + guess.improvement * improvement
        + guess.sd * z[0]
    )
    level = np.searchsorted(CUTS, latent)
    sure = np.clip(np.floor(25 + 28 * np.abs(latent) + 8 * z[1] + 0.5), 0, 100)
    rows: list[Row] = []
    for row in asked:
        rows.append(
            [
                trial.cohort.subject_id[row],
                guess.visit,
                trial.iso(row, trial.cohort.days[guess.visit][row]),
                guess.role,
                _assessor(trial, guess, int(row)),
                LEVELS[level[row]],
                int(sure[row]),
                _reason(guess, int(level[row]), float(u[row])),
            ]
        )
    return rows


def _assessor(trial: Trial, guess: Guess, row: int) -> str:
    """Return who guesses."""
    if guess.role == "PARTICIPANT":
        return trial.cohort.subject_id[row]
    if guess.role == "THERAPIST":
        return trial.therapist(row, 0)
    column = 1 + [v.id for v in trial.preset.assessments].index(guess.visit)
    return f"R{int(trial.course.rater[row, column]) + 1:02d}"


def _reason(guess: Guess, level: int, u: float) -> str:
    """Return the reason given: more often improvement where it weighed more."""
    if level == 2:
        return ""
    weight = guess.improvement / (guess.improvement + 0.8)
    if u < weight:
        return "IMPROVEMENT" if level > 2 else "NO IMPROVEMENT"
    if u < 0.93:
        if guess.role == "RATER":
            return "BEHAVIOUR IN INTERVIEW"
        return "DRUG EFFECT" if level > 2 else "NO DRUG EFFECT"
    return "OTHER"
