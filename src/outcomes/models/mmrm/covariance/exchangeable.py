"""One correlation for all pairs of visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.correlation import (
    LARGEST_START,
    Correlation,
    Link,
)
from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import FloatArray


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    return ("correlation",)


def _others(distance: Distance) -> FloatArray:
    return 1.0 - np.eye(distance.shape[-1])


def _start(R: FloatArray, distance: Distance) -> FloatArray:
    K = len(R)
    rho = float(np.sum(R * _others(distance))) / (K * (K - 1))
    # Positive definite needs rho in (-1 / (K - 1), 1).
    return np.array([min(max(rho, -LARGEST_START / (K - 1)), LARGEST_START)])


def _matrix(rho: FloatArray, distance: Distance) -> FloatArray:
    return np.asarray(np.eye(distance.shape[-1]) + rho[0] * _others(distance))


def _first(rho: FloatArray, distance: Distance) -> FloatArray:
    return _others(distance)[None]


def _second(rho: FloatArray, distance: Distance) -> FloatArray:
    return np.zeros((1, 1, *distance.shape))


def _place(rho: FloatArray, K: int) -> FloatArray:
    """Where rho lies in its interval, from 0 to 1."""
    return np.asarray((rho * (K - 1) + 1.0) / K)


# As R mmrm: the logit of the place of rho between -1 / (K - 1) and 1.
_LINK = Link(
    to_free=lambda rho, K: np.log(_place(rho, K) / (1.0 - _place(rho, K))),
    from_free=lambda eta, K: (K / (1.0 + np.exp(-eta)) - 1.0) / (K - 1),
    slope=lambda rho, K: K / (K - 1) * _place(rho, K) * (1.0 - _place(rho, K)),
    bend=lambda rho, K: (
        K
        / (K - 1)
        * _place(rho, K)
        * (1.0 - _place(rho, K))
        * (1.0 - 2.0 * _place(rho, K))
    ),
)

EXCHANGEABLE = Correlation(_names, _start, _matrix, _first, _second, _LINK)
