"""From a start to the maximum of the likelihood, be it at the boundary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.optimise import (
    DECREMENT_LIMIT,
    State,
    descend,
    hessian,
    with_curvature,
)
from outcomes.models.mixed.glmm.problem import Problem
from outcomes.models.mixed.glmm.start import expected_curvature, positive_inverse
from outcomes.models.mixed.glmm.structure import lower
from outcomes.models.mixed.layout import semidefinite_root
from outcomes.models.options import BoolArray, FloatArray

ROUNDS = 8
# A standard deviation, or the independent share of one, that may be zero.
NEAR_ZERO = 0.02
# What the deviance may rise by when it is set to zero.
FREE_OF_COST = 1e-8
# Of the search for a descent away from zero.
PROBE = 1e-2
DESCENT = -1e-3
# Of the Hessian, relative to its diagonal.
SMALLEST_EIGENVALUE = 1e-10
# Rough quadrature to come near with.
FEW_POINTS = 5
NEAR_ENOUGH = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the likelihood is largest.

    Attributes
    ----------
    phi : FloatArray, shape (k,)
        theta, beta, psi.
    state : State
        Objective and curvature there.
    covariance : FloatArray, shape (k, k)
        Inverse observed information; zero for parameters held at the boundary, NaN
        where the information is not positive definite.
    free : BoolArray, shape (k,)
        Parameters that are not at the boundary.
    gradient_norm : float
        Largest element of the gradient of the log likelihood in standard errors.
    min_eigenvalue : float
        Smallest eigenvalue of the observed information relative to its diagonal.
    message : str
        Empty when converged, else why not.
    """

    phi: FloatArray
    state: State
    covariance: FloatArray
    free: BoolArray
    gradient_norm: float
    min_eigenvalue: float
    message: str


def maximise(problem: Problem, phi: FloatArray) -> Optimum | None:
    """Maximise the likelihood over theta, beta and psi at once.

    Parameters
    ----------
    problem : Problem
        Data.
    phi : FloatArray, shape (k,)
        Start.

    Returns
    -------
    Optimum, optional
        Converged or not; nothing where the start cannot be evaluated.
    """
    state = _begin(problem, phi)
    if state is None:
        return None
    H = None
    eigenvalue = np.nan
    for _ in range(ROUNDS):
        state = descend(state, problem)
        edge = _to_boundary(state, problem)
        if edge is not None:
            state = descend(edge, problem)
        state = _point_up(state, problem)
        free = np.diagonal(state.inverse) > 0.0
        H = hessian(state, problem)
        if H is None:
            break
        size = np.sqrt(np.maximum(np.abs(np.diagonal(H)), 1e-300))
        values, vectors = np.linalg.eigh(H / size[:, None] / size)
        eigenvalue = float(values[0])
        if eigenvalue < SMALLEST_EIGENVALUE:
            away = _leave_saddle(state, problem, H, vectors[:, 0] / size, free)
            if away is None:
                break
            state = away
            continue
        state = with_curvature(state, H, free)
        if state.decrement > DECREMENT_LIMIT:
            continue
        released = _release(state, problem, free)
        if released is None:
            state = _last_step(state, problem)
            break
        state = released
    return _finish(state, H, eigenvalue)


def _begin(problem: Problem, phi: FloatArray) -> State | None:
    """Come near with few quadrature points, which cost little."""
    first = problem
    if problem.n_quad > FEW_POINTS:
        first = replace(problem, n_quad=FEW_POINTS)
    at = evaluate(phi, first, problem.rest())
    if at is None:
        return None
    state = State(phi, at, expected_curvature(phi, at, first), 0)
    if first is problem:
        return state
    near = descend(state, first, goal=NEAR_ENOUGH)
    at = evaluate(near.phi, problem, near.at.modes)
    return None if at is None else replace(near, at=at)


def _to_boundary(state: State, problem: Problem) -> State | None:
    """Set spreads to zero where that costs nothing, and hold them there."""
    phi = state.phi.copy()
    held = np.zeros(len(phi), dtype=bool)
    for term in problem.structure.terms:
        L = lower(phi[term.theta], term.c)
        size = np.linalg.norm(L, axis=1)
        share = np.abs(np.diagonal(L))
        edge = (size < NEAR_ZERO) | (share < NEAR_ZERO * size)
        if not edge.any():
            continue
        L[edge, np.flatnonzero(edge)] = 0.0
        L[size < NEAR_ZERO] = 0.0
        L = semidefinite_root(L @ L.T)
        places = np.tril_indices(term.c)
        phi[term.theta] = L[places]
        held[term.theta] = (np.diagonal(L) == 0.0)[places[1]]
    if not held.any():
        return None
    at = evaluate(phi, problem, state.at.modes)
    if at is None or at.deviance > state.at.deviance + FREE_OF_COST:
        return None
    known = np.diagonal(state.inverse) > 0.0
    free = known & ~held
    H = np.zeros_like(state.inverse)
    H[np.ix_(known, known)] = np.linalg.inv(state.inverse[np.ix_(known, known)])
    inverse = np.zeros_like(H)
    inverse[np.ix_(free, free)] = np.linalg.inv(H[np.ix_(free, free)])
    return State(phi, at, inverse, state.steps)


