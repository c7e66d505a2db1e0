"""Who is at risk at which event, found once for all evaluations of a likelihood.

Records are put in an order in which every sum over a risk set is a difference of two
cumulative sums, whatever the strata and delayed entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.records import Records


@dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """Records, the event times at which they are at risk, and the deaths there.

    Event times are the distinct pairs of a stratum and a time with events, in that
    order. Records at risk at none of them, or with weight 0, take no part and are left
    out. Pieces are runs of event times whose risk sets hang together: the likelihood
    does not change with what is added to the linear predictors of a piece.

    Attributes
    ----------
    rows : IntArray, shape (n,)
        The records that take part, by their last event time.
    first, last : IntArray, shape (n,)
        First and last event time at which each is at risk.
    dead : BoolArray, shape (n,)
        Whether it ends with an event, which is at ``last``.
    weights : FloatArray, shape (n,)
        Positive.
    piece : IntArray, shape (n,)
        The piece of each record, in increasing order.
    piece_starts : IntArray, shape (number of pieces,)
        First record of each piece.
    delayed : bool
        Whether some record enters later than another of its stratum.
    times : FloatArray, shape (m,)
        Event times.
    strata : IntArray, shape (m,)
        Their strata.
    step_at : IntArray, shape (s,)
        Event time of each factor of the likelihood: with Efron's method one for each
        death, with Breslow's one for each event time.
    step_share : FloatArray, shape (s,)
        Share of the deaths that is no longer at risk.
    step_weight : FloatArray, shape (s,)
        Power of the factor: the mean weight of the deaths, or their sum.
    step_starts : IntArray, shape (m,)
        First factor of each event time.
    """

    rows: IntArray
    first: IntArray
    last: IntArray
    dead: BoolArray
    weights: FloatArray
    piece: IntArray
    piece_starts: IntArray
    delayed: bool
    times: FloatArray
    strata: IntArray
    step_at: IntArray
    step_share: FloatArray
    step_weight: FloatArray
    step_starts: IntArray

    @property
    def n_times(self) -> int:
        """Number of event times."""
        return len(self.times)

    def at_risk(self, values: FloatArray) -> FloatArray:
        """Sum values of the records over the risk set of each event time.

        Parameters
        ----------
        values : FloatArray, shape (n, ...) or (n,)
            One or several columns.

        Returns
        -------
        FloatArray, shape (m, ...) or (m,)
        """
        ends = self._collect(self.last, values)
        starts = self._collect(self.first, values)
        # A record is in the risk sets from its first event time to its last. Taking
        # entries off before cumulating keeps those of continued records from mattering.
        starts[self.openings] = 0.0
        ends[:-1] -= starts[1:]
        return self.cumulate(ends, back=True)

    @property
    def openings(self) -> IntArray:
        """First event time of each piece; shape (pieces,)."""
        before = self.last[self.piece_starts[1:] - 1]
        return np.append(0, before + 1).astype(np.intp)

    def cumulate(self, values: FloatArray, *, back: bool = False) -> FloatArray:
        """Cumulate over the event times of each piece, from the last one if ``back``.

        Each piece on its own, as sums of one may be nothing beside those of another,
        and what rounding would leave of them everything.
        """
        out = values.copy()
        opens = self.openings
        ends = np.append(opens[1:], self.n_times)
        longer = ends - opens > 1
        for first, end in zip(opens[longer], ends[longer], strict=True):
            part = values[first:end]
            out[first:end] = (
                np.cumsum(part[::-1], axis=0)[::-1] if back else np.cumsum(part, axis=0)
            )
        return out

    def of_deaths(self, values: FloatArray) -> FloatArray:
        """Sum values of the records over the deaths at each event time."""
        return self._collect(self.last[self.dead], values[self.dead])

    def over_steps(self, values: FloatArray) -> FloatArray:
        """Sum values of the factors over those of each event time."""
        return np.asarray(np.add.reduceat(values, self.step_starts, axis=0))

    def _collect(self, where: IntArray, values: FloatArray) -> FloatArray:
        m = self.n_times
        if values.ndim == 1:
            return np.bincount(where, values, m).astype(np.float64)
        out = np.empty((m, values.shape[1]))
        for j in range(values.shape[1]):
            out[:, j] = np.bincount(where, values[:, j], m)
        return out


def find_risk_sets(records: Records, ties: str) -> RiskSets:
    """Find the risk sets of the events of some records.

    Parameters
    ----------
    records : Records
        With at least one event of positive weight.
    ties : str
        ``"efron"`` or ``"breslow"``.
    """
    used = np.flatnonzero(records.weights > 0.0)
    time, dead = records.time[used], records.event[used] == 1
    stratum = records.stratum[used]
    clock = np.unique(records.time)
    width = len(clock) + 1
    # Places of time in a stratum, from 1: what begins before all of them is at 0.
    end = stratum * width + np.searchsorted(clock, time) + 1
    begin = stratum * width
    if records.has_entry:
        begin = begin + np.searchsorted(clock, records.entry[used], side="right")
    events = np.unique(end[dead])
    first = np.searchsorted(events, begin, side="right")
    last = np.searchsorted(events, end, side="right") - 1
    # A last event time of an earlier stratum is before the first of this one.
    part = np.flatnonzero(last >= first)
    part = part[np.argsort(last[part], kind="stable")]
    first, last, dead = first[part], last[part], dead[part]
    weights = records.weights[used[part]]
    strata = (events - 1) // width
    piece_of_time = _pieces(first, last, len(events))
    piece = piece_of_time[last]
    piece_starts = np.flatnonzero(np.diff(piece, prepend=-1))
    opening = np.searchsorted(strata, strata)
    at, share, weight = _steps(last[dead], weights[dead], len(events), ties)
    return RiskSets(
        rows=used[part],
        first=first,
        last=last,
        dead=dead,
        weights=weights,
        piece=piece,
        piece_starts=piece_starts,
        delayed=bool(np.any(first != opening[last])),
        times=clock[(events - 1) % width],
        strata=strata,
        step_at=at,
        step_share=share,
        step_weight=weight,
        step_starts=np.flatnonzero(np.diff(at, prepend=-1)),
    )


def _pieces(first: IntArray, last: IntArray, m: int) -> IntArray:
    """Give numbers to the pieces, which records at risk at both sides hold together."""
    joined = np.bincount(first, minlength=m + 1) - np.bincount(last, minlength=m + 1)
    # At risk at an event time and at the next one.
    across = np.cumsum(joined)[: m - 1]
    return np.concatenate([[0], np.cumsum(across == 0)]).astype(np.intp)


def _steps(
    when: IntArray, weights: FloatArray, m: int, ties: str
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return event time, share of deaths gone and power of each factor."""
    deaths = np.bincount(when, minlength=m)
    total = np.bincount(when, weights, m)
    if ties == "breslow":
        return np.arange(m, dtype=np.intp), np.zeros(m), np.asarray(total, float)
    at = np.repeat(np.arange(m, dtype=np.intp), deaths)
    place = np.arange(len(at)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
    return at, place / deaths[at], (total / deaths)[at]


def centre_pieces(X: FloatArray, risk: RiskSets) -> tuple[FloatArray, FloatArray]:
    """Give the columns of the records that take part the mean 0 in each piece.

    A column that is constant in a piece is exactly 0 there, however large it is.

    Parameters
    ----------
    X : FloatArray, shape (all records, p)
        Model matrix without a constant.
    risk : RiskSets
        Risk sets of n of the records.

    Returns
    -------
    tuple of FloatArray
        The centred rows, shape (n, p), and what was taken off in each piece, shape
        (pieces, p).
    """
    rows = X[risk.rows]
    start = rows[risk.piece_starts]
    rows = rows - start[risk.piece]
    size = np.bincount(risk.piece)[:, None]
    mean = np.add.reduceat(rows, risk.piece_starts, axis=0) / size
    return rows - mean[risk.piece], start + mean


def cut_pieces(risk: RiskSets, level: FloatArray, most: float) -> RiskSets:
    """Cut pieces where the largest linear predictor at risk has moved far.

    Records that stay at risk across a cut become two, one on either side, so that
    hazards are relative to the largest of a time in which they can be computed. The
    likelihood is the same.

    Parameters
    ----------
    risk : RiskSets
        Risk sets.
    level : FloatArray, shape (m,)
        Largest linear predictor of each risk set.
    most : float
        Largest difference of levels within a piece.
    """
    opens = np.zeros(risk.n_times, dtype=bool)
    last = risk.last[risk.piece_starts[1:] - 1]  # the last event time of a piece
    opens[np.append(0, last + 1)] = True
    low, high = np.inf, -np.inf
    for k, value in enumerate(level):
        low, high = min(low, value), max(high, value)
        if opens[k] or high - low > most:
            opens[k], low, high = True, value, value
    piece = np.cumsum(opens) - 1
    starts = np.flatnonzero(opens)
    ends = np.append(starts[1:], risk.n_times) - 1
    first_piece, last_piece = piece[risk.first], piece[risk.last]
    parts = last_piece - first_piece + 1
    owner = np.repeat(np.arange(len(risk.rows)), parts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    own = first_piece[owner] + place
    first = np.maximum(risk.first[owner], starts[own])
    last = np.minimum(risk.last[owner], ends[own])
    dead = risk.dead[owner] & (own == last_piece[owner])
    order = np.argsort(last, kind="stable")
    return replace(
        risk,
        rows=risk.rows[owner[order]],
        first=first[order],
        last=last[order],
        dead=dead[order],
        weights=risk.weights[owner[order]],
        piece=own[order],
        piece_starts=np.flatnonzero(np.diff(own[order], prepend=-1)),
    )
