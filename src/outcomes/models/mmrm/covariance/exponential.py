"""Correlation ``exp(-distance / range)`` between coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.correlation import Correlation, Link
from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import FloatArray

# The correlations at the median distance an empirical start may have.
SMALLEST, LARGEST = 0.05, 0.95


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    return ("range",)


def _start(R: FloatArray, distance: Distance) -> FloatArray:
    """Match the average correlation at the median distance.

    With individual coordinates visits are no places, but their order is still one of
    time, so the neighbours of R tell how fast correlation is lost.
    """
    middle = float(np.median(distance[distance > 0]))
    if distance.ndim == 2:
        near = (distance > 0) & (distance <= middle)
        rho = float(np.mean(R[near]))
        middle = float(np.mean(distance[near]))
    else:
        rho = float(np.mean(R[~np.eye(len(R), dtype=bool)]))
    return np.array([-middle / np.log(min(max(rho, SMALLEST), LARGEST))])


def _matrix(tau: FloatArray, distance: Distance) -> FloatArray:
    if not tau[0] > 0:
        return np.full(distance.shape, np.nan)
    return np.asarray(np.exp(-distance / tau[0]))


def _first(tau: FloatArray, distance: Distance) -> FloatArray:
    return np.asarray(_matrix(tau, distance) * distance / tau[0] ** 2)[None]


def _second(tau: FloatArray, distance: Distance) -> FloatArray:
    ratio = distance / tau[0]
    bent = _matrix(tau, distance) * ratio * (ratio - 2.0) / tau[0] ** 2
    return np.asarray(bent)[None, None]


def _unit(tau: FloatArray) -> FloatArray:
    """Correlation at distance one."""
    return np.asarray(np.exp(-1.0 / tau))


# As R mmrm: the logit of the correlation at distance one.
_LINK = Link(
    to_free=lambda tau, K: -1.0 / tau - np.log1p(-_unit(tau)),
    from_free=lambda eta, K: 1.0 / np.logaddexp(0.0, -eta),
    slope=lambda tau, K: tau**2 * (1.0 - _unit(tau)),
    bend=lambda tau, K: (
        tau**2 * (1.0 - _unit(tau)) * (2.0 * tau * (1.0 - _unit(tau)) - _unit(tau))
    ),
)

EXPONENTIAL = Correlation(_names, _start, _matrix, _first, _second, _LINK, spatial=True)
