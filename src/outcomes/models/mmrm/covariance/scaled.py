"""Structures made of a correlation and one variance, or one for each visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from outcomes.models.mmrm.covariance.correlation import Correlation
from outcomes.models.mmrm.covariance.structure import Distance, Structure
from outcomes.models.options import FloatArray

# Correlations of a start are drawn towards zero until no eigenvalue is below this.
SMALLEST_EIGENVALUE = 0.02


def homogeneous(name: str, title: str, correlation: Correlation) -> Structure:
    """One variance for all visits: parameters (variance, rho)."""
    c = correlation

    def sigma(theta: FloatArray, distance: Distance) -> FloatArray:
        return np.asarray(theta[0] * c.matrix(theta[1:], distance))

    def first(theta: FloatArray, distance: Distance) -> FloatArray:
        rho = theta[1:]
        R = c.matrix(rho, distance)[None]
        return np.concatenate([R, theta[0] * c.first(rho, distance)])

    def second(theta: FloatArray, distance: Distance) -> FloatArray:
        rho = theta[1:]
        slopes = c.first(rho, distance)
        out = np.zeros((len(theta), len(theta), *slopes.shape[1:]))
        out[0, 1:] = out[1:, 0] = slopes
        out[1:, 1:] = theta[0] * c.second(rho, distance)
        return out

    return _structure(name, title, correlation, lambda K: 1, sigma, first, second)


def heterogeneous(name: str, title: str, correlation: Correlation) -> Structure:
    """One variance for each visit: parameters (variances, rho)."""
    c = correlation

    def parts(theta: FloatArray, distance: Distance) -> tuple[FloatArray, FloatArray]:
        """Products of standard deviations, and how often visit i is in a pair."""
        K = len(distance)
        with np.errstate(invalid="ignore"):  # of a negative variance: NaN
            sd = np.sqrt(theta[:K])
        eye = np.eye(K)
        return sd[:, None] * sd, eye[:, :, None] + eye[:, None, :]

    def sigma(theta: FloatArray, distance: Distance) -> FloatArray:
        size, _ = parts(theta, distance)
        return np.asarray(size * c.matrix(theta[len(distance) :], distance))

    def first(theta: FloatArray, distance: Distance) -> FloatArray:
        K = len(distance)
        size, times = parts(theta, distance)
        half = times / (2.0 * theta[:K, None, None])
        own = half * sigma(theta, distance)
        return np.concatenate([own, size * c.first(theta[K:], distance)])

    def second(theta: FloatArray, distance: Distance) -> FloatArray:
        K = len(distance)
        size, times = parts(theta, distance)
        half = times / (2.0 * theta[:K, None, None])
        both = half[:, None] * half[None, :]
        i = np.arange(K)
        both[i, i] -= half / theta[:K, None, None]
        out = np.zeros((len(theta), len(theta), K, K))
        out[:K, :K] = both * sigma(theta, distance)
        mixed = half[:, None] * (size * c.first(theta[K:], distance))[None]
        out[:K, K:] = mixed
        out[K:, :K] = np.swapaxes(mixed, 0, 1)
        out[K:, K:] = size * c.second(theta[K:], distance)
        return out

    return _structure(name, title, correlation, lambda K: K, sigma, first, second)


def _structure(
    name: str,
    title: str,
    correlation: Correlation,
    n_variances: Callable[[int], int],
    sigma: Callable[[FloatArray, Distance], FloatArray],
    first: Callable[[FloatArray, Distance], FloatArray],
    second: Callable[[FloatArray, Distance], FloatArray],
) -> Structure:
    c = correlation

    def split(
        theta: FloatArray, distance: Distance
    ) -> tuple[FloatArray, FloatArray, int]:
        K = distance.shape[-1]
        n = n_variances(K)
        return theta[:n], theta[n:], K

    def names(visits: Sequence[str], distance: Distance) -> tuple[str, ...]:
        if n_variances(len(visits)) == 1:
            return ("variance", *c.names(visits, distance))
        own = tuple(f"variance[{visit}]" for visit in visits)
        return (*own, *c.names(visits, distance))

    def start(S: FloatArray, distance: Distance) -> FloatArray:
        variances = np.diagonal(S)
        sd = np.sqrt(variances)
        rho = c.start(S / sd[:, None] / sd, distance)
        if n_variances(len(S)) == 1:
            variances = variances.mean(keepdims=True)
        if not c.spatial:
            rho = _inside(rho, c, distance)
        return np.concatenate([variances, rho])

    def scale(theta: FloatArray, distance: Distance) -> FloatArray:
        variances, rho, _ = split(theta, distance)
        return np.concatenate([variances, rho if c.spatial else np.ones(len(rho))])

    def to_free(theta: FloatArray, distance: Distance) -> FloatArray:
        variances, rho, K = split(theta, distance)
        return np.concatenate([0.5 * np.log(variances), c.link.to_free(rho, K)])

    def from_free(eta: FloatArray, distance: Distance) -> FloatArray:
        logs, free, K = split(eta, distance)
        return np.concatenate([np.exp(2.0 * logs), c.link.from_free(free, K)])

    def in_free(theta: FloatArray, distance: Distance) -> tuple[FloatArray, FloatArray]:
        variances, rho, K = split(theta, distance)
        slope = np.concatenate([2.0 * variances, c.link.slope(rho, K)])
        bend = np.concatenate([4.0 * variances, c.link.bend(rho, K)])
        D, D2 = first(theta, distance), second(theta, distance)
        ones = (1,) * distance.ndim
        out = D2 * (slope[:, None] * slope).reshape(len(slope), -1, *ones)
        i = np.arange(len(theta))
        out[i, i] += D * bend.reshape(-1, *ones)
        return D * slope.reshape(-1, *ones), out

    return Structure(
        name=name,
        title=title,
        linear=False,
        names=names,
        start=start,
        sigma=sigma,
        first=first,
        second=second,
        scale=scale,
        to_free=to_free,
        from_free=from_free,
        in_free=in_free,
        spatial=c.spatial,
    )


def _inside(
    rho: FloatArray, correlation: Correlation, distance: Distance
) -> FloatArray:
    """Draw starting correlations towards zero until the matrix is positive definite."""
    while True:
        matrix = correlation.matrix(rho, distance)
        if np.linalg.eigvalsh(matrix)[0] >= SMALLEST_EIGENVALUE:
            return rho
        rho = 0.9 * rho
