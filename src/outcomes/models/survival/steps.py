"""The product-limit estimate of one group and its variance, on arrays.

Numbered equations are in ``docs/methods/survival-curves.md``. The work is linear in the
number of records once they are sorted. statsmodels' `SurvfuncRight` gives the same
survival and Greenwood standard error, and the tests hold this against it; it has no
censored counts and no variance for weights that are not frequencies or for several
records of one subject, so the risk sets are counted here, once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.records import Records


@dataclass(frozen=True, slots=True)
class Rows:
    """The records of one group (or stratum) of survival data.

    Attributes
    ----------
    time, entry, weights : FloatArray, shape (n,)
        At risk in (entry, time], with this weight.
    event, continued : BoolArray, shape (n,)
        Ends with the event; goes on in another record of its subject.
    subject : IntArray, shape (n,)
        0 to the number of subjects - 1, of the group.
    """

    time: FloatArray
    entry: FloatArray
    weights: FloatArray
    event: BoolArray
    continued: BoolArray
    subject: IntArray

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return int(self.subject.max()) + 1


@dataclass(frozen=True, slots=True)
class RiskSets:
    """Who is at risk, has the event and is censored, at each time something happens.

    Attributes
    ----------
    time : FloatArray, shape (m,)
        Times of events and censorings, increasing.
    n_risk, n_event, n_censor : FloatArray, shape (m,)
        Sums of weights, at risk just before the time.
    count_risk, count_event, count_censor : IntArray, shape (m,)
        Numbers of records.
    emptied : BoolArray, shape (m,)
        All that are at risk (with a weight) have the event.
    """

    time: FloatArray
    n_risk: FloatArray
    n_event: FloatArray
    n_censor: FloatArray
    count_risk: IntArray
    count_event: IntArray
    count_censor: IntArray
    emptied: BoolArray


@dataclass(frozen=True, slots=True)
class Steps:
    """A survival curve, right-continuous, at the times of its risk sets.

    Attributes
    ----------
    survival : FloatArray, shape (m,)
        Product-limit estimate (1).
    greenwood : FloatArray, shape (m,)
        Sum of d / {n (n - d)} up to each time (2); no terms from the time on at which
        survival becomes zero.
    per_event : FloatArray, shape (m,)
        1 / n, 0 where survival is zero.
    """

    survival: FloatArray
    greenwood: FloatArray
    per_event: FloatArray


def rows_of(records: Records, keep: BoolArray) -> Rows:
    """Return part of the records, subjects numbered anew."""
    subject = records.subject[keep]
    if records.n_subjects < records.n_records:
        _, subject = np.unique(subject, return_inverse=True)
    else:
        subject = np.arange(len(subject), dtype=np.intp)
    return Rows(
        time=records.time[keep],
        entry=records.entry[keep],
        weights=records.weights[keep],
        event=records.event[keep] == 1,
        continued=records.continued[keep],
        subject=subject,
    )


def count_risk_sets(rows: Rows) -> RiskSets:
    """Count the risk sets of one group.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    RiskSets
    """
    times, place = np.unique(rows.time, return_inverse=True)
    if rows.continued.any():
        # The end of a record that another takes up is no time of the curve.
        used = np.bincount(place, ~rows.continued, len(times)) > 0
        place = np.cumsum(used)[place] - 1  # the last time of the curve so far
        times = times[used]
    first = np.searchsorted(times, rows.entry, side="right")
    censored = ~rows.event & ~rows.continued
    one = np.ones(len(rows.time))
    m, w = len(times), rows.weights

    def at_risk(amount: FloatArray) -> FloatArray:
        left = sums_from(place + 1, amount, m)
        return left - sums_from(first, amount, m) if first.any() else left

    def ending(amount: FloatArray, which: BoolArray) -> FloatArray:
        return np.bincount(place[which], amount[which], m).astype(np.float64)

    count_risk, count_event = at_risk(one), ending(one, rows.event)
    weighty = (w > 0.0).astype(np.float64)
    emptied = at_risk(weighty) == ending(weighty, rows.event)
    n_event = ending(w, rows.event)
    # A sum of weights whose members left one by one may miss by rounding.
    n_risk = np.where(emptied, n_event, np.maximum(at_risk(w), n_event))
    return RiskSets(
        time=times,
        n_risk=n_risk,
        n_event=n_event,
        n_censor=ending(w, censored),
        count_risk=count_risk.astype(np.intp),
        count_event=count_event.astype(np.intp),
        count_censor=ending(one, censored).astype(np.intp),
        emptied=emptied & (n_event > 0.0),
    )


def sums_from(place: IntArray, amount: FloatArray, m: int) -> FloatArray:
    """Sum, for each of m places, the amounts at it and later ones.

    ``place`` counts from 1; 0 is before all.
    """
    sums: FloatArray = np.bincount(place, amount, m + 1)[:0:-1].cumsum()[::-1]
    return sums


def multiply_steps(sets: RiskSets) -> Steps:
    """Return the product-limit estimate and what its variances need.

    Parameters
    ----------
    sets : RiskSets

    Returns
    -------
    Steps
    """
    gone = np.cumsum(sets.emptied) > 0
    happens = (sets.n_event > 0.0) & ~gone
    n = np.where(happens, sets.n_risk, 1.0)
    left = np.where(happens, sets.n_risk - sets.n_event, 1.0)
    survival = np.where(gone, 0.0, np.cumprod(left / n))
    terms = np.where(happens, sets.n_event / n / left, 0.0)
    return Steps(survival, np.cumsum(terms), np.where(happens, 1.0 / n, 0.0))


def greenwood_errors(steps: Steps) -> FloatArray:
    """Return Greenwood's standard error (2): NaN where survival is 0, as R has it."""
    errors = steps.survival * np.sqrt(steps.greenwood)
    return np.where(steps.survival > 0.0, errors, np.nan)


