"""What a fitted linear mixed model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.moments import Moments
from outcomes.models.mixed.newton import Optimum
from outcomes.models.mixed.random_part import MixedEffects
from outcomes.models.options import (
    BoolArray,
    FloatArray,
    Method,
    MixedDfMethod,
    MixedPreset,
)
from outcomes.models.tables import summary_row

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class LmmFit(MixedEffects):
    """A fitted linear mixed model.

    Arrays over coefficients leave aliased ones out: p is the rank of the model matrix.

    Attributes
    ----------
    formula : str
        As given.
    random : dict
        Random effects as given.
    method : str
        ``"reml"`` or ``"ml"``.
    df_method : str
        How degrees of freedom are computed.
    preset : str
        Whose information Kenward-Roger rests on.
    design : Design
        Model matrix, rows used, factor levels.
    terms_random : tuple of Term
        Random effects on the rows used.
    covariances : tuple of FloatArray, shapes (c, c)
        Covariance of the effects of each of them.
    residual_variance : float
        Variance of the residuals.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        A combination of coefficients is estimable if it does not touch these.
    beta : FloatArray, shape (p,)
        Coefficients.
    cov_model, cov_inference : FloatArray, shape (p, p)
        Covariance of the coefficients by the model, and the one standard errors come
        from (adjusted with Kenward-Roger).
    jacobian : FloatArray, shape (m, p, p)
        Derivatives of ``cov_model`` in the variance parameters behind the degrees of
        freedom.
    cov_theta : FloatArray, shape (m, m)
        Covariance of these parameters.
    loglik : float
        (Restricted) log likelihood.
    n_records, n_excluded, n_subjects : int
        Records used and left out; levels of the grouping with most of them.
    n_groups : dict
        Levels of each grouping.
    excluded : dict
        Rows left out, by reason.
    boundary : tuple of str
        Variances at zero and correlations at one.
    convergence : Convergence
        Status of the optimisation.
    moments : Moments
        Sums over records.
    optimum : Optimum
        Where the optimiser stopped.
    origin : FloatArray, shape (p,)
    to_columns : FloatArray, shape (p, p)
        Coefficients are ``origin + to_columns @ gamma`` of those of ``optimum``.
    log_det : float
        What orthonormal columns leave out of the restricted deviance.
    """

    formula: str
    random: dict[str, str]
    method: Method
    df_method: MixedDfMethod
    preset: MixedPreset
    design: Design
    terms_random: tuple[Term, ...]
    covariances: tuple[FloatArray, ...]
    residual_variance: float
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    cov_inference: FloatArray
    jacobian: FloatArray
    cov_theta: FloatArray
    loglik: float
    n_records: int
    n_excluded: int
    n_subjects: int
    n_groups: dict[str, int]
    excluded: dict[str, int]
    boundary: tuple[str, ...]
    convergence: Convergence
    moments: Moments
    optimum: Optimum
    origin: FloatArray
    to_columns: FloatArray
    log_det: float

    def __repr__(self) -> str:
        return self.describe("LMM", self.method)


@summary_row.register
def _(fit: LmmFit) -> dict[str, Any]:
    deviance = -2.0 * fit.loglik
    k = len(fit.beta) + len(fit.optimum.theta) + 1  # as lme4, under REML too
    return {
        "loglik": fit.loglik,
        "deviance": deviance,
        "aic": deviance + 2.0 * k,
        "bic": deviance + k * np.log(fit.n_records),
        "n_subjects": fit.n_subjects,
        "n_records": fit.n_records,
        "n_excluded": fit.n_excluded,
        "n_parameters": k,
        "rank": len(fit.beta),
        "converged": fit.convergence.converged,
        "boundary": "; ".join(fit.boundary),
        "method": fit.method,
        "df": fit.df_method,
        "vcov": "kenward-roger" if fit.df_method == "kenward-roger" else "model",
    }
