"""The scaled F test of Kenward and Roger."""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray

NO_F = (
    "the F test of Kenward and Roger does not exist for these rows, because there are"
    " too few subjects for so many at once; test fewer, or use df='satterthwaite'"
)


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
