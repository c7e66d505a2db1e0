"""Correlation ``rho ** distance``: the first-order autoregressive process.

Distance counts places in the declared visit order, so a visit nobody attended still
separates its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.correlation import ROOT, Correlation, within
from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import FloatArray


def _power(rho: FloatArray, exponent: FloatArray) -> FloatArray:
    """``rho ** exponent`` with 0 where the exponent is negative (its factor is 0)."""
    power = np.power(rho[0], np.maximum(exponent, 0.0))
    return np.asarray(np.where(exponent >= 0, power, 0.0), dtype=float)


def _names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
    return ("correlation",)


def _start(R: FloatArray, distance: Distance) -> FloatArray:
    nearest = float(distance[distance > 0].min())
    rho = float(np.mean(R[distance == nearest]))
    return within(np.sign(rho) * abs(rho) ** (1.0 / nearest))


def _matrix(rho: FloatArray, distance: Distance) -> FloatArray:
    if abs(rho[0]) >= 1:
        return np.full(distance.shape, np.nan)
    return _power(rho, distance)


def _first(rho: FloatArray, distance: Distance) -> FloatArray:
    return (distance * _power(rho, distance - 1))[None]


def _second(rho: FloatArray, distance: Distance) -> FloatArray:
    return (distance * (distance - 1) * _power(rho, distance - 2))[None, None]


AUTOREGRESSIVE = Correlation(_names, _start, _matrix, _first, _second, ROOT)
