"""Where the optimiser starts, and the curvature it expects there."""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.families import NegativeBinomial, Poisson
from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.operator import Operator
from outcomes.models.mixed.glmm.problem import Evaluation, Problem
from outcomes.models.mixed.glmm.structure import diagonal_places
from outcomes.models.options import FloatArray

MOST_STEPS = 30
SETTLED = 1e-6
# Of a forward difference in theta or psi, whose scale is about one.
DIFFERENCE = 0.02
SMALLEST_CURVATURE = 1e-3


def first_guess(problem: Problem, spread: float) -> FloatArray:
    """Coefficients without random effects, and equal spreads of these.

    Parameters
    ----------
    problem : Problem
        Data.
    spread : float
        Standard deviation of every random effect.

    Returns
    -------
    FloatArray, shape (k,)
        phi.
    """
    theta = np.zeros(problem.structure.n_theta)
    for term in problem.structure.terms:
        theta[term.theta.start + diagonal_places(term.c)] = spread
    psi = problem.family.start()
    return np.concatenate([theta, _without_random(problem, psi), psi])


def _without_random(problem: Problem, psi: FloatArray) -> FloatArray:
    """Newton's method for the model with fixed effects only; shape (p,)."""
    X, family, times = problem.X, problem.family, problem.times
    beta = _from_logarithms(problem)
    terms = family.kernel(problem.offset + X @ beta, psi, 2)
    value = float(terms[0] @ times)
    for _ in range(MOST_STEPS):
        slope = (terms[1] * times) @ X
        information = (X * (-terms[2] * times)[:, None]).T @ X
        information[np.diag_indices(problem.p)] += 1e-10 * np.trace(information)
        try:
            step = np.linalg.solve(information, slope)
        except np.linalg.LinAlgError:  # no curvature is left
            return beta
        length = 1.0
        while length > 1e-6:
            trial = beta + length * step
            there = family.kernel(problem.offset + X @ trial, psi, 2)
            now = float(there[0] @ times)
            if now >= value:
                break
            length /= 2.0
        else:
            return beta
        beta, terms, value = trial, there, now
        if slope @ step < SETTLED:
            break
    return beta


def _from_logarithms(problem: Problem) -> FloatArray:
    """Least squares for logarithms of counts, zeros for other outcomes; shape (p,)."""
    family = problem.family
    if not isinstance(family, Poisson | NegativeBinomial):
        return np.zeros(problem.p)
    target = np.log(family.y + 0.5) - problem.offset
    weighted = problem.X * problem.times[:, None]
    return np.asarray(np.linalg.lstsq(weighted.T @ problem.X, weighted.T @ target)[0])


def expected_curvature(phi: FloatArray, at: Evaluation, problem: Problem) -> FloatArray:
    """Approximate the inverse Hessian of the deviance; shape (k, k).

    The block of the coefficients is that of generalised least squares at the weights of
    the mode, the rest comes from differences of the gradient.
    """
    k, m, p = len(phi), problem.structure.n_theta, problem.p
    H = np.zeros((k, k))
    H[m : m + p, m : m + p] = 2.0 * _information(phi, at, problem)
    for j in (*range(m), *range(m + p, k)):
        moved = phi.copy()
        moved[j] += DIFFERENCE
        there = evaluate(moved, problem, at.modes)
        if there is None:
            H[j, j] = float(np.max(problem.times.sum()))
            continue
        H[j] = H[:, j] = (there.gradient - at.gradient) / DIFFERENCE
    return positive_inverse((H + H.T) / 2.0)


def positive_inverse(H: FloatArray) -> FloatArray:
    """Invert a Hessian, taking curvature that is negative or too small for positive."""
    size = np.sqrt(np.maximum(np.abs(np.diagonal(H)), 1e-12))
    values, vectors = np.linalg.eigh(H / size[:, None] / size)
    values = np.maximum(np.abs(values), SMALLEST_CURVATURE)
    inverse = (vectors / values) @ vectors.T
    return np.asarray(inverse / size[:, None] / size)


def _information(phi: FloatArray, at: Evaluation, problem: Problem) -> FloatArray:
    """Information about the coefficients at the weights of the mode; (p, p)."""
    theta, beta, psi = problem.split(phi)
    op = Operator(problem.structure, theta)
    known = problem.offset + problem.X @ beta
    eta = known + op.forward(at.modes)
    w = -problem.family.kernel(eta, psi, 2)[2]
    factor = op.factor(w)
    weighted = problem.X * w[:, None]
    out = weighted.T @ (problem.X * problem.times[:, None])
    for j in range(problem.p):
        solved = op.forward(factor.solve(op.back(weighted[:, j])))
        out[j] -= (solved * problem.times) @ weighted
    return np.asarray((out + out.T) / 2.0)
