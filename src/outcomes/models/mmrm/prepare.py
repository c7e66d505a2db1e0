"""From a design to a problem the optimiser can work on, or the reason it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined, find_aliased
from outcomes.models.mmrm.covariance import Structure
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.patterns import PatternData, group_patterns, triangle
from outcomes.models.options import BoolArray, FloatArray, IntArray

# Residual sum of squares, as a share of that of the outcome, that is rounding alone.
NO_RESIDUAL = 1e-20
# Standard deviations whose fourth powers, and those of their inverses, are numbers.
SMALLEST_SPREAD, LARGEST_SPREAD = 1e-60, 1e60
# Smallest eigenvalue a correlation matrix may start from.
SMALLEST_START = 0.02


@dataclass(frozen=True, slots=True)
class Prepared:
    """Data of a fit in the coordinates the optimiser works in.

    Attributes
    ----------
    data : PatternData
        Rows with orthonormal X (without aliased columns) and y less the ordinary least
        squares fit.
    R : FloatArray, shape (p, p)
        Coefficients are ``ols + inv(R) @ gamma``.
    ols : FloatArray, shape (p,)
        Ordinary least squares coefficients.
    aliased : BoolArray, shape (all columns,)
        Columns left out.
    undetermined : Undetermined
        Directions in which the coefficients are not determined.
    pairs : FloatArray, shape (K, K)
        Number of subjects with both visits.
    S : FloatArray, shape (K, K)
        Pairwise covariance of the least squares residuals.
    n_subjects : int
        Subjects with data.
    """

    data: PatternData
    R: FloatArray
    ols: FloatArray
    aliased: BoolArray
    undetermined: Undetermined
    pairs: FloatArray
    S: FloatArray
    n_subjects: int


def prepare(design: Design, subject: IntArray, visit: IntArray, K: int) -> Prepared:
    """Group, compress, drop aliased columns and orthonormalise.

    Parameters
    ----------
    design : Design
        Model matrix and outcome.
    subject, visit : IntArray, shape (n,)
        Codes.
    K : int
        Number of visits.

    Raises
    ------
    ModelError
        If there are no more records than coefficients, nothing is left to explain, or
        the outcome is in a unit in which its square is no number.
    """
    _check_spread(design)
    grouped = group_patterns(
        np.column_stack([design.X, design.y]), subject, visit, n_visits=K
    )
    q = grouped.Z.shape[2]
    full = triangle(grouped.Z.reshape(-1, q))
    aliased, undetermined = find_aliased(design, full[:, :-1])
    kept = np.flatnonzero(~aliased)
    used = np.append(kept, q - 1)
    p = len(kept)
    n = grouped.n_records
    if n <= p:
        raise ModelError(
            f"the model has {p} coefficients but only {n} records: nothing is left to"
            " estimate a variance from. Take terms out of the formula."
        )
    factor = triangle(full[:, used])
    R, projected = factor[:p, :p], factor[:p, p]
    left = float(factor[p, p] ** 2)
    if left <= NO_RESIDUAL * float(design.y @ design.y):
        raise ModelError(
            f"the formula explains '{design.formula.outcome}' without remainder (is it"
            " constant, or a copy of a covariate?): there is no variance to estimate."
        )
    inverse = np.linalg.inv(R)
    ols = inverse @ projected
    change = np.zeros((p + 1, p + 1))
    change[:p, :p] = inverse
    change[:p, p] = -ols
    change[p, p] = 1.0
    data = replace(grouped, Z=grouped.Z[:, :, used] @ change)
    residual = data.Z[:, :, p]
    seen = data.masks.astype(float)
    pairs = (seen * data.counts[:, None]).T @ seen
    return Prepared(
        data=data,
        R=R,
        ols=ols,
        aliased=aliased,
        undetermined=undetermined,
        pairs=pairs,
        S=_start_covariance(residual.T @ residual, pairs),
        n_subjects=int(data.counts.sum()),
    )


def _check_spread(design: Design) -> None:
    """Refuse an outcome whose unit leaves no room for squares of its variance."""
    spread = float(np.ptp(design.y))
    if spread == 0.0 or SMALLEST_SPREAD <= spread <= LARGEST_SPREAD:
        return  # a constant outcome is answered where the residual is known
    how = (
        f"less than {SMALLEST_SPREAD:g}"
        if spread < SMALLEST_SPREAD
        else f"more than {LARGEST_SPREAD:g}"
    )
    raise ModelError(
        f"the outcome '{design.formula.outcome}' varies by {how}, too far from 1 to"
        " compute with; give it in another unit."
    )


def pose(
    prepared: Prepared, structure: Structure, positions: FloatArray, *, reml: bool
) -> Problem:
    """State the likelihood to be maximised for one covariance structure."""
    n = prepared.data.n_records
    p = len(prepared.ols)
    constant = (n - p if reml else n) * np.log(2.0 * np.pi)
    if reml:  # log|X'V^-1 X| in the original columns is that of ours plus 2 log|R|
        constant += 2.0 * float(np.log(np.abs(np.diagonal(prepared.R))).sum())
    return Problem(prepared.data, structure, positions, reml, constant)


def check_structure(
    prepared: Prepared, structure: Structure, visits: Sequence[Any]
) -> str:
    """Say why the data cannot support a structure; empty if they can."""
    pairs = prepared.pairs
    K = len(visits)
    if K > 1 and not np.any(pairs[~np.eye(K, dtype=bool)] > 0):
        return "no subject has two visits, so no covariance between visits exists"
    if structure.name != "us":
        return ""
    if prepared.n_subjects < K:
        return (
            f"an unstructured covariance of {K} visits needs at least {K} subjects, and"
            f" there are {prepared.n_subjects}"
        )
    for a in range(K):
        if pairs[a, a] < 2:
            return f"visit {visits[a]!r} has one record, so its variance is unknown"
    for a in range(K):
        for b in range(a):
            if pairs[a, b] < 2:
                return (
                    f"{int(pairs[a, b])} subjects have both visit {visits[b]!r} and"
                    f" visit {visits[a]!r}, so their covariance is unknown"
                )
    return ""


def _start_covariance(products: FloatArray, pairs: FloatArray) -> FloatArray:
    """Pairwise covariance, pulled into the positive definite cone if it is outside."""
    S = products / np.maximum(pairs, 1.0)
    average = float(np.trace(products) / np.trace(pairs))
    variance = np.maximum(np.diagonal(S), 1e-3 * average)
    sd = np.sqrt(variance)
    correlation = S / sd[:, None] / sd[None, :]
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < SMALLEST_START:
        correlation = (vectors * np.maximum(values, SMALLEST_START)) @ vectors.T
    return np.asarray(correlation * sd[:, None] * sd[None, :])
