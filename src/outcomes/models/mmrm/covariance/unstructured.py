"""Unstructured covariance: every variance and covariance is a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.structure import Positions, Structure
from outcomes.models.options import FloatArray


def _lower(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each parameter: the lower triangle, row by row, as SAS UN."""
    return np.tril_indices(size)


def _names(visits: Sequence[str]) -> tuple[str, ...]:
    rows, cols = _lower(len(visits))
    return tuple(
        f"variance[{visits[a]}]" if a == b else f"covariance[{visits[a]},{visits[b]}]"
        for a, b in zip(rows, cols, strict=True)
    )


def _start(S: FloatArray, positions: Positions) -> FloatArray:
    return np.asarray(S[_lower(len(positions))], dtype=float)


def _sigma(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    rows, cols = _lower(size)
    sigma = np.zeros((size, size))
    sigma[rows, cols] = theta
    sigma[cols, rows] = theta
    return sigma


def _first(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    rows, cols = _lower(size)
    index = np.arange(len(rows))
    first = np.zeros((len(rows), size, size))
    first[index, rows, cols] = 1.0
    first[index, cols, rows] = 1.0
    return first


def _second(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    return np.zeros((len(theta), len(theta), size, size))


def _scale(theta: FloatArray, positions: Positions) -> FloatArray:
    rows, cols = _lower(len(positions))
    sd = np.sqrt(np.diagonal(_sigma(theta, positions)))
    return np.asarray(sd[rows] * sd[cols])


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
)
