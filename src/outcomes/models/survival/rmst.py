"""`rmst`: mean time without the event up to a day, and its comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError, one_of
from outcomes.models.inference import check_conf_level
from outcomes.models.survival.records import read_records
from outcomes.models.survival.steps import (
    Rows,
    area_after,
    area_error,
    count_risk_sets,
    multiply_steps,
    rows_of,
)
from outcomes.models.survival.time_values import SAME_TIME

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    *("term", "level", "reference", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "tau"),
)


@dataclass(frozen=True, slots=True)
class _Mean:
    """Restricted mean of one level."""

    level: Any
    estimate: float
    std_error: float


def rmst(
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | None = None,
    tau: float,
    reference: Any = None,
    entry: str | None = None,
    weights: str | None = None,
    subject: str | None = None,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Estimate restricted mean survival times, their differences and ratios.

    The restricted mean is the area under the Kaplan-Meier curve up to ``tau``: the mean
    time without the event in the first ``tau`` days. It needs no proportional hazards.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject, or per record of a subject.
    time, event : str
        Columns of the time of the event or of censoring, positive, and of 0 (censored)
        or 1 (event).
    by : str, optional
        Column of the groups.
    tau : float
        Time to which means are restricted; in each level within the observed times,
        or the curve zero before it.
    reference : optional
        Level that others are compared with; the first one by default.
    entry : str, optional
        Column of the time from which a record is at risk.
    weights : str, optional
        Column of weights; standard errors are then those of the infinitesimal
        jackknife over subjects.
    subject : str, optional
        Column of the subjects, if they have several rows.
    conf_level : float
        Coverage of the limits.

    Returns
    -------
    pandas.DataFrame
        ``term level reference estimate std_error statistic p_value conf_low conf_high
        tau``. Rows: ``"rmst"`` for each level; then for each other level
        ``"difference"`` and ``"ratio"`` (level over reference). ``std_error`` and
        ``statistic`` of a ratio are those of its log. Means have no test.

    Raises
    ------
    ModelError
        If the input cannot be analysed, or a curve is not known up to ``tau``.

    Notes
    -----
    Equations (6) to (8) in ``docs/methods/survival-curves.md``.

    References
    ----------
    Royston and Parmar (2013), BMC Medical Research Methodology 13:152,
    https://doi.org/10.1186/1471-2288-13-152.

    Examples
    --------
    >>> import pandas as pd
    >>> d = pd.DataFrame({"day": [3, 5, 5, 9], "relapse": [1, 1, 0, 0]})
    >>> rmst(d, time="day", event="relapse", tau=6)["estimate"].tolist()
    [5.0]
    """
    level = check_conf_level(conf_level)
    good = isinstance(tau, Real) and not isinstance(tau, bool)
    if not good or not math.isfinite(tau) or tau <= 0.0:
        raise ModelError(f"tau: {tau!r} is no positive time.")
    records = read_records(
        data,
        time=time,
        event=event,
        by=by,
        entry=entry,
        weights=weights,
        subject=subject,
    )
    levels = records.levels
    if not (reference is None or (np.ndim(reference) == 0 and reference in levels)):
        raise ModelError(one_of(reference, map(str, levels), name="reference"))
    groups = [rows_of(records, records.group == k) for k in range(len(levels))]
    _check_reach(groups, levels, by, float(tau))
    means = [
        _restrict(rows, value, float(tau), robust=records.weighted)
        for rows, value in zip(groups, levels, strict=True)
    ]
    base = means[0 if reference is None else levels.index(reference)]
    rows = [_mean_row(mean, level) for mean in means]
    for mean in means:
        if mean is not base:
            rows += [_difference_row(mean, base, level), _ratio_row(mean, base, level)]
    return _frame(rows, float(tau))


def _check_reach(
    groups: list[Rows], levels: tuple[Any, ...], by: str | None, tau: float
) -> None:
    """Refuse a time after the last one at which a curve is known."""
    problems = []
    for rows, value in zip(groups, levels, strict=True):
        used = rows.weights > 0.0
        last = float(rows.time[used].max())
        ends = rows.event[used & (rows.time == last)]
        if tau > last * (1.0 + SAME_TIME) and not ends.all():
            where = "" if by is None else f" of {by} {value!r}"
            problems.append(f"{last:g}{where}")
    if problems:
        raise ModelError(
            f"tau: {tau:g} is after the last time {' and '.join(problems)}, where some"
            " are still without the event, so the mean up to it is not known. Choose"
            " tau no later than that."
        )


def _restrict(rows: Rows, level: Any, tau: float, *, robust: bool) -> _Mean:
    sets = count_risk_sets(rows)
    steps = multiply_steps(sets)
    area, rest = area_after(sets, steps, tau)
    return _Mean(level, area, area_error(rows, sets, steps, rest, robust=robust))


def _limit(conf_level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + conf_level / 2.0))


def _test(estimate: float, std_error: float) -> dict[str, float]:
    """Return z and its two-sided p value; NaN without a standard error."""
    from scipy.special import ndtr

    if not std_error > 0.0:
        return {"statistic": math.nan, "p_value": math.nan}
    z = estimate / std_error
    return {"statistic": z, "p_value": float(2.0 * ndtr(-abs(z)))}


def _mean_row(mean: _Mean, conf_level: float) -> dict[str, Any]:
    half = _limit(conf_level) * mean.std_error
    return {
        "term": "rmst",
        "level": mean.level,
        "reference": "",
        "estimate": mean.estimate,
        "std_error": mean.std_error,
        "statistic": math.nan,
        "p_value": math.nan,
        "conf_low": mean.estimate - half,
        "conf_high": mean.estimate + half,
    }


def _difference_row(mean: _Mean, base: _Mean, conf_level: float) -> dict[str, Any]:
    estimate = mean.estimate - base.estimate
    std_error = math.hypot(mean.std_error, base.std_error)
    half = _limit(conf_level) * std_error
    return {
        "term": "difference",
        "level": mean.level,
        "reference": base.level,
        "estimate": estimate,
        "std_error": std_error,
        **_test(estimate, std_error),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }


def _ratio_row(mean: _Mean, base: _Mean, conf_level: float) -> dict[str, Any]:
    log_ratio = math.log(mean.estimate / base.estimate)
    std_error = math.hypot(
        mean.std_error / mean.estimate, base.std_error / base.estimate
    )
    half = _limit(conf_level) * std_error
    return {
        "term": "ratio",
        "level": mean.level,
        "reference": base.level,
        "estimate": math.exp(log_ratio),
        "std_error": std_error,
        **_test(log_ratio, std_error),
        "conf_low": math.exp(log_ratio - half),
        "conf_high": math.exp(log_ratio + half),
    }


def _frame(rows: list[dict[str, Any]], tau: float) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([row | {"tau": tau} for row in rows], columns=list(COLUMNS))
    return frame.astype({"term": object, "level": object, "reference": object})
