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
    fit: Any, terms: str | Sequence[str] | None = None, conf_level: float = 0.95
) -> pd.DataFrame:
    """Profile likelihood intervals and likelihood ratio tests of coefficients.

    With Firth's penalty, those of the penalised likelihood (R logistf). Without, and
    with separated data, a coefficient that grows without end has an infinite estimate
    and limit, and a test all the same.

    Parameters
    ----------
    fit : LogisticFit or GlmmFit
        A fit.
    terms : str or sequence of str, optional
        Columns of the model matrix; all of them by default.
    conf_level : float
        Of the limits.

    Returns
    -------
    pandas.DataFrame
        ``term estimate conf_low conf_high statistic p_value``; the statistic is
        chi-square with one degree of freedom, against zero. No numbers for a column
        that repeats earlier ones. A number that was not found (with a handful of
        records the penalised likelihood may have several maxima) is NaN, and
        ``attrs["reason"]`` names it; the reason is empty otherwise.

    Raises
    ------
    ModelError
        If a term is not a column of the model matrix, or the fit did not converge for
        another reason than separation.

    References
    ----------
    Heinze and Schemper (2002), Stat Med 21, 2409-2419,
    https://doi.org/10.1002/sim.1047.

    Examples
    --------
    >>> profile_intervals(fit, "TRT01P[T.PSI25]")  # doctest: +SKIP
    """
    raise ModelError(
        f"profile_intervals: {type(fit).__name__} has none; use tidy for its intervals."
    )
