"""Estimated means and contrasts: a frame, the rows behind it, and the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcomes.models.inference import evaluate_estimable, statistics_frame
from outcomes.models.options import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Estimates:
    """Linear combinations of the coefficients of a fit.

    Attributes
    ----------
    frame : pandas.DataFrame
        ``term``, the factor columns, ``reference`` for contrasts, then ``estimate
        std_error df statistic p_value conf_low conf_high``.
    L : FloatArray, shape (len(frame), p)
        The rows, over the coefficients that are not aliased; NaN where not estimable.
    fit : object
        The fit.
    factors : tuple of str
        The columns a contrast compares along by default.
    by : tuple of str
        The columns it stays within.
    conf_level : float
        Of the limits in ``frame``.
    """

    frame: pd.DataFrame
    L: FloatArray
    fit: Any
    factors: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    conf_level: float = 0.95

    def __repr__(self) -> str:
        return f"<Estimates, {self.conf_level:.4g} limits>\n{self.frame.to_string()}"


def make_estimates(
    labels: pd.DataFrame,
    L: FloatArray,
    fit: Any,
    *,
    factors: tuple[str, ...],
    by: tuple[str, ...],
    conf_level: float,
) -> Estimates:
    """Evaluate rows and put them beside their labels."""
    import pandas as pd

    numbers = statistics_frame(evaluate_estimable(fit, L), conf_level)
    frame = pd.concat([labels.reset_index(drop=True), numbers], axis=1)
    return Estimates(frame, L, fit, factors, by, conf_level)
