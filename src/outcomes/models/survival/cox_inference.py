"""How a `CoxFit` answers for a linear combination of its coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from outcomes.models.inference import (
    JointTest,
    RowInference,
    evaluate_jointly,
    evaluate_rows,
)
from outcomes.models.options import BoolArray, FloatArray
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.tables import tidy

if TYPE_CHECKING:
    import pandas as pd

# Eigenvalue of the covariance of rows, as a share of the largest, that is rounding.
SINGULAR: Final = 1e-10
# Variance of a row, as a share of its variance under the model, that is rounding.
NO_VARIANCE: Final = 1e-14
ENDLESS: Final = (
    "these rows include a coefficient that has run off to infinity (monotone"
    " likelihood)"
)
TOO_FEW: Final = (
    "the sandwich covariance of these rows is singular: too few clusters for so many"
    " rows"
)


def hazard_ratios(fit: CoxFit, conf_level: float = 0.95) -> pd.DataFrame:
    """Tabulate the hazard ratios of a Cox model.

    Parameters
    ----------
    fit : CoxFit
        A fit.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        As `tidy`, estimate and limits carried over by the exponential function;
        ``std_error`` stays that of the logarithm, on which the test is made.

    Examples
    --------
    >>> hazard_ratios(fit)  # doctest: +SKIP
    """
    table = tidy(fit, conf_level)
    for name in ("estimate", "conf_low", "conf_high"):
        table[name] = np.exp(table[name])
    return table


def without_limit(fit: CoxFit, L: FloatArray) -> BoolArray:
    """Tell which rows of L, shape (r, p), have no finite estimate; shape (r,)."""
    if fit.runaway is None:
        return np.zeros(len(L), dtype=bool)
    return fit.runaway.touched(L)


@evaluate_rows.register
def _(fit: CoxFit, L: FloatArray) -> RowInference:
    endless = without_limit(fit, L)
    variance = np.einsum("rp,pq,rq->r", L, fit.cov_inference, L)
    model = np.einsum("rp,pq,rq->r", L, fit.cov_model, L)
    known = (variance > NO_VARIANCE * model) & ~endless
    estimate = np.asarray(L @ fit.beta, dtype=np.float64)
    if fit.runaway is not None and endless.any():
        estimate[endless] = fit.runaway.limits(L[endless])
    std_error = np.sqrt(np.where(known, variance, np.nan))
    return RowInference(estimate, std_error, np.full(len(L), np.inf))


@evaluate_jointly.register
def _(fit: CoxFit, L: FloatArray) -> JointTest:
    reason = _obstacle(fit, L)
    if reason:
        return JointTest(np.nan, len(L), np.inf, reason)
    estimate = L @ fit.beta
    middle = np.linalg.solve(L @ fit.cov_inference @ L.T, estimate)
    return JointTest(float(estimate @ middle) / len(L), len(L), np.inf)


def _obstacle(fit: CoxFit, L: FloatArray) -> str:
    """Say why rows have no joint test, or nothing."""
    if without_limit(fit, L).any():
        return ENDLESS
    size = np.sqrt(np.einsum("rp,pq,rq->r", L, fit.cov_model, L))
    scaled = (L @ fit.cov_inference @ L.T) / size[:, None] / size
    values = np.linalg.eigvalsh(scaled)
    return "" if values[0] > SINGULAR * values[-1] else TOO_FEW
