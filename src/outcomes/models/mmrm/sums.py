"""The sums over the subjects of one part that derivatives are made of.

There are two ways to the same numbers. Where all subjects share one Sigma, sums over
subjects come first and the parameters after, so that the many parameters of an
unstructured covariance cost nothing per subject. Where subjects have their own
coordinates there are as many Sigmas as subjects, and two parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mmrm.covariance.structure import Structure
from outcomes.models.mmrm.patterns import PatternData
from outcomes.models.options import FloatArray


@dataclass(frozen=True, slots=True)
class Sums:
    """What one part adds to the derivatives of -2 log likelihood.

    Attributes
    ----------
    gradient : FloatArray, shape (m,)
        Equation (9).
    hessian : FloatArray, shape (m, m)
        The two sums over patterns in equation (10).
    fisher : FloatArray, shape (m, m)
        ``sum_v n_v tr(Sigma_h W_v Sigma_j W_v)``.
    A_h : FloatArray, shape (m, q, q)
        Derivatives of ``Z'V^-1Z``, equation (7) for the columns of X.
    """

    gradient: FloatArray
    hessian: FloatArray
    fisher: FloatArray
    A_h: FloatArray


def sum_part(
    part: PatternData,
    theta: FloatArray,
    structure: Structure,
    W: FloatArray,
    U: FloatArray,
    factor: FloatArray,
) -> Sums:
    """Sum over the subjects of a part.

    Parameters
    ----------
    part : PatternData
        The subjects.
    theta : FloatArray, shape (m,)
        Parameters of the part.
    structure : Structure
        Covariance structure.
    W, U : FloatArray, shape (V, K, K) and (N, K, q)
        As in `Evaluation`.
    factor : FloatArray, shape (q, c)
        ``E_v = sum_i U_i C U_i'`` with ``C = factor factor'``.
    """
    Y = U @ factor
    E = np.add.reduceat(Y @ np.swapaxes(Y, 1, 2), part.first, axis=0)
    weighted = part.counts[:, None, None] * W
    first = structure.first(theta, part.distance)
    second = None
    if not structure.linear:
        second = structure.second(theta, part.distance)
    if part.individual:
        return _individual(part, first, second, W, E, weighted, U)
    return _shared(first, second, W, E, weighted, U)


def _shared(
    first: FloatArray,
    second: FloatArray | None,
    W: FloatArray,
    E: FloatArray,
    weighted: FloatArray,
    U: FloatArray,
) -> Sums:
    m, K, _ = first.shape
    q = U.shape[2]
    D = first.reshape(m, K * K)
    S = (weighted - E).sum(axis=0)
    # All A_h from one Gram matrix of the rows W_i Z_i.
    flat = U.reshape(len(U), -1)
    gram = (flat.T @ flat).reshape(K, q, K, q).transpose(0, 2, 1, 3)
    A_h = -(D @ gram.reshape(K * K, -1)).reshape(m, q, q)
    fisher = _pair(D, W, weighted, K)
    hessian = 2.0 * _pair(D, W, E, K) - fisher
    if second is not None:
        hessian += np.einsum("hjab,ab->hj", second, S)
    return Sums(D @ S.ravel(), hessian, fisher, A_h)


def _pair(D: FloatArray, W: FloatArray, E: FloatArray, K: int) -> FloatArray:
    """``sum_v tr(Sigma_h W_v Sigma_j E_v)`` for all pairs h, j; shape (m, m)."""
    gram = W.reshape(len(W), -1).T @ E.reshape(len(E), -1)  # over (b c), (d a)
    gram = gram.reshape(K, K, K, K).transpose(3, 0, 1, 2).reshape(K * K, K * K)
    out = D @ gram @ D.T
    return np.asarray((out + out.T) / 2.0)


def _individual(
    part: PatternData,
    first: FloatArray,
    second: FloatArray | None,
    W: FloatArray,
    E: FloatArray,
    weighted: FloatArray,
    U: FloatArray,
) -> Sums:
    m, q = len(first), U.shape[2]
    S = weighted - E
    A_h = np.empty((m, q, q))
    for h in range(m):
        A_h[h] = -(U.reshape(-1, q).T @ (first[h][part.pattern] @ U).reshape(-1, q))
    left = (first @ W).reshape(m, -1)
    fisher = left @ np.swapaxes(first @ weighted, -1, -2).reshape(m, -1).T
    both = left @ np.swapaxes(first @ E, -1, -2).reshape(m, -1).T
    hessian = both + both.T - fisher
    if second is not None:
        hessian += np.einsum("hjvab,vab->hj", second, S)
    return Sums(first.reshape(m, -1) @ S.ravel(), hessian, fisher, A_h)
