"""Times by which a share of subjects has had the event, read off survival curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import FloatArray
from outcomes.models.survival.time_values import read_list

# A curve this near a quantile is at it (as R survival).
TOLERANCE: Final = float(np.sqrt(np.finfo(np.float64).eps))


def check_probs(probs: Any) -> FloatArray:
    """Return probabilities as an array.

    Raises
    ------
    ModelError
        If one is not between 0 and 1.
    """
    values = read_list(probs)
    if not np.all((values >= 0.0) & (values <= 1.0)):
        raise ModelError(f"probs: {probs!r} are not all between 0 and 1, as 0.5 is.")
    return values


def curve_quantiles(
    time: FloatArray, survival: FloatArray, probs: Sequence[float] | FloatArray
) -> FloatArray:
    """Return the first times at which a curve is at or below 1 - prob.

    Where the curve is flat at exactly 1 - prob, the middle between the first time of
    that stretch and the next step (or the last time) is taken, as R survival does.

    Parameters
    ----------
    time : FloatArray, shape (m,)
        Times, increasing and positive.
    survival : FloatArray, shape (m,)
        The curve or a limit of it at these times; NaN where there is none.
    probs : sequence of float, shape (k,)
        Shares with the event.

    Returns
    -------
    FloatArray, shape (k,)
        NaN where the curve does not come down so far.

    Examples
    --------
    >>> survival = np.array([0.8, 0.5, 0.2])
    >>> curve_quantiles(np.array([1.0, 3.0, 5.0]), survival, [0.5, 0.9])
    array([ 4., nan])
    """
    p = np.asarray(probs, dtype=np.float64)
    x = np.concatenate([[0.0], time])
    y = np.concatenate([[0.0], 1.0 - survival])
    last, y_last = x[-1], y[-1]
    # The first time of each height; limits may lack heights or not be monotone.
    y, first = np.unique(y, return_index=True)
    x, y = x[first][~np.isnan(y)], y[~np.isnan(y)]
    x_or_none = np.concatenate([x, [np.nan]])
    reach = x_or_none[np.searchsorted(y + TOLERANCE, p)]
    leave = x_or_none[np.searchsorted(y - TOLERANCE, p)]
    found: FloatArray = (reach + leave) / 2.0
    at_last = np.abs(p - y_last) < TOLERANCE
    found[at_last] = (reach[at_last] + last) / 2.0
    found[p == 0.0] = 0.0
    return found
