"""One correlation for each number of places apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.correlation import ROOT, Correlation, within
from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import FloatArray


def lags(distance: Distance) -> FloatArray:
    """Return the distances that occur, (r,), without zero."""
    return np.asarray(np.unique(distance[distance > 0]))


def bands(distance: Distance) -> FloatArray:
    """Return the indicator matrix of each of them, (r, K, K)."""
    same = distance == lags(distance)[:, None, None]
    return np.asarray(same, dtype=float)


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    return tuple(f"correlation[{lag:g} apart]" for lag in lags(distance))


def _start(R: FloatArray, distance: Distance) -> FloatArray:
    each = bands(distance)
    return within((each * R).sum(axis=(1, 2)) / each.sum(axis=(1, 2)))


def _matrix(rho: FloatArray, distance: Distance) -> FloatArray:
    matrix = np.tensordot(rho, bands(distance), axes=1)
    return np.asarray(matrix + np.eye(len(matrix)))


def _first(rho: FloatArray, distance: Distance) -> FloatArray:
    return bands(distance)


def _second(rho: FloatArray, distance: Distance) -> FloatArray:
    return np.zeros((len(rho), len(rho), *distance.shape))


TOEPLITZ = Correlation(_names, _start, _matrix, _first, _second, ROOT)
