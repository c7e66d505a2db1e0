"""Between-within degrees of freedom."""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray, IntArray

# A coefficient with less than this share of a row is not involved in it.
ROUNDING = 1e-12


def row_df(
    L: FloatArray, *, X: FloatArray, columns: tuple[str, ...], subject: IntArray
) -> FloatArray:
    """Divide the residual degrees of freedom as R mmrm does.

    A column of the model matrix that is constant within every subject is between
    subjects, any other, and the intercept, within. With N subjects, n records, q0
    columns between beside an intercept and q1 within, they have ``N - q0 - 1`` and
    ``n - N - q1`` degrees of freedom; a row has the least of those of the coefficients
    it involves (equation 18).

    Parameters
    ----------
    L : FloatArray, shape (r, p)
        Rows over the coefficients.
    X : FloatArray, shape (n, p)
        Their columns of the model matrix.
    columns : tuple of str
        Their names.
    subject : IntArray, shape (n,)
        Codes from 0.

    Returns
    -------
    FloatArray, shape (r,)
        Degrees of freedom.

    References
    ----------
    Schluchter and Elashoff (1990), J Stat Comput Simul 37, 69-87; SAS/STAT,
    ``DDFM=BETWITHIN``.
    """
    n, N = len(X), int(subject.max()) + 1
    first = np.empty((N, X.shape[1]))
    first[subject[::-1]] = X[::-1]
    constant = np.all(first[subject] == X, axis=0)
    intercept = np.array([name == "Intercept" for name in columns])
    between = constant & ~intercept
    within = ~between & ~intercept
    df_between = N - between.sum() - intercept.sum()
    df_within = n - N - within.sum()
    df = np.where(between, df_between, df_within).astype(float)
    size = np.abs(L) * np.sqrt((X**2).mean(axis=0))
    involved = size > ROUNDING * size.max(axis=1, keepdims=True)
    return np.asarray(np.where(involved, df, np.inf).min(axis=1))
