"""What a fitted MMRM is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.models.coefficients import Coefficients
from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.records import Records
from outcomes.models.mmrm.sandwich import Sandwich
from outcomes.models.options import BoolArray, DfMethod, FloatArray, Method, VcovMethod
from outcomes.models.tables import summary_row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class MmrmFit(Coefficients):
    """A fitted mixed model for repeated measures.

    Arrays over coefficients leave aliased ones out: p is the rank of the model matrix.

    Attributes
    ----------
    formula : str
        As given.
    subject, visit : str
        Columns.
    group, weights : str or None
        Columns.
    constrained : tuple or None
        Factor and first visit.
    coordinates : tuple of str
        Columns.
    structure : str
        Covariance structure of this fit, the last of the ladder.
    method : str
        ``"reml"`` or ``"ml"``.
    df_method, vcov_method : str
        How degrees of freedom and the covariance of coefficients are computed.
    design : Design
        Model matrix, rows used, factor levels.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        A combination of coefficients is estimable if it does not touch these.
    beta : FloatArray, shape (p,)
        Coefficients.
    cov_model : FloatArray, shape (p, p)
        Model-based covariance of the coefficients.
    cov_inference : FloatArray, shape (p, p)
        The one standard errors come from.
    jacobian : FloatArray, shape (m, p, p)
        Derivatives of ``cov_model`` in the covariance parameters.
    theta : FloatArray, shape (m,)
        Covariance parameters, natural; those of one group after the other.
    theta_names : tuple of str
        Their names.
    cov_theta : FloatArray, shape (m, m)
        Inverse observed information; NaN where the fit did not converge.
    sigma : FloatArray, shape (G, K, K)
        Residual covariance of each group, G = 1 without. Where subjects have their own
        coordinates, that of two records, at distances 0 and 1.
    visits : tuple
        Levels of ``visit`` that have records, in order.
    groups : tuple
        Levels of ``group``; empty without.
    loglik : float
        (Restricted) log likelihood.
    n_subjects, n_records, n_excluded : int
        Subjects and records used, rows left out.
    excluded : dict
        Rows left out, by reason.
    convergence : Convergence
        Status of the optimisation.
    records : Records
        What is known of each record beside its model row.
    problem : Problem
        The likelihood, in columns of the model matrix that are orthonormal.
    origin : FloatArray, shape (p,)
    to_columns : FloatArray, shape (p, p)
        Coefficients are ``origin + to_columns @ gamma`` of those of ``problem``.
    sandwich : Sandwich or None
        What sums over subjects need, where ``vcov`` is a sandwich.
    """

    formula: str
    subject: str
    visit: str
    group: str | None
    weights: str | None
    coordinates: tuple[str, ...]
    constrained: tuple[str, Any] | None
    structure: str
    method: Method
    df_method: DfMethod
    vcov_method: VcovMethod
    design: Design
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    cov_inference: FloatArray
    jacobian: FloatArray
    theta: FloatArray
    theta_names: tuple[str, ...]
    cov_theta: FloatArray
    sigma: FloatArray
    visits: tuple[Any, ...]
    groups: tuple[Any, ...]
    loglik: float
    n_subjects: int
    n_records: int
    n_excluded: int
    excluded: dict[str, int]
    convergence: Convergence
    records: Records
    problem: Problem
    origin: FloatArray
    to_columns: FloatArray
    sandwich: Sandwich | None

    def __repr__(self) -> str:
        how = "converged" if self.convergence.converged else "DID NOT CONVERGE"
        groups = f", one for each {self.group}" if self.group else ""
        return (
            f"<MMRM {self.formula}: {self.n_records} records of {self.n_subjects}"
            f" subjects at {len(self.visits)} visits; {self.structure} covariance"
            f"{groups}; {self.method}, df {self.df_method}, vcov {self.vcov_method};"
            f" log likelihood {self.loglik:.4f}; {how}>"
        )

    @property
    def covariance(self) -> pd.DataFrame | dict[Any, pd.DataFrame]:
        """Residual covariance, visits by visits; with groups, of each level."""
        import pandas as pd

        individual = self.problem.parts[0].individual
        own = (0, 1) if individual else self.visits
        frames = [pd.DataFrame(part, index=own, columns=own) for part in self.sigma]
        return dict(zip(self.groups, frames, strict=True)) if self.groups else frames[0]


@summary_row.register
def _(fit: MmrmFit) -> dict[str, Any]:
    deviance = -2.0 * fit.loglik
    k = len(fit.theta)
    rank = len(fit.beta)
    spare = max(fit.n_records - rank, k + 2) - k - 1  # under ML too, as R mmrm
    return {
        "loglik": fit.loglik,
        "deviance": deviance,
        "aic": deviance + 2.0 * k,
        "aicc": deviance + 2.0 * k * (1.0 + (k + 1.0) / spare),
        "bic": deviance + k * np.log(fit.n_subjects),
        "n_subjects": fit.n_subjects,
        "n_records": fit.n_records,
        "n_excluded": fit.n_excluded,
        "n_parameters": k,
        "rank": rank,
        "converged": fit.convergence.converged,
        "covariance": fit.structure,
        "method": fit.method,
        "df": fit.df_method,
        "vcov": fit.vcov_method,
    }
