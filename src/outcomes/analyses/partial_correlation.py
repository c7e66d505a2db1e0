"""Partial correlation by pingouin: the only module that knows its column names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcomes.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation, its p value and limits."""

    estimate: float
    p_value: float
    conf_low: float
    conf_high: float
    n: int


def check_columns(X: NDArray[np.float64], names: list[str]) -> None:
    """Refuse a predictor and covariates that cannot be told apart.

    Parameters
    ----------
    X : array, shape (n, k + 1)
        The predictor, then k covariates.
    names : list of str
        Of the columns.

    Raises
    ------
    ModelError
        If a column is constant or follows from others, or there are fewer than k + 3
        rows.
    """
    import numpy as np

    n, width = X.shape
    if n < width + 2:
        raise ModelError(
            f"{n} subjects are too few for {', '.join(names)}; {width + 2} are needed."
        )
    for name, column in zip(names, X.T, strict=True):
        if np.ptp(column) == 0:
            raise ModelError(f"{name} has the same value in all {n} subjects.")
    # Rank must not depend on units.
    Z = standardised(X) / math.sqrt(n)
    if np.linalg.matrix_rank(Z, tol=1e-8) < width:
        raise ModelError(f"{', '.join(names)} determine each other; leave one out.")


def standardised(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return columns with mean 0 and standard deviation 1, none of them constant.

    Large origins and units cost no digits: each column is moved to its first value and
    brought to its range before means and squares are taken.
    """
    import numpy as np

    near = (X - X[0]) / np.ptp(X, axis=0)
    centred = near - near.mean(axis=0)
    return np.asarray(centred / centred.std(axis=0))


def partial_correlation(
    predictor: pd.Series[float],
    outcome: pd.Series[float],
    covariates: pd.DataFrame,
    conf_level: float,
) -> Correlation:
    """Correlate two variables after both were adjusted for others.

    Estimate and p value are pingouin's (t with n - k - 2 degrees of freedom for k
    covariates); limits are Fisher's, with standard error 1 / sqrt(n - k - 3), computed
    here because pingouin rounds them and knows the 95 per cent level only.

    Parameters
    ----------
    predictor, outcome : Series, shape (n,)
        Numbers, none missing.
    covariates : DataFrame, shape (n, k)
        To adjust for; k may be 0.
    conf_level : float
        Of the limits.

    Returns
    -------
    Correlation
        Limits are NaN with fewer than k + 4 rows, or where the correlation is 1 or -1.

    Raises
    ------
    ModelError
        As `check_columns`, or if the outcome is constant.
    """
    import numpy as np
    import pandas as pd
    from scipy.special import ndtri

    k, n = covariates.shape[1], len(predictor)
    X = np.column_stack([predictor, covariates]).astype("float64")
    check_columns(X, [str(predictor.name), *map(str, covariates.columns)])
    if outcome.nunique() < 2:
        raise ModelError(f"{outcome.name} has the same value in all {n} subjects.")
    # Own names: pingouin cannot be surprised by those of a study.
    names = [f"z{i}" for i in range(k)]
    table = pd.DataFrame(standardised(X), columns=["x", *names])
    table["y"] = outcome.to_numpy("float64")
    r, p = _pingouin(table, names)
    low = high = math.nan
    if n > k + 3 and abs(r) < 1:
        half = float(ndtri((1 + conf_level) / 2)) / math.sqrt(n - k - 3)
        low, high = math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
    return Correlation(r, p, low, high, n)


def _pingouin(table: pd.DataFrame, covariates: list[str]) -> tuple[float, float]:
    """Call pingouin, which is GPL-3 and therefore imported here only."""
    import warnings

    with warnings.catch_warnings():
        # pingouin 0.7 calls pandas in a way that pandas 4 will refuse.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        import pingouin

        if covariates:
            found = pingouin.partial_corr(data=table, x="x", y="y", covar=covariates)
        else:
            found = pingouin.corr(table["x"], table["y"])
    return float(found["r"].iloc[0]), float(found["p_val"].iloc[0])
