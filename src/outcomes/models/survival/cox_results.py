"""What a fitted Cox model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcomes.models.coefficients import Coefficients
from outcomes.models.convergence import Convergence
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined
from outcomes.models.options import BoolArray, FloatArray
from outcomes.models.survival.cox_likelihood import Hazards
from outcomes.models.survival.cox_risk_sets import RiskSets
from outcomes.models.survival.records import Records
from outcomes.models.survival.runaway import Runaway
from outcomes.models.tables import summary_row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A test of all coefficients.

    Attributes
    ----------
    statistic : float
        Chi-square; NaN where there is none.
    df : int
        Degrees of freedom.
    p_value : float
        Of the statistic.
    """

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True)
class CoxFit(Coefficients):
    """A fitted Cox model.

    Coefficients are logarithms of hazard ratios. Arrays over them leave aliased columns
    out: p is the number of the others. Where some run off to infinity (``runaway``),
    ``beta`` is a point far out along them and means nothing there; `tidy` shows their
    limits, without standard errors.

    Attributes
    ----------
    formula : str
        Right-hand side, as given.
    time, event : str
        Columns of the time and of whether it ends with an event.
    entry, cluster, weighting : str or None
        Columns of delayed entry, of the clusters and of the weights.
    strata : tuple of str
        Columns of the strata.
    ties : str
        ``"efron"`` or ``"breslow"``.
    robust : bool
        Whether standard errors come from the sandwich.
    design : Design
        Model matrix without a constant, rows used, factor levels.
    aliased_mask : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        A combination of coefficients is estimable if it does not touch these.
    beta : FloatArray, shape (p,)
        Coefficients.
    cov_model : FloatArray, shape (p, p)
        Inverse of the information.
    cov_inference : FloatArray, shape (p, p)
        The one standard errors come from: the sandwich if ``robust``.
    loglik, loglik_null : float
        Logarithm of the partial likelihood at ``beta`` and at zero.
    likelihood_ratio, wald, score : ChiSquare
        Tests of all coefficients; Wald's uses ``cov_inference``.
    robust_score : ChiSquare or None
        Score test with the sandwich, if ``robust``.
    concordance : float
        Share of comparable pairs in which the higher risk had the event first.
    records : Records
        Times, events, weights and strata of the rows used.
    row_labels : numpy.ndarray, shape (n_records,)
        Index of those rows in the data.
    risk : RiskSets
        Their risk sets.
    columns : FloatArray, shape (n at risk, p)
        Columns of the records in the risk sets, centred.
    shift : FloatArray, shape (pieces, p)
        What was taken off.
    hazards : Hazards
        Sums over risk sets at ``beta``.
    runaway : Runaway or None
        Directions along which the likelihood has no maximum.
    n_subjects, n_records, n_events, n_excluded : int
        Subjects (clusters of a fit with ``entry`` and ``cluster``, else records),
        records and events used, rows left out.
    n_clusters : int
        Terms of the sandwich; 0 if it was not asked for.
    excluded : dict
        Rows left out, by reason.
    convergence : Convergence
        Status of the optimisation.
    """

    formula: str
    time: str
    event: str
    entry: str | None
    cluster: str | None
    weighting: str | None
    strata: tuple[str, ...]
    ties: str
    robust: bool
    design: Design
    aliased_mask: BoolArray
    undetermined: Undetermined
    beta: FloatArray
    cov_model: FloatArray
    cov_inference: FloatArray
    loglik: float
    loglik_null: float
    likelihood_ratio: ChiSquare
    wald: ChiSquare
    score: ChiSquare
    robust_score: ChiSquare | None
    concordance: float
    records: Records
    row_labels: Any
    risk: RiskSets
    columns: FloatArray
    shift: FloatArray
    hazards: Hazards
    runaway: Runaway | None
    n_subjects: int
    n_records: int
    n_events: int
    n_excluded: int
    n_clusters: int
    excluded: dict[str, int]
    convergence: Convergence

    def __repr__(self) -> str:
        how = "converged" if self.convergence.converged else "DID NOT CONVERGE"
        return (
            f"<Cox model {self.formula}: {self.n_records} records,"
            f" {self.n_events} events; {self.ties} ties, {self.vcov_method} covariance;"
            f" log likelihood {self.loglik:.4f}; {how}>"
        )

    @property
    def df_method(self) -> Literal["asymptotic"]:
        """How degrees of freedom are computed."""
        return "asymptotic"

    @property
    def vcov_method(self) -> Literal["model", "robust"]:
        """Where the covariance of the coefficients comes from."""
        return "robust" if self.robust else "model"

    @property
    def naive_vcov(self) -> pd.DataFrame:
        """Inverse of the information, whatever standard errors come from."""
        import pandas as pd

        names = list(self.estimated_terms)
        return pd.DataFrame(self.cov_model, index=names, columns=names)

    @property
    def sizes(self) -> FloatArray:
        """Length of each column in the risk sets; shape (p,)."""
        return np.asarray(np.linalg.norm(self.columns, axis=0))

    def baseline(self, centred: bool = True) -> pd.DataFrame:
        """Cumulative baseline hazard at each distinct time of a stratum.

        Parameters
        ----------
        centred : bool
            Covariates at their means over the rows used, weighted unless there is
            delayed entry, columns of -1, 0 and 1 alone at 0 (as R survival does from
            3.1); otherwise all at 0.

        Returns
        -------
        pandas.DataFrame
            ``stratum time hazard``. NaN where coefficients run off to infinity.
        """
        from outcomes.models.survival.cox_baseline import tabulate_baseline

        return tabulate_baseline(self, centred)


@summary_row.register
def _(fit: CoxFit) -> dict[str, Any]:
    """Summarise a fit, for a table of one row.

    The information criteria count the coefficients and, in the BIC, the events.

    Parameters
    ----------
    fit : CoxFit
        A fit.

    Returns
    -------
    dict
        Counts, likelihoods, tests of all coefficients, concordance, options.
    """
    rank = len(fit.beta)
    robust = fit.robust_score
    return {
        "loglik": fit.loglik,
        "loglik_null": fit.loglik_null,
        "aic": -2.0 * fit.loglik + 2.0 * rank,
        "bic": -2.0 * fit.loglik + rank * float(np.log(fit.n_events)),
        "n_subjects": fit.n_subjects,
        "n_records": fit.n_records,
        "n_events": fit.n_events,
        "n_excluded": fit.n_excluded,
        "n_clusters": fit.n_clusters,
        "n_parameters": rank,
        "rank": rank,
        "likelihood_ratio": fit.likelihood_ratio.statistic,
        "likelihood_ratio_p": fit.likelihood_ratio.p_value,
        "wald": fit.wald.statistic,
        "wald_p": fit.wald.p_value,
        "score": fit.score.statistic,
        "score_p": fit.score.p_value,
        "robust_score": robust.statistic if robust else np.nan,
        "robust_score_p": robust.p_value if robust else np.nan,
        "concordance": fit.concordance,
        "converged": fit.convergence.converged,
        "method": "partial likelihood",
        "ties": fit.ties,
        "df": fit.df_method,
        "vcov": fit.vcov_method,
    }
