"""The partial likelihood of a Cox model: value, score, information.

Equations (1) to (6) of ``docs/methods/cox.md``. Nothing here loops over events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.options import FloatArray
from outcomes.models.survival.cox_risk_sets import RiskSets


@dataclass(frozen=True, slots=True, eq=False)
class Hazards:
    """The sums over risk sets at some linear predictors.

    Attributes
    ----------
    relative : FloatArray, shape (n,)
        Hazard of each record relative to the largest of its piece, without weight.
    top : FloatArray, shape (pieces,)
        The largest linear predictor of each piece.
    loglik : float
        Logarithm of the partial likelihood; minus infinity where it cannot be computed.
    means : FloatArray, shape (s, p)
        Mean of the columns over the risk set, for each factor.
    hazard : FloatArray, shape (s,)
        Increment of the baseline hazard at each factor.
    """

    relative: FloatArray
    top: FloatArray
    loglik: float
    means: FloatArray
    hazard: FloatArray


def cumulate(risk: RiskSets, X: FloatArray, gamma: FloatArray) -> Hazards:
    """Evaluate the partial likelihood and the sums it is made of.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    X : FloatArray, shape (n, p)
        Columns.
    gamma : FloatArray, shape (p,)
        Their coefficients.
    """
    eta = X @ gamma
    top = np.maximum.reduceat(eta, risk.piece_starts)
    eta = eta - top[risk.piece]
    relative = np.exp(eta)
    risks = risk.weights * relative
    at, share = risk.step_at, risk.step_share
    total = risk.at_risk(risks)[at] - share * risk.of_deaths(risks)[at]
    moved = risks[:, None] * X
    sums = risk.at_risk(moved)[at] - share[:, None] * risk.of_deaths(moved)[at]
    dead = risk.dead
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        loglik = float(
            risk.weights[dead] @ eta[dead] - risk.step_weight @ np.log(total)
        )
        means = sums / total[:, None]
        hazard = risk.step_weight / total
    if not (np.isfinite(loglik) and np.all(total > 0.0) and np.isfinite(hazard).all()):
        loglik = -np.inf
    return Hazards(relative, top, loglik, means, hazard)


def scores(risk: RiskSets, X: FloatArray, at: Hazards) -> FloatArray:
    """Observed less expected columns of each event time, weighted; shape (m, p)."""
    observed = risk.of_deaths(risk.weights[:, None] * X)
    return observed - risk.over_steps(risk.step_weight[:, None] * at.means)


def information(
    risk: RiskSets, X: FloatArray, at: Hazards, scale: FloatArray | None = None
) -> FloatArray:
    """Sum the covariance of the columns over the risk sets.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    X : FloatArray, shape (n, p)
        Columns.
    at : Hazards
        From `cumulate`.
    scale : FloatArray, shape (m,), optional
        Factor of each event time.

    Returns
    -------
    FloatArray, shape (p, p)
        With ``scale`` ones, minus the second derivative of the log likelihood.
    """
    each = np.ones(risk.n_times) if scale is None else scale
    each = each[risk.step_at]
    burden = risk.weights * at.relative * exposures(risk, at.hazard * each)
    spread = X.T @ (burden[:, None] * X)
    middle = at.means.T @ ((each * risk.step_weight)[:, None] * at.means)
    out = spread - middle
    return np.asarray((out + out.T) / 2.0)


def exposures(risk: RiskSets, steps: FloatArray) -> FloatArray:
    """Sum increments over the event times at which each record is at risk.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    steps : FloatArray, shape (s,) or (s, p)
        Increment of each factor; a death is exposed to the share it is still part of.

    Returns
    -------
    FloatArray, shape (n,) or (n, p)
    """
    share = risk.step_share.reshape(-1, *([1] * (steps.ndim - 1)))
    grown = risk.cumulate(risk.over_steps(steps))
    before = np.concatenate([np.zeros((1, *steps.shape[1:])), grown[:-1]])
    before[risk.openings] = 0.0
    out = grown[risk.last] - before[risk.first]
    out[risk.dead] -= risk.over_steps(share * steps)[risk.last[risk.dead]]
    return np.asarray(out)


def score_residuals(risk: RiskSets, X: FloatArray, at: Hazards) -> FloatArray:
    """Differentiate the score in the weight of each record.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    X : FloatArray, shape (n, p)
        Columns.
    at : Hazards
        From `cumulate`.

    Returns
    -------
    FloatArray, shape (n, p)
        Their sum, weighted, is the score.
    """
    carried = at.hazard[:, None] * at.means
    out = exposures(risk, carried) - X * exposures(risk, at.hazard)[:, None]
    out *= at.relative[:, None]
    dead = risk.dead
    out[dead] += X[dead] - mean_at_events(risk, at)[risk.last[dead]]
    return np.asarray(out)


def mean_at_events(risk: RiskSets, at: Hazards) -> FloatArray:
    """Mean of the columns over the risk set, averaged over the factors; (m, p)."""
    number = np.diff(np.append(risk.step_starts, len(risk.step_at)))
    return risk.over_steps(at.means) / number[:, None]
