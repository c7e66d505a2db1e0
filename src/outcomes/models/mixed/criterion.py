"""The (restricted) deviance of a linear mixed model.

With relative covariances ``D = Gamma / sigma^2`` the outcome has covariance
``sigma^2 (I + Z1 D1 Z1' + Z2 D2 Z2')``. The first tier is inverted group by group, the
second by one dense matrix of its own size; no matrix over records is formed.
``docs/methods/mixed.md`` has the algebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.moments import Moments, factor_of
from outcomes.models.options import FloatArray, IntArray

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The criterion at one theta, sigma profiled out.

    Attributes
    ----------
    deviance : float
        Minus twice the (restricted) log likelihood, up to ``log|R|`` of the model
        matrix.
    sigma2 : float
        Residual variance.
    beta : FloatArray, shape (p,)
        Coefficients of the orthonormal columns.
    Phi : FloatArray, shape (p, p)
        Their covariance divided by ``sigma2``.
    H : FloatArray, shape (G, C, C)
        ``D1 (I + Z1'Z1 D1)^-1`` of each group.
    K : FloatArray, shape (q, q)
        The same of the second tier, given the first.
    B : FloatArray, shape (q + p + 1, q + p + 1)
        ``[Z2 X y]' V1^-1 [Z2 X y]``, V1 without the second tier.
    """

    deviance: float
    sigma2: float
    beta: FloatArray
    Phi: FloatArray
    H: FloatArray
    K: FloatArray
    B: FloatArray


def evaluate(theta: FloatArray, moments: Moments, *, reml: bool) -> Evaluation | None:
    """Evaluate the criterion; None where it is not a number."""
    layout, q, p = moments.layout, moments.q, moments.p
    L1 = np.zeros((layout.C, layout.C))
    L2: list[tuple[IntArray, FloatArray]] = []
    for slot in layout.slots:
        L = factor_of(slot, layout.terms[slot.term].c, theta)
        if slot.inner:
            L1[np.ix_(slot.places[0], slot.places[0])] = L
        else:
            L2.append((slot.places, L))
    try:
        H, logdet = _first_tier(moments.A, L1)
        weighted = moments.W * H if layout.C == 1 else H @ moments.W
        size = len(moments.total)
        B = moments.total - moments.W.reshape(-1, size).T @ weighted.reshape(-1, size)
        B = (B + B.T) / 2.0
        K, more = _second_tier(B[:q, :q], L2)
        inner = B[q:, q:] - B[q:, :q] @ K @ B[:q, q:]
        root = np.linalg.cholesky(inner[:p, :p])
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(root, inner[:p, p])
    rss = float(inner[p, p] - half @ half)
    n = moments.n - p if reml else moments.n
    if not (rss > 0.0 and np.isfinite(logdet + more)):
        return None
    sigma2 = rss / n
    deviance = n * (LOG_2PI + float(np.log(sigma2)) + 1.0) + logdet + more
    if reml:
        deviance += 2.0 * float(np.sum(np.log(np.diagonal(root))))
    back = np.linalg.inv(root)
    return Evaluation(deviance, sigma2, back.T @ half, back.T @ back, H, K, B)


def _first_tier(A: FloatArray, L: FloatArray) -> tuple[FloatArray, float]:
    """``L (I + L'AL)^-1 L'`` of each group and the sum of log determinants."""
    C = len(L)
    if C == 0:
        return np.zeros_like(A), 0.0
    if C == 1:
        middle = 1.0 + L[0, 0] ** 2 * A
        return L[0, 0] ** 2 / middle, float(np.sum(np.log(middle)))
    root = np.linalg.cholesky(np.eye(C) + L.T @ A @ L)
    half = np.linalg.solve(root, np.broadcast_to(L.T, A.shape))
    diagonal = np.diagonal(root, axis1=1, axis2=2)
    return np.swapaxes(half, 1, 2) @ half, 2.0 * float(np.sum(np.log(diagonal)))


def times(blocks: list[tuple[IntArray, FloatArray]], X: FloatArray) -> FloatArray:
    """Multiply by the block diagonal matrix of all levels' factors."""
    out = np.zeros_like(X)
    for places, L in blocks:
        out[places] = np.einsum("ab,kbj->kaj", L, X[places])
    return out


def _second_tier(
    B: FloatArray, blocks: list[tuple[IntArray, FloatArray]]
) -> tuple[FloatArray, float]:
    """``L (I + L'BL)^-1 L'`` of the second tier and its log determinant."""
    q = len(B)
    if q == 0:
        return B, 0.0
    transposed = [(places, L.T) for places, L in blocks]
    inner = times(transposed, times(transposed, B).T)
    inner[np.diag_indices(q)] += 1.0
    root = np.linalg.cholesky((inner + inner.T) / 2.0)
    inverse = np.linalg.inv(root)
    half = times(blocks, inverse.T)
    return half @ half.T, 2.0 * float(np.sum(np.log(np.diagonal(root))))
