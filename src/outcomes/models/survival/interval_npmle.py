"""The nonparametric maximum likelihood estimate from intervals: arrays in and out.

Numbered equations are in ``docs/methods/interval-censoring.md``. The likelihood is
concave in the masses, so the gradient proves how far from the maximum an estimate can
be, (5): steps are taken until that is next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from outcomes.models.options import FloatArray, IntArray

# Largest gain of log likelihood left, per subject, at which the estimate is final.
GAP: Final = 1e-10
# The same at which Newton's method takes over.
NEAR: Final = 1e-4
FIRST_STEPS: Final = 400
ROUNDS: Final = 2000
HALVINGS: Final = 40
# Newton decrement (twice the gain promised) below which a step needs no check, and
# below which the error left, being of its order, is rounding.
SURE: Final = 1e-2
LAST: Final = 1e-13
# Order of a matrix up to which dense algebra is faster.
DENSE: Final = 150


@dataclass(frozen=True, slots=True, eq=False)
class Intersections:
    """Intervals that can hold mass, and which of them each kind of record covers.

    Attributes
    ----------
    left, right : FloatArray, shape (m,)
        Maximal intersections (left, right], points where the two are equal.
    first, stop : IntArray, shape (u,)
        A record of the kind covers the intersections ``first`` to ``stop`` - 1.
    count : FloatArray, shape (u,)
        Number of records of the kind.
    """

    left: FloatArray
    right: FloatArray
    first: IntArray
    stop: IntArray
    count: FloatArray

    @property
    def n(self) -> float:
        """Number of records."""
        return float(self.count.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Masses:
    """The estimate.

    Attributes
    ----------
    mass : FloatArray, shape (m,)
        Probability of each intersection.
    loglik : float
        Log likelihood.
    gap : float
        No masses have a log likelihood higher by more than this.
    iterations : int
        Steps of either method.
    """

    mass: FloatArray
    loglik: float
    gap: float
    iterations: int


def find_intersections(left: FloatArray, right: FloatArray) -> Intersections:
    """Find the maximal intersections of intervals (left, right], equation (2).

    Parameters
    ----------
    left, right : FloatArray, shape (n,)
        ``left < right``, the right end infinite for right censoring, or
        ``left == right`` for a time known exactly.

    Returns
    -------
    Intersections

    References
    ----------
    Turnbull (1976), JRSS B 38, 290-295.
    """
    ends = np.unique(np.concatenate([left, right]))
    # At one time: a point begins, intervals and points end, open intervals begin.
    begins = 3 * np.searchsorted(ends, left) + np.where(left == right, 0, 2)
    stops = 3 * np.searchsorted(ends, right) + 1
    keys = np.unique(np.concatenate([begins, stops]))
    opens = keys % 3 != 1
    inner = np.flatnonzero(opens[:-1] & ~opens[1:])
    low, high = keys[inner], keys[inner + 1]
    first = np.searchsorted(low, begins, side="left")
    stop = np.searchsorted(high, stops, side="right")
    kinds, count = np.unique(np.column_stack([first, stop]), axis=0, return_counts=True)
    return Intersections(
        left=ends[low // 3],
        right=ends[high // 3],
        first=kinds[:, 0].astype(np.intp),
        stop=kinds[:, 1].astype(np.intp),
        count=count.astype(float),
    )


def gradient(cells: Intersections, mass: FloatArray) -> FloatArray:
    """Return the derivative of the log likelihood in each mass, (4); shape (m,)."""
    ratio = cells.count / _probabilities(cells, _cumulate(mass))
    m = len(mass)
    change = np.bincount(cells.first, ratio, m + 1) - np.bincount(
        cells.stop, ratio, m + 1
    )
    return np.asarray(np.cumsum(change[:m]))


def maximise(cells: Intersections) -> Masses:
    """Find the masses of maximum likelihood.

    Steps of the EM algorithm and of the iterative convex minorant alternate until
    little is left to gain; Newton's method on the intersections that have mass
    then converges quadratically, with intersections leaving where a mass
    would become negative and entering where the gradient (4) says so.

    Parameters
    ----------
    cells : Intersections
        At least one.

    Returns
    -------
    Masses
        With the proof of how good they are in ``gap``.

    References
    ----------
    Wellner and Zhan (1997), JASA 92, 945-959; Jongbloed (1998), JCGS 7, 310-321.
    """
    m = len(cells.left)
    mass = np.full(m, 1.0 / m)
    taken = 0
    if m > 1:
        mass, taken = _approach(cells, mass)
        mass, more = _finish(cells, mass)
        taken += more
    gap = max(float(gradient(cells, mass).max()) - cells.n, 0.0)
    return Masses(mass, _loglik(cells, _cumulate(mass)), gap, taken)


def _cumulate(mass: FloatArray) -> FloatArray:
    """Cumulative masses with 0 before the first and 1 after the last."""
    total = np.concatenate([[0.0], np.cumsum(mass)])
    return np.asarray(total / total[-1])


def _probabilities(cells: Intersections, G: FloatArray) -> FloatArray:
    return np.asarray(G[cells.stop] - G[cells.first])


def _loglik(cells: Intersections, G: FloatArray) -> float:
    P = _probabilities(cells, G)
    if not np.all(P > 0.0):
        return -np.inf
    return float(cells.count @ np.log(P))


def _approach(cells: Intersections, mass: FloatArray) -> tuple[FloatArray, int]:
    """Alternate EM and convex minorant steps until the gap is small."""
    for step in range(1, FIRST_STEPS + 1):
        slope = gradient(cells, mass)
        if slope.max() - cells.n <= NEAR * cells.n:
            return mass, step
        mass = mass * slope
        mass = np.diff(_convex_minorant(cells, _cumulate(mass)))
        mass = np.maximum(mass, 0.0)
    return mass, FIRST_STEPS


def _convex_minorant(cells: Intersections, G: FloatArray) -> FloatArray:
    """One step of the iterative convex minorant algorithm, never downhill."""
    from scipy.optimize import isotonic_regression

    m = len(G) - 1
    P = _probabilities(cells, G)
    one, two = cells.count / P, cells.count / P**2
    slope = np.bincount(cells.stop, one, m + 1) - np.bincount(cells.first, one, m + 1)
    curve = np.bincount(cells.stop, two, m + 1) + np.bincount(cells.first, two, m + 1)
    inner = slice(1, m)
    target = isotonic_regression(
        G[inner] + slope[inner] / curve[inner], weights=curve[inner]
    ).x
    goal = np.concatenate([[0.0], np.clip(target, 0.0, 1.0), [1.0]])
    start, size = _loglik(cells, G), 1.0
    for _ in range(HALVINGS):
        there = G + size * (goal - G) if size < 1.0 else goal
        if _loglik(cells, there) > start:
            return np.asarray(there)
        size /= 2.0
    return G


def _finish(cells: Intersections, mass: FloatArray) -> tuple[FloatArray, int]:
    """Newton steps on the support, which changes until the gradient allows no gain."""
    for taken in range(1, ROUNDS + 1):
        mass, settled = _newton(cells, mass)
        if not settled:
            continue
        slope = gradient(cells, mass)
        best = int(np.argmax(np.where(mass > 0.0, -np.inf, slope)))
        if mass[best] > 0.0 or slope[best] <= cells.n * (1.0 + GAP):
            return mass, taken
        mass = _admit(cells, mass, best, float(slope[best]))
    return mass, ROUNDS


def _newton(cells: Intersections, mass: FloatArray) -> tuple[FloatArray, bool]:
    """Take one step, up to where a mass is used up; also say whether it is the last."""
    support = np.flatnonzero(mass > 0.0)
    if len(support) == 1:
        return mass, True
    first, stop, P = on_support(cells, mass, support)
    k = len(support)
    one = cells.count / P
    rise = np.bincount(stop, one, k + 1) - np.bincount(first, one, k + 1)
    slope = np.asarray(rise[1:k], dtype=float)
    move = solve_information(first, stop, cells.count / P**2, k, slope)
    change = np.diff(np.concatenate([[0.0], move, [0.0]]))
    gain = float(slope @ move)
    p = mass[support]
    falling = change < 0.0
    room = np.full(k, np.inf)
    room[falling] = -p[falling] / change[falling]
    reach = float(room.min())
    size = min(1.0, reach)
    start = _loglik(cells, _cumulate(mass))
    for _ in range(HALVINGS):
        new = p + size * change
        new[room <= size] = 0.0
        trial = np.zeros_like(mass)
        trial[support] = np.maximum(new, 0.0)
        trial /= trial.sum()
        # The likelihood is self-concordant, so such a step cannot lead down, though
        # what it gains may be too little to show.
        if gain < SURE or _loglik(cells, _cumulate(trial)) > start:
            return trial, size == 1.0 and gain < LAST
        size /= 2.0
    return mass, True


def on_support(
    cells: Intersections, mass: FloatArray, support: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Count intersections with mass only: first, stop and probability of each kind."""
    first = np.searchsorted(support, cells.first)
    stop = np.searchsorted(support, cells.stop)
    return first, stop, _probabilities(cells, _cumulate(mass))


