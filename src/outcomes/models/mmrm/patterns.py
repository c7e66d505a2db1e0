"""The data of a fit, grouped by missingness pattern and compressed.

Everything the likelihood, its derivatives, Satterthwaite and Kenward-Roger need of the
subjects of one pattern is ``T_v = sum_i vec(Z_i) vec(Z_i)'`` with ``Z = [X y]``
(equation 6 in ``docs/methods/mmrm.md``). Any other set of rows with the same ``T_v``
serves as well, so a pattern with more subjects than distinct columns of ``vec(Z_i)``
is replaced by the few rows of a triangular factor of ``T_v``, exactly. A pattern with
fewer subjects keeps its rows. Both are the same kind of array, and the rest of the
code has one path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.models.options import BoolArray, FloatArray, IntArray

# Of a whole number.
MOST_BITS = 62


@dataclass(frozen=True, slots=True)
class PatternData:
    """Rows of one covariance group of a fit, by pattern, padded to all visits.

    Attributes
    ----------
    Z : FloatArray, shape (N, K, q)
        Rows ``[X y]`` of subjects, or of the stand-ins for a compressed pattern, zero
        where a visit is missing; sorted by pattern.
    pattern : IntArray, shape (N,)
        Pattern of each.
    first : IntArray, shape (V,)
        Where each pattern begins.
    masks : BoolArray, shape (V, K)
        The visits a pattern has.
    counts : FloatArray, shape (V,)
        True number of subjects per pattern.
    distance : FloatArray, shape (K, K) or (V, K, K)
        Distances between the visits; of each pattern where subjects have their own
        coordinates.
    """

    Z: FloatArray
    pattern: IntArray
    first: IntArray
    masks: BoolArray
    counts: FloatArray
    distance: FloatArray

    @property
    def individual(self) -> bool:
        """Whether patterns have distances of their own."""
        return self.distance.ndim == 3

    @property
    def n_records(self) -> int:
        """Number of records behind the arrays."""
        return int(self.counts @ self.masks.sum(axis=1))


def group_patterns(
    Z: FloatArray,
    subject: IntArray,
    visit: IntArray,
    *,
    distance: FloatArray,
    coordinates: FloatArray | None = None,
) -> PatternData:
    """Group the subjects of a trial by the visits they have, and where these are.

    Parameters
    ----------
    Z : FloatArray, shape (n, q)
        One row ``[X y]`` per record.
    subject, visit : IntArray, shape (n,)
        Codes from 0 without gaps; a subject has at most one record per visit.
    distance : FloatArray, shape (K, K)
        Distances between the visits.
    coordinates : FloatArray, shape (n, d), optional
        Coordinates of the records, instead of ``distance``.

    Returns
    -------
    PatternData
        Compressed where that makes it smaller.
    """
    order = np.lexsort((visit, subject))
    subject, visit = subject[order], visit[order]
    n_subjects, n_visits = int(subject[-1]) + 1, len(distance)
    seen = np.zeros((n_subjects, n_visits), dtype=bool)
    seen[subject, visit] = True
    starts = np.searchsorted(subject, np.arange(n_subjects))
    if coordinates is None:
        masks, of_subject = _distinct_masks(seen)
    else:
        places = np.zeros((n_subjects, n_visits, coordinates.shape[1]))
        places[subject, visit] = coordinates[order]
        wide = np.column_stack([seen, places.reshape(n_subjects, -1)])
        distinct, of_subject = _distinct(wide)
        masks = distinct[:, :n_visits] > 0
        places = distinct[:, n_visits:].reshape(len(distinct), n_visits, -1)
        pairs = masks[:, :, None] & masks[:, None, :]
        distance = np.where(pairs, euclidean(places), 0.0)

    blocks: list[FloatArray] = []
    pattern: list[IntArray] = []
    counts = np.bincount(of_subject, minlength=len(masks))
    members = np.split(np.argsort(of_subject, kind="stable"), np.cumsum(counts)[:-1])
    for v, (mask, who) in enumerate(zip(masks, members, strict=True)):
        k = int(mask.sum())
        rows = Z[order[starts[who][:, None] + np.arange(k)]]
        rows = compress(rows)
        block = np.zeros((len(rows), n_visits, Z.shape[1]))
        block[:, mask] = rows
        blocks.append(block)
        pattern.append(np.full(len(rows), v, dtype=np.intp))
    of_row = np.concatenate(pattern)
    return PatternData(
        Z=np.concatenate(blocks),
        pattern=of_row,
        first=np.searchsorted(of_row, np.arange(len(masks))),
        masks=masks,
        counts=counts.astype(float),
        distance=distance,
    )


def euclidean(places: FloatArray) -> FloatArray:
    """Distances between places; (..., K, d) to (..., K, K)."""
    apart = places[..., :, None, :] - places[..., None, :, :]
    return np.asarray(np.sqrt((apart**2).sum(axis=-1)))


def _distinct_masks(seen: BoolArray) -> tuple[BoolArray, IntArray]:
    """Distinct rows in sorted order, as `_distinct`, by the numbers their bits make.

    Numbers sort many times faster than rows do.
    """
    n_visits = seen.shape[1]
    if n_visits > MOST_BITS:
        return _distinct(seen)
    codes, which = np.unique(
        seen @ (1 << np.arange(n_visits)[::-1]), return_inverse=True
    )
    masks = (codes[:, None] >> np.arange(n_visits)[::-1]) % 2 == 1
    return masks, which


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[Any], IntArray]:
    """Distinct rows in sorted order, and which of them each row is."""
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct, which.ravel()


def compress(rows: FloatArray) -> FloatArray:
    """Replace rows by fewer with the same sums of outer products, if there are fewer.

    Columns of ``vec(Z_i)`` that are the same for all subjects (an intercept at each
    visit, a baseline covariate at each visit) are told apart first, so that a trial of
    any size needs about as many rows as it has covariates and visits.

    Parameters
    ----------
    rows : FloatArray, shape (N, k, q)
        The subjects of one pattern.

    Returns
    -------
    FloatArray, shape (N', k, q)
        ``N' <= N``; the same ``sum_i vec(Z_i) vec(Z_i)'``.
    """
    n, k, q = rows.shape
    if n <= k:  # the k outcomes alone are k distinct columns
        return rows
    flat = rows.reshape(n, k * q)
    # Equal columns have equal weighted sums: numpy adds along axis 0 row by row.
    keys = (flat * np.cos(np.arange(1.0, n + 1.0))[:, None]).sum(axis=0)
    _, chosen, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if not np.array_equal(flat[:, chosen][:, inverse], flat):
        chosen = inverse = np.arange(k * q)
    if len(chosen) >= n:
        return rows
    distinct = flat[:, chosen]
    solid = np.any(distinct != 0.0, axis=0)
    factor = np.zeros((int(solid.sum()), len(chosen)))
    factor[:, solid] = triangle(distinct[:, solid])
    return np.asarray(factor[:, inverse].reshape(-1, k, q))


def triangle(matrix: FloatArray) -> FloatArray:
    """Triangular factor R of a matrix, with R'R equal to its cross-products."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)
