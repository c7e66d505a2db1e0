"""Gray's test that the cumulative incidence of one cause is the same in all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import FloatArray, IntArray
from outcomes.models.survival.records import read_records

if TYPE_CHECKING:
    import pandas as pd

# Eigenvalue of the variance, as a share of the largest, that is zero but for rounding.
SINGULAR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class GrayTest:
    """Gray's test of equal cumulative incidence.

    Attributes
    ----------
    statistic : float
        Chi-square statistic; NaN without an event of the cause.
    df : int
        Its degrees of freedom: the rank of the variance, groups less one as a rule.
    p_value : float
        Of the statistic.
    cause : int
        The cause compared.
    rho : float
        Power of the weight.
    levels : tuple
        Groups.
    score : FloatArray, shape (groups,)
        Weighted observed minus expected, summing to zero.
    cov : FloatArray, shape (groups, groups)
        Its covariance under equality.
    """

    statistic: float
    df: int
    p_value: float
    cause: int
    rho: float
    levels: tuple[Any, ...]
    score: FloatArray
    cov: FloatArray

    def __repr__(self) -> str:
        return (
            f"<Gray's test of cause {self.cause}: chi-square {self.statistic:.4f} on"
            f" {self.df} df, p = {self.p_value:.4g}>"
        )


def gray_test(
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str,
    cause: int = 1,
    strata: str | Sequence[str] | None = None,
    rho: float = 0.0,
) -> GrayTest:
    """Compare the cumulative incidence of one cause between groups.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject.
    time, event : str
        Columns of the time of the first event or of censoring, positive, and of 0
        (censored) or the cause: 1, 2, ...
    by : str
        Column of the groups.
    cause : int
        The cause to compare; all others compete with it.
    strata : str or sequence of str, optional
        Columns within whose combinations groups are compared.
    rho : float
        Differences at time t count with the power ``rho`` of 1 - F(t): 0 all alike,
        1 early ones more.

    Returns
    -------
    GrayTest

    Raises
    ------
    ModelError
        If there are fewer than two groups, or rows cannot be used.

    Notes
    -----
    Equations (7) to (9) of ``docs/methods/competing-risks.md``; the numbers are those
    of R cmprsk ``cuminc``.

    References
    ----------
    Gray (1988), Ann Stat 16, 1141-1154, https://doi.org/10.1214/aos/1176350951.

    Examples
    --------
    >>> gray_test(adtte, time="AVAL", event="CAUSE", by="ARM")  # doctest: +SKIP
    """
    from scipy.special import gammaincc

    if isinstance(cause, bool) or not isinstance(cause, Integral) or cause < 1:
        raise ModelError(f"cause: {cause!r} is no cause; give 1, 2, ...")
    if not isinstance(rho, Real) or not np.isfinite(rho):
        raise ModelError(f"rho: {rho!r} is no finite number, as 0 or 1 is.")
    records = read_records(
        data, time=time, event=event, by=by, strata=strata, codes=None
    )
    n_groups = len(records.levels)
    if n_groups < 2:
        raise ModelError(
            f"by: {by!r} has the one level {records.levels[0]!r} in the data; a test"
            " needs two. Is an arm left out?"
        )
    kind = np.where(records.event == 0, 0, np.where(records.event == cause, 1, 2))
    score, cov = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for stratum in range(len(records.strata)):
        here = records.stratum == stratum
        part = _Tables.count(
            records.time[here], kind[here], records.group[here], n_groups
        )
        s, v = _score(part, float(rho))
        score, cov = score + s, cov + v
    statistic, df = _chi_square(score, cov)
    return GrayTest(
        statistic=statistic,
        df=df,
        p_value=float(gammaincc(df / 2.0, statistic / 2.0)) if df else float("nan"),
        cause=int(cause),
        rho=float(rho),
        levels=records.levels,
        score=score,
        cov=cov,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """Counts at the distinct times of events of any cause, each of shape (k, groups).

    ``risk`` just before, events of the cause ``own`` and of others ``other``.
    """

    risk: FloatArray
    own: FloatArray
    other: FloatArray

    @classmethod
    def count(
        cls, time: FloatArray, kind: IntArray, group: IntArray, n_groups: int
    ) -> _Tables:
        times = np.unique(time[kind > 0])
        shape = (len(times), n_groups)
        risk = np.empty(shape)
        for g in range(n_groups):
            mine = np.sort(time[group == g])
            risk[:, g] = len(mine) - np.searchsorted(mine, times, side="left")
        events = []
        for code in (1, 2):
            here = kind == code
            cell = np.searchsorted(times, time[here]) * n_groups + group[here]
            events.append(np.bincount(cell, minlength=shape[0] * n_groups))
        own, other = (np.reshape(e, shape).astype(float) for e in events)
        return cls(risk, own, other)


def _score(tables: _Tables, rho: float) -> tuple[FloatArray, FloatArray]:
    """Score and variance of one stratum, equations (7) to (9)."""
    risk, own, other = tables.risk, tables.own, tables.other
    there = risk > 0
    safe = np.where(there, risk, 1.0)
    after = np.cumprod(np.where(there, 1.0 - (own + other) / safe, 1.0), axis=0)
    first = np.ones((1, risk.shape[1]))
    before = np.concatenate([first, after])[:-1]
    steps = np.where(there, before * own / safe, 0.0)
    incidence = np.concatenate([0.0 * first, np.cumsum(steps, axis=0)])[:-1]
    # Those at risk as if nobody had been lost, in each group and overall.
    h = np.where(there, risk / np.where(there, before, 1.0), 0.0)
    whole = np.where(h.any(axis=1), h.sum(axis=1), 1.0)
    subdistribution = h * (1.0 - incidence)
    d = own.sum(axis=1)
    F = np.cumsum(d / whole)
    F_before = np.concatenate([[0.0], F])[:-1]
    weight = np.where(d > 0, np.maximum(1.0 - F_before, 0.0), 1.0) ** rho
    sums = np.where(d > 0, subdistribution.sum(axis=1), 1.0)
    expected = subdistribution * (d / sums)[:, None]
    score = (weight[:, None] * (own - expected)).sum(axis=0)

    share = h / whole[:, None]
    eye = np.eye(risk.shape[1])
    # a[s, i, k]: what an event of the cause in group k adds to the score of group i.
    a = weight[:, None, None] * h[:, :, None] * (eye - share[:, None, :])
    rate = np.where(d > 0, d / (whole * np.where(d > 0, 1.0 - F_before, 1.0)), 0.0)
    c = np.cumsum(a * rate[:, None, None], axis=0)
    rest = c[-1] - c if len(c) else c
    alive = after > 0
    ratio = (1.0 - F)[:, None] / np.where(alive, after, 1.0)
    t_own = np.where(alive, 1.0 - ratio, 1.0)
    effect = a + t_own[:, None, :] * rest
    cov = _spread(effect, _own_variance(there, safe, before, whole, d))
    t_other = np.where(alive, ratio, 0.0)
    effect = t_other[:, None, :] * rest
    counts = np.where(alive, other, 0.0)
    rest_of_risk = np.where(safe > 1.0, safe - 1.0, 1.0)
    tie = np.where(counts > 1.0, 1.0 - (counts - 1.0) / rest_of_risk, 1.0)
    return score, cov + _spread(effect, tie * before**2 * counts / safe**2)


def _own_variance(
    there: Any, safe: FloatArray, before: FloatArray, whole: FloatArray, d: FloatArray
) -> FloatArray:
    """Variance of the hazard of the cause under equality; shape (k, groups)."""
    many = there & (d > 1.0)[:, None]
    room = np.where(many, whole[:, None] * before - 1.0, 1.0)
    tie = np.where(many, 1.0 - (d[:, None] - 1.0) / room, 1.0)
    size = tie * before * d[:, None] / (whole[:, None] * safe)
    return np.asarray(np.where(there, size, 0.0))


def _spread(effect: FloatArray, variance: FloatArray) -> FloatArray:
    """Sum over times s and groups k the products of effects[s, :, k]."""
    scaled = effect * variance[:, None, :]
    return np.asarray(np.einsum("sik,sjk->ij", scaled, effect, optimize=True))


def _chi_square(score: FloatArray, cov: FloatArray) -> tuple[float, int]:
    """Statistic and rank, leaving out the last group as the others give it."""
    values, vectors = np.linalg.eigh(cov[:-1, :-1])
    kept = values > SINGULAR * max(float(np.trace(cov)), np.finfo(float).tiny)
    if not kept.any():
        return float("nan"), 0
    z = vectors[:, kept].T @ score[:-1]
    return float(np.sum(z**2 / values[kept])), int(kept.sum())