def solve_information(
    first: IntArray, stop: IntArray, weight: FloatArray, k: int, right: FloatArray
) -> FloatArray:
    """Solve with the observed information of the k - 1 cumulative masses, (6).

    Each kind of record ties two cumulative masses, so the matrix is that of a graph:
    sparse, and positive definite as every mass ends some record.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    diagonal = np.bincount(first, weight, k + 1) + np.bincount(stop, weight, k + 1)
    rows = np.concatenate([first, stop, np.arange(k + 1)])
    columns = np.concatenate([stop, first, np.arange(k + 1)])
    values = np.concatenate([-weight, -weight, diagonal])
    inner = (rows > 0) & (rows < k) & (columns > 0) & (columns < k)
    matrix: Any = coo_matrix(
        (values[inner], (rows[inner] - 1, columns[inner] - 1)), shape=(k - 1, k - 1)
    )
    if k <= DENSE:
        return np.asarray(cho_solve(cho_factor(matrix.toarray()), right))
    return np.asarray(splu(matrix.tocsc()).solve(right))


def _admit(
    cells: Intersections, mass: FloatArray, place: int, slope: float
) -> FloatArray:
    """Give mass to an intersection that has none, as much as a Newton step says."""
    P = _probabilities(cells, _cumulate(mass))
    covers = (cells.first <= place) & (place < cells.stop)
    curve = float(cells.count @ ((covers - P) / P) ** 2)
    size = min(0.5, (slope - cells.n) / curve)
    start = _loglik(cells, _cumulate(mass))
    for _ in range(HALVINGS):
        there = (1.0 - size) * mass
        there[place] += size
        if _loglik(cells, _cumulate(there)) > start:
            return np.asarray(there)
        size /= 2.0
    return mass
