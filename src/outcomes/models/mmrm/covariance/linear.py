"""Compound symmetry and Toeplitz in SAS's parameters, in which they are linear."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from outcomes.models.mmrm.covariance.structure import Distance, Structure
from outcomes.models.mmrm.covariance.toeplitz import bands, lags
from outcomes.models.options import FloatArray


def compound_symmetry(scaled: Structure) -> Structure:
    """Compound symmetry: one covariance for all pairs and a residual variance."""

    def basis(distance: Distance) -> FloatArray:
        K = len(distance)
        return np.stack([np.ones((K, K)), np.eye(K)])

    return _linear(
        "cs",
        scaled,
        basis,
        names=lambda visits, distance: ("covariance", "residual variance"),
        to_scaled=lambda theta: np.array([theta.sum(), theta[0] / theta.sum()]),
        from_scaled=lambda pair: pair[0] * np.array([pair[1], 1.0 - pair[1]]),
    )


def toeplitz(scaled: Structure) -> Structure:
    """Toeplitz: a variance, and a covariance for each number of places apart."""

    def basis(distance: Distance) -> FloatArray:
        return np.concatenate([np.eye(len(distance))[None], bands(distance)])

    def names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
        apart = (f"covariance[{lag:g} apart]" for lag in lags(distance))
        return ("variance", *apart)

    return _linear(
        "toep",
        scaled,
        basis,
        names=names,
        to_scaled=lambda theta: np.append(theta[:1], theta[1:] / theta[0]),
        from_scaled=lambda theta: np.append(theta[:1], theta[1:] * theta[0]),
    )


def _linear(
    name: str,
    scaled: Structure,
    basis: Callable[[Distance], FloatArray],
    *,
    names: Callable[[Sequence[str], Distance], tuple[str, ...]],
    to_scaled: Callable[[FloatArray], FloatArray],
    from_scaled: Callable[[FloatArray], FloatArray],
) -> Structure:
    """Sum of fixed matrices; ``scaled`` has the same as variance times correlation."""

    def sigma(theta: FloatArray, distance: Distance) -> FloatArray:
        return np.asarray(np.tensordot(theta, basis(distance), axes=1))

    return Structure(
        name=name,
        title=scaled.title,
        linear=True,
        names=names,
        start=lambda S, distance: from_scaled(scaled.start(S, distance)),
        sigma=sigma,
        first=lambda theta, distance: basis(distance),
        second=lambda theta, distance: np.zeros(
            (len(theta), len(theta), *distance.shape)
        ),
        scale=lambda theta, distance: np.full(
            len(theta), float(sigma(theta, distance)[0, 0])
        ),
        to_free=lambda theta, distance: scaled.to_free(to_scaled(theta), distance),
        from_free=lambda eta, distance: from_scaled(scaled.from_free(eta, distance)),
        in_free=lambda theta, distance: scaled.in_free(to_scaled(theta), distance),
    )