def jackknife_errors(rows: Rows, sets: RiskSets, steps: Steps) -> FloatArray:
    """Return the infinitesimal-jackknife standard error of survival (3) to (5).

    The influence of a subject on the log of survival is linear in ``greenwood`` while
    it is at risk and constant otherwise, so the sum of squares over subjects is a
    polynomial in it whose coefficients change as records begin and end.

    Parameters
    ----------
    rows : Rows
    sets : RiskSets
    steps : Steps

    Returns
    -------
    FloatArray, shape (m,)
    """
    m = len(sets.time)
    start, end = _values_at(sets, steps.greenwood, rows)
    per_event = _at_ends(sets, steps.per_event, rows)
    w = rows.weights
    change = w * (end - start - per_event)
    before = _sums_before(rows, change)
    a = before - w * start
    begin = np.searchsorted(sets.time, rows.entry, side="right")
    stop = np.searchsorted(sets.time, rows.time, side="left")

    def at_risk(amount: FloatArray) -> FloatArray:
        # From the last one back: what is left is small beside what has gone.
        left = sums_from(stop, amount, m)
        return left - sums_from(begin, amount, m) if begin.any() else left

    off = np.bincount(stop, (before + change) ** 2, m + 1)
    gone = np.cumsum(off - np.bincount(begin, before**2, m + 1))[:m]
    constant = gone + at_risk(a**2)
    linear, square = at_risk(a * w), at_risk(w**2)
    g = steps.greenwood
    total = np.maximum(constant + g * (2.0 * linear + g * square), 0.0)
    # Between events nothing changes but rounding, of which quantiles must see nothing.
    latest = np.maximum.accumulate(np.where(sets.n_event > 0.0, np.arange(1, m + 1), 0))
    variance = np.concatenate([[0.0], total])[latest]
    errors: FloatArray = steps.survival * np.sqrt(variance)
    return errors


def area_after(sets: RiskSets, steps: Steps, tau: float) -> tuple[float, FloatArray]:
    """Return the area under the curve up to ``tau``, and what of it lies after times.

    Parameters
    ----------
    sets : RiskSets
    steps : Steps
    tau : float
        Positive.

    Returns
    -------
    float
        Restricted mean (6).
    FloatArray, shape (m,)
        Area between each time and ``tau``, 0 for later times.
    """
    edges = np.minimum(np.concatenate([[0.0], sets.time, [tau]]), tau)
    heights = np.concatenate([[1.0], steps.survival])
    pieces = np.diff(edges) * heights
    rest = pieces[::-1].cumsum()[::-1]
    return float(rest[0]), rest[1:]


def area_error(
    rows: Rows, sets: RiskSets, steps: Steps, rest: FloatArray, *, robust: bool
) -> float:
    """Return the standard error of the restricted mean, (7) or robust (8).

    Parameters
    ----------
    rows : Rows
    sets : RiskSets
    steps : Steps
    rest : FloatArray, shape (m,)
        From `area_after`.
    robust : bool
        From the influence of subjects, instead of Greenwood's terms.

    Returns
    -------
    float
    """
    terms = np.diff(steps.greenwood, prepend=0.0)
    if not robust:
        return float(np.sqrt(np.sum(rest**2 * terms)))
    start, end = _values_at(sets, np.cumsum(rest * terms), rows)
    lost = _at_ends(sets, rest * steps.per_event, rows)
    influence = np.bincount(rows.subject, rows.weights * (end - start - lost))
    return float(np.sqrt(np.sum(influence**2)))


def _values_at(
    sets: RiskSets, values: FloatArray, rows: Rows
) -> tuple[FloatArray, FloatArray]:
    """Return a step function at the entry and at the end of each record.

    For an event, just before it: d / {n (n - d)} - 1 / (n - d) is -1 / n, and the
    difference is lost in rounding where n - d is small.
    """
    steps = np.concatenate([[0.0], values])
    start = np.searchsorted(sets.time, rows.entry, side="right")
    end = np.searchsorted(sets.time, rows.time, side="right")
    return steps[start], steps[end - rows.event]


def _at_ends(sets: RiskSets, values: FloatArray, rows: Rows) -> FloatArray:
    """Return values at the times of events, for the records that end with one."""
    place = np.searchsorted(sets.time, rows.time[rows.event])
    found = np.zeros(len(rows.time))
    found[rows.event] = values[place]
    return found


def _sums_before(rows: Rows, change: FloatArray) -> FloatArray:
    """Sum the changes of the earlier records of the same subject."""
    before = np.zeros(len(change))
    if rows.n_subjects == len(change):
        return before
    order = np.lexsort((rows.time, rows.subject))
    who = rows.subject[order]
    sums = np.concatenate([[0.0], np.cumsum(change[order])[:-1]])
    first = np.concatenate([[True], who[1:] != who[:-1]])
    base = sums[first][np.cumsum(first) - 1]
    before[order] = sums - base
    return before
