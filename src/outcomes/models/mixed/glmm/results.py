"""What a fitted generalised linear mixed model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.glmm.maximise import Optimum
from outcomes.models.mixed.glmm.prepare import Prepared
from outcomes.models.mixed.glmm.structure import lower
from outcomes.models.mixed.random_part import MixedEffects
from outcomes.models.options import (
    BoolArray,
    FloatArray,
    GlmmDfMethod,
    GlmmFamily,
    GlmmLink,
)
from outcomes.models.tables import summary_row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Conditional modes of the effects of one term.

    Attributes
    ----------
    estimate : FloatArray, shape (levels, c)
        Most likely effects given the outcome, on the scale of the linear predictor.
    std_error : FloatArray, shape (levels, c)
        Roots of their conditional variances, parameters taken as known.
    """

    estimate: FloatArray
    std_error: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class GlmmFit(MixedEffects):
    """A fitted generalised linear mixed model.

    Arrays over coefficients leave aliased ones out: p is the rank of the model matrix
    (less the intercept in a cumulative model, where thresholds stand for it).

    Attributes
    ----------
    formula : str
        As given.
    random : dict
        Random effects as given.
    family, link : str
        Distribution of the outcome given the random effects, and scale of the linear
        predictor.
    n_quad : int
        Points of the adaptive quadrature; 1 is Laplace's approximation.
    df_method : str
        ``"asymptotic"`` or ``"between-within"``.
    trials, offset : str or None
        Columns.
    design : Design
        Model matrix, rows used, factor levels.
    terms_random : tuple of Term
        Random effects on the rows used.
    covariances : tuple of FloatArray, shapes (c, c)
        Covariance of the effects of each of them.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        A combination of coefficients is estimable if it does not touch these.
    beta : FloatArray, shape (p,)
        Coefficients.
    cov_model, cov_inference : FloatArray, shape (p, p)
        Covariance of the coefficients, from the Hessian over all parameters.
    theta : FloatArray, shape (m,)
        Lower triangle, by rows, of the Cholesky factor of each of ``covariances``.
    theta_names : tuple of str
        What they are of.
    psi : FloatArray, shape (r,)
        Logarithm of the dispersion, or thresholds.
    psi_names : tuple of str
        Which.
    cov_joint : FloatArray, shape (p + m + r, p + m + r)
        Covariance of beta, theta and psi, in this order; zero for elements of theta
        that lie at a boundary and are held there.
    dispersion : float or None
        k of the negative binomial with variance ``mu + mu^2 / k``; ``inf`` for a
        Poisson distribution.
    thresholds : dict
        Of a cumulative model, ``{"1|2": ...}``; empty otherwise.
    categories : tuple
        Of a cumulative model, lowest first.
    offset_values : FloatArray, shape (n,)
        Known part of the linear predictor of each record.
    trials_values : FloatArray, shape (n,)
        Trials of each record; ones without.
    loglik : float
        Log likelihood, with binomial coefficients and factorials.
    n_records, n_excluded, n_subjects : int
        Records used and left out; levels of the grouping with most of them.
    n_groups : dict
        Levels of each grouping.
    excluded : dict
        Rows left out, by reason.
    boundary : tuple of str
        Variances at zero and collinear effects.
    convergence : Convergence
        Status of the optimisation.
    prepared : Prepared
        The problem in the coordinates of the optimiser, and the way back.
    optimum : Optimum
        Where it stopped.
    """

    formula: str
    random: dict[str, str]
    family: GlmmFamily
    link: GlmmLink
    n_quad: int
    df_method: GlmmDfMethod
    trials: str | None
    offset: str | None
    design: Design
    terms_random: tuple[Term, ...]
    covariances: tuple[FloatArray, ...]
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    cov_inference: FloatArray
    theta: FloatArray
    theta_names: tuple[str, ...]
    psi: FloatArray
    psi_names: tuple[str, ...]
    cov_joint: FloatArray
    dispersion: float | None
    thresholds: dict[str, float]
    categories: tuple[Any, ...]
    offset_values: FloatArray
    trials_values: FloatArray
    loglik: float
    n_records: int
    n_excluded: int
    n_subjects: int
    n_groups: dict[str, int]
    excluded: dict[str, int]
    boundary: tuple[str, ...]
    convergence: Convergence
    prepared: Prepared
    optimum: Optimum

    def __repr__(self) -> str:
        points = f"{self.n_quad} quadrature points" if self.n_quad > 1 else "Laplace"
        return self.describe("GLMM", f"{self.family}, {self.link}, {points}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the rows of ``cov_joint``."""
        return (*self.estimated_terms, *self.theta_names, *self.psi_names)

    @property
    def cov_parameters(self) -> pd.DataFrame:
        """Joint covariance of coefficients, ``theta`` and ``psi``."""
        import pandas as pd

        names = list(self.parameters)
        return pd.DataFrame(self.cov_joint, index=names, columns=names)

    def covariance_of(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Covariance of the effects of each of ``terms_random`` at any theta.

        Parameters
        ----------
        theta : FloatArray, shape (m,)
            As `theta`, in the user's units.

        Returns
        -------
        tuple of FloatArray, shapes (c, c)
        """
        return covariances_of(self.terms_random, theta)

    def modes(self) -> tuple[Modes, ...]:
        """Conditional modes and standard errors of the effects of each term."""
        from outcomes.models.mixed.glmm.conditional import conditional_modes

        return conditional_modes(self)


@summary_row.register
def _(fit: GlmmFit) -> dict[str, Any]:
    deviance = -2.0 * fit.loglik
    k = len(fit.beta) + len(fit.theta) + len(fit.psi)
    return {
        "loglik": fit.loglik,
        "deviance": deviance,
        "aic": deviance + 2.0 * k,
        "bic": deviance + k * float(np.log(fit.n_records)),
        "n_subjects": fit.n_subjects,
        "n_records": fit.n_records,
        "n_excluded": fit.n_excluded,
        "n_parameters": k,
        "rank": len(fit.beta),
        "converged": fit.convergence.converged,
        "boundary": "; ".join(fit.boundary),
        "method": "ml",
        "n_quad": fit.n_quad,
        "df": fit.df_method,
        "vcov": "model",
        "family": fit.family,
        "link": fit.link,
    }


def theta_slices(terms: tuple[Term, ...]) -> tuple[slice, ...]:
    """Places of the parameters of each term."""
    stops = np.cumsum([term.c * (term.c + 1) // 2 for term in terms])
    return tuple(
        slice(int(stop) - term.c * (term.c + 1) // 2, int(stop))
        for stop, term in zip(stops, terms, strict=True)
    )


def covariances_of(
    terms: tuple[Term, ...], theta: FloatArray
) -> tuple[FloatArray, ...]:
    """Covariance of the effects of each term; shapes (c, c)."""
    found = []
    for term, own in zip(terms, theta_slices(terms), strict=True):
        L = lower(theta[own], term.c)
        found.append(L @ L.T)
    return tuple(found)
