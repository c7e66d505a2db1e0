"""Compound symmetry: one covariance for all pairs of visits, one residual variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.structure import Positions, Structure
from outcomes.models.options import FloatArray

# The residual share of the variance the empirical start may not fall below.
SMALLEST_SHARE = 0.05


def _names(visits: Sequence[str]) -> tuple[str, ...]:
    return ("covariance", "residual variance")


def _start(S: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    variance = float(np.mean(np.diagonal(S)))
    shared = (float(S.sum()) - size * variance) / (size * (size - 1))
    # Positive definite needs shared in (-variance / (K - 1), variance).
    lowest = -variance / (size - 1) * (1 - SMALLEST_SHARE)
    shared = min(max(shared, lowest), variance * (1 - SMALLEST_SHARE))
    return np.array([shared, variance - shared])


def _sigma(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    return np.asarray(theta[0] + theta[1] * np.eye(size), dtype=float)


def _first(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    return np.stack([np.ones((size, size)), np.eye(size)])


def _second(theta: FloatArray, positions: Positions) -> FloatArray:
    size = len(positions)
    return np.zeros((2, 2, size, size))


def _scale(theta: FloatArray, positions: Positions) -> FloatArray:
    return np.full(2, theta[0] + theta[1])


COMPOUND_SYMMETRY = Structure(
    name="cs",
    title="compound symmetry",
    linear=True,
    names=_names,
    start=_start,
    sigma=_sigma,
    first=_first,
    second=_second,
    scale=_scale,
)
