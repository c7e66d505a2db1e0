"""How an MMRM answers for a linear combination of its coefficients."""

from __future__ import annotations

import numpy as np

from outcomes.models import satterthwaite, scaled_f
from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.mmrm import between_within
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import FloatArray

# Eigenvalue of the covariance of rows, as a share of the largest, that is rounding.
SINGULAR = 1e-10
# Variance of a row under the sandwich, as a share of its variance under the model, that
# is rounding: subjects who settle a coefficient alone have no residual.
NO_VARIANCE = 1e-14
TOO_FEW = (
    "the sandwich covariance of these rows is singular: too few subjects for so many"
    " rows; test fewer, or use vcov='model'"
)
NO_DF = "no degrees of freedom are left: too few subjects for the coefficients"


def _is_singular(fit: MmrmFit, L: FloatArray) -> bool:
    """Tell whether the sandwich covariance of rows has no inverse."""
    size = np.sqrt(np.einsum("rp,pq,rq->r", L, fit.cov_model, L))
    scaled = (L @ fit.cov_inference @ L.T) / size[:, None] / size
    values = np.linalg.eigvalsh(scaled)
    return not values[0] > SINGULAR * values[-1]


def _row_df(fit: MmrmFit, L: FloatArray) -> FloatArray:
    if fit.df_method == "asymptotic":
        return np.full(len(L), np.inf)
    if fit.df_method == "residual":
        return np.full(len(L), float(fit.n_records - len(fit.beta)))
    if fit.df_method == "between-within":
        return between_within.row_df(
            L,
            X=fit.design.X[:, ~fit.aliased_mask],
            columns=fit.estimated_terms,
            subject=fit.records.subject,
        )
    if fit.sandwich is not None:
        return fit.sandwich.row_df(L @ fit.to_columns)
    # One row: Kenward-Roger's degrees of freedom are Satterthwaite's.
    return satterthwaite.row_df(
        L, cov_beta=fit.cov_model, jacobian=fit.jacobian, cov_theta=fit.cov_theta
    )


@evaluate_rows.register
def _(fit: MmrmFit, L: FloatArray) -> RowInference:
    variance = np.einsum("rp,pq,rq->r", L, fit.cov_inference, L)
    if fit.sandwich is not None:
        model = np.einsum("rp,pq,rq->r", L, fit.cov_model, L)
        variance = np.where(variance > NO_VARIANCE * model, variance, np.nan)
    with np.errstate(invalid="ignore"):
        std_error = np.sqrt(variance)
    df = _row_df(fit, L)
    return RowInference(L @ fit.beta, std_error, np.where(df > 0, df, np.nan))


@evaluate_jointly.register
def _(fit: MmrmFit, L: FloatArray) -> JointTest:
    needs_theta = fit.sandwich is None and fit.df_method in (
        "kenward-roger",
        "satterthwaite",
    )
    if not np.all(np.isfinite(fit.cov_inference)) or (
        needs_theta and not np.all(np.isfinite(fit.cov_theta))
    ):
        return JointTest(
            np.nan, len(L), np.nan, "the observed information has no inverse"
        )
    if fit.sandwich is not None and _is_singular(fit, L):
        return JointTest(np.nan, len(L), np.nan, TOO_FEW)
    if fit.df_method == "kenward-roger":
        statistic, df = scaled_f.joint(
            L,
            beta=fit.beta,
            cov_beta=fit.cov_model,
            adjusted=fit.cov_inference,
            jacobian=fit.jacobian,
            cov_theta=fit.cov_theta,
        )
        reason = "" if np.isfinite(statistic) else scaled_f.NO_F
        return JointTest(statistic, len(L), df, reason)
    if fit.df_method == "satterthwaite":
        statistic, df = satterthwaite.joint(
            L,
            beta=fit.beta,
            cov_beta=fit.cov_inference,
            df_of=lambda rows: _row_df(fit, rows),
        )
        return JointTest(statistic, len(L), df)
    difference = L @ fit.beta
    middle = np.linalg.solve(L @ fit.cov_inference @ L.T, difference)
    df = float(_row_df(fit, L).min())
    if not df > 0:
        return JointTest(np.nan, len(L), np.nan, NO_DF)
    return JointTest(float(difference @ middle) / len(L), len(L), df)
