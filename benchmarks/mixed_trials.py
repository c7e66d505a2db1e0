"""Synthetic trials with a yes/no outcome, for the benchmarks of mixed models."""

from __future__ import annotations

import numpy as np
import pandas as pd

# On the scale of log odds: intercept, baseline, arm, week, and arm by week.
COEFFICIENTS = (-1.2, -0.5, 0.2, 0.15, 0.25)
INTERCEPT_SD, SLOPE_SD, CORRELATION = 1.8, 0.4, -0.2


def yes_no_trial(
    n: int, visits: int, *, slopes: bool = False, seed: int = 2
) -> pd.DataFrame:
    """Simulate a trial of two arms from a mixed logistic model, nobody missing.

    Parameters
    ----------
    n, visits : int
        Subjects and visits.
    slopes : bool
        Whether subjects differ in their slope over weeks, too.
    seed : int
        Of the random numbers.

    Returns
    -------
    pandas.DataFrame
        ``subject arm base week response``; weeks from 0.
    """
    rng = np.random.default_rng(seed)
    base = rng.normal(size=n)
    arm = np.arange(n) % 2
    effect = rng.standard_normal((n, 2))
    rest = np.sqrt(1.0 - CORRELATION**2)
    intercept = INTERCEPT_SD * effect[:, 0]
    slope = SLOPE_SD * (CORRELATION * effect[:, 0] + rest * effect[:, 1])
    week = np.arange(visits, dtype=float)
    fixed = COEFFICIENTS
    eta = (fixed[0] + fixed[1] * base + fixed[2] * arm + intercept)[:, None]
    eta = eta + (fixed[3] + fixed[4] * arm + slopes * slope)[:, None] * week
    response = rng.random((n, visits)) < 1.0 / (1.0 + np.exp(-eta))
    subject = np.repeat(np.arange(n), visits)
    return pd.DataFrame(
        {
            "subject": subject,
            "arm": np.array(["placebo", "active"])[arm[subject]],
            "base": base[subject],
            "week": np.tile(week, n),
            "response": response.ravel().astype(int),
        }
    )
