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
from outcomes.models.mmrm.patterns import (
    PatternData,
    euclidean,
    group_patterns,
    triangle,
)
from outcomes.models.mmrm.records import Records
from outcomes.models.options import BoolArray, FloatArray

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
    parts : tuple of PatternData
        One for each covariance group: rows with orthonormal X (without aliased columns)
        and y less the least squares fit, both times the roots of the weights.
    R : FloatArray, shape (p, p)
        Coefficients are ``ols + inv(R) @ gamma``.
    ols : FloatArray, shape (p,)
        (Weighted) least squares coefficients.
    aliased : BoolArray, shape (all columns,)
        Columns left out.
    undetermined : Undetermined
        Directions in which the coefficients are not determined.
    pairs : FloatArray, shape (G, K, K)
        Number of subjects of each group with both visits.
    S : FloatArray, shape (G, K, K)
        Pairwise covariance of the least squares residuals in each group.
    log_weights : float
        Sum of the logarithms of the weights.
    """

    parts: tuple[PatternData, ...]
    R: FloatArray
    ols: FloatArray
    aliased: BoolArray
    undetermined: Undetermined
    pairs: FloatArray
    S: FloatArray
    log_weights: float

    @property
    def n_records(self) -> int:
        """Number of records."""
        return sum(part.n_records for part in self.parts)


def prepare(design: Design, records: Records, *, spatial: bool) -> Prepared:
    """Group, compress, drop aliased columns and orthonormalise.

    Parameters
    ----------
    design : Design
        Model matrix and outcome.
    records : Records
        Subject, visit, group, weight and coordinates of each row of it.
    spatial : bool
        Whether distances are those between coordinates.

    Raises
    ------
    ModelError
        If there are no more records than coefficients, nothing is left to explain, or
        the outcome is in a unit in which its square is no number.
    """
    _check_spread(design)
    parts = _group(design, records, spatial=spatial)
    q = parts[0].Z.shape[2]
    full = triangle(np.concatenate([triangle(part.Z.reshape(-1, q)) for part in parts]))
    aliased, undetermined = find_aliased(design, full[:, :-1])
    kept = np.flatnonzero(~aliased)
    used = np.append(kept, q - 1)
    p = len(kept)
    n = len(design.y)
    if n <= p:
        raise ModelError(
            f"the model has {p} coefficients but only {n} records: nothing is left to"
            " estimate a variance from. Take terms out of the formula."
        )
    factor = triangle(full[:, used])
    R, projected = factor[:p, :p], factor[:p, p]
    left = float(factor[p, p] ** 2) if len(factor) > p else 0.0
    if left <= NO_RESIDUAL * float(full[:, -1] @ full[:, -1]):
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
    parts = tuple(replace(part, Z=part.Z[:, :, used] @ change) for part in parts)
    pairs = np.stack([_pairs(part) for part in parts])
    products = np.stack([part.Z[:, :, p].T @ part.Z[:, :, p] for part in parts])
    for group, own in zip(records.groups, products, strict=True):
        if np.trace(own) <= NO_RESIDUAL * float(full[:, -1] @ full[:, -1]):
            raise ModelError(
                f"group: the formula explains '{design.formula.outcome}' of"
                f" {records.group_name} {group!r} without remainder (is it constant"
                " there?): there is no variance to estimate."
            )
    return Prepared(
        parts=parts,
        R=R,
        ols=ols,
        aliased=aliased,
        undetermined=undetermined,
        pairs=pairs,
        S=_start_covariances(products, pairs),
        log_weights=float(np.log(records.weights).sum()),
    )


def _group(
    design: Design, records: Records, *, spatial: bool
) -> tuple[PatternData, ...]:
    """Bring the rows of each group into patterns, weighted."""
    root = np.sqrt(records.weights)
    Z = np.column_stack([design.X, design.y])
    if not np.all(root == 1.0):
        Z *= root[:, None]
    places = records.places[:, None]
    coordinates = None
    if spatial:
        shared = records.shared_coordinates()
        if shared is None:
            coordinates = records.coordinates
        else:
            places = shared
    distance = euclidean(places)
    if len(records.groups) == 1:  # no copy of what may be a large array
        subject, visit = records.subject, records.visit
        return (
            group_patterns(
                Z, subject, visit, distance=distance, coordinates=coordinates
            ),
        )
    parts = []
    for g in range(len(records.groups)):
        own = records.group == g
        who = np.unique(records.subject[own], return_inverse=True)[1]
        parts.append(
            group_patterns(
                Z[own],
                who.ravel(),
                records.visit[own],
                distance=distance,
                coordinates=None if coordinates is None else coordinates[own],
            )
        )
    return tuple(parts)


def _pairs(part: PatternData) -> FloatArray:
    seen = part.masks.astype(float)
    return np.asarray((seen * part.counts[:, None]).T @ seen)


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


def pose(prepared: Prepared, structure: Structure, *, reml: bool) -> Problem:
    """State the likelihood to be maximised for one covariance structure."""
    n = prepared.n_records
    p = len(prepared.ols)
    # Var(y) = G^-1/2 Sigma G^-1/2, so log|V| is that of the weighted rows less log|G|.
    constant = (n - p if reml else n) * np.log(2.0 * np.pi) - prepared.log_weights
    if reml:  # log|X'V^-1 X| in the original columns is that of ours plus 2 log|R|
        constant += 2.0 * float(np.log(np.abs(np.diagonal(prepared.R))).sum())
    return Problem(prepared.parts, structure, reml, constant)


def check_structure(prepared: Prepared, structure: Structure, records: Records) -> str:
    """Say why the data cannot support a structure; empty if they can."""
    for part, pairs, S, group in zip(
        prepared.parts, prepared.pairs, prepared.S, records.groups, strict=True
    ):
        reason = _check_part(part, pairs, S, structure, records.visits)
        if reason:
            if records.group_name:
                reason = f"{records.group_name} {group!r}: {reason}"
            return reason
    return ""


def _check_part(
    part: PatternData,
    pairs: FloatArray,
    S: FloatArray,
    structure: Structure,
    visits: Sequence[Any],
) -> str:
    K = len(visits)
    if K > 1 and not np.any(pairs[~np.eye(K, dtype=bool)] > 0):
        return "no subject has two visits, so no covariance between visits exists"
    n_subjects = int(part.counts.sum())
    if structure.name == "us" and n_subjects < K:
        return (
            f"an unstructured covariance of {K} visits needs at least {K} subjects, and"
            f" there are {n_subjects}"
        )
    if part.individual:
        return ""
    first = structure.first(structure.start(S, part.distance), part.distance)
    names = structure.names([str(visit) for visit in visits], part.distance)
    if len(first) > K:  # a variance for each visit
        for a in range(K):
            if pairs[a, a] < 2:
                many = "one record" if pairs[a, a] else "no record"
                return f"visit {visits[a]!r} has {many}, so its variance is unknown"
    least = 2 if structure.name == "us" else 1
    for h, name in enumerate(names):
        touched = first[h] != 0
        if pairs[touched].max() < least:
            b, a = np.argwhere(np.triu(touched))[0]
            return (
                f"{int(pairs[a, b])} subjects have both visit {visits[b]!r} and visit"
                f" {visits[a]!r}, so the {name} is unknown"
            )
    return ""


def _start_covariances(products: FloatArray, pairs: FloatArray) -> FloatArray:
    """Pairwise covariances, pulled into the positive definite cone if outside."""
    return np.stack([_start(P, n) for P, n in zip(products, pairs, strict=True)])


def _start(products: FloatArray, pairs: FloatArray) -> FloatArray:
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
