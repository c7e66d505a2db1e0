"""Kenward-Roger: the adjusted covariance of the coefficients.

The pieces P, Q and R of the paper enter only through sums weighted by the covariance
of the covariance parameters, and those sums are one K x K matrix per missingness
pattern: no p x p matrix per pair of parameters is ever formed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.optimise import Optimum
from outcomes.models.options import FloatArray

Curvature = Literal["natural", "free", "none"]


def adjusted_covariance(
    problem: Problem,
    optimum: Optimum,
    cov_theta: FloatArray,
    curvature: Curvature,
) -> FloatArray:
    """Adjust the covariance of the coefficients for small samples, equation (14).

    Parameters
    ----------
    problem : Problem
        The likelihood.
    optimum : Optimum
        Its maximum.
    cov_theta : FloatArray, shape (m, m)
        Inverse observed information of the covariance parameters.
    curvature : str
        The parameters in which Sigma is differentiated twice: ``"natural"`` (SAS),
        ``"free"`` (R mmrm) or ``"none"`` (linear variant, free of the choice).

    Returns
    -------
    FloatArray, shape (p, p)
        Adjusted covariance.

    References
    ----------
    Kenward and Roger (1997), Biometrics 53, 983-997.
    """
    at, jacobian = optimum.evaluation, optimum.derivatives.jacobian
    Phi = at.Phi
    p = len(Phi)
    Q = np.zeros((p, p))
    thetas = problem.by_part(optimum.theta)
    m = len(thetas[0])
    for g, (part, theta) in enumerate(zip(problem.parts, thetas, strict=True)):
        own = slice(g * m, (g + 1) * m)
        first = problem.structure.first(theta, part.distance)
        middle = _quadratic(first, cov_theta[own, own], at.W[g])
        bent = _bend(problem.structure, theta, part.distance, first, curvature)
        if bent is not None:
            in_bent, second = bent
            cov = in_bent @ cov_theta[own, own] @ in_bent.T
            middle -= 0.25 * np.einsum("hj,hj...->...", cov, second)
        U = at.U[g][:, :, :-1]
        weighted = middle[part.pattern] @ U
        Q += U.reshape(-1, p).T @ weighted.reshape(-1, p)
    # sum_hj w_hj Phi P_h Phi P_j Phi, from J_h = -Phi P_h Phi
    mixed = np.tensordot(cov_theta, jacobian, axes=1)
    PP = np.einsum("hab,bc,hcd->ad", jacobian, np.linalg.inv(Phi), mixed, optimize=True)
    adjusted = Phi + 2.0 * (Phi @ Q @ Phi - PP)
    return np.asarray((adjusted + adjusted.T) / 2.0)


def _quadratic(first: FloatArray, cov: FloatArray, W: FloatArray) -> FloatArray:
    """``sum_hj cov_hj Sigma_h W_v Sigma_j`` for each pattern; (V, K, K)."""
    m, K = len(first), W.shape[-1]
    if first.ndim == 4:  # patterns with a Sigma of their own, and few parameters
        mixed = np.tensordot(cov, first, axes=1)
        return np.asarray((first @ W @ mixed).sum(axis=0))
    D = first.reshape(m, K * K)
    # As a linear map of W_v: (a b c d), W on (b c).
    outer = (D.T @ cov @ D).reshape(K, K, K, K)
    return np.asarray(np.einsum("abcd,vbc->vad", outer, W, optimize=True))


def _bend(
    structure: Structure,
    theta: FloatArray,
    distance: FloatArray,
    first: FloatArray,
    curvature: Curvature,
) -> tuple[FloatArray, FloatArray] | None:
    """How theta moves the parameters of the R term, and the second derivatives.

    Both sets of parameters describe the same Sigma, so their first derivatives span
    the same space, and the Jacobian between them is read off there.
    """
    m = len(theta)
    if curvature == "none" or (curvature == "natural" and structure.linear):
        return None
    if curvature == "natural":
        return np.eye(m), structure.second(theta, distance)
    free, second = structure.in_free(theta, distance)
    flat, natural = free.reshape(m, -1).T, first.reshape(m, -1).T
    return np.asarray(np.linalg.lstsq(flat, natural, rcond=None)[0]), second
