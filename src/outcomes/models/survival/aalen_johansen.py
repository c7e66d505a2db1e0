"""The Aalen-Johansen estimator of one group: arrays in, arrays out.

Numbered equations are in ``docs/methods/competing-risks.md``. statsmodels'
`CumIncidenceRight` gives the same estimates and delta-method standard errors for one
unweighted group, and the tests hold this against it; it has no delayed entry, no
censored counts and no variance for weights that are not frequencies or for several
records of one subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from outcomes.models.options import BoolArray, FloatArray, IntArray

Variance = Literal["delta", "aalen"]

# Elements of the matrix of influences that are in memory at once.
BLOCK: Final = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Records of one group.

    Attributes
    ----------
    time, entry, weights : FloatArray, shape (n,)
        At risk in (entry, time], counted with the weight.
    event : IntArray, shape (n,)
        0 or a cause.
    subject : IntArray, shape (n,)
        Code of the subject.
    continued : BoolArray, shape (n,)
        The end is that of the row only, not of the subject's observation.
    """

    time: FloatArray
    entry: FloatArray
    weights: FloatArray
    event: IntArray
    subject: IntArray
    continued: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Incidence:
    """Cumulative incidence of one group at its k distinct times.

    Attributes
    ----------
    time, n_risk, n_censor, survival : FloatArray, shape (k,)
        Distinct times of events and censorings; number at risk just before; number
        censored; probability of no event of any cause through the time.
    count_risk : IntArray, shape (k,)
        Number at risk without weights.
    n_event, estimate, std_error : FloatArray, shape (k, causes)
        Events of each cause and its cumulative incidence.
    count_event : IntArray, shape (k, causes)
        Number of events without weights.
    """

    time: FloatArray
    n_risk: FloatArray
    n_censor: FloatArray
    survival: FloatArray
    count_risk: IntArray
    n_event: FloatArray
    count_event: IntArray
    estimate: FloatArray
    std_error: FloatArray


