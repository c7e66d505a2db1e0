"""One survival curve: estimated, and read at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from outcomes.models.options import FloatArray
from outcomes.models.survival.limits import survival_limits
from outcomes.models.survival.quantiles import curve_quantiles
from outcomes.models.survival.steps import (
    RiskSets,
    Rows,
    count_risk_sets,
    greenwood_errors,
    jackknife_errors,
    multiply_steps,
)
from outcomes.models.survival.time_values import meet_times


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """The survival curve of one level.

    Attributes
    ----------
    level : Any
        Value of the ``by`` column.
    n_subjects, n_records : int
        Subjects and records of the level.
    sets : RiskSets
        Times, and who is at risk, has the event and is censored.
    survival, std_error, conf_low, conf_high : FloatArray, shape (m,)
        Right-continuous estimates at those times.
    rows : Rows
        The records.
    """

    level: Any
    n_subjects: int
    n_records: int
    sets: RiskSets
    survival: FloatArray
    std_error: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    rows: Rows

    @property
    def ended(self) -> bool:
        """All at risk at the last time have the event: survival is known after it."""
        return bool(self.survival[-1] == 0.0)


def fit_curve(
    rows: Rows, level: Any, *, robust: bool, conf_type: str, conf_level: float
) -> SurvivalCurve:
    """Estimate the curve of one level.

    Parameters
    ----------
    rows : Rows
        Its records.
    level : Any
        What it is called.
    robust : bool
        Standard errors of the infinitesimal jackknife, instead of Greenwood's.
    conf_type : str
        Scale of the limits.
    conf_level : float
        Their coverage.

    Returns
    -------
    SurvivalCurve
    """
    sets = count_risk_sets(rows)
    steps = multiply_steps(sets)
    errors = jackknife_errors(rows, sets, steps) if robust else greenwood_errors(steps)
    low, high = survival_limits(
        steps.survival, errors, conf_type=conf_type, conf_level=conf_level
    )
    return SurvivalCurve(
        level=level,
        n_subjects=rows.n_subjects,
        n_records=len(rows.time),
        sets=sets,
        survival=steps.survival,
        std_error=errors,
        conf_low=low,
        conf_high=high,
        rows=rows,
    )


def estimates_at(curve: SurvivalCurve, t: FloatArray) -> dict[str, FloatArray]:
    """Read survival, its standard error and limits at given times.

    Parameters
    ----------
    curve : SurvivalCurve
    t : FloatArray, shape (k,)
        Not negative.

    Returns
    -------
    dict of FloatArray, shape (k,)
        NaN after the last time of a curve that has not come down to 0.
    """
    t = meet_times(t, curve.sets.time)
    place = np.searchsorted(curve.sets.time, t, side="right")
    unknown = (t > curve.sets.time[-1]) & (not curve.ended)
    # Before the first time nothing can have happened: limits are 1, as R has them.
    at_start = {"survival": 1.0, "std_error": 0.0, "conf_low": 1.0, "conf_high": 1.0}
    found = {}
    for name, first in at_start.items():
        values = np.concatenate([[first], getattr(curve, name)])[place]
        found[name] = np.where(unknown, np.nan, values)
    return found


def counts_at(curve: SurvivalCurve, t: FloatArray) -> dict[str, FloatArray]:
    """Count at risk just before times, events through and censorings before them.

    Parameters
    ----------
    curve : SurvivalCurve
    t : FloatArray, shape (k,)
        Not negative.

    Returns
    -------
    dict of FloatArray, shape (k,)
        ``n_risk n_event n_censor``, sums of weights.
    """
    sets, rows = curve.sets, curve.rows
    t = meet_times(t, sets.time)
    through = np.searchsorted(sets.time, t, side="right")
    before = np.searchsorted(sets.time, t, side="left")
    at_risk = _sum_from(rows.time, rows.weights, t)
    if np.isfinite(rows.entry).any():
        at_risk -= _sum_from(rows.entry, rows.weights, t)
    # At a time of the curve, the very number the curve has.
    on = before < through
    at_risk[on] = sets.n_risk[before[on]]
    at_risk[t > rows.time.max()] = 0.0
    events = np.concatenate([[0.0], np.cumsum(sets.n_event)])
    censorings = np.concatenate([[0.0], np.cumsum(sets.n_censor)])
    return {
        "n_risk": np.maximum(at_risk, 0.0),
        "n_event": events[through],
        "n_censor": censorings[before],
    }


def median_follow_up(sets: RiskSets) -> FloatArray:
    """Return the median time to censoring by the reverse Kaplan-Meier estimate.

    Who has the event at a time is not at risk of being censored at it.

    Parameters
    ----------
    sets : RiskSets

    Returns
    -------
    FloatArray, shape (1,)
        NaN if fewer than half would have been censored.
    """
    happens = sets.n_censor > 0.0
    n = np.where(happens, sets.n_risk - sets.n_event, 1.0)
    # Sums of weights may come out below what they are made of, by rounding.
    steps = np.where(happens, np.maximum(n - sets.n_censor, 0.0) / n, 1.0)
    free: FloatArray = np.cumprod(steps, dtype=np.float64)
    return curve_quantiles(sets.time, free, [0.5])


def _sum_from(values: FloatArray, weights: FloatArray, t: FloatArray) -> FloatArray:
    """Sum the weights of values at or after each time."""
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([weights[order][::-1].cumsum()[::-1], [0.0]])
    return sums[np.searchsorted(values[order], t, side="left")]
