"""Covariance of the coefficients of a Cox model, and tests of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from outcomes.models.options import FloatArray, IntArray
from outcomes.models.survival.cox_ascent import Ascent
from outcomes.models.survival.cox_likelihood import Hazards, score_residuals
from outcomes.models.survival.cox_results import ChiSquare
from outcomes.models.survival.cox_risk_sets import RiskSets

# Reciprocal condition of a covariance below which its inverse is rounding.
SINGULAR: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Tests:
    """Covariances, in the columns of an `Ascent`, and tests of all coefficients."""

    model: FloatArray
    used: FloatArray
    likelihood_ratio: ChiSquare
    wald: ChiSquare
    score: ChiSquare
    robust_score: ChiSquare | None


def make_tests(ascent: Ascent, unit: IntArray | None) -> Tests:
    """Compute covariances and tests.

    Parameters
    ----------
    ascent : Ascent
        The maximum.
    unit : IntArray, shape (all records,), optional
        Cluster of each record; None for no sandwich.
    """
    peak, within, start = ascent.peak, ascent.within, ascent.start
    model = used = invert(peak.information, within)
    robust_score = None
    if unit is not None:
        influence = _by_cluster(ascent.risk, ascent.Q, peak.at, unit) @ model
        used = influence.T @ influence
        null = _by_cluster(start.risk, start.Q, start.at, unit)
        robust_score = chi_square(null.sum(axis=0), null.T @ null)
    p = len(peak.gamma)
    gain = 2.0 * (peak.at.loglik - start.at.loglik)
    wald = ChiSquare(np.nan, p, np.nan)
    if ascent.runaway is None:
        wald = chi_square(peak.gamma, used)
    return Tests(
        model=model,
        used=used,
        likelihood_ratio=_with_p(max(gain, 0.0), p),
        wald=wald,
        score=chi_square(start.score, start.information),
        robust_score=robust_score,
    )


def _by_cluster(
    risk: RiskSets, Q: FloatArray, at: Hazards, unit: IntArray
) -> FloatArray:
    """Sum the weighted score residuals of each cluster; (clusters, p)."""
    residuals = score_residuals(risk, Q, at) * risk.weights[:, None]
    n = int(unit.max()) + 1
    unit = unit[risk.rows]
    sums = [np.bincount(unit, residuals[:, j], n) for j in range(Q.shape[1])]
    return np.column_stack(sums) if sums else np.zeros((n, 0))


def invert(matrix: FloatArray, within: FloatArray) -> FloatArray:
    """Invert an information along the directions that have a maximum."""
    inner = within.T @ matrix @ within
    try:
        half = np.linalg.solve(np.linalg.cholesky(inner), within.T)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)
    return np.asarray(half.T @ half)


def chi_square(vector: FloatArray, matrix: FloatArray) -> ChiSquare:
    """Test that a vector with some covariance is zero; NaN if that is singular."""
    p = len(vector)
    values = np.linalg.eigvalsh(matrix) if p and np.isfinite(matrix).all() else None
    if values is None or not values[0] > SINGULAR * values[-1]:
        return ChiSquare(np.nan, p, np.nan)
    return _with_p(float(vector @ np.linalg.solve(matrix, vector)), p)


def _with_p(statistic: float, df: int) -> ChiSquare:
    from scipy.special import chdtrc

    p_value = float(chdtrc(df, statistic)) if df else np.nan
    return ChiSquare(statistic, df, p_value)
