"""How a `GeeFit` answers for a linear combination of its coefficients."""

from __future__ import annotations

from typing import Final

import numpy as np

from outcomes.models.gee.results import GeeFit
from outcomes.models.gee.run_off import touched_by
from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.options import FloatArray

# Eigenvalue of the covariance of rows, as a share of the largest, that is rounding.
SINGULAR: Final = 1e-10
# Variance of a row, as a share of its variance under the model, that is rounding.
NO_VARIANCE: Final = 1e-14
RUN_OFF: Final = "these rows include a coefficient that has run off to infinity"
UNKNOWN: Final = "the covariance of the coefficients is not known"
TOO_FEW: Final = (
    "the sandwich covariance of these rows is singular: too few subjects for so many"
    " rows; test fewer, or use vcov='model'"
)
NO_DF: Final = "no degrees of freedom are left: too few subjects for the coefficients"


def _df(fit: GeeFit) -> float:
    if fit.df_method == "asymptotic":
        return np.inf
    left = fit.n_subjects - len(fit.beta)
    return float(left) if left > 0 else np.nan


@evaluate_rows.register
def _(fit: GeeFit, L: FloatArray) -> RowInference:
    variance = np.einsum("rp,pq,rq->r", L, fit.cov_inference, L)
    model = np.einsum("rp,pq,rq->r", L, fit.cov_model, L)
    known = variance > NO_VARIANCE * model
    known &= ~touched_by(L, fit.to_columns, fit.run_off)
    std_error = np.sqrt(np.where(known, variance, np.nan))
    return RowInference(L @ fit.beta, std_error, np.full(len(L), _df(fit)))


@evaluate_jointly.register
def _(fit: GeeFit, L: FloatArray) -> JointTest:
    reason = _obstacle(fit, L)
    if reason:
        return JointTest(np.nan, len(L), np.nan, reason)
    difference = L @ fit.beta
    middle = np.linalg.solve(L @ fit.cov_inference @ L.T, difference)
    return JointTest(float(difference @ middle) / len(L), len(L), _df(fit))


def _obstacle(fit: GeeFit, L: FloatArray) -> str:
    """Say why rows have no joint test, or nothing."""
    if not np.isfinite(fit.cov_inference).all():
        return UNKNOWN
    if touched_by(L, fit.to_columns, fit.run_off).any():
        return RUN_OFF
    size = np.sqrt(np.einsum("rp,pq,rq->r", L, fit.cov_model, L))
    scaled = (L @ fit.cov_inference @ L.T) / size[:, None] / size
    values = np.linalg.eigvalsh(scaled)
    if not values[0] > SINGULAR * values[-1]:
        return TOO_FEW
    return "" if np.isfinite(_df(fit)) or fit.df_method == "asymptotic" else NO_DF
