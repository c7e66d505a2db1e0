"""Laplace's approximation of the marginal likelihood, with its exact gradient."""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.mode import find_mode
from outcomes.models.mixed.glmm.operator import Effects, Operator
from outcomes.models.mixed.glmm.problem import Evaluation, Problem
from outcomes.models.options import FloatArray


def evaluate_laplace(
    phi: FloatArray, problem: Problem, start: Effects
) -> Evaluation | None:
    """Evaluate equation (9) and its gradient (10) to (13).

    The gradient takes the mode along: one adjoint solution gives what its movement
    contributes.

    Parameters
    ----------
    phi : FloatArray, shape (k,)
        theta, beta, psi.
    problem : Problem
        Data.
    start : Effects
        Where to look for the mode.

    Returns
    -------
    Evaluation, optional
        Nothing where the mode is not found.
    """
    theta, beta, psi = problem.split(phi)
    family, times, s = problem.family, problem.times, problem.structure
    op = Operator(s, theta)
    found = find_mode(op, family, problem.offset + problem.X @ beta, psi, start)
    if found is None:
        return None
    u, eta = found
    l0, l1, l2, l3 = family.kernel(eta, psi, 3)
    constant, constant_slope = family.constant(psi)
    w = -l2
    try:
        factor = op.factor(w)
    except np.linalg.LinAlgError:
        return None
    deviance = (
        -2.0 * float((l0 + constant) @ times)
        + float((u[0] ** 2).sum(axis=0) @ s.count)
        + float(u[1] @ u[1])
        + factor.log_det
    )
    if not np.isfinite(deviance):
        return None
    rows = factor.rows()
    leverage = np.einsum("cn,cn->n", op.A, rows[0])
    if s.q:
        leverage += np.einsum("cn,cn->n", op.B, rows[1])
    adjoint = factor.solve(op.back(-l3 * leverage))
    along = op.forward(adjoint)
    e = (-2.0 * l1 - l3 * leverage - w * along) * times
    slopes_theta = op.slopes(e, l1 * times, w * times, u, adjoint, rows)
    slopes_psi = np.zeros(0)
    if family.n_extra:
        first, second, third = family.slopes(eta, psi)
        total = -2.0 * (first + constant_slope) - leverage * third + along * second
        slopes_psi = total @ times
    gradient = np.concatenate([slopes_theta, e @ problem.X, slopes_psi])
    return Evaluation(deviance, gradient, u)
