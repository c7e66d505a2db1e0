"""How a linear mixed model answers for a linear combination of its coefficients."""

from __future__ import annotations

import numpy as np

from outcomes.models import satterthwaite, scaled_f
from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.mixed.results import LmmFit
from outcomes.models.options import FloatArray


def _row_df(fit: LmmFit, L: FloatArray) -> FloatArray:
    if fit.df_method == "asymptotic":
        return np.full(len(L), np.inf)
    if fit.df_method == "residual":
        return np.full(len(L), float(fit.n_records - len(fit.beta)))
    # One row: Kenward-Roger's degrees of freedom are Satterthwaite's formula.
    return satterthwaite.row_df(
        L, cov_beta=fit.cov_model, jacobian=fit.jacobian, cov_theta=fit.cov_theta
    )


@evaluate_rows.register
def _(fit: LmmFit, L: FloatArray) -> RowInference:
    with np.errstate(invalid="ignore"):
        std_error = np.sqrt(np.einsum("rp,pq,rq->r", L, fit.cov_inference, L))
    return RowInference(L @ fit.beta, std_error, _row_df(fit, L))


@evaluate_jointly.register
def _(fit: LmmFit, L: FloatArray) -> JointTest:
    if fit.df_method == "kenward-roger":
        if not np.all(np.isfinite(fit.cov_theta)):
            return JointTest(np.nan, len(L), np.nan, "the information has no inverse")
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
        if not np.all(np.isfinite(fit.cov_theta)):
            return JointTest(np.nan, len(L), np.nan, "the information has no inverse")
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
