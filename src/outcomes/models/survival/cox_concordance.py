"""Harrell's concordance: how often who has the event first had the higher risk.

Pairs are counted with the weights, in n log n steps, by going through the bits of the
rank of the linear predictor.
"""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray, IntArray
from outcomes.models.survival.records import Records


def concordance(records: Records, eta: FloatArray) -> float:
    """Share of the comparable pairs in which the higher risk had the event first.

    A pair is comparable if one record has an event while the other is at risk and goes
    on longer (a censoring at that very time goes on longer), in the same stratum.
    Equal risks count for half.

    Parameters
    ----------
    records : Records
        Times, events, entries, weights and strata of n records.
    eta : FloatArray, shape (n,)
        Linear predictors.

    Returns
    -------
    float
        NaN if no pair is comparable.

    References
    ----------
    Harrell, Lee and Mark (1996), Stat Med 15, 361-387; weights, ties and strata as in
    the R package survival.
    """
    n, dead = len(eta), np.flatnonzero(records.event == 1)
    clock, place = np.unique(records.time, return_inverse=True)
    # What comes after an event at t: later times, and censorings at t.
    when = 2 * place.ravel() + (records.event != 1)
    owner, amount = np.arange(n), records.weights
    if records.has_entry:
        # Who enters later is not at risk now, and is taken off again.
        entered = np.searchsorted(clock, records.entry, side="right")
        late = np.flatnonzero(entered)
        when = np.concatenate([when, 2 * entered[late] - 1])
        owner = np.concatenate([owner, late])
        amount = np.concatenate([amount, -amount[late]])
    stratum = records.stratum[owner]
    rank = _ranks(records.stratum, eta)[owner]
    # In this order those at the same place that follow are not of lower rank.
    order = np.lexsort((rank, when, stratum))
    lower = np.empty(len(order))
    lower[order] = _lower_later(rank[order], amount[order])
    tied = _later(rank, when, amount)[dead]
    every = _later(stratum, when, amount)[dead]
    weights = records.weights[dead]
    total = float(weights @ every)
    if not total > 0.0:
        return np.nan
    return float(weights @ (lower[dead] + tied / 2.0)) / total


def _ranks(stratum: IntArray, eta: FloatArray) -> IntArray:
    """Rank by stratum, then by linear predictor; equal ones have the same rank."""
    _, place = np.unique(eta, return_inverse=True)
    code = stratum * len(eta) + place.ravel()
    return np.asarray(np.unique(code, return_inverse=True)[1].ravel(), dtype=np.intp)


def _later(group: IntArray, when: IntArray, amount: FloatArray) -> FloatArray:
    """Sum, for each item, the amounts of its group that come later."""
    width = int(when.max()) + 1
    code = group * width + when
    order = np.argsort(code, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(amount[order])])
    code_in_order = code[order]
    after = np.searchsorted(code_in_order, code, side="right")
    end = np.searchsorted(code_in_order, (group + 1) * width, side="left")
    return np.asarray(total[end] - total[after])


def _lower_later(rank: IntArray, amount: FloatArray) -> FloatArray:
    """Sum, for each item, the amounts of the items after it that have a lower rank.

    Two ranks differ first in some bit. Going down the bits, items that agree so far
    are kept together in their order; those with the bit set gain the amounts of those
    after them without.
    """
    n = len(rank)
    out = np.zeros(n)
    where = np.arange(n)
    for bit in range(int(rank.max()).bit_length() - 1, -1, -1):
        code = rank[where]
        group = np.cumsum(np.diff(code >> (bit + 1), prepend=-1) != 0) - 1
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        ends = np.append(starts[1:], n)
        high = (code >> bit & 1).astype(bool)
        low_sum = np.concatenate([[0.0], np.cumsum(np.where(high, 0.0, amount[where]))])
        gain = low_sum[ends[group]] - low_sum[1:]
        out[where[high]] += gain[high]
        ones = np.concatenate([[0], np.cumsum(high)])
        before = ones[:-1] - ones[starts[group]]
        zeros = (ends - starts) - (ones[ends] - ones[starts])
        inside = np.arange(n) - starts[group]
        target = starts[group] + np.where(high, zeros[group] + before, inside - before)
        moved = np.empty(n, dtype=np.intp)
        moved[target] = where
        where = moved
    return out
