"""What a fitted set of generalised estimating equations is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcomes.models.coefficients import Coefficients
from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.links import inverse_link, inverse_link_slope
from outcomes.models.options import BoolArray, FloatArray
from outcomes.models.tables import summary_row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class GeeFit(Coefficients):
    """Fitted generalised estimating equations.

    Coefficients are marginal (population-averaged): they compare means of groups of
    subjects, not of one subject under two conditions. Arrays over coefficients leave
    aliased ones out: p is the rank of the model matrix.

    Attributes
    ----------
    formula : str
        As given.
    subject : str
        Column of the clusters.
    visit : str or None
        Column of the visits.
    family, link : str
        Variance function and link.
    structure : str
        Working correlation.
    moments : str
        Divisors of dispersion and correlation, ``"n"`` or ``"n-p"``.
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
        Covariance of the coefficients if the working correlation were true, or under
        independence where it is not positive definite.
    cov_inference : FloatArray, shape (p, p)
        The one standard errors come from; NaN where the working correlation is not
        positive definite.
    scale : float
        Dispersion.
    alpha : FloatArray, shape (m,)
        Parameters of the working correlation: none, one, or one for each pair of
        visits.
    alpha_names : tuple of str
        Their names.
    correlations : FloatArray, shape (K, K)
        Working correlation of all visits; without visits, of the records of the
        largest subject.
    visits : tuple
        Its rows: the visits where they matter to ``structure``, else numbers from 1.
    run_off : FloatArray, shape (p, k)
        Directions in which the coefficients have run off to infinity, in the
        coordinates of ``to_columns``; k = 0 as a rule.
    to_columns : FloatArray, shape (p, p)
        Takes coefficients of orthonormal columns to ``beta``.
    n_subjects, n_records, n_excluded : int
        Subjects and records used, rows left out.
    excluded : dict
        Rows left out, by reason.
    convergence : Convergence
        Status of the iterations.
    """

    formula: str
    subject: str
    visit: str | None
    family: str
    link: str
    structure: str
    moments: str
    df_method: str
    vcov_method: str
    design: Design
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    cov_inference: FloatArray
    scale: float
    alpha: FloatArray
    alpha_names: tuple[str, ...]
    correlations: FloatArray
    visits: tuple[Any, ...]
    run_off: FloatArray
    to_columns: FloatArray
    n_subjects: int
    n_records: int
    n_excluded: int
    excluded: dict[str, int]
    convergence: Convergence

    def __repr__(self) -> str:
        how = "converged" if self.convergence.converged else "DID NOT CONVERGE"
        return (
            f"<GEE {self.formula}: {self.n_records} records of {self.n_subjects}"
            f" subjects; {self.family} with {self.link} link; {self.structure}"
            f" correlation; df {self.df_method}, vcov {self.vcov_method}; {how}>"
        )

    @property
    def correlation(self) -> pd.DataFrame:
        """Working correlation, visits by visits."""
        import pandas as pd

        own = list(self.visits)
        return pd.DataFrame(self.correlations, index=own, columns=own)

    def inverse_link(self, eta: FloatArray) -> FloatArray:
        """Mean outcome at linear predictors of any shape."""
        return inverse_link(self.link, eta)

    def inverse_link_slope(self, eta: FloatArray) -> FloatArray:
        """Slope of `inverse_link`, for the delta method."""
        return inverse_link_slope(self.link, eta)


@summary_row.register
def _(fit: GeeFit) -> dict[str, Any]:
    """Summarise a fit in one row.

    There is no likelihood, so no information criterion either.

    Parameters
    ----------
    fit : GeeFit
        A fit.

    Returns
    -------
    dict
        ``n_subjects n_records n_excluded rank converged covariance method df vcov
        family link scale alpha moments``. ``alpha`` is the one parameter of the working
        correlation, NaN where it has none or several.
    """
    return {
        "n_subjects": fit.n_subjects,
        "n_records": fit.n_records,
        "n_excluded": fit.n_excluded,
        "rank": len(fit.beta),
        "converged": fit.convergence.converged,
        "covariance": fit.structure,
        "method": "gee",
        "df": fit.df_method,
        "vcov": fit.vcov_method,
        "family": fit.family,
        "link": fit.link,
        "scale": fit.scale,
        "alpha": float(fit.alpha[0]) if len(fit.alpha) == 1 else float("nan"),
        "moments": fit.moments,
    }
