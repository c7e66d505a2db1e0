"""Pointwise confidence limits of probabilities that change over time."""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray


def survival_limits(
    survival: FloatArray, std_error: FloatArray, *, conf_type: str, conf_level: float
) -> tuple[FloatArray, FloatArray]:
    """Return limits of survival, on the scale asked for, between 0 and 1.

    Parameters
    ----------
    survival, std_error : FloatArray, shape (m,)
        Estimates and their standard errors.
    conf_type : str
        ``"log-log"``, ``"log"`` or ``"plain"``.
    conf_level : float
        Coverage.

    Returns
    -------
    tuple of FloatArray
        Low and high. NaN where the scale has no place for the estimate: at 0 and 1
        for ``"log-log"``, at 0 for ``"log"``, and where the standard error is NaN.

    Notes
    -----
    Equations (9) to (11) in ``docs/methods/survival-curves.md``.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + conf_level / 2.0))
    if conf_type == "plain":
        low, high = survival - z * std_error, survival + z * std_error
        return np.maximum(low, 0.0), np.minimum(high, 1.0)
    inside = (survival > 0.0) & (survival < 1.0)
    s = np.where(inside, survival, 0.5)
    relative = z * np.where(inside, std_error, 0.0) / s
    if conf_type == "log":
        low, high = s * np.exp(-relative), np.minimum(s * np.exp(relative), 1.0)
        at_one = np.where(survival == 1.0, 1.0, np.nan)
        return np.where(inside, low, at_one), np.where(inside, high, at_one)
    half = relative / -np.log(s)
    low, high = s ** np.exp(half), s ** np.exp(-half)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)