def _point_up(state: State, problem: Problem) -> State:
    """Turn columns of the Cholesky factors so that their diagonals are positive."""
    sign = np.ones(len(state.phi))
    for term in problem.structure.terms:
        down = np.diagonal(lower(state.phi[term.theta], term.c)) < 0.0
        sign[term.theta] = np.where(down, -1.0, 1.0)[np.tril_indices(term.c)[1]]
    if np.all(sign > 0):
        return state
    phi = state.phi * sign
    at = evaluate(phi, problem, problem.rest())
    if at is None:
        return state
    return State(phi, at, state.inverse * sign[:, None] * sign, state.steps)


def _leave_saddle(
    state: State,
    problem: Problem,
    H: FloatArray,
    direction: FloatArray,
    free: BoolArray,
) -> State | None:
    """Go down along the direction of negative curvature; nothing where it is flat."""
    inverse = np.zeros_like(state.inverse)
    inverse[np.ix_(free, free)] = positive_inverse(H)
    best = None
    for length in (3.0, 1.0, 0.3, 0.1, -0.1, -0.3, -1.0, -3.0):
        phi = state.phi.copy()
        phi[free] += length * direction
        at = evaluate(phi, problem, state.at.modes)
        if at is not None and (best is None or at.deviance < best.at.deviance):
            best = State(phi, at, inverse, state.steps + 1)
    if best is None or best.at.deviance > state.at.deviance - FREE_OF_COST:
        return None
    return best


def _release(state: State, problem: Problem, free: BoolArray) -> State | None:
    """Leave the boundary where the deviance falls to the inside.

    The deviance is even in each column of a Cholesky factor, so its slope at zero is
    nought whether or not that is a minimum; curvature decides.
    """
    held = np.flatnonzero(~free)
    if not len(held):
        return None
    H = np.zeros((len(held), len(held)))
    for j, place in enumerate(held):
        phi = state.phi.copy()
        phi[place] = PROBE
        there = evaluate(phi, problem, state.at.modes)
        if there is None:
            return None
        H[j] = there.gradient[held] / PROBE
    values, vectors = np.linalg.eigh((H + H.T) / 2.0)
    if values[0] > DESCENT:
        return None
    for length in (0.5, 0.1, 0.05):
        phi = state.phi.copy()
        phi[held] = length * vectors[:, 0]
        at = evaluate(phi, problem, state.at.modes)
        if at is not None and at.deviance < state.at.deviance - FREE_OF_COST:
            return State(phi, at, expected_curvature(phi, at, problem), state.steps)
    return None


def _last_step(state: State, problem: Problem) -> State:
    """Take a full Newton step if it makes the gradient smaller."""
    phi = state.phi - state.inverse @ state.at.gradient
    at = evaluate(phi, problem, state.at.modes)
    if at is None:
        return state
    moved = State(phi, at, state.inverse, state.steps + 1)
    return moved if moved.decrement < state.decrement else state


def _finish(state: State, H: FloatArray | None, eigenvalue: float) -> Optimum:
    free = np.diagonal(state.inverse) > 0.0
    message = ""
    if H is None or not eigenvalue > SMALLEST_EIGENVALUE:
        message = (
            "the observed information is not positive definite: the data do not"
            " determine all parameters"
        )
    elif state.decrement > DECREMENT_LIMIT:
        message = (
            f"the Newton decrement is still {state.decrement:.1e} after"
            f" {state.steps} steps"
        )
    covariance = 2.0 * state.inverse
    if message:
        covariance = np.full_like(covariance, np.nan)
    spread = np.sqrt(2.0 * np.maximum(np.diagonal(state.inverse), 0.0))
    return Optimum(
        phi=state.phi,
        state=state,
        covariance=(covariance + covariance.T) / 2.0,
        free=free,
        gradient_norm=float(np.max(np.abs(state.at.gradient) * spread)) / 2.0,
        min_eigenvalue=eigenvalue,
        message=message,
    )
