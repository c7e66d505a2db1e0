"""Kenward-Roger: the adjusted covariance of the coefficients and the F test.

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

NO_F = (
    "the F test of Kenward and Roger does not exist for these rows, because there are"
    " too few subjects for so many at once; test fewer, or use df='satterthwaite'"
)


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


def joint(
    L: FloatArray,
    *,
    beta: FloatArray,
    cov_beta: FloatArray,
    adjusted: FloatArray,
    jacobian: FloatArray,
    cov_theta: FloatArray,
) -> tuple[float, float]:
    """Test independent rows with the scaled F of Kenward and Roger.

    Parameters
    ----------
    L : FloatArray, shape (r, p)
        Linearly independent rows.
    beta : FloatArray, shape (p,)
        Estimates.
    cov_beta : FloatArray, shape (p, p)
        Model-based covariance, which settles the degrees of freedom.
    adjusted : FloatArray, shape (p, p)
        Adjusted covariance, which enters F.
    jacobian : FloatArray, shape (m, p, p)
        Derivatives of ``cov_beta``.
    cov_theta : FloatArray, shape (m, m)
        Inverse observed information of the covariance parameters.

    Returns
    -------
    tuple of float
        F, scale included, and its denominator degrees of freedom, equation (15); both
        NaN where no F distribution has the moments to be matched, or the adjusted
        covariance of the rows is not positive definite.
    """
    r = len(L)
    inner = np.linalg.inv(L @ cov_beta @ L.T)
    # Theta Phi P_h Phi = -Theta J_h with Theta = L' (L Phi L')^-1 L, in r x r form.
    blocks = inner @ (L @ jacobian @ L.T)
    traces = np.trace(blocks, axis1=1, axis2=2)
    A1 = float(traces @ cov_theta @ traces)
    flat = blocks.reshape(len(blocks), -1)
    crossed = flat @ np.swapaxes(blocks, 1, 2).reshape(len(blocks), -1).T
    A2 = float(np.sum(cov_theta * crossed))
    difference = L @ beta
    try:
        root = np.linalg.cholesky(L @ adjusted @ L.T)
    except np.linalg.LinAlgError:
        return np.nan, np.nan
    whitened = np.linalg.solve(root, difference)
    df, scale = scaled_f(A1, A2, r)
    return scale * float(whitened @ whitened) / r, df


def scaled_f(A1: float, A2: float, r: int) -> tuple[float, float]:
    """Degrees of freedom and scale of F from the two traces of the paper.

    Both are NaN where no multiple of an F distribution has the mean asked for: the
    formulas then give two degrees of freedom or fewer, or a scale below zero. Between
    two and four they are right although the variance is infinite (with complete data
    they are Hotelling's).
    """
    if r == 1:  # the general formula is 0/0 in places; its limit is Satterthwaite's
        return (2.0 / A2, 1.0) if A2 > 0.0 else (np.inf, 1.0)
    if not 0.0 < A2 < r:  # the mean is 1 / (1 - A2 / r)
        return np.nan, np.nan
    B = (A1 + 6.0 * A2) / (2.0 * r)
    g = ((r + 1.0) * A1 - (r + 4.0) * A2) / ((r + 2.0) * A2)
    divisor = 3.0 * r + 2.0 * (1.0 - g)
    c1, c2, c3 = g / divisor, (r - g) / divisor, (r + 2.0 - g) / divisor
    mean = 1.0 / (1.0 - A2 / r)
    # Reciprocals where a denominator can pass through zero: there df is 4.
    inverse = (1.0 - c2 * B) ** 2 * (1.0 - c3 * B) * r * mean**2
    excess = r * (1.0 + c1 * B) - inverse
    df = 4.0 + (r + 2.0) * inverse / excess if excess != 0.0 else np.inf
    if not df > 2.0:
        return np.nan, np.nan
    scale = (1.0 if np.isinf(df) else df / (df - 2.0)) / mean
    return (df, scale) if scale > 0.0 else (np.nan, np.nan)
