"""Coefficients that run off to infinity, because some cells are all 0 or all 1.

The iterations stop all the same, as the score vanishes on the way, and the sandwich,
whose residuals vanish too, gives such a coefficient a small standard error. So they
are looked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from outcomes.models.options import BoolArray, FloatArray

# Information on a direction, per unit of squared length, of records whose fitted means
# are at the edge: a logit beyond 14, a count below a millionth.
NO_INFORMATION: Final = 1e-6
# Share of the largest part of a direction that is worth a name.
NAMED: Final = 1e-2
# Share of a row that lies in such a direction and is more than its rounding.
TOUCHED: Final = 1e-4


def find_run_off(
    Q: FloatArray, weights: FloatArray, gamma: FloatArray, sign: FloatArray | None
) -> FloatArray:
    """Directions in which the coefficients have run off.

    Parameters
    ----------
    Q : FloatArray, shape (n, p)
        Orthonormal columns.
    weights : FloatArray, shape (n,)
        Squared derivative of each mean over its variance.
    gamma : FloatArray, shape (p,)
        Coefficients of ``Q``.
    sign : FloatArray, shape (n,), optional
        Of a binary outcome: 1, or -1 for 0. If the linear predictor has it in all
        records, the coefficients as a whole run off.

    Returns
    -------
    FloatArray, shape (p, m)
        Orthonormal directions, in the columns of ``Q``; m = 0 as a rule. All of them
        where weights are no numbers.
    """
    if not np.isfinite(weights).all():
        return np.eye(Q.shape[1])
    values, vectors = np.linalg.eigh(Q.T @ (weights[:, None] * Q))
    found = vectors[:, values < NO_INFORMATION]
    if sign is not None and np.min(sign * (Q @ gamma)) > 0.0:
        found = np.linalg.qr(np.column_stack([gamma, found]))[0]
    return np.asarray(found, dtype=float)


def name_columns(
    directions: FloatArray, to_columns: FloatArray, X: FloatArray, names: list[str]
) -> list[str]:
    """Columns of the model matrix that move along the directions.

    Parameters
    ----------
    directions : FloatArray, shape (p, m)
        From `find_run_off`.
    to_columns : FloatArray, shape (p, p)
        Takes coefficients of ``Q`` to those of ``X``.
    X : FloatArray, shape (n, p)
        Model matrix.
    names : list of str
        Of its columns.
    """
    moved = np.linalg.norm(to_columns @ directions, axis=1)
    moved *= np.abs(X).max(axis=0)
    return [
        name
        for name, size in zip(names, moved, strict=True)
        if size > NAMED * moved.max()
    ]


def touched_by(
    L: FloatArray, to_columns: FloatArray, directions: FloatArray
) -> BoolArray:
    """Tell which rows move with what has run off; shape (r,).

    Parameters
    ----------
    L : FloatArray, shape (r, p)
        Rows over the coefficients.
    to_columns : FloatArray, shape (p, p)
        Takes coefficients of the orthonormal columns to those of the model.
    directions : FloatArray, shape (p, m)
        From `find_run_off`.
    """
    rows = L @ to_columns
    astray = np.linalg.norm(rows @ directions, axis=1)
    return np.asarray(astray > TOUCHED * np.linalg.norm(rows, axis=1))
