"""Unstructured covariance: every variance and covariance is a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.structure import Distance, Structure
from outcomes.models.options import FloatArray


def _lower(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each parameter: the lower triangle, row by row, as SAS UN."""
    return np.tril_indices(size)


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    rows, cols = _lower(len(visits))
    return tuple(
        f"variance[{visits[a]}]" if a == b else f"covariance[{visits[a]},{visits[b]}]"
        for a, b in zip(rows, cols, strict=True)
    )


def _start(S: FloatArray, distance: Distance) -> FloatArray:
    return np.asarray(S[_lower(len(distance))], dtype=float)


def _sigma(theta: FloatArray, distance: Distance) -> FloatArray:
    size = len(distance)
    rows, cols = _lower(size)
    sigma = np.zeros((size, size))
    sigma[rows, cols] = theta
    sigma[cols, rows] = theta
    return sigma


def _first(theta: FloatArray, distance: Distance) -> FloatArray:
    size = len(distance)
    rows, cols = _lower(size)
    index = np.arange(len(rows))
    first = np.zeros((len(rows), size, size))
    first[index, rows, cols] = 1.0
    first[index, cols, rows] = 1.0
    return first


def _second(theta: FloatArray, distance: Distance) -> FloatArray:
    return np.zeros((len(theta), len(theta), *distance.shape))


def _scale(theta: FloatArray, distance: Distance) -> FloatArray:
    rows, cols = _lower(len(distance))
    sd = np.sqrt(np.diagonal(_sigma(theta, distance)))
    return np.asarray(sd[rows] * sd[cols])


def _root(theta: FloatArray, distance: Distance) -> FloatArray:
    return np.asarray(np.linalg.cholesky(_sigma(theta, distance)))


def _to_free(theta: FloatArray, distance: Distance) -> FloatArray:
    """``Sigma = D U U' D``: log D, then the lower triangle of U row by row."""
    root = _root(theta, distance)
    diagonal = np.diagonal(root)
    rows, cols = np.tril_indices(len(root), -1)
    return np.concatenate([np.log(diagonal), (root / diagonal[:, None])[rows, cols]])


def _from_free(eta: FloatArray, distance: Distance) -> FloatArray:
    size = len(distance)
    U = np.eye(size)
    U[np.tril_indices(size, -1)] = eta[size:]
    root = np.exp(eta[:size])[:, None] * U
    return _start(root @ root.T, distance)


def _in_free(theta: FloatArray, distance: Distance) -> tuple[FloatArray, FloatArray]:
    root = _root(theta, distance)
    size = len(root)
    rows, cols = np.tril_indices(size, -1)
    m = size + len(rows)
    below, own = np.arange(size, m), np.arange(size)
    # Derivatives of the root: log D scales a row, an entry of U moves one element.
    D = np.zeros((m, size, size))
    D[own, own] = root
    D[below, rows, cols] = np.diagonal(root)[rows]
    D2 = np.zeros((m, m, size, size))
    D2[own, own, own] = root
    D2[rows, below, rows, cols] = D[below, rows, cols]
    D2[below, rows, rows, cols] = D[below, rows, cols]
    first = D @ root.T
    second = D2 @ root.T + D[:, None] @ np.swapaxes(D, 1, 2)[None]
    return first + np.swapaxes(first, 1, 2), second + np.swapaxes(second, 2, 3)


UNSTRUCTURED = Structure(
    name="us",
    title="unstructured",
    linear=True,
    names=_names,
    start=_start,
    sigma=_sigma,
    first=_first,
    second=_second,
    scale=_scale,
    to_free=_to_free,
    from_free=_from_free,
    in_free=_in_free,
)
