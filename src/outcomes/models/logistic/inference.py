"""How a logistic model answers for a linear combination of its coefficients."""

from __future__ import annotations

import numpy as np

from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.logistic.results import LogisticFit
from outcomes.models.options import BoolArray, FloatArray

# Share of a row, in the standard errors of the coefficients, that is rounding.
ASTRAY = 1e-8
ENDLESS = (
    "the data are separated, so these rows have no maximum likelihood estimate; use"
    " penalty='firth' or profile_intervals"
)


def without_limit(fit: LogisticFit, L: FloatArray) -> BoolArray:
    """Tell which rows of L, shape (r, p), have no finite estimate; shape (r,)."""
    if not fit.runs_off:
        return np.zeros(len(L), dtype=bool)
    X = fit.design.X[:, ~fit.aliased_mask]
    size = np.linalg.norm(X, axis=0)  # coefficients free of the columns' units
    basis = np.linalg.qr(fit.separation.directions[~fit.aliased_mask] * size[:, None])[
        0
    ]
    rows = L / size
    return np.asarray(
        np.linalg.norm(rows @ basis, axis=1) > ASTRAY * np.linalg.norm(rows, axis=1)
    )


@evaluate_rows.register
def _(fit: LogisticFit, L: FloatArray) -> RowInference:
    variance = np.einsum("rp,pq,rq->r", L, fit.cov_model, L)
    std_error = np.sqrt(np.where(without_limit(fit, L), np.nan, variance))
    return RowInference(L @ fit.beta, std_error, np.full(len(L), np.inf))


@evaluate_jointly.register
def _(fit: LogisticFit, L: FloatArray) -> JointTest:
    if without_limit(fit, L).any():
        return JointTest(np.nan, len(L), np.inf, ENDLESS)
    estimate = L @ fit.beta
    middle = np.linalg.solve(L @ fit.cov_model @ L.T, estimate)
    return JointTest(float(estimate @ middle) / len(L), len(L), np.inf)
