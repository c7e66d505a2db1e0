"""What a fitted logistic model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from outcomes.models.coefficients import Coefficients
from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.links import inverse_link, inverse_link_slope
from outcomes.models.logistic.separation import Separation
from outcomes.models.options import BinaryLink, BoolArray, FloatArray, Penalty
from outcomes.models.tables import summary_row


@dataclass(frozen=True, slots=True)
class LogisticFit(Coefficients):
    """A fitted logistic or probit regression with fixed effects only.

    Arrays over coefficients leave aliased ones out: p is the rank of the model matrix.
    Where the data are separated and there is no penalty, ``beta`` is where the
    optimiser stopped and means nothing along ``separation.directions``.

    Attributes
    ----------
    formula : str
        As given.
    link : str
        ``"logit"`` or ``"probit"``.
    penalty : str or None
        ``"firth"`` or none.
    trials : str or None
        Column of the numbers of trials.
    design : Design
        Model matrix, rows used, factor levels.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        A combination of coefficients is estimable if it does not touch these.
    beta : FloatArray, shape (p,)
        Coefficients.
    cov_model : FloatArray, shape (p, p)
        Inverse of the expected information, without the penalty's part.
    loglik : float
        Log likelihood at ``beta`` without penalty, binomial coefficients included.
    penalised_loglik : float
        With half the logarithm of the determinant of the information added; without a
        penalty the same as ``loglik``.
    successes, n_trials : FloatArray, shape (n,)
        Outcome of each record used.
    n_records, n_excluded : int
        Records used and left out.
    excluded : dict
        Records left out, by reason.
    separation : Separation
        Whether the columns separate the outcome, whatever the penalty.
    convergence : Convergence
        Status of the optimisation.
    """

    formula: str
    link: BinaryLink
    penalty: Penalty | None
    trials: str | None
    design: Design
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    loglik: float
    penalised_loglik: float
    successes: FloatArray
    n_trials: FloatArray
    n_records: int
    n_excluded: int
    excluded: dict[str, int]
    separation: Separation
    convergence: Convergence

    def __repr__(self) -> str:
        how = "converged" if self.convergence.converged else "DID NOT CONVERGE"
        return (
            f"<Logistic regression {self.formula}: {self.n_records} records;"
            f" {self.link} link, {self.method};"
            f" log likelihood {self.loglik:.4f}; {how}>"
        )

    @property
    def family(self) -> Literal["binomial"]:
        """Distribution of the outcome."""
        return "binomial"

    @property
    def method(self) -> Literal["ml", "firth"]:
        """What was maximised."""
        return "firth" if self.penalty else "ml"

    @property
    def df_method(self) -> Literal["asymptotic"]:
        """How degrees of freedom are computed."""
        return "asymptotic"

    @property
    def vcov_method(self) -> Literal["model"]:
        """Where the covariance of the coefficients comes from."""
        return "model"

    @property
    def cov_inference(self) -> FloatArray:
        """Covariance standard errors come from; shape (p, p)."""
        return self.cov_model

    @property
    def runs_off(self) -> bool:
        """Whether coefficients have no finite estimate."""
        return self.penalty is None and bool(self.separation)

    def inverse_link(self, eta: FloatArray) -> FloatArray:
        """Return the probability at each linear predictor."""
        return inverse_link(self.link, eta)

    def inverse_link_slope(self, eta: FloatArray) -> FloatArray:
        """Return the derivative of the probability at each linear predictor."""
        return inverse_link_slope(self.link, eta)


@summary_row.register
def _(fit: LogisticFit) -> dict[str, Any]:
    """Summarise a fit, for a table of one row.

    The information criteria count the coefficients and, in the BIC, the records. With
    a penalty they are those of the likelihood without it, at the penalised estimates.

    Parameters
    ----------
    fit : LogisticFit
        A fit.

    Returns
    -------
    dict
        ``loglik deviance aic bic n_records n_excluded n_parameters rank converged
        method df vcov family link``.

    Examples
    --------
    >>> summary_row(fit)["aic"]  # doctest: +SKIP
    """
    deviance = -2.0 * fit.loglik
    rank = len(fit.beta)
    return {
        "loglik": fit.loglik,
        "deviance": deviance,
        "aic": deviance + 2.0 * rank,
        "bic": deviance + rank * float(np.log(fit.n_records)),
        "n_records": fit.n_records,
        "n_excluded": fit.n_excluded,
        "n_parameters": rank,
        "rank": rank,
        "converged": fit.convergence.converged,
        "method": fit.method,
        "df": fit.df_method,
        "vcov": fit.vcov_method,
        "family": fit.family,
        "link": fit.link,
    }
