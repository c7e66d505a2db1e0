"""Coefficient tables and one-row summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.models.inference import evaluate_rows, statistics_frame

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.models.mmrm.results import MmrmFit


def tidy(fit: MmrmFit, conf_level: float = 0.95) -> pd.DataFrame:
    """Tabulate the coefficients of a fit.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        ``term estimate std_error df statistic p_value conf_low conf_high``, one row
        per column of the model matrix; aliased ones have no numbers.

    Examples
    --------
    >>> tidy(fit, conf_level=0.9)  # doctest: +SKIP
    """
    known = np.flatnonzero(~fit.aliased_mask)
    table = statistics_frame(evaluate_rows(fit, np.eye(len(known))), conf_level)
    table.index = known
    table = table.reindex(range(len(fit.terms)))
    table.insert(0, "term", list(fit.terms))
    return table


def glance(fit: MmrmFit) -> pd.DataFrame:
    """Summarise a fit in one row.

    Information criteria count the covariance parameters only, under ML too, and the
    subjects with data, as R mmrm does; SAS adds the coefficients under ML
    (``docs/validation/differences.md``).

    Parameters
    ----------
    fit : MmrmFit
        A fit.

    Returns
    -------
    pandas.DataFrame
        ``loglik deviance aic aicc bic n_subjects n_records n_excluded n_parameters
        rank converged covariance method df vcov``.

    Examples
    --------
    >>> glance(fit).loc[0, "aic"]  # doctest: +SKIP
    """
    import pandas as pd

    deviance = -2.0 * fit.loglik
    k = len(fit.theta)
    rank = len(fit.beta)
    spare = max(fit.n_records - rank, k + 2) - k - 1  # under ML too, as R mmrm
    return pd.DataFrame(
        [
            {
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
        ]
    )
