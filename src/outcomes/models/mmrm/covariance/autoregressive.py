"""First-order autoregressive covariance: one variance, correlation rho ** distance.

Distance counts places in the declared visit order, so a visit nobody attended still
separates its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.models.mmrm.covariance.structure import Positions, Structure
from outcomes.models.options import FloatArray

# The empirical start keeps this far from a correlation of one.
LARGEST_START = 0.95


def _distance(positions: Positions) -> FloatArray:
    return np.asarray(np.abs(positions[:, None] - positions[None, :]))


def _power(rho: float, exponent: FloatArray) -> FloatArray:
    """``rho ** exponent`` with 0 where the exponent is negative (its factor is 0)."""
    power = np.power(rho, np.maximum(exponent, 0.0))
    return np.asarray(np.where(exponent >= 0, power, 0.0), dtype=float)


def _names(visits: Sequence[str]) -> tuple[str, ...]:
    return ("variance", "rho")


def _start(S: FloatArray, positions: Positions) -> FloatArray:
    variance = float(np.mean(np.diagonal(S)))
    distance = _distance(positions)
    nearest = float(distance[distance > 0].min())
    rho = float(np.mean(S[distance == nearest])) / variance
    rho = np.sign(rho) * abs(rho) ** (1.0 / nearest)
    return np.array([variance, min(max(rho, -LARGEST_START), LARGEST_START)])


def _sigma(theta: FloatArray, positions: Positions) -> FloatArray:
    if abs(theta[1]) >= 1:  # no covariance: let the caller's Cholesky refuse it
        return np.full((len(positions), len(positions)), np.nan)
    return np.asarray(theta[0] * _power(theta[1], _distance(positions)))


def _first(theta: FloatArray, positions: Positions) -> FloatArray:
    d = _distance(positions)
    variance, rho = theta
    return np.stack([_power(rho, d), variance * d * _power(rho, d - 1)])


def _second(theta: FloatArray, positions: Positions) -> FloatArray:
    d = _distance(positions)
    variance, rho = theta
    mixed = d * _power(rho, d - 1)
    both = variance * d * (d - 1) * _power(rho, d - 2)
    return np.stack([np.stack([np.zeros_like(d), mixed]), np.stack([mixed, both])])


def _scale(theta: FloatArray, positions: Positions) -> FloatArray:
    return np.array([theta[0], 1.0])


AUTOREGRESSIVE = Structure(
    name="ar1",
    title="first-order autoregressive",
    linear=False,
    names=_names,
    start=_start,
    sigma=_sigma,
    first=_first,
    second=_second,
    scale=_scale,
)
