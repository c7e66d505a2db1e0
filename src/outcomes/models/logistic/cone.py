"""The cone of directions along which a binary outcome is never contradicted.

With z = 1 for the rows that hold successes only and z = -1 for those that hold failures
only, the cone is {b: z x'b >= 0}, with x'b = 0 for the rows that hold both. Linear
programming finds the rows that some direction of it separates strictly, (9) and (10) of
``docs/methods/logistic.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import BoolArray, FloatArray, IntArray

# What the solver lets a constraint be broken by; rows have length one, directions are
# in the unit box.
BROKEN = 1e-10
# Margin beyond which a row is separated.
MARGIN = 1e-8
# Singular value, as a share of the largest, that is zero.
RANK = 1e-10
# Rows a linear program starts with, and rows that join it at a time.
FIRST_ROWS = 400
MORE_ROWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """Directions that separate, over the columns given.

    Attributes
    ----------
    strict : BoolArray, shape (m,)
        Rows that some direction of the cone separates.
    basis : FloatArray, shape (p, d)
        Of the directions that are zero for all other rows.
    margins : FloatArray, shape (number strict, d)
        Coordinates of the strictly separated rows, of length one: a direction
        ``basis @ g`` is in the cone where ``margins @ g >= 0``.
    inside : FloatArray, shape (d,)
        Coordinates of a direction that separates all of them.
    """

    strict: BoolArray
    basis: FloatArray
    margins: FloatArray
    inside: FloatArray

    def signs(self, spread: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Tell which coefficients may be positive, and negative, within the cone."""
        scaled = self.basis * spread[:, None]
        scaled /= np.max(np.abs(scaled))
        program = Program(self.margins)
        up, down = (
            np.array([_may_grow(program, sign * row, self.inside) for row in scaled])
            for sign in (1.0, -1.0)
        )
        return up, down


def open_cone(rows: FloatArray, side: IntArray) -> Cone | None:
    """Find the rows that can be separated.

    Parameters
    ----------
    rows : FloatArray, shape (m, p)
        Distinct rows of a model matrix of full rank.
    side : IntArray, shape (m,)
        1 for successes only, -1 for failures only, 0 for both.

    Returns
    -------
    Cone or None
        None if there is no row that any direction separates.
    """
    Q, R = np.linalg.qr(rows)
    # A row of zeros says nothing, and has no length to divide by.
    length = np.linalg.norm(Q, axis=1, keepdims=True)
    Q = Q / np.where(length > 0.0, length, 1.0)
    pure = np.flatnonzero(side)
    within = null_space(Q[side == 0])
    if within.shape[1] == 0:
        return None
    signed = side[pure, None] * (Q[pure] @ within)
    length = np.linalg.norm(signed, axis=1)
    signed[length <= RANK] = 0.0
    length[length <= RANK] = 1.0
    signed /= length[:, None]
    strict, inside = _separate(signed)
    if not strict.any():
        return None
    flat = null_space(signed[~strict])
    margins = signed[strict] @ flat
    inside = flat.T @ inside
    # A direction of the solver is right to its tolerance; this one is zero for the
    # other rows to rounding, and must still separate.
    if not (flat.shape[1] and np.all(margins @ inside > 0.0)):
        return None
    found = np.zeros(len(rows), dtype=bool)
    found[pure[strict]] = True
    return Cone(found, np.linalg.solve(R, within @ flat), margins, inside)


def shortest(cone: Cone, spread: FloatArray) -> FloatArray:
    """Find the separating direction that needs the fewest columns, or nearly so.

    Minimises the sum of the sizes of its coefficients, each in the spread of its
    column, among directions with at least the margin of a given one.

    Parameters
    ----------
    cone : Cone
        Directions.
    spread : FloatArray, shape (p,)
        Of the columns.

    Returns
    -------
    FloatArray, shape (p,)
        The direction; it separates every row that can be.
    """
    if len(cone.inside) == 1:
        return np.asarray(cone.basis @ cone.inside)
    p, d = cone.basis.shape
    inside = cone.inside / np.min(cone.margins @ cone.inside)
    scaled = cone.basis * spread[:, None]
    scaled /= np.max(np.abs(scaled))
    solution = Program(cone.margins).minimise(
        np.concatenate([np.zeros(d), np.ones(p)]),
        [(None, None)] * d + [(0.0, None)] * p,
        least=1.0,
        further=np.block([[-scaled, np.eye(p)], [scaled, np.eye(p)]]),
    )
    if solution is not None and np.all(cone.margins @ solution[:d] > 0.5):
        inside = solution[:d]
    return np.asarray(cone.basis @ inside)


