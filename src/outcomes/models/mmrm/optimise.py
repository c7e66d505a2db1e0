"""Newton's method with a Fisher scoring fallback and a line search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mmrm.likelihood import (
    Derivatives,
    Evaluation,
    Problem,
    differentiate,
    evaluate,
)
from outcomes.models.options import FloatArray

# Of the log likelihood, for one unit of `Structure.scale`; free of the outcome's unit.
GRADIENT_GOAL = 1e-9
# Twice the squared distance to the optimum in standard errors of the parameters, as
# the quadratic model sees it; free of units, of parameterisation and of trial size.
DECREMENT_LIMIT = 1e-10
# From here on, what a step gains may drown in the rounding of a large deviance, so
# steps are judged by the gradient, which keeps its digits.
DECREMENT_POLISH = 1e-6
MAX_ITERATIONS = 200
ARMIJO = 1e-4
SHORTEST_STEP = 1e-10
# No direction of Sigma may shrink by more than this factor in one step: near the edge
# of the positive definite cone the likelihood can be unbounded, and a step that lands
# there seldom comes back.
LARGEST_SHRINKAGE = 10.0
# Below this smallest eigenvalue of the correlation matrix Sigma counts as singular.
SINGULAR = 1e-8
NEARLY_SINGULAR = 1e-2
# Of the information about parameters in units of `Problem.scale`: below this, some of
# them could be a thousand times what they are.
UNDETERMINED = 1e-6
# Of the Hessian relative to the Fisher information, in a scoring step.
SMALLEST_CURVATURE = 0.05


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the optimiser stopped.

    Attributes
    ----------
    theta : FloatArray, shape (m,)
        Covariance parameters.
    evaluation, derivatives
        The objective there.
    iterations : int
        Steps taken.
    scored : int
        How many of them were Fisher scoring.
    gradient_norm : float
        Largest scaled element of the gradient of the log likelihood.
    decrement : float
        Newton decrement ``g' H^-1 g`` of the deviance; ``inf`` where the observed
        information is not positive definite.
    min_eigenvalue : float
        Smallest eigenvalue of the scaled observed information.
    message : str
        Empty when converged, else why not.
    """

    theta: FloatArray
    evaluation: Evaluation
    derivatives: Derivatives
    iterations: int
    scored: int
    gradient_norm: float
    decrement: float
    min_eigenvalue: float
    message: str


def maximise(start: FloatArray, problem: Problem) -> Optimum | None:
    """Maximise the likelihood from a start; None where the start cannot be evaluated.

    Newton steps with the observed Hessian where it is positive definite, else Fisher
    scoring; each is halved until Sigma is positive definite and the objective falls.
    Near the optimum full Newton steps are taken while they at least halve the gradient,
    whether or not the objective, as rounded, still falls.
    """
    theta = start
    at = evaluate(theta, problem)
    if at is None:
        return None
    now = differentiate(theta, at, problem)
    norm = _gradient_norm(theta, now, problem)
    scored = 0
    iterations = 0
    while norm > GRADIENT_GOAL and iterations < MAX_ITERATIONS:
        scale = problem.scale(theta)
        newton = _solve(now.hessian, now.gradient, scale)
        decrement = _decrement(newton, now)
        polished = None
        if newton is not None and decrement <= DECREMENT_POLISH:
            polished = _polish(theta, newton, norm, problem)
        if polished is not None:
            theta, at, now = polished
        elif decrement <= DECREMENT_LIMIT:  # as near as rounding lets it come
            break
        else:
            moved = None
            if newton is not None:
                moved = _search(theta, newton, at, now, problem)
            if moved is None:
                scoring = _scoring_step(now, scale)
                if scoring is not None:
                    moved = _search(theta, scoring, at, now, problem)
                    scored += moved is not None
            if moved is None:
                break
            theta, at = moved
            now = differentiate(theta, at, problem)
        norm = _gradient_norm(theta, now, problem)
        iterations += 1
    return _finish(theta, at, now, problem, iterations, scored)


def _finish(
    theta: FloatArray,
    at: Evaluation,
    now: Derivatives,
    problem: Problem,
    iterations: int,
    scored: int,
) -> Optimum:
    scale = problem.scale(theta)
    norm = _gradient_norm(theta, now, problem)
    decrement = _decrement(_solve(now.hessian, now.gradient, scale), now)
    information = 0.5 * now.hessian * scale[:, None] * scale[None, :]
    smallest = float(np.linalg.eigvalsh(information)[0])
    nearness, message = _at_boundary(theta, problem)
    if not message and not (smallest > 0 and np.isfinite(decrement)):
        message = (
            "the observed information is not positive definite (smallest eigenvalue"
            f" {smallest:.1e}), so this is no maximum of the likelihood"
        )
        if nearness < NEARLY_SINGULAR:
            message += "; it rises towards a singular covariance matrix"
    elif not message and smallest < UNDETERMINED:
        message = (
            "the data do not determine all covariance parameters (smallest eigenvalue"
            f" of the information {smallest:.1e}): too few residual degrees of freedom"
        )
    elif not message and not decrement <= DECREMENT_LIMIT:
        message = (
            f"the Newton decrement is still {decrement:.1e} and the gradient"
            f" {norm:.1e} after {iterations} iterations"
        )
    return Optimum(
        theta, at, now, iterations, scored, norm, decrement, smallest, message
    )


