"""The (restricted) log likelihood, its gradient and its observed information.

Equations in ``docs/methods/mmrm.md``. Everything is a batched array expression over
the rows of `PatternData`; nothing loops over subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.patterns import PatternData
from outcomes.models.mmrm.sums import sum_part
from outcomes.models.options import FloatArray

# Two records at distance one.
APART = np.array([[0.0, 1.0], [1.0, 0.0]])


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be maximised.

    Attributes
    ----------
    parts : tuple of PatternData
        Rows ``[X y]`` by pattern, for each group with a covariance of its own; the
        columns of X are orthonormal over all records and y is the least squares
        residual, so that no unit of a covariate or of the outcome can spoil the
        arithmetic.
    structure : Structure
        Covariance structure; theta has its parameters for one group after the other.
    reml : bool
        Restricted likelihood.
    constant : float
        What -2 log likelihood has besides the terms in theta.
    """

    parts: tuple[PatternData, ...]
    structure: Structure
    reml: bool
    constant: float

    def by_part(self, theta: FloatArray) -> list[FloatArray]:
        """Return the parameters of each part."""
        return np.split(theta, len(self.parts))

    def start(self, S: FloatArray) -> FloatArray:
        """Parameters from an empirical covariance of each part, (G, K, K)."""
        return np.concatenate(
            [
                self.structure.start(own, part.distance)
                for own, part in zip(S, self.parts, strict=True)
            ]
        )

    def sigma(self, theta: FloatArray) -> FloatArray:
        """Return the covariance of each part, (G, K, K).

        Where subjects have their own coordinates it is that of two records, at
        distances 0 and 1.
        """
        return np.stack(
            [
                self.structure.sigma(own, APART if part.individual else part.distance)
                for own, part in zip(self.by_part(theta), self.parts, strict=True)
            ]
        )

    def scale(self, theta: FloatArray) -> FloatArray:
        """Return the size of one unit of each parameter, (m,)."""
        return np.concatenate(
            [
                self.structure.scale(own, part.distance)
                for own, part in zip(self.by_part(theta), self.parts, strict=True)
            ]
        )


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
    W : tuple of FloatArray, shape (V, K, K)
        Inverse covariance per pattern of each part, zero at missing visits.
    U : tuple of FloatArray, shape (N, K, q)
        ``W Z`` for each row of each part.
    """

    deviance: float
    beta: FloatArray
    Phi: FloatArray
    root: FloatArray
    W: tuple[FloatArray, ...]
    U: tuple[FloatArray, ...]


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
    size = sigma.shape[-1]
    present = data.masks.astype(float)
    # A missing visit becomes an independent one with variance 1, taken out again below.
    padded = sigma * present[:, :, None] * present[:, None, :]
    padded[:, np.arange(size), np.arange(size)] += 1.0 - present
    try:
        if not data.individual and np.count_nonzero(data.distance == 0.0) == size:
            np.linalg.cholesky(sigma)  # visits no subject has together included
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
    if not np.all(np.isfinite(theta)):
        return None
    q = problem.parts[0].Z.shape[2]
    p = q - 1
    deviance = problem.constant
    A = np.zeros((q, q))
    inverses, products = [], []
    for own, part in zip(problem.by_part(theta), problem.parts, strict=True):
        sigma = problem.structure.sigma(own, part.distance)
        inverted = invert_patterns(sigma, part) if np.isfinite(sigma).all() else None
        if inverted is None:
            return None
        W, logdet = inverted
        U = W[part.pattern] @ part.Z
        A += part.Z.reshape(-1, q).T @ U.reshape(-1, q)
        deviance += logdet
        inverses.append(W)
        products.append(U)
    try:
        root = np.linalg.cholesky(A[:p, :p])
    except np.linalg.LinAlgError:
        return None
    inverse_root = np.linalg.inv(root)
    Phi = inverse_root.T @ inverse_root
    half = inverse_root @ A[:p, p]
    deviance += float(A[p, p] - half @ half)
    if problem.reml:
        deviance += 2.0 * float(np.log(np.diagonal(root)).sum())
    return Evaluation(
        deviance,
        inverse_root.T @ half,
        Phi,
        inverse_root.T,
        tuple(inverses),
        tuple(products),
    )


def differentiate(theta: FloatArray, at: Evaluation, problem: Problem) -> Derivatives:
    """Differentiate the objective at an evaluated theta, equations (8) to (10)."""
    p = len(at.beta)
    # c = (-beta, 1), beside a factor of Phi under REML.
    factor = np.zeros((p + 1, 1 + (p if problem.reml else 0)))
    factor[:p, 0] = -at.beta
    factor[p, 0] = 1.0
    if problem.reml:
        factor[:p, 1:] = at.root
    sums = [
        sum_part(part, own, problem.structure, W, U, factor)
        for part, own, W, U in zip(
            problem.parts, problem.by_part(theta), at.W, at.U, strict=True
        )
    ]
    A_h = np.concatenate([own.A_h for own in sums])
    m = len(A_h)
    jacobian = -(at.Phi @ A_h[:, :p, :p] @ at.Phi)
    b = A_h[:, :p, :] @ factor[:, 0]
    hessian = _block_diagonal([own.hessian for own in sums]) - 2.0 * b @ at.Phi @ b.T
    if problem.reml:
        # tr(Phi P_h Phi P_j) = -tr(dPhi/dh P_j)
        hessian += jacobian.reshape(m, -1) @ A_h[:, :p, :p].reshape(m, -1).T
    return Derivatives(
        gradient=np.concatenate([own.gradient for own in sums]),
        hessian=(hessian + hessian.T) / 2.0,
        fisher=_block_diagonal([own.fisher for own in sums]),
        jacobian=jacobian,
    )


def _block_diagonal(blocks: list[FloatArray]) -> FloatArray:
    m = len(blocks[0])
    out = np.zeros((m * len(blocks), m * len(blocks)))
    for g, block in enumerate(blocks):
        own = slice(g * m, (g + 1) * m)
        out[own, own] = block
    return out
