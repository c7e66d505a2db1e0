"""Summary statistics: frames' columns in, names and numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

QUANTILES = "quantiles as SAS PCTLDEF=5"
# Of a product of two numbers.
ROUNDING = 1e-12


def quantile(values: ArrayLike, p: float) -> float:
    """Return a quantile as SAS does by default (PCTLDEF=5).

    With n values in order and n p = j + g, j whole: the mean of values j and j + 1 if g
    is 0, value j + 1 otherwise (type 2 of Hyndman and Fan, 1996, Am Stat 50, 361-365).

    Parameters
    ----------
    values : array
        Without missing ones; may be empty.
    p : float
        From 0 to 1.

    Returns
    -------
    float
        NaN without values.

    Examples
    --------
    >>> quantile([1, 2, 3, 4], 0.25), quantile([1, 2, 3, 4, 5], 0.25)
    (1.5, 2.0)
    """
    import numpy as np

    x = np.sort(np.asarray(values, dtype="float64"))
    if not x.size:
        return math.nan
    place = x.size * p
    whole = round(place)
    # 220 times 0.55 is 121, which the product of the floats is not.
    if abs(place - whole) <= ROUNDING * max(place, 1.0):
        return float(x[max(whole - 1, 0)] + x[min(whole, x.size - 1)]) / 2.0
    return float(x[int(place)])


def moments(values: ArrayLike) -> dict[str, float]:
    """Return ``n mean sd`` of values without missing ones; NaN where undefined."""
    import numpy as np

    x = np.asarray(values, dtype="float64")
    return {
        "n": float(x.size),
        "mean": float(x.mean()) if x.size else math.nan,
        "sd": float(x.std(ddof=1)) if x.size > 1 else math.nan,
    }


def summary(values: pd.Series[Any]) -> dict[str, float]:
    """Return ``n n_missing mean sd median q1 q3 min max`` of a column.

    Parameters
    ----------
    values : Series
        Numbers; missing ones are counted.
    """
    x = numbers(values)
    known = x[~_missing(x)]
    return {
        **moments(known),
        "n_missing": float(x.size - known.size),
        "median": quantile(known, 0.5),
        "q1": quantile(known, 0.25),
        "q3": quantile(known, 0.75),
        "min": float(known.min()) if known.size else math.nan,
        "max": float(known.max()) if known.size else math.nan,
    }


def numbers(values: Any) -> NDArray[np.float64]:
    """Return a column as doubles, missing ones as NaN."""
    import numpy as np

    return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan))


def _missing(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    import numpy as np

    return np.isnan(x)


def share(n: int, denominator: int) -> dict[str, float]:
    """Return ``n denominator percent``; no percentage of nobody."""
    percent = 100 * n / denominator if denominator else math.nan
    return {"n": float(n), "denominator": float(denominator), "percent": percent}


def pooled_sd(groups: Sequence[ArrayLike]) -> float:
    """Return the standard deviation within groups.

    The root of the sum of squares around each group's own mean over the sum of
    ``n - 1``.

    Parameters
    ----------
    groups : sequence of array
        Values without missing ones; empty groups do not count.

    Returns
    -------
    float
        NaN if no group has two values.

    Examples
    --------
    >>> pooled_sd([[1, 3], [10, 14]])
    2.23606797749979
    """
    import numpy as np

    squares, df = 0.0, 0
    for group in groups:
        x = np.asarray(group, dtype="float64")
        if x.size:
            squares += float(((x - x.mean()) ** 2).sum())
            df += x.size - 1
    return math.sqrt(squares / df) if df else math.nan