def _decrement(newton: FloatArray | None, now: Derivatives) -> float:
    """``g' H^-1 g`` from the Newton step; ``inf`` where there is none."""
    return np.inf if newton is None else float(-(now.gradient @ newton))


def _gradient_norm(theta: FloatArray, now: Derivatives, problem: Problem) -> float:
    scale = problem.scale(theta)
    return float(np.max(np.abs(0.5 * now.gradient * scale)))


def _solve(
    matrix: FloatArray, gradient: FloatArray, scale: FloatArray
) -> FloatArray | None:
    """Solve for the step in scaled parameters; None unless positive definite."""
    scaled = matrix * scale[:, None] * scale[None, :]
    try:
        root = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(root, gradient * scale)
    return np.asarray(-scale * np.linalg.solve(root.T, half))


def _scoring_step(now: Derivatives, scale: FloatArray) -> FloatArray | None:
    """Step where the observed Hessian is indefinite.

    The Hessian is rotated to the axes in which the Fisher information is the identity;
    its eigenvalues there are taken by their size, so that the step leaves a saddle
    along the directions of negative curvature instead of creeping past it.
    """
    try:
        root = np.linalg.cholesky(now.fisher * scale[:, None] * scale[None, :])
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(root, now.hessian * scale[:, None] * scale[None, :])
    relative = np.linalg.solve(root, half.T)
    values, vectors = np.linalg.eigh((relative + relative.T) / 2.0)
    size = np.maximum(np.abs(values), SMALLEST_CURVATURE)
    rotated = vectors.T @ np.linalg.solve(root, now.gradient * scale)
    step = np.linalg.solve(root.T, vectors @ (rotated / size))
    return np.asarray(-scale * step)


def _search(
    theta: FloatArray,
    step: FloatArray,
    at: Evaluation,
    now: Derivatives,
    problem: Problem,
) -> tuple[FloatArray, Evaluation] | None:
    """Halve the step until the objective falls as it should."""
    slope = float(now.gradient @ step)
    if not slope < 0:
        return None
    length = _first_length(theta, step, problem)
    while length > SHORTEST_STEP:
        trial = theta + length * step
        there = evaluate(trial, problem)
        if there is not None and (
            there.deviance <= at.deviance + ARMIJO * length * slope
        ):
            return trial, there
        length /= 2.0
        # What is left to gain is below the rounding of the objective itself.
        if there is not None and abs(slope) * length < 1e-15 * abs(at.deviance):
            return None
    return None


def _first_length(theta: FloatArray, step: FloatArray, problem: Problem) -> float:
    """Longest step up to 1 that keeps Sigma away from the edge of its cone."""
    allowed = 1.0 - 1.0 / LARGEST_SHRINKAGE
    most = allowed
    structure = problem.structure
    if structure.spatial:  # its parameters are positive, and that is all
        most = max(most, float(np.max(-step / theta)))
    else:
        for own, change, part in zip(
            problem.by_part(theta), problem.by_part(step), problem.parts, strict=True
        ):
            root = np.linalg.cholesky(structure.sigma(own, part.distance))
            moved = np.tensordot(change, structure.first(own, part.distance), axes=1)
            relative = np.linalg.solve(root, np.linalg.solve(root, moved).T)
            smallest = np.linalg.eigvalsh((relative + relative.T) / 2.0)[0]
            most = max(most, -float(smallest))
    return 1.0 if most <= allowed else allowed / most


def _at_boundary(theta: FloatArray, problem: Problem) -> tuple[float, str]:
    """How near to singular a covariance is, and at which edge it lies, if at one."""
    nearest_yet = 1.0
    for own, part in zip(problem.by_part(theta), problem.parts, strict=True):
        sigma = problem.structure.sigma(own, part.distance)
        if problem.structure.spatial:
            nearest = float(part.distance[part.distance > 0].min())
            correlation = float(np.exp(-nearest / own[1]))
            if correlation < SINGULAR:
                return nearest_yet, (
                    "the range is at its lower boundary: records are uncorrelated even"
                    f" at the smallest distance, {nearest:g}"
                )
            smallest = 1.0 - correlation
        else:
            sd = np.sqrt(np.diagonal(sigma))
            smallest = float(np.linalg.eigvalsh(sigma / sd[:, None] / sd)[0])
        if smallest < SINGULAR:
            return smallest, "the estimated covariance matrix is singular"
        nearest_yet = min(nearest_yet, smallest)
    return nearest_yet, ""


def _polish(
    theta: FloatArray, step: FloatArray, norm: float, problem: Problem
) -> tuple[FloatArray, Evaluation, Derivatives] | None:
    """Accept a full Newton step that at least halves the gradient."""
    trial = theta + step
    there = evaluate(trial, problem)
    if there is None:
        return None
    now = differentiate(trial, there, problem)
    after = _gradient_norm(trial, now, problem)
    return (trial, there, now) if after <= 0.5 * norm else None
