"""Whether a Cox model has a maximum: directions along which it never stops growing.

Along d the partial likelihood never falls if, at each event, x'd of who has it is the
largest of the risk set, and it grows if it is larger than some other there. Linear
programming finds all such directions, (12) and (13) of ``docs/methods/cox.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from outcomes.models.logistic.cone import Cone, open_cone, shortest
from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.cox_risk_sets import RiskSets
from outcomes.models.survival.records import Records

# Size of a comparison along a direction, as a share of the largest, that is rounding.
ROUNDING: Final = 1e-9
# Shares of the largest part of a direction below which it is tried without the others.
TRIMS: Final = (0.1, 0.01, 0.001)
# Share of a row that lies along the directions, beyond which it runs off with them.
ASTRAY: Final = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Runaway:
    """The directions in which coefficients run off to infinity.

    Attributes
    ----------
    basis : FloatArray, shape (p, d)
        Basis of the space they span.
    margins : FloatArray, shape (m, d)
        A direction ``basis @ g`` is one of them where ``margins @ g >= 0``.
    inside : FloatArray, shape (d,)
        One along which every comparison that can be won is won.
    direction : FloatArray, shape (p,)
        One that needs few columns.
    sizes : FloatArray, shape (p,)
        Lengths of the columns, so that their units do not matter.
    """

    basis: FloatArray
    margins: FloatArray
    inside: FloatArray
    direction: FloatArray
    sizes: FloatArray

    def touched(self, L: FloatArray) -> BoolArray:
        """Tell which rows over the coefficients, (r, p), have no finite estimate."""
        rows = L / self.sizes
        span = np.linalg.qr(self.basis * self.sizes[:, None])[0]
        astray = np.linalg.norm(rows @ span, axis=1)
        return np.asarray(astray > ASTRAY * np.linalg.norm(rows, axis=1))

    def limits(self, L: FloatArray) -> FloatArray:
        """Tell where rows that are touched tend: to (minus) infinity, or NaN."""
        rows = L @ self.basis
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        strict = np.ones(len(self.margins), dtype=bool)
        cone = Cone(strict, rows, self.margins, self.inside)
        up, down = cone.signs(np.ones(len(rows)))
        out = np.full(len(rows), np.nan)
        out[up & ~down] = np.inf
        out[down & ~up] = -np.inf
        return out


def find_runaway(risk: RiskSets, X: FloatArray) -> Runaway | None:
    """Find the directions along which the partial likelihood has no maximum.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    X : FloatArray, shape (n, p)
        Columns, none of which repeats others within the pieces.

    Returns
    -------
    Runaway or None
        None if the likelihood has a maximum. With delayed entry the directions are
        found by adding the comparisons that a candidate loses until it loses none.
    """
    winner, loser = _comparisons(risk)
    for _ in range(risk.n_times + X.shape[1]):
        rows = X[winner] - X[loser]
        rows = np.unique(rows[np.any(rows != 0.0, axis=1)] + 0.0, axis=0)
        cone = open_cone(rows, np.ones(len(rows), dtype=np.intp))
        if cone is None:
            return None
        spread = np.linalg.norm(X, axis=0)
        short = _tidied(shortest(cone, spread), spread, rows)
        found = Runaway(cone.basis, cone.margins, cone.inside, short, spread)
        if not risk.delayed:
            return found
        inside = cone.basis @ cone.inside
        lost = [_lost(risk, X @ d) for d in (inside, short)]
        if not any(len(winners) for winners, _ in lost):
            return found
        winner = np.concatenate([winner, *(winners for winners, _ in lost)])
        loser = np.concatenate([loser, *(losers for _, losers in lost)])
    return None


def _comparisons(risk: RiskSets) -> tuple[IntArray, IntArray]:
    """Pairs of records of which the first must not be below the second.

    Without delayed entry they imply all others: each death at an event time and a
    fixed one of them, that one and the next event time's, each record and the last
    event time at which it is at risk.
    """
    deaths = np.flatnonzero(risk.dead)
    opener = deaths[np.searchsorted(risk.last[deaths], np.arange(risk.n_times))]
    everyone = np.arange(len(risk.rows))
    pairs = [
        (opener[risk.last], everyone),
        (deaths, opener[risk.last[deaths]]),
        # Also at the first one, lest a record hang on one event time alone.
        (opener[risk.first], everyone),
    ]
    # Of the records at risk at an event time, one that stays longest joins it to the
    # next.
    longest = np.zeros(risk.n_times, dtype=np.intp)
    np.maximum.at(longest, risk.first, everyone)  # records are by their last time
    longest = np.maximum.accumulate(longest)
    ahead = np.arange(risk.n_times) + 1
    joined = np.flatnonzero(risk.last[longest] >= ahead)
    pairs.append((opener[joined], longest[joined]))
    pairs.append((opener[joined + 1], longest[joined]))
    if not risk.delayed:
        pairs.append((opener[joined], opener[joined + 1]))
    return (
        np.concatenate([first for first, _ in pairs]),
        np.concatenate([second for _, second in pairs]),
    )


def _lost(risk: RiskSets, eta: FloatArray) -> tuple[IntArray, IntArray]:
    """For each event time where a death is not the largest, it and the largest."""
    best = largest_at_risk(risk, eta)
    deaths = np.flatnonzero(risk.dead)
    against = best[risk.last[deaths]]
    wrong = eta[deaths] < eta[against] - ROUNDING * np.max(np.abs(eta))
    return deaths[wrong], against[wrong]


def largest_at_risk(risk: RiskSets, eta: FloatArray) -> IntArray:
    """Find the record with the largest value in the risk set of each event time.

    Records are laid over event times in pieces of a power of two, largest first.

    Parameters
    ----------
    risk : RiskSets
        Risk sets of n records.
    eta : FloatArray, shape (n,)
        Values.

    Returns
    -------
    IntArray, shape (m,)
    """
    m = risk.n_times
    span = risk.last - risk.first + 1
    level = np.frexp(span.astype(float))[1] - 1
    order = np.argsort(eta, kind="stable")
    table = np.full((int(level.max()) + 1, m), -1, dtype=np.intp)
    for k in range(len(table)):
        here = order[level[order] == k]
        # Written in increasing order, so that the largest stays.
        table[k, risk.first[here]] = here
        other = table[k].copy()
        other[risk.last[here] - 2**k + 1] = here
        table[k] = _better(table[k], other, eta)
    for k in range(len(table) - 1, 0, -1):
        half = 2 ** (k - 1)
        table[k - 1] = _better(table[k - 1], table[k], eta)
        shifted = np.full(m, -1, dtype=np.intp)
        shifted[half:] = table[k][: m - half]
        table[k - 1] = _better(table[k - 1], shifted, eta)
    return np.asarray(table[0])


def _better(a: IntArray, b: IntArray, eta: FloatArray) -> IntArray:
    value_a = np.where(a < 0, -np.inf, eta[a])
    value_b = np.where(b < 0, -np.inf, eta[b])
    return np.where(value_b > value_a, b, a)


def _tidied(direction: FloatArray, spread: FloatArray, rows: FloatArray) -> FloatArray:
    """Leave out the columns that a direction does as well without; largest is 1."""
    size = np.abs(direction) * spread
    won = _won(rows, direction)
    short = direction
    for share in (*TRIMS, ROUNDING):
        less = np.where(size > share * size.max(), direction, 0.0)
        if np.array_equal(_won(rows, less), won):
            short = less
            break
    short = short / np.max(np.abs(short))
    whole = np.round(short)
    near = np.abs(short - whole) < ROUNDING
    return np.asarray(np.where(near, whole, short))


def _won(rows: FloatArray, direction: FloatArray) -> IntArray:
    """Tell which comparisons are won (1), lost (-1) or neither."""
    found = rows @ direction
    least = ROUNDING * np.max(np.abs(found))
    return np.asarray(np.where(found < -least, -1, found > least), dtype=np.intp)


def split_records(records: Records, values: FloatArray) -> Records:
    """Make strata of the records that tie along a direction of running off.

    Far along it, the hazard of a record is nothing beside that of one with a larger
    value. What is left of a risk set are the records that tie with the event, so that
    the limit of the likelihood is that of a model with these strata ((14) of
    ``docs/methods/cox.md``).

    Parameters
    ----------
    records : Records
        All rows used.
    values : FloatArray, shape (n,)
        Their values along the direction, of the records at risk at some event; NaN for
        others.
    """
    code = tie_codes(values)
    split = records.stratum * (int(code.max()) + 1) + code
    found, place = np.unique(split, return_inverse=True)
    return replace(
        records,
        stratum=np.asarray(place.ravel(), dtype=np.intp),
        strata=tuple(records.strata[k // (int(code.max()) + 1)] for k in found),
    )


def tie_codes(values: FloatArray) -> IntArray:
    """Give numbers to values by size, one to those that differ by rounding alone.

    Parameters
    ----------
    values : FloatArray, shape (n,)
        NaN is alike the largest.

    Returns
    -------
    IntArray, shape (n,)
    """
    order = np.argsort(values, kind="stable")
    reach = float(np.nanmax(np.abs(values)))
    code = np.zeros(len(values), dtype=np.intp)
    code[order[1:]] = np.cumsum(np.diff(values[order]) > ROUNDING * reach)
    return code
