"""Minimising the deviance over all parameters at once.

Quasi-Newton steps with the analytic gradient, ending in a Newton step whose Hessian
comes from differences of that gradient in directions scaled by the curvature itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.problem import Evaluation, Problem
from outcomes.models.options import BoolArray, FloatArray

# Newton decrement of the deviance: twice the squared distance to the optimum in
# standard errors.
DECREMENT_GOAL = 1e-14
DECREMENT_LIMIT = 1e-10
# Below, the gain of a step may drown in the rounding of the deviance.
DECREMENT_POLISH = 1e-6
MOST_STEPS = 300
MOST_HALVINGS = 30
ARMIJO = 1e-4
# Of the deviance.
ROUNDING = 1e-12
LONGEST_THETA = 1.0
LONGEST_PSI = 2.0
# Cosine between a step and the change of the gradient along it that is convex.
CONVEX = 1e-10
# Logarithm of a negative binomial dispersion that is as good as infinite.
NO_LIMIT = 12.0
# Differences are taken over this many standard errors to either side.
DIFFERENCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where the optimiser is.

    Attributes
    ----------
    phi : FloatArray, shape (k,)
        Parameters.
    at : Evaluation
        The objective there.
    inverse : FloatArray, shape (k, k)
        Inverse Hessian as far as known; zero for parameters that are held.
    steps : int
        Taken so far.
    """

    phi: FloatArray
    at: Evaluation
    inverse: FloatArray
    steps: int

    @property
    def decrement(self) -> float:
        """Newton decrement of the deviance."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.at.gradient @ self.inverse @ self.at.gradient)


def descend(state: State, problem: Problem, *, goal: float = DECREMENT_GOAL) -> State:
    """Take quasi-Newton steps until the decrement is below a goal, or none helps."""
    while state.steps < MOST_STEPS and state.decrement > goal:
        moved = _step(state, problem)
        if moved is None:
            break
        state = moved
        if problem.family.n_extra == 1 and state.phi[-1] > NO_LIMIT:
            break
    return state


def _step(state: State, problem: Problem) -> State | None:
    step = -state.inverse @ state.at.gradient
    slope = float(state.at.gradient @ step)
    if not slope < 0:
        return None
    length = _first_length(state, step, problem)
    allowance = ROUNDING * (1.0 + abs(state.at.deviance))
    for _ in range(MOST_HALVINGS):
        trial = state.phi + length * step
        there = evaluate(trial, problem, state.at.modes)
        if there is None:
            length /= 4.0
            continue
        if there.deviance <= state.at.deviance + ARMIJO * length * slope:
            return _update(state, trial, there)
        after = replace(state, at=there).decrement
        if -slope < DECREMENT_POLISH and after < -slope:
            return _update(state, trial, there)
        if -slope * length < allowance:
            return None
        rise = there.deviance - state.at.deviance - length * slope
        length *= float(np.clip(-length * slope / (2.0 * rise), 0.1, 0.5))
    return None


def _first_length(state: State, step: FloatArray, problem: Problem) -> float:
    """Longest step up to 1 that does not leap in the random effects."""
    m, r = problem.structure.n_theta, problem.family.n_extra
    theta = np.abs(step[:m]) / (LONGEST_THETA + np.abs(state.phi[:m]))
    psi = np.abs(step[len(step) - r :]) / LONGEST_PSI
    return 1.0 / max(1.0, float(theta.max()), float(psi.max(initial=0.0)))


def _update(state: State, phi: FloatArray, at: Evaluation) -> State:
    """Learn curvature from a step (Broyden, Fletcher, Goldfarb, Shanno)."""
    held = np.diagonal(state.inverse) == 0.0
    s = phi - state.phi
    y = np.where(held, 0.0, at.gradient - state.at.gradient)
    product = float(s @ y)
    inverse = state.inverse
    Hy = inverse @ y
    if product > CONVEX * float(np.linalg.norm(s) * np.linalg.norm(y)):
        scale = (1.0 + float(y @ Hy) / product) / product
        inverse = (
            inverse
            + scale * np.outer(s, s)
            - (np.outer(Hy, s) + np.outer(s, Hy)) / product
        )
    return State(phi, at, inverse, state.steps + 1)


def hessian(state: State, problem: Problem) -> FloatArray | None:
    """Hessian of the deviance in the parameters that are not held.

    Central differences of the analytic gradient, taken in the directions in which the
    curvature known so far is a unit matrix, so all are equally well conditioned.

    Returns
    -------
    FloatArray, shape (free, free)
        Nothing where a gradient cannot be had.
    """
    free = np.diagonal(state.inverse) > 0.0
    values, vectors = np.linalg.eigh(state.inverse[np.ix_(free, free)])
    values = np.maximum(values, values[-1] * 1e-12)
    root = vectors * np.sqrt(2.0 * values)
    slopes = np.empty_like(root)
    for j in range(root.shape[1]):
        pair = []
        for sign in (1.0, -1.0):
            moved = state.phi.copy()
            moved[free] += sign * DIFFERENCE * root[:, j]
            there = evaluate(moved, problem, state.at.modes)
            if there is None:
                return None
            pair.append(there.gradient[free])
        slopes[:, j] = (pair[0] - pair[1]) / (2.0 * DIFFERENCE)
    inner = root.T @ slopes
    back = np.linalg.inv(root)
    return np.asarray(back.T @ ((inner + inner.T) / 2.0) @ back)


def with_curvature(state: State, H: FloatArray, free: BoolArray) -> State:
    """Put a positive definite Hessian of the free parameters in place."""
    inverse = np.zeros_like(state.inverse)
    inverse[np.ix_(free, free)] = np.linalg.inv(H)
    return replace(state, inverse=inverse)
