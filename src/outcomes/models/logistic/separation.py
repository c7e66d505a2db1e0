"""Whether a linear combination of columns tells successes from failures.

Where one does, the likelihood grows without end along it and the coefficients have no
maximum likelihood estimate (Albert and Anderson, 1984). This is a matter of the model
matrix and the outcome alone, so the answer holds for logistic models with random
effects, estimating equations and every link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcomes.models.estimable import alias_columns
from outcomes.models.logistic.cone import Cone, open_cone, shortest
from outcomes.models.logistic.links import contribute
from outcomes.models.options import BoolArray, FloatArray, IntArray

Kind = Literal["none", "quasi-complete", "complete"]

# Newton steps before linear programming is asked. Under separation each of them moves
# a linear predictor by about one; without, a few settle the matter.
STEPS = 20
# A step that moves no linear predictor by this much proves that nothing is separated;
# one would do in exact arithmetic.
CERTAIN = 0.5
# Eigenvalue of the information, as a share of the largest, below which its inverse is
# no proof.
SHARP = 1e-9
# Coefficient of a direction, in the column's spread, that is rounding.
NEGLIGIBLE = 1e-7
# Shares of the largest coefficient below which others are tried without.
TRIMS = (0.1, 0.01, 0.001)
TERMS_SHOWN = 6


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """How the columns of a model matrix separate an outcome.

    Attributes
    ----------
    kind : str
        ``"none"``; ``"complete"`` where some combination of the columns is positive for
        every success and negative for every failure; ``"quasi-complete"`` where it is
        zero for others.
    columns : tuple of str
        The columns that combination is made of, whose coefficients run off together.
    direction : FloatArray, shape (p,)
        The combination, over all columns: positive where a coefficient grows without
        end. Its largest element is 1 in size; zeros without separation.
    directions : FloatArray, shape (p, d)
        Basis of all combinations that are zero for the records not separated; a row
        over the coefficients has a finite estimate if it is orthogonal to them.
    sides : IntArray, shape (n,)
        1 for a record that is separated by its successes, -1 by its failures, 0 for
        one that is not.
    up, down : BoolArray, shape (p,)
        Whether a coefficient may grow, fall, without end.
    message : str
        All this in words; empty without separation.
    """

    kind: Kind
    columns: tuple[str, ...]
    direction: FloatArray
    directions: FloatArray
    sides: IntArray
    up: BoolArray
    down: BoolArray
    message: str

    def __bool__(self) -> bool:
        return self.kind != "none"


def find_separation(
    X: FloatArray,
    successes: FloatArray,
    trials: FloatArray | None,
    columns: tuple[str, ...],
) -> Separation:
    """Find out whether the columns of a model matrix separate an outcome.

    Newton's method for the logit answers first: a step that moves no linear predictor
    by one proves that there is no separation ((8) of ``docs/methods/logistic.md``).
    Otherwise linear programming over the distinct rows decides (Konis, 2007). The
    units and origins of the columns do not matter.

    Parameters
    ----------
    X : FloatArray, shape (n, p)
        Model matrix; columns that repeat earlier ones take no part.
    successes : FloatArray, shape (n,)
        0 or 1, or counts.
    trials : FloatArray, shape (n,), optional
        Positive counts; ones if not given.
    columns : tuple of str
        Names of the columns.

    Returns
    -------
    Separation
        Also where there is none.

    References
    ----------
    Albert and Anderson (1984), Biometrika 71, 1-10,
    https://doi.org/10.1093/biomet/71.1.1. Konis (2007), Linear programming algorithms
    for detecting separated data in binary logistic regression models, University of
    Oxford.

    Examples
    --------
    >>> X = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    >>> found = find_separation(X, np.array([0.0, 0, 1, 1]), None, ("Intercept", "x"))
    >>> found.kind, found.columns
    ('complete', ('Intercept', 'x'))
    """
    n_trials = np.ones(len(X)) if trials is None else trials
    kept = np.flatnonzero(~alias_columns(triangle(X)))
    Q = np.linalg.qr(X[:, kept])[0]
    if _overlaps(Q, successes, n_trials):
        return _none(X)
    rows, group = _distinct_rows(X[:, kept])
    good = np.bincount(group, successes, len(rows)) > 0
    bad = np.bincount(group, n_trials - successes, len(rows)) > 0
    side = good.astype(np.intp) - bad.astype(np.intp)
    cone = open_cone(rows, side)
    if cone is None:
        return _none(X)
    return _report(X, kept, cone, (side * cone.strict)[group], columns)


def triangle(X: FloatArray) -> FloatArray:
    """Triangular factor of a model matrix; shape (min(n, p), p)."""
    return np.asarray(np.linalg.qr(X, mode="r"))


def _none(X: FloatArray) -> Separation:
    n, p = X.shape
    neither = np.zeros(p, dtype=bool)
    return Separation(
        "none",
        (),
        np.zeros(p),
        np.zeros((p, 0)),
        np.zeros(n, dtype=np.intp),
        neither,
        neither,
        "",
    )


def _overlaps(Q: FloatArray, successes: FloatArray, trials: FloatArray) -> bool:
    """Look for the proof that nothing is separated; orthonormal columns."""
    gamma = np.zeros(Q.shape[1])
    for _ in range(STEPS):
        part = contribute("logit", Q @ gamma, successes, trials)
        information = Q.T @ (Q * part.weight[:, None])
        values, vectors = np.linalg.eigh(information)
        if not values[0] > SHARP * values[-1]:
            return False
        step = vectors @ ((vectors.T @ (Q.T @ part.score)) / values)
        move = float(np.max(np.abs(Q @ step)))
        if move < CERTAIN:
            return True
        gamma = gamma + step * min(1.0, 2.0 / move)
    return False


def _distinct_rows(X: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the distinct rows, and which of them each row is."""
    plain = np.ascontiguousarray(X + 0.0)  # no two zeros
    whole = plain.view([("", plain.dtype)] * plain.shape[1]).ravel()
    _, first, group = np.unique(whole, return_index=True, return_inverse=True)
    return plain[first], np.asarray(group.ravel(), dtype=np.intp)