def null_space(rows: FloatArray) -> FloatArray:
    """Orthonormal basis of what is orthogonal to rows; shape (p, p - rank)."""
    p = rows.shape[1]
    if not len(rows):
        return np.eye(p)
    factor = np.linalg.qr(rows, mode="r") if len(rows) > p else rows
    _, values, right = np.linalg.svd(factor, full_matrices=True)
    rank = int(np.sum(values > RANK * max(float(values[0]), 1.0)))
    return np.asarray(right[rank:].T)


def _separate(signed: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Collect the rows that directions separate, and the sum of those directions.

    Each round maximises the sum of the margins of the rows not separated so far. The
    sum of two directions of the cone is in the cone and separates what either does.
    """
    strict = np.zeros(len(signed), dtype=bool)
    total = np.zeros(signed.shape[1])
    program = Program(signed)
    while not strict.all():
        direction = _farthest(program, signed[~strict].mean(axis=0))
        new = (signed @ direction > MARGIN) & ~strict
        if not new.any():
            break
        strict |= new
        total += direction
    return strict, total


def _farthest(program: Program, objective: FloatArray) -> FloatArray:
    """Maximise an objective over the cone within the unit box."""
    found = program.minimise(-objective, [(-1.0, 1.0)] * len(objective))
    if found is None:
        raise ModelError(
            "the linear program that looks for separation was not solved; are columns"
            " of the model matrix too far from one another to compute with?"
        )
    return found


def _may_grow(program: Program, objective: FloatArray, inside: FloatArray) -> bool:
    """Tell whether an objective is positive anywhere in the cone."""
    size = float(np.linalg.norm(objective))
    if size <= MARGIN:
        return False
    if float(objective @ inside) > MARGIN * size * float(np.linalg.norm(inside)):
        return True
    if len(inside) == 1:  # a ray, and it is on the other side
        return False
    return float(objective @ _farthest(program, objective)) > MARGIN * size


class Program:
    """Linear programs over the directions a set of rows allows.

    With tens of thousands of rows few matter: programs are solved with some of them,
    and those that the solution breaks join until it breaks none. They stay for the next
    program.

    Parameters
    ----------
    margins : FloatArray, shape (m, d)
        Rows.
    """

    def __init__(self, margins: FloatArray) -> None:
        self.margins = margins
        step = max(1, len(margins) // FIRST_ROWS)
        self.active = np.zeros(len(margins), dtype=bool)
        self.active[::step] = True

    def minimise(
        self,
        objective: FloatArray,
        bounds: list[tuple[float | None, float | None]],
        *,
        least: float = 0.0,
        further: FloatArray | None = None,
    ) -> FloatArray | None:
        """Minimise an objective with no row's margin below ``least``.

        Parameters
        ----------
        objective : FloatArray, shape (v,)
            Of the direction, d elements, and of what variables follow.
        bounds : list of tuple
            Of the v variables.
        least : float
            Smallest margin.
        further : FloatArray, shape (r, v), optional
            Rows of all variables that must not be negative.

        Returns
        -------
        FloatArray, shape (v,)
            The solution; None if the solver has none.
        """
        d, v = self.margins.shape[1], len(objective)
        if further is None:
            further = np.zeros((0, v))
        while True:
            rows = np.zeros((int(self.active.sum()), v))
            rows[:, :d] = self.margins[self.active]
            A = np.concatenate([rows, further])
            b = np.concatenate([np.full(len(rows), least), np.zeros(len(further))])
            found = _solve(objective, -A, -b, bounds)
            if found is None:
                return None
            missed = least - self.margins @ found[:d]
            missed[self.active] = 0.0
            broken = np.flatnonzero(missed > BROKEN)
            if not len(broken):
                return found
            self.active[broken[np.argsort(-missed[broken])[:MORE_ROWS]]] = True


def _solve(
    objective: FloatArray,
    A: FloatArray,
    b: FloatArray,
    bounds: list[tuple[float | None, float | None]],
) -> FloatArray | None:
    from scipy.optimize import linprog

    found = linprog(
        objective,
        A_ub=A,
        b_ub=b,
        bounds=bounds,
        method="highs",
        options={
            "primal_feasibility_tolerance": BROKEN,
            "dual_feasibility_tolerance": BROKEN,
        },
    )
    return np.asarray(found.x) if found.status == 0 else None
