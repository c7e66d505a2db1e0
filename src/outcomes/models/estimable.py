"""Which linear combinations of the coefficients the data determine.

The question is settled in coordinates in which neither the unit nor the origin of a
covariate matters: covariates about their means, columns of unit length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.design import Design
from outcomes.models.options import BoolArray, FloatArray

# Share of a column's length left after projection on those before it; as R's lm.
ALIAS_TOLERANCE = 1e-7
# A combination is estimable if its part in the undetermined directions is rounding.
ESTIMABLE = 1e-8


@dataclass(frozen=True, slots=True)
class Undetermined:
    """The directions of the coefficients the data say nothing about.

    Attributes
    ----------
    rescale : FloatArray, shape (p, p)
        A row L over all p columns of the model matrix is ``L @ rescale`` in
        coordinates free of the covariates' units and origins.
    directions : FloatArray, shape (p, number aliased)
        Orthonormal, in those coordinates.
    """

    rescale: FloatArray
    directions: FloatArray

    def touched_by(self, L: FloatArray) -> BoolArray:
        """Tell which rows of L, shape (r, p), are not estimable; shape (r,)."""
        rows = L @ self.rescale
        astray = np.linalg.norm(rows @ self.directions, axis=1)
        return np.asarray(astray > ESTIMABLE * np.linalg.norm(rows, axis=1))


def find_aliased(design: Design, R: FloatArray) -> tuple[BoolArray, Undetermined]:
    """Find the aliased columns of a model matrix, and the undetermined directions.

    Parameters
    ----------
    design : Design
        Says which columns are products with a covariate.
    R : FloatArray, shape (r, p)
        Triangular factor of the model matrix.

    Returns
    -------
    tuple
        Which columns have no coefficient, shape (p,), and the directions.
    """
    p = R.shape[1]
    aliased = alias_columns(R)
    dropped, kept = np.flatnonzero(aliased), np.flatnonzero(~aliased)
    if not len(dropped):
        return aliased, Undetermined(np.eye(p), np.zeros((p, 0)))
    # Upper triangular, so the columns up to each one span what they did.
    centre = _centring(design)
    centred = R @ centre
    length, plain = np.linalg.norm(centred, axis=0), np.linalg.norm(R, axis=0)
    # What centring leaves of a constant covariate is rounding, and no unit of length.
    length = np.where(length > ALIAS_TOLERANCE * plain, length, plain)
    length[length == 0.0] = 1.0
    scaled = centred / length
    copied = np.linalg.lstsq(scaled[:, kept], scaled[:, dropped], rcond=None)[0]
    rest = scaled[:, dropped] - scaled[:, kept] @ copied
    # A column dropped because it hardly moves about its mean is no copy of the others
    # and takes none of them with it.
    copied[:, np.linalg.norm(rest, axis=0) > 10.0 * ALIAS_TOLERANCE] = 0.0
    basis = np.zeros((p, len(dropped)))
    basis[kept] = copied
    basis[dropped, np.arange(len(dropped))] = -1.0
    return aliased, Undetermined(centre / length, np.linalg.qr(basis)[0])


def alias_columns(R: FloatArray) -> BoolArray:
    """Find the columns that repeat earlier ones, by QR with pivoting in column order.

    Parameters
    ----------
    R : FloatArray, shape (r, p)
        Triangular factor of a model matrix, or the matrix itself.

    Returns
    -------
    BoolArray, shape (p,)
        True where a column is aliased with those before it.
    """
    aliased = np.zeros(R.shape[1], dtype=bool)
    basis: list[FloatArray] = []
    for j, column in enumerate(R.T):
        length = float(np.linalg.norm(column))
        rest = column.copy()
        for _ in range(2):  # the second pass removes what rounding left
            for direction in basis:
                rest = rest - direction * (direction @ rest)
        left = float(np.linalg.norm(rest))
        if left <= ALIAS_TOLERANCE * length:
            aliased[j] = True
        else:
            basis.append(rest / left)
    return aliased


def _centring(design: Design) -> FloatArray:
    """Take the columns of the model matrix to those with covariates about their means.

    The column ``a:x`` becomes ``a:x - mean(x) a`` where the model has ``a``; where it
    does not, the origin of ``x`` is part of the model and the column stays.
    """
    places = {name: j for j, name in enumerate(design.columns)}
    total = np.eye(len(places))
    for covariate, mean in design.covariates.items():
        values = design.frame[covariate].to_numpy(dtype=float)
        step = np.eye(len(places))
        for name, j in places.items():
            parts = name.split(":")
            if parts.count(covariate) != 1:
                continue
            parts.remove(covariate)
            parent = places.get(":".join(parts) or "Intercept", j)
            # The name of a level may hold a colon, so the numbers decide.
            if parent < j and np.allclose(
                design.X[:, j], design.X[:, parent] * values, rtol=1e-12, atol=0.0
            ):
                step[parent, j] = -mean
        total = total @ step
    return total
