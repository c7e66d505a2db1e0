"""Newton's method for the partial likelihood, which is concave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from outcomes.models.options import FloatArray
from outcomes.models.survival.cox_likelihood import (
    Hazards,
    cumulate,
    information,
    scores,
)
from outcomes.models.survival.cox_risk_sets import RiskSets

MOST_STEPS: Final = 60
MOST_HALVINGS: Final = 40
# Gain still to be had, per event, after which one more step ends at rounding.
NO_GAIN: Final = 1e-18
# So many times that is rounding, if no step gains anything.
ENDED: Final = 1e6
# Information on a direction, as a share of that with all coefficients 0, below which
# the likelihood may have no maximum along it.
FLAT: Final = 1e-6
# Largest difference of linear predictors below which no maximum is out of doubt.
WIDE: Final = 60.0
# Loss of log likelihood, as a share of it, that is rounding.
ROUNDING: Final = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """Where Newton's method ended.

    Attributes
    ----------
    gamma : FloatArray, shape (p,)
        Coefficients.
    at : Hazards
        Sums over risk sets there.
    score : FloatArray, shape (p,)
        First derivatives.
    information : FloatArray, shape (p, p)
        Minus the second derivatives.
    steps : int
        Number of steps.
    settled : bool
        Whether the last step was as small as rounding allows.
    flat : bool
        Whether it stopped for doubt whether there is a maximum: hardly any information
        left on a direction, or linear predictors far apart.
    """

    gamma: FloatArray
    at: Hazards
    score: FloatArray
    information: FloatArray
    steps: int
    settled: bool
    flat: bool


def climb(
    risk: RiskSets,
    X: FloatArray,
    start: FloatArray,
    *,
    within: FloatArray | None = None,
    reference: FloatArray | None = None,
) -> Peak:
    """Maximise the partial likelihood.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    X : FloatArray, shape (n, p)
        Columns, about orthogonal.
    start : FloatArray, shape (p,)
        Where to begin.
    within : FloatArray, shape (p, q), optional
        Orthonormal directions to stay within; all by default.
    reference : FloatArray, shape (p, p), optional
        Information with all coefficients 0; if given, the search stops where it is in
        doubt that there is a maximum.
    """
    basis = np.eye(X.shape[1]) if within is None else within
    enough = NO_GAIN * float(risk.step_weight.sum())
    gamma, at = start, cumulate(risk, X, start)
    settled = flat = False
    steps = 0
    while True:
        score = scores(risk, X, at).sum(axis=0)
        matrix = information(risk, X, at)
        if settled or steps == MOST_STEPS or not basis.shape[1]:
            break
        flat = reference is not None and (
            float(np.ptp(X @ gamma)) > WIDE or least_share(matrix, reference) < FLAT
        )
        if flat:
            break
        step = _solve(basis.T @ matrix @ basis, basis.T @ score)
        gain = float(step @ (basis.T @ score))
        move, after = _move(risk, X, gamma, basis @ step, at)
        if move is None:  # nothing but rounding is left, or nothing can be computed
            settled = gain <= ENDED * enough
            break
        settled = gain <= enough
        gamma, at = move, after
        steps += 1
    done = settled or not basis.shape[1]
    return Peak(gamma, at, score, matrix, steps, done, flat)


def least_share(matrix: FloatArray, reference: FloatArray) -> float:
    """Smallest information along any direction as a share of a reference."""
    try:
        root = np.linalg.cholesky(reference)
    except np.linalg.LinAlgError:
        return 0.0
    half = np.linalg.solve(root, matrix)
    return float(np.linalg.eigvalsh(np.linalg.solve(root, half.T))[0])


def _solve(matrix: FloatArray, score: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.solve(matrix, score))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, score, rcond=None)[0])


def _move(
    risk: RiskSets,
    X: FloatArray,
    gamma: FloatArray,
    step: FloatArray,
    before: Hazards,
) -> tuple[FloatArray | None, Hazards]:
    """Take a step, or a half of it, and so on, until it does not lose."""
    least = before.loglik - ROUNDING * (1.0 + abs(before.loglik))
    for _ in range(MOST_HALVINGS):
        after = cumulate(risk, X, gamma + step)
        if after.loglik >= least:
            return gamma + step, after
        step = step / 2.0
    return None, before
