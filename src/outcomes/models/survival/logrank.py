"""`logrank`: tests of whether survival curves differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.records import Records, read_records
from outcomes.models.survival.steps import (
    RiskSets,
    Rows,
    count_risk_sets,
    multiply_steps,
    rows_of,
    sums_from,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

# Eigenvalues of the covariance below this share of the largest are none.
NO_VARIANCE: Final = 1e-10


@dataclass(frozen=True, slots=True)
class LogRank:
    """Test of equal hazards of groups.

    Attributes
    ----------
    statistic : float
        Chi-squared; NaN where there is nothing to compare.
    df : int
        Degrees of freedom: groups with expected events less one, fewer if some are
        never at risk together.
    p_value : float
        Two-sided.
    table : pandas.DataFrame
        ``level n observed expected``: subjects, and (weighted) events, summed over
        strata.
    cov : FloatArray, shape (k, k)
        Covariance of observed less expected.
    rho : float
        Events count by pooled survival just before them, to this power.
    robust : bool
        The covariance is a sum over subjects of squared influences (weights given).
    n_subjects, n_records, n_strata : int
        Subjects, records, strata.
    """

    statistic: float
    df: int
    p_value: float
    table: pd.DataFrame
    cov: FloatArray
    rho: float
    robust: bool
    n_subjects: int
    n_records: int
    n_strata: int


@dataclass(frozen=True, slots=True)
class _Pooled:
    """Risk sets of one stratum, groups apart.

    ``share`` has the share of each group in those at risk, shape (m, k), ``factor`` the
    power of pooled survival that an event counts.
    """

    rows: Rows
    group: IntArray
    sets: RiskSets
    share: FloatArray
    factor: FloatArray


def logrank(
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str,
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
    entry: str | None = None,
    weights: str | None = None,
    subject: str | None = None,
) -> LogRank:
    """Test whether groups have the same hazard, by the log-rank test or its G-rho kin.

    Without weights the covariance is the hypergeometric one. With weights the test is
    the robust score test at zero of a Cox model with the groups alone (ties by
    Breslow), whose covariance is a sum over subjects.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject, or per record of a subject.
    time, event : str
        Columns of the time of the event or of censoring, positive, and of 0 (censored)
        or 1 (event).
    by : str
        Column of the groups, two or more.
    strata : str or sequence of str, optional
        Columns within whose combinations groups are compared.
    rho : float
        0 for the log-rank test, 1 for that of Peto and Peto (the Wilcoxon test's kin).
    entry : str, optional
        Column of the time from which a record is at risk.
    weights : str, optional
        Column of weights.
    subject : str, optional
        Column of the subjects, if they have several rows.

    Returns
    -------
    LogRank
        Without events, or without a time at which two groups are at risk together,
        there is no test: ``df`` is 0, statistic and p value are NaN.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names rows and columns.

    Notes
    -----
    Equations (12) to (16) in ``docs/methods/survival-curves.md``.

    References
    ----------
    Harrington and Fleming (1982), Biometrika 69, 553-566,
    https://doi.org/10.1093/biomet/69.3.553.

    Examples
    --------
    >>> import pandas as pd
    >>> d = pd.DataFrame({"t": [1, 2, 3, 4], "e": [1, 1, 1, 1], "a": list("xxyy")})
    >>> logrank(d, time="t", event="e", by="a").df
    1
    """
    if isinstance(rho, bool) or not isinstance(rho, Real) or not math.isfinite(rho):
        raise ModelError(f"rho: {rho!r} is no finite number, as 0 and 1 are.")
    records = read_records(
        data,
        time=time,
        event=event,
        by=by,
        strata=strata,
        entry=entry,
        weights=weights,
        subject=subject,
    )
    if len(records.levels) < 2:
        raise ModelError(
            f"{by!r} has the one level {records.levels[0]!r}: nothing to compare."
        )
    observed, expected, cov = _sum_strata(records, float(rho))
    statistic, df, p_value = _test(observed - expected, cov, expected > 0.0)
    return LogRank(
        statistic=statistic,
        df=df,
        p_value=p_value,
        table=_table(records, observed, expected),
        cov=cov,
        rho=float(rho),
        robust=records.weighted,
        n_subjects=records.n_subjects,
        n_records=records.n_records,
        n_strata=len(records.strata),
    )


def _sum_strata(
    records: Records, rho: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return observed and expected events and their covariance, all strata together."""
    k = len(records.levels)
    observed, expected, cov = np.zeros(k), np.zeros(k), np.zeros((k, k))
    influence = np.zeros((records.n_subjects, k)) if records.weighted else None
    for stratum in range(len(records.strata)):
        keep = records.stratum == stratum
        pooled = _pool(rows_of(records, keep), records.group[keep], k, rho)
        counted = pooled.factor * pooled.sets.n_event
        observed += _observed(pooled, k)
        expected += counted @ pooled.share
        if influence is None:
            cov += _hypergeometric(pooled)
        else:
            who = records.subject[keep]
            parts = _influence(pooled)
            for j in range(k):
                influence[:, j] += np.bincount(who, parts[j], records.n_subjects)
    return observed, expected, cov if influence is None else influence.T @ influence


def _pool(rows: Rows, group: IntArray, k: int, rho: float) -> _Pooled:
    """Count the risk sets of a stratum, and the share of each group in them."""
    sets = count_risk_sets(rows)
    first = np.searchsorted(sets.time, rows.entry, side="right")
    last = np.searchsorted(sets.time, rows.time, side="right") - 1
    m = len(sets.time)
    share = np.zeros((m, k))
    for j in range(k):
        mine = group == j
        w = rows.weights[mine]
        share[:, j] = sums_from(last[mine] + 1, w, m) - sums_from(first[mine], w, m)
    # Sums of weights whose members left one by one may miss zero by rounding.
    share[share < sets.n_risk[:, None] * np.finfo(float).eps * len(rows.time)] = 0.0
    total = share.sum(axis=1, keepdims=True)
    share = np.divide(share, total, out=share, where=total > 0.0)
    before = np.concatenate([[1.0], multiply_steps(sets).survival[:-1]])
    with np.errstate(divide="ignore"):
        factor = np.ones(m) if rho == 0.0 else before**rho
    # A negative power of zero: survival has come to zero, and some enter after that.
    return _Pooled(rows, group, sets, share, np.where(np.isfinite(factor), factor, 0.0))


def _observed(pooled: _Pooled, k: int) -> FloatArray:
    """Sum the (weighted) events of each group."""
    rows, event = pooled.rows, pooled.rows.event
    counts = pooled.factor[np.searchsorted(pooled.sets.time, rows.time[event])]
    weighted = counts * rows.weights[event]
    return np.bincount(pooled.group[event], weighted, k).astype(np.float64)


def _hypergeometric(pooled: _Pooled) -> FloatArray:
    """Return the covariance of observed events given the margins (13)."""
    n, d = pooled.sets.n_risk, pooled.sets.n_event
    several = (d > 0.0) & (n > 1.0)
    n, d = n[several], d[several]
    scale = pooled.factor[several] ** 2 * d * (n - d) / (n - 1.0)
    share = pooled.share[several]
    return np.diag(scale @ share) - share.T @ (share * scale[:, None])


def _influence(pooled: _Pooled) -> list[FloatArray]:
    """Return the weighted score residuals of the rows, for each group (16)."""
    rows, sets = pooled.rows, pooled.sets
    n = np.where(sets.n_risk > 0.0, sets.n_risk, 1.0)
    hazard = pooled.factor * sets.n_event / n
    first = np.searchsorted(sets.time, rows.entry, side="right")
    last = np.searchsorted(sets.time, rows.time, side="right")
    event = np.flatnonzero(rows.event)
    at = last[event] - 1
    parts = []
    for j in range(pooled.share.shape[1]):
        mine = (pooled.group == j).astype(np.float64)
        p = pooled.share[:, j]
        own = np.concatenate([[0.0], np.cumsum(hazard)])
        others = np.concatenate([[0.0], np.cumsum(hazard * p)])
        residual = -mine * (own[last] - own[first]) + others[last] - others[first]
        residual[event] += pooled.factor[at] * (mine[event] - p[at])
        parts.append(rows.weights * residual)
    return parts


def _test(
    difference: FloatArray, cov: FloatArray, used: BoolArray
) -> tuple[float, int, float]:
    """Return chi-squared (14), its degrees of freedom and p value."""
    from scipy.special import chdtrc

    u, V = difference[used][1:], cov[np.ix_(used, used)][1:, 1:]
    if not len(u):
        return math.nan, 0, math.nan
    values, vectors = np.linalg.eigh(V)
    kept = values > NO_VARIANCE * max(float(values[-1]), 0.0)
    if not kept.any():
        return math.nan, 0, math.nan
    along = vectors[:, kept].T @ u
    statistic = float(np.sum(along**2 / values[kept]))
    df = int(kept.sum())
    return statistic, df, float(chdtrc(df, statistic))


def _table(
    records: Records, observed: FloatArray, expected: FloatArray
) -> pd.DataFrame:
    import pandas as pd

    _, first = np.unique(records.subject, return_index=True)
    counts = np.bincount(records.group[first], minlength=len(records.levels))
    levels = pd.Series(list(records.levels), dtype=object)
    return pd.DataFrame(
        {"level": levels, "n": counts, "observed": observed, "expected": expected}
    )
