"""The (restricted) log likelihood, its gradient and its observed information.

Equations in ``docs/methods/mmrm.md``. Everything is a batched array expression over
the rows of `PatternData`; nothing loops over subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.patterns import PatternData
from outcomes.models.options import FloatArray


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be maximised.

    Attributes
    ----------
    data : PatternData
        Rows ``[X y]`` by pattern; the columns of X are orthonormal over all records and
        y is the ordinary least squares residual, so that no unit of a covariate or of
        the outcome can spoil the arithmetic.
    structure : Structure
        Covariance structure.
    positions : FloatArray, shape (K,)
        Places of the visits.
    reml : bool
        Restricted likelihood.
    constant : float
        What -2 log likelihood has besides the terms in theta.
    """

    data: PatternData
    structure: Structure
    positions: FloatArray
    reml: bool
    constant: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The objective at one theta and the pieces its derivatives reuse.

    Attributes
    ----------
    deviance : float
        -2 log likelihood, equation (4); ``inf`` where Sigma is not positive definite.
    beta : FloatArray, shape (p,)
        Generalised least squares estimate.
    Phi : FloatArray, shape (p, p)
        Its model-based covariance.
    root : FloatArray, shape (p, p)
        A factor of it, ``Phi = root root'``.
    W : FloatArray, shape (V, K, K)
        Inverse covariance per pattern, zero at missing visits.
    U : FloatArray, shape (N, K, q)
        ``W Z`` for each row.
    """

    deviance: float
    beta: FloatArray
    Phi: FloatArray
    root: FloatArray
    W: FloatArray
    U: FloatArray


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives of the objective -2 log likelihood.

    Attributes
    ----------
    gradient : FloatArray, shape (m,)
        Equation (9).
    hessian : FloatArray, shape (m, m)
        Observed, equation (10).
    fisher : FloatArray, shape (m, m)
        The positive definite part of it used where the observed one is indefinite.
    jacobian : FloatArray, shape (m, p, p)
        Derivatives of ``Phi``, equation (8).
    """

    gradient: FloatArray
    hessian: FloatArray
    fisher: FloatArray
    jacobian: FloatArray


def invert_patterns(
    sigma: FloatArray, data: PatternData
) -> tuple[FloatArray, float] | None:
    """Invert the part of Sigma each pattern sees.

    Returns
    -------
    tuple or None
        ``W``, (V, K, K), and the sum of log determinants over subjects; None where
        Sigma is not positive definite.
    """
    size = sigma.shape[0]
    present = data.masks.astype(float)
    # A missing visit becomes an independent one with variance 1, taken out again below.
    padded = sigma * present[:, :, None] * present[:, None, :]
    padded[:, np.arange(size), np.arange(size)] += 1.0 - present
    try:
        np.linalg.cholesky(sigma)
        roots = np.linalg.cholesky(padded)
    except np.linalg.LinAlgError:
        return None
    diagonals = np.diagonal(roots, axis1=1, axis2=2)
    if not np.all(np.isfinite(diagonals)):
        return None
    inverse_roots = np.linalg.inv(roots)
    W = np.swapaxes(inverse_roots, 1, 2) @ inverse_roots
    W *= present[:, :, None] * present[:, None, :]
    logdet = 2.0 * float(data.counts @ np.log(diagonals).sum(axis=1))
    return W, logdet


def evaluate(theta: FloatArray, problem: Problem) -> Evaluation | None:
    """Evaluate the objective at theta; None where Sigma is not positive definite."""
    data = problem.data
    if not np.all(np.isfinite(theta)):
        return None
    sigma = problem.structure.sigma(theta, problem.positions)
    if not np.all(np.isfinite(sigma)):
        return None
    inverted = invert_patterns(sigma, data)
    if inverted is None:
        return None
    W, logdet = inverted
    q = data.Z.shape[2]
    p = q - 1
    U = W[data.pattern] @ data.Z
    A = data.Z.reshape(-1, q).T @ U.reshape(-1, q)
    try:
        root = np.linalg.cholesky(A[:p, :p])
    except np.linalg.LinAlgError:
        return None
    inverse_root = np.linalg.inv(root)
    Phi = inverse_root.T @ inverse_root
    half = inverse_root @ A[:p, p]
    deviance = problem.constant + logdet + float(A[p, p] - half @ half)
    if problem.reml:
        deviance += 2.0 * float(np.log(np.diagonal(root)).sum())
    return Evaluation(deviance, inverse_root.T @ half, Phi, inverse_root.T, W, U)


def differentiate(theta: FloatArray, at: Evaluation, problem: Problem) -> Derivatives:
    """Differentiate the objective at an evaluated theta, equations (8) to (10)."""
    data = problem.data
    K = data.masks.shape[1]
    p = len(at.beta)
    first = problem.structure.first(theta, problem.positions)
    m = len(first)
    D = first.reshape(m, K * K)

    # E_v = sum_i U_i C U_i' with C = c c' (+ Phi under REML), c = (-beta, 1).
    factor = np.zeros((p + 1, 1 + (p if problem.reml else 0)))
    factor[:p, 0] = -at.beta
    factor[p, 0] = 1.0
    if problem.reml:
        factor[:p, 1:] = at.root
    Y = at.U @ factor
    E = np.add.reduceat(Y @ np.swapaxes(Y, 1, 2), data.first, axis=0)
    weighted = data.counts[:, None, None] * at.W
    S = (weighted - E).sum(axis=0)
    gradient = D @ S.ravel()

    # P_h, and P_h c, from one Gram matrix of the rows W_i Z_i.
    flat = at.U.reshape(len(at.U), -1)
    gram = (flat.T @ flat).reshape(K, p + 1, K, p + 1).transpose(0, 2, 1, 3)
    A_h = -(D @ gram.reshape(K * K, -1)).reshape(m, p + 1, p + 1)
    jacobian = -(at.Phi @ A_h[:, :p, :p] @ at.Phi)
    b = A_h[:, :p, :] @ factor[:, 0]

    fisher = _pair(D, at.W, weighted, K)
    hessian = 2.0 * _pair(D, at.W, E, K) - fisher - 2.0 * b @ at.Phi @ b.T
    if problem.reml:
        # tr(Phi P_h Phi P_j) = -tr(dPhi/dh P_j)
        flat_jacobian = jacobian.reshape(m, -1)
        hessian += flat_jacobian @ A_h[:, :p, :p].reshape(m, -1).T
    if not problem.structure.linear:
        second = problem.structure.second(theta, problem.positions)
        hessian += np.einsum("hjab,ab->hj", second, S)
    hessian = (hessian + hessian.T) / 2.0
    return Derivatives(gradient, hessian, fisher, jacobian)


def _pair(D: FloatArray, W: FloatArray, E: FloatArray, K: int) -> FloatArray:
    """``sum_v tr(Sigma_h W_v Sigma_j E_v)`` for all pairs h, j; shape (m, m)."""
    gram = W.reshape(len(W), -1).T @ E.reshape(len(E), -1)  # over (b c), (d a)
    gram = gram.reshape(K, K, K, K).transpose(3, 0, 1, 2).reshape(K * K, K * K)
    out = D @ gram @ D.T
    return np.asarray((out + out.T) / 2.0)
