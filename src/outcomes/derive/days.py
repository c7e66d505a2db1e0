"""Dates and study days. There is no day 0: the day before day 1 is day -1.

Days are floats here, so that an absent one is NaN; they become whole numbers where
a table is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


def date_text(dates: pd.Series[Any]) -> pd.Series[Any]:
    """Return the date part of ISO 8601 texts; ``''`` where there is no whole date."""
    import pandas as pd

    day = dates.str.slice(0, 10)
    whole = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce").notna()
    return day.where(whole, "")


def ordinals(dates: pd.Series[Any]) -> FloatArray:
    """Return days since 1970-01-01 of ISO 8601 texts, NaN where there is no date.

    Parameters
    ----------
    dates : Series of str, length n
        Dates or date-times; the time is ignored.

    Returns
    -------
    FloatArray, shape (n,)
    """
    import pandas as pd

    moments = pd.to_datetime(
        dates.str.slice(0, 10), format="%Y-%m-%d", errors="coerce"
    ).to_numpy()
    days = moments.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    return np.where(np.isnat(moments), np.nan, days)


def study_day(dates: ArrayLike, origins: ArrayLike) -> FloatArray:
    """Return the study day of dates, both as from `ordinals`.

    Examples
    --------
    >>> study_day([99.0, 100.0, 101.0], 100.0)
    array([-1.,  1.,  2.])
    """
    since = np.asarray(dates, dtype=np.float64) - np.asarray(origins, dtype=np.float64)
    return np.where(since >= 0, since + 1, since)


def difference(days: ArrayLike, target: ArrayLike) -> FloatArray:
    """Return how many days lie between study days, across the missing day 0.

    Examples
    --------
    >>> difference([1.0, -1.0, 5.0], [-1.0, 1.0, 2.0])
    array([ 1., -1.,  3.])
    """
    return _elapsed(days) - _elapsed(target)


def _elapsed(days: ArrayLike) -> FloatArray:
    values = np.asarray(days, dtype=np.float64)
    return np.where(values > 0, values - 1, values)
