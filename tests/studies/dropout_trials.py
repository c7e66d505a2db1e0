"""Simulated two-arm trials with dropout that is missing at random.

The design of the size study. Everything here was settled before the study was first
run: the seed, the model, how subjects leave. Each trial has a stream of random numbers
of its own, so any of them can be made again alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

SEED: Final = 404_025
N_TRIALS: Final = 10_000
PER_ARM: Final = 20
ARMS: Final = ("control", "active")
VISITS: Final = (1, 2, 3, 4)

# A total score at baseline, and its change at each visit: lower is better.
BASE_MEAN, BASE_SD = 30.0, 5.0
CHANGE = np.array([-4.0, -6.0, -7.0, -8.0])
SLOPE = np.array([-0.20, -0.30, -0.35, -0.40])
RESIDUAL_SD = np.array([6.0, 8.0, 9.5, 10.0])
# No pattern: neither equal, nor falling with the distance at one rate.
CORRELATION = np.array(
    [
        [1.00, 0.72, 0.55, 0.50],
        [0.72, 1.00, 0.78, 0.62],
        [0.55, 0.78, 1.00, 0.81],
        [0.50, 0.62, 0.81, 1.00],
    ]
)
# Log odds of leaving between one visit and the next for a subject whose last change
# was average; one standard deviation worse doubles the odds. 25 % have left by the
# last visit (found from 4,000,000 simulated subjects: 25.00 %).
LEAVING, LEAVING_PER_SD = -2.452, float(np.log(2.0))


def simulate_trial(index: int, seed: int = SEED) -> pd.DataFrame:
    """Simulate one trial without any treatment effect.

    Parameters
    ----------
    index : int
        Number of the trial, from 0.
    seed : int
        Of the study.

    Returns
    -------
    pandas.DataFrame
        ``subject arm base visit change``, one row per visit attended; a subject who
        has left has no further row.
    """
    stream = np.random.SeedSequence(seed, spawn_key=(index,))
    rng = np.random.default_rng(stream)
    n, K = PER_ARM * len(ARMS), len(VISITS)
    centred = rng.normal(0.0, BASE_SD, size=n)
    sigma = CORRELATION * np.outer(RESIDUAL_SD, RESIDUAL_SD)
    residual = rng.standard_normal((n, K)) @ np.linalg.cholesky(sigma).T
    departure = centred[:, None] * SLOPE + residual
    stays = _attend(departure, rng.random((n, K - 1)))
    subject, visit = np.nonzero(stays)
    return pd.DataFrame(
        {
            "subject": subject,
            "arm": pd.Categorical.from_codes(subject // PER_ARM, list(ARMS)),
            "base": BASE_MEAN + centred[subject],
            "visit": np.array(VISITS)[visit],
            "change": (CHANGE + departure)[subject, visit],
        }
    )


def _attend(departure: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Tell who attends which visit, shape (n, K); who has left stays away."""
    sd = np.sqrt(RESIDUAL_SD**2 + (SLOPE * BASE_SD) ** 2)
    worse = (departure / sd)[:, :-1]
    hazard = 1.0 / (1.0 + np.exp(-(LEAVING + LEAVING_PER_SD * worse)))
    attends = np.ones(departure.shape, dtype=bool)
    attends[:, 1:] = np.logical_and.accumulate(uniform > hazard, axis=1)
    return attends
