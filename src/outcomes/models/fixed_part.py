"""The fixed effects of a model in orthonormal columns, aliased ones left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined, find_aliased
from outcomes.models.options import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class FixedPart:
    """A model matrix made orthonormal.

    Attributes
    ----------
    Q : FloatArray, shape (n, p)
        Orthonormal columns.
    to_columns : FloatArray, shape (p, p)
        Coefficients of the model matrix are ``to_columns @ gamma`` of those of Q.
    aliased : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        Directions in which the coefficients are not determined.
    log_det : float
        ``log|X'X|`` of the columns that have a coefficient.
    """

    Q: FloatArray
    to_columns: FloatArray
    aliased: BoolArray
    undetermined: Undetermined
    log_det: float

    def back(self, matrix: FloatArray) -> FloatArray:
        """Take a covariance, or a stack of them, to the columns of the model."""
        out = self.to_columns @ matrix @ self.to_columns.T
        return np.asarray((out + np.swapaxes(out, -1, -2)) / 2.0)


def orthonormalise(design: Design) -> FixedPart:
    """Drop aliased columns and orthonormalise the rest.

    Raises
    ------
    ModelError
        If there are no more records than coefficients.
    """
    n = len(design.X)
    factor = np.asarray(np.linalg.qr(design.X, mode="r"))
    aliased, undetermined = find_aliased(design, factor)
    X = design.X[:, ~aliased]
    p = X.shape[1]
    if n <= p:
        raise ModelError(
            f"the model has {p} coefficients but only {n} records: nothing is left to"
            " estimate a variance from. Take terms out of the formula."
        )
    Q, R = np.linalg.qr(X)
    log_det = 2.0 * float(np.sum(np.log(np.abs(np.diagonal(R)))))
    return FixedPart(Q, np.linalg.inv(R), aliased, undetermined, log_det)
