"""Satterthwaite degrees of freedom, for one row and (Fai-Cornelius) for several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from outcomes.models.options import FloatArray

# Degrees of freedom closer together than this are the same (several equal rows).
SAME_DF = 1e-8


def row_df(
    L: FloatArray, *, cov_beta: FloatArray, jacobian: FloatArray, cov_theta: FloatArray
) -> FloatArray:
    """Approximate the degrees of freedom of each of several contrasts.

    Matches the variance of the estimated contrast variance to that of a scaled
    chi-square, so short trials get wider intervals than a normal approximation.

    Parameters
    ----------
    L : FloatArray, shape (r, p)
        Contrasts on the fixed effects.
    cov_beta : FloatArray, shape (p, p)
        Model-based covariance of the fixed effects.
    jacobian : FloatArray, shape (m, p, p)
        Derivative of ``cov_beta`` in each covariance parameter.
    cov_theta : FloatArray, shape (m, m)
        Covariance of the covariance parameters.

    Returns
    -------
    FloatArray, shape (r,)
        Degrees of freedom, equation (12); ``inf`` if the gradient vanishes, NaN for a
        row of zeros.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> row_df(one, cov_beta=one, jacobian=one[None], cov_theta=2 * one)
    array([1.])
    """
    variance = np.einsum("rp,pq,rq->r", L, cov_beta, L)
    gradient = np.einsum("rp,mpq,rq->rm", L, jacobian, L, optimize=True)
    spread = np.einsum("rm,mn,rn->r", gradient, cov_theta, gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * variance**2 / spread)


def joint(
    L: FloatArray,
    *,
    beta: FloatArray,
    cov_beta: FloatArray,
    df_of: Callable[[FloatArray], FloatArray],
) -> tuple[float, float]:
    """Test several independent rows at once after Fai and Cornelius.

    Parameters
    ----------
    L : FloatArray, shape (r, p)
        Linearly independent rows.
    beta : FloatArray, shape (p,)
        Estimates.
    cov_beta : FloatArray, shape (p, p)
        Their covariance.
    df_of : callable
        Degrees of freedom of each of several rows.

    Returns
    -------
    tuple of float
        F and its denominator degrees of freedom, equation (13).

    References
    ----------
    Fai and Cornelius (1996), J Stat Comput Simul 54, 363-378.
    """
    values, vectors = np.linalg.eigh(L @ cov_beta @ L.T)
    rotated = vectors.T @ L
    squares = (rotated @ beta) ** 2 / values
    return float(np.mean(squares)), combine_df(df_of(rotated))


def combine_df(df: FloatArray) -> float:
    """Denominator degrees of freedom of a mean of squared t statistics."""
    if len(df) == 1 or np.max(np.abs(df - df[0])) < SAME_DF * abs(df[0]):
        return float(np.mean(df))
    if np.any(df <= 2):
        return 2.0
    total = float(np.sum(df / (df - 2.0)))
    return 2.0 * total / (total - len(df))
