"""Synthetic trials of any size for the benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd

SITES = 3
# Of leaving for good before each visit but the first, and of missing a single one.
DROPOUT, GAPS = 0.03, 0.03


def large_trial(
    n: int,
    visits: int,
    *,
    masks: np.ndarray | None = None,
    individual: bool = False,
    seed: int = 1,
) -> pd.DataFrame:
    """Simulate a parallel trial of two arms; missing records are absent rows.

    Parameters
    ----------
    n, visits : int
        Subjects and planned visits.
    masks : array of bool, shape (patterns, visits), optional
        The visits that are attended, given to one subject of each arm in turn; by
        default some leave and some miss visits, at random.
    individual : bool
        Whether to add ``weight`` and ``day``, each subject's own day of each visit.
    seed : int
        Of the random numbers.

    Returns
    -------
    pandas.DataFrame
        ``subject arm site base week change``, and what ``individual`` adds.
    """
    rng = np.random.default_rng(seed)
    distance = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    sd = np.linspace(4.0, 7.0, visits)
    root = np.linalg.cholesky(0.6**distance * np.outer(sd, sd) + 4.0)
    base = rng.normal(30.0, 5.0, size=n)
    arm = np.arange(n) % 2
    change = rng.standard_normal((n, visits)) @ root.T
    change -= 2.0 + 0.3 * (base - 30.0)[:, None]
    change -= arm[:, None] * np.linspace(1.0, 4.0, visits)
    if masks is None:
        stays = rng.random((n, visits)) > DROPOUT
        stays[:, 0] = True
        stays = np.logical_and.accumulate(stays, axis=1)
        stays &= rng.random((n, visits)) > GAPS
    else:
        stays = masks[np.arange(n) // 2 % len(masks)]  # both arms have every pattern
    subject, visit = np.nonzero(stays)
    site = rng.integers(SITES, size=n)
    data = pd.DataFrame(
        {
            "subject": subject,
            "arm": np.array(["placebo", "active"])[arm[subject]],
            "site": np.array([f"S{i}" for i in range(SITES)])[site[subject]],
            "base": base[subject],
            "week": visit + 1,
            "change": change[subject, visit],
        }
    )
    if individual:
        data["weight"] = rng.uniform(0.5, 2.0, size=len(data))
        data["day"] = 7.0 * data["week"] + rng.uniform(-2.0, 2.0, size=len(data))
    return data


def first_patterns(count: int, visits: int) -> np.ndarray:
    """Choose patterns of attended visits, the most complete first.

    Parameters
    ----------
    count : int
        How many, at most ``2**visits - 1``.
    visits : int
        Planned visits.

    Returns
    -------
    array of bool, shape (count, visits)
    """
    codes = np.arange(1, 2**visits)
    masks = (codes[:, None] >> np.arange(visits)) % 2 == 1
    order = np.argsort(-masks.sum(axis=1), kind="stable")
    return np.asarray(masks[order[:count]])
