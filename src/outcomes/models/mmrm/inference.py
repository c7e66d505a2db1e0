"""How an MMRM answers for a linear combination of its coefficients."""

from __future__ import annotations

import numpy as np

from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.mmrm import between_within, kenward_roger, satterthwaite
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import FloatArray


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
    with np.errstate(invalid="ignore"):
        std_error = np.sqrt(variance)
    return RowInference(L @ fit.beta, std_error, _row_df(fit, L))


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
    if fit.df_method == "kenward-roger":
        statistic, df = kenward_roger.joint(
            L,
            beta=fit.beta,
            cov_beta=fit.cov_model,
            adjusted=fit.cov_inference,
            jacobian=fit.jacobian,
            cov_theta=fit.cov_theta,
        )
        reason = "" if np.isfinite(statistic) else kenward_roger.NO_F
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
    return JointTest(float(difference @ middle) / len(L), len(L), df)
