"""How a generalised linear mixed model answers for a combination of coefficients."""

from __future__ import annotations

import numpy as np

from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.mixed.glmm.results import GlmmFit
from outcomes.models.mmrm import between_within
from outcomes.models.options import FloatArray

NO_INVERSE = "the observed information has no inverse"
NO_DF = "no degrees of freedom are left: too few subjects for the coefficients"


def _row_df(fit: GlmmFit, L: FloatArray) -> FloatArray:
    if fit.df_method == "asymptotic":
        return np.full(len(L), np.inf)
    return between_within.row_df(
        L,
        X=fit.design.X[:, ~fit.aliased_mask],
        columns=fit.estimated_terms,
        subject=fit.terms_random[0].member[0],
    )


@evaluate_rows.register
def _(fit: GlmmFit, L: FloatArray) -> RowInference:
    with np.errstate(invalid="ignore"):
        std_error = np.sqrt(np.einsum("rp,pq,rq->r", L, fit.cov_inference, L))
    df = _row_df(fit, L)
    return RowInference(L @ fit.beta, std_error, np.where(df > 0, df, np.nan))


@evaluate_jointly.register
def _(fit: GlmmFit, L: FloatArray) -> JointTest:
    if not np.all(np.isfinite(fit.cov_inference)):
        return JointTest(np.nan, len(L), np.nan, NO_INVERSE)
    difference = L @ fit.beta
    middle = np.linalg.solve(L @ fit.cov_inference @ L.T, difference)
    df = float(_row_df(fit, L).min())
    if not df > 0:
        return JointTest(np.nan, len(L), np.nan, NO_DF)
    return JointTest(float(difference @ middle) / len(L), len(L), df)