def _report(
    X: FloatArray,
    kept: IntArray,
    cone: Cone,
    sides: IntArray,
    columns: tuple[str, ...],
) -> Separation:
    p = X.shape[1]
    spread = np.std(X[:, kept], axis=0)
    # The constant is part of most combinations; it should not keep others in.
    flat = spread <= 1e-12 * np.max(np.abs(X[:, kept]), axis=0)
    spread = np.where(flat, 1e-2 * np.max(np.abs(X[:, kept]), axis=0), spread)
    short = _trim(shortest(cone, spread), spread, flat, X[:, kept], sides)
    direction = np.zeros(p)
    direction[kept] = short / np.max(np.abs(short))
    directions = np.zeros((p, cone.basis.shape[1]))
    directions[kept] = cone.basis
    up, down = np.zeros(p, dtype=bool), np.zeros(p, dtype=bool)
    up[kept], down[kept] = cone.signs(spread)
    kind: Kind = "complete" if np.all(sides != 0) else "quasi-complete"
    used = np.flatnonzero(direction)
    return Separation(
        kind=kind,
        columns=tuple(columns[j] for j in used),
        direction=direction,
        directions=directions,
        sides=sides,
        up=up,
        down=down,
        message=_say(kind, direction, columns, sides),
    )


def _trim(
    direction: FloatArray,
    spread: FloatArray,
    flat: BoolArray,
    X: FloatArray,
    sides: IntArray,
) -> FloatArray:
    """Leave out the columns a direction separates without, the smallest first."""
    size = np.abs(direction * spread)
    size = np.where(flat & (size > NEGLIGIBLE * np.max(size)), np.max(size), size)
    for share in (*TRIMS, NEGLIGIBLE):
        less = np.where(size > share * np.max(size), direction, 0.0)
        eta = X @ less
        still = sides * eta > NEGLIGIBLE**2 * np.max(np.abs(eta))
        if np.array_equal(still, sides != 0) and np.all(
            np.abs(eta[sides == 0]) <= NEGLIGIBLE * np.max(np.abs(eta))
        ):
            return np.asarray(less)
    return direction


def _say(
    kind: Kind, direction: FloatArray, columns: tuple[str, ...], sides: IntArray
) -> str:
    """Put a separation into words, knowing no more than columns and records."""
    parts = [
        f"all {int(np.sum(sides == side))} records where it is {sign} have outcome"
        f" {'1' if side > 0 else '0'}"
        for side, sign in ((1, "positive"), (-1, "negative"))
        if np.any(sides == side)
    ]
    on = int(np.sum(sides == 0))
    if on:
        parts.append(f"it is zero for the other {on}")
    return f"{kind} separation along {combination(direction, columns)}: " + "; ".join(
        parts
    )


def combination(direction: FloatArray, columns: tuple[str, ...]) -> str:
    """Write a combination of columns as a sum, the constant last."""
    used = [j for j in np.flatnonzero(direction) if columns[j] != "Intercept"]
    used += [j for j in np.flatnonzero(direction) if columns[j] == "Intercept"]
    text = ""
    for j in used[:TERMS_SHOWN]:
        size = abs(direction[j])
        sign = "-" if direction[j] < 0 else "+" if text else ""
        space = " " if text else ""
        number = "" if size == 1.0 else f"{size:.4g} "
        text += f"{space}{sign}{space}{number}{columns[j]}"
    more = len(used) - TERMS_SHOWN
    return text + (f" and {more} more" if more > 0 else "")
