"""Coefficient tables and one-row summaries."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.inference import evaluate_rows, statistics_frame

if TYPE_CHECKING:
    import pandas as pd


def tidy(fit: Any, conf_level: float = 0.95) -> pd.DataFrame:
    """Tabulate the coefficients of a fit.

    Parameters
    ----------
    fit : object
        A fit of any family.
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


@singledispatch
def summary_row(fit: Any) -> dict[str, Any]:
    """Give what `glance` shows of a fit."""
    raise ModelError(f"glance: {type(fit).__name__} is not a fit this function knows.")


def glance(fit: Any) -> pd.DataFrame:
    """Summarise a fit in one row.

    Information criteria of an MMRM count the covariance parameters only, under ML too,
    and the subjects with data, as R mmrm does; SAS adds the coefficients under ML
    (``docs/validation/differences.md``). Those of mixed models count all parameters and
    records, as lme4 does.

    Parameters
    ----------
    fit : object
        A fit of any family.

    Returns
    -------
    pandas.DataFrame
        ``n_records n_excluded rank converged method df`` and what the family has:
        ``loglik deviance aic bic n_subjects covariance vcov ...``.

    Raises
    ------
    ModelError
        If it is not a fit.

    Examples
    --------
    >>> glance(fit).loc[0, "aic"]  # doctest: +SKIP
    """
    import pandas as pd

    return pd.DataFrame([summary_row(fit)])
