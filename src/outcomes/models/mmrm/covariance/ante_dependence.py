"""One correlation for each pair of neighbours; further apart, their product."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from outcomes.models.mmrm.covariance.correlation import ROOT, Correlation, within
from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import BoolArray, FloatArray


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    return tuple(f"correlation[{b},{a}]" for a, b in pairwise(visits))


def _start(R: FloatArray, distance: Distance) -> FloatArray:
    return within(np.diagonal(R, offset=1))


def _between(K: int) -> BoolArray:
    """Whether step c, from visit c to the next, lies between a and b; (K - 1, K, K)."""
    place = np.arange(K)
    low = np.minimum(place[:, None], place[None, :])
    high = np.maximum(place[:, None], place[None, :])
    step = np.arange(K - 1)[:, None, None]
    return np.asarray((low <= step) & (step < high))


def _without(rho: FloatArray, K: int, left_out: BoolArray) -> FloatArray:
    """Products of the steps between a and b, without some; (..., K, K).

    ``left_out`` has shape (..., r), r = K - 1.
    """
    between = _between(K)
    used = between & ~left_out[..., None, None]
    return np.asarray(np.where(used, rho[:, None, None], 1.0).prod(axis=-3))


def _matrix(rho: FloatArray, distance: Distance) -> FloatArray:
    if np.any(np.abs(rho) >= 1):
        return np.full(distance.shape, np.nan)
    return _without(rho, len(distance), np.zeros(len(rho), dtype=bool))


def _first(rho: FloatArray, distance: Distance) -> FloatArray:
    K = len(distance)
    return _between(K) * _without(rho, K, np.eye(len(rho), dtype=bool))


def _second(rho: FloatArray, distance: Distance) -> FloatArray:
    K, r = len(distance), len(rho)
    one = np.eye(r, dtype=bool)
    two = one[:, None, :] | one[None, :, :]
    between = _between(K)
    both = between[:, None] & between[None, :] & ~one[:, :, None, None]
    return np.asarray(both * _without(rho, K, two))


ANTE_DEPENDENCE = Correlation(_names, _start, _matrix, _first, _second, ROOT)