def at_risk(rows: Rows, times: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum the weights of those at risk just before each time; shape (k,)."""
    total = np.zeros(len(times))
    for ends, sign in ((rows.time, 1.0), (rows.entry, -1.0)):
        order = np.argsort(ends, kind="stable")
        later = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
        total += sign * later[np.searchsorted(ends[order], times, side="left")]
    return total


def aalen_johansen(
    rows: Rows, causes: Sequence[int], *, robust: bool, variance: Variance
) -> Incidence:
    """Estimate the cumulative incidence of each cause, equations (1) and (2).

    Parameters
    ----------
    rows : Rows
        At least one.
    causes : sequence of int
        Codes of the causes.
    robust : bool
        Standard errors by the infinitesimal jackknife over subjects, (5), instead of
        ``variance``.
    variance : str
        ``"delta"``, equation (3), or ``"aalen"``, equation (4).

    Returns
    -------
    Incidence
    """
    ends = ~rows.continued | (rows.event != 0)
    time = np.unique(rows.time[ends])
    place = np.searchsorted(time, rows.time)
    k = len(time)
    ones = np.ones(len(rows.time))
    count_risk = np.rint(at_risk(rows, time, ones * (rows.weights > 0))).astype(np.intp)
    n_event = np.zeros((k, len(causes)))
    count_event = np.zeros((k, len(causes)), dtype=np.intp)
    for j, cause in enumerate(causes):
        here = rows.event == cause
        n_event[:, j] = np.bincount(place[here], rows.weights[here], k)
        counted = here & (rows.weights > 0)
        count_event[:, j] = np.bincount(place[counted], minlength=k)
    lost = ends & (rows.event == 0)
    n_censor = np.asarray(np.bincount(place[lost], rows.weights[lost], k), dtype=float)
    # Where all at risk have the event, sums of weights may differ by rounding.
    total = n_event.sum(axis=1)
    all_gone = (count_event.sum(axis=1) == count_risk) & (count_risk > 0)
    n_risk = np.where(all_gone, total, at_risk(rows, time, rows.weights))
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(count_risk[:, None] > 0, n_event / n_risk[:, None], 0.0)
    stays = np.where(all_gone, 0.0, 1.0 - hazard.sum(axis=1))
    survival: FloatArray = np.cumprod(stays, dtype=np.float64)
    before = np.concatenate([[1.0], survival[:-1]])
    estimate = np.cumsum(before[:, None] * hazard, axis=0)
    # A cause that is alone has the rest of survival to the last digit.
    alone = np.flatnonzero(count_event.any(axis=0))
    if len(alone) == 1:
        estimate[:, alone[0]] = 1.0 - survival
    path = _Path(time, n_risk, before, survival, hazard, estimate, n_event)
    squares = _jackknife(rows, causes, path) if robust else _quadratic(path, variance)
    if len(alone) == 1:
        squares[survival == 0.0] = 0.0
    return Incidence(
        time=time,
        n_risk=n_risk,
        n_censor=n_censor,
        survival=survival,
        count_risk=count_risk,
        n_event=n_event,
        count_event=count_event,
        estimate=estimate,
        std_error=np.sqrt(np.maximum(squares, 0.0)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """What variances are made of: S before and at each time, hazards, incidence."""

    time: FloatArray
    n_risk: FloatArray
    before: FloatArray
    survival: FloatArray
    hazard: FloatArray
    estimate: FloatArray
    n_event: FloatArray

    @property
    def inverse(self) -> FloatArray:
        """1/S, and 0 where nobody is left: no later change can depend on it."""
        alive = self.survival > 0
        return np.where(alive, 1.0 / np.where(alive, self.survival, 1.0), 0.0)


def _quadratic(path: _Path, variance: Variance) -> FloatArray:
    """Variance as a sum over times of a quadratic in F(s) - F(t); shape (k, causes)."""
    squares = np.empty_like(path.estimate)
    risk = np.where(path.n_risk > 0, path.n_risk, 1.0)
    every = path.hazard.sum(axis=1)
    for j in range(path.hazard.shape[1]):
        own = path.hazard[:, j]
        if variance == "delta":
            scale = path.before**2 / risk
            c0 = scale * own * (1.0 - own)
            c1 = scale * 2.0 * own * (1.0 - every)
            c2 = scale * every * (1.0 - every)
        else:
            d = path.n_event[:, j]
            others = path.n_event.sum(axis=1) - d
            c0 = path.before**2 * _tied(d, risk)
            c1 = 2.0 * c0
            c2 = c0 + path.before**2 * _tied(others, risk)
        squares[:, j] = _expand(c0, c1, c2, path.estimate[:, j], path.inverse)
    return squares


def _tied(events: FloatArray, risk: FloatArray) -> FloatArray:
    """Variance of d/n given d events at once: d (n - d) / (n^2 (n - 1))."""
    rest = np.where(risk > 1.0, risk - 1.0, 1.0)
    tie = np.where(events > 1.0, 1.0 - (events - 1.0) / rest, 1.0)
    return np.asarray(tie * events / risk**2)


def _expand(
    c0: FloatArray, c1: FloatArray, c2: FloatArray, F: FloatArray, h: FloatArray
) -> FloatArray:
    """Sum c0 + c1 x + c2 x^2 through each time, with x = h(s) (F(s) - F(t))."""
    u = h * F
    constant = np.cumsum(c0 + c1 * u + c2 * u**2)
    linear = np.cumsum(c1 * h + 2.0 * c2 * u * h)
    square = np.cumsum(c2 * h**2)
    return np.asarray(constant - F * linear + F**2 * square)


def _jackknife(rows: Rows, causes: Sequence[int], path: _Path) -> FloatArray:
    """Sum over subjects the squares of their influence, (5); shape (k, causes)."""
    order = np.argsort(rows.subject, kind="stable")
    who = rows.subject[order]
    starts = np.flatnonzero(np.concatenate([[True], who[1:] != who[:-1]]))
    squares = np.zeros_like(path.estimate)
    per_block = max(1, BLOCK // max(1, len(path.time)))
    first = 0
    while first < len(starts):
        last = int(np.searchsorted(starts, starts[first] + per_block))
        last = max(last, first + 1)
        stop = starts[last] if last < len(starts) else len(order)
        block = order[starts[first] : stop]
        sums = starts[first:last] - starts[first]
        for j, cause in enumerate(causes):
            influence = _influence(rows, block, cause, j, path)
            total = np.add.reduceat(influence, sums, axis=0)
            squares[:, j] += (total**2).sum(axis=0)
        first = last
    return squares


def _influence(
    rows: Rows, block: IntArray, cause: int, j: int, path: _Path
) -> FloatArray:
    """Weight times derivative of F(t) in it, for some rows; shape (rows, k)."""
    risk = np.where(path.n_risk > 0, path.n_risk, 1.0)
    scale = path.before / risk
    h, F = path.inverse, path.estimate[:, j]
    every = path.hazard.sum(axis=1)
    own = path.hazard[:, j]
    end = np.searchsorted(path.time, rows.time[block])
    entered = np.searchsorted(path.time, rows.entry[block], side="right")
    has_event = rows.event[block] != 0
    at = np.minimum(end, len(path.time) - 1)
    reached = np.arange(len(path.time)) >= end[:, None]

    def part(jump: FloatArray, drift: FloatArray) -> FloatArray:
        """Sum the jump at the end and minus the drift while at risk."""
        summed = np.concatenate([[0.0], np.cumsum(drift)])
        through = np.minimum(np.arange(len(path.time)) + 1, end_of[:, None])
        gone = summed[np.maximum(through, entered[:, None])] - summed[entered][:, None]
        return np.asarray(np.where(reached, jump[:, None], 0.0) - gone)

    # The last time at which the row is at risk is its end, if that is among the times.
    exact = path.time[at] == rows.time[block]
    end_of = np.where((end < len(path.time)) & exact, end + 1, end)
    is_cause = rows.event[block] == cause
    jump = scale[at] * (is_cause + (F * h)[at])
    constant = part(np.where(has_event, jump, 0.0), scale * (own + F * h * every))
    jump = scale[at] * h[at]
    linear = part(np.where(has_event, jump, 0.0), scale * h * every)
    return np.asarray(rows.weights[block][:, None] * (constant - linear * F))
