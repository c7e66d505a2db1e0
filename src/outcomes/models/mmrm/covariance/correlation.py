"""The correlation patterns that structures with one or several variances share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from outcomes.models.mmrm.covariance.structure import Distance
from outcomes.models.options import FloatArray

# An empirical start keeps this far from a correlation of one.
LARGEST_START = 0.95


@dataclass(frozen=True, slots=True)
class Link:
    """How a natural parameter follows from a free one, elementwise.

    Attributes
    ----------
    to_free, from_free : callable
        ``f(values, K)``.
    slope, bend : callable
        First and second derivative of the natural parameter in the free one, as
        functions of the natural one and K.
    """

    to_free: Callable[[FloatArray, int], FloatArray]
    from_free: Callable[[FloatArray, int], FloatArray]
    slope: Callable[[FloatArray, int], FloatArray]
    bend: Callable[[FloatArray, int], FloatArray]


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation matrix in its parameters rho, shape (r,).

    Attributes
    ----------
    names : callable
        ``names(visits, distance)``.
    start : callable
        ``start(R, distance)``: parameters from an empirical correlation R, (K, K).
    matrix, first, second : callable
        ``matrix(rho, distance)``: (..., K, K), and its derivatives, (r, ..., K, K) and
        (r, r, ..., K, K).
    link : Link
        To the free parameters.
    spatial : bool
        Whether the parameter is a range, in units of distance.
    """

    names: Callable[[Sequence[str], Distance], tuple[str, ...]]
    start: Callable[[FloatArray, Distance], FloatArray]
    matrix: Callable[[FloatArray, Distance], FloatArray]
    first: Callable[[FloatArray, Distance], FloatArray]
    second: Callable[[FloatArray, Distance], FloatArray]
    link: Link
    spatial: bool = False


def within(rho: FloatArray | float, largest: float = LARGEST_START) -> FloatArray:
    """Keep a starting correlation away from one."""
    return np.asarray(np.clip(np.atleast_1d(rho), -largest, largest), dtype=float)


# A correlation as R mmrm has it: rho = eta / sqrt(1 + eta^2).
ROOT = Link(
    to_free=lambda rho, K: rho / np.sqrt(1.0 - rho**2),
    from_free=lambda eta, K: eta / np.sqrt(1.0 + eta**2),
    slope=lambda rho, K: (1.0 - rho**2) ** 1.5,
    bend=lambda rho, K: -3.0 * rho * (1.0 - rho**2) ** 2,
)
