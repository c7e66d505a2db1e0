"""Profile likelihood intervals of coefficients, for the families that have them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from outcomes.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd


@singledispatch
def profile_intervals(
    fit: Any, terms: Sequence[str] | None = None, conf_level: float = 0.95
) -> pd.DataFrame:
    """Intervals and tests of coefficients by the profile of the likelihood.

    Parameters
    ----------
    fit : LogisticFit or GlmmFit
        A fit; with Firth's penalty the likelihood is the penalised one.
    terms : sequence of str, optional
        Columns of the model matrix; all without it.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        ``term estimate conf_low conf_high statistic p_value``: limits where the profile
        deviance has risen by the quantile of chi-square, infinite where it never does;
        the likelihood ratio statistic of the coefficient being zero.

    Raises
    ------
    ModelError
        If a term is not one of the fit's.
    """
    raise ModelError(
        f"profile_intervals: {type(fit).__name__} has none; use tidy for its intervals."
    )
