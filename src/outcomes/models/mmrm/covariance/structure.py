"""What the fitting code needs to know about a covariance structure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outcomes.models.options import FloatArray

Distance = FloatArray
"""Distances between the visits, (K, K): places in the declared order apart, or between
coordinates; (V, K, K) where the subjects of each pattern have their own coordinates."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A covariance structure in its natural parameters, as SAS defines them.

    ``theta`` has shape (m,). What follows the shape (..., K, K) of ``distance`` has
    those axes last.

    Attributes
    ----------
    name : str
        The value of the option ``covariance``.
    title : str
        The name in words.
    linear : bool
        Whether the covariance is linear in theta, so that ``second`` is zero.
    names : callable
        ``names(visits, distance)``: one label per parameter.
    start : callable
        ``start(S, distance)``: parameters from an empirical covariance S, (K, K).
    sigma : callable
        ``sigma(theta, distance)``: the covariance; NaN where theta has none.
    first : callable
        ``first(theta, distance)``: its first derivatives, (m, ..., K, K).
    second : callable
        ``second(theta, distance)``: its second derivatives, (m, m, ..., K, K).
    scale : callable
        ``scale(theta, distance)``: the size of one unit of each parameter, (m,), so
        that a gradient times it does not depend on the units of the outcome.
    to_free, from_free : callable
        ``to_free(theta, distance)``: the parameters of R mmrm, which any numbers may
        be, (m,), and back.
    in_free : callable
        ``in_free(theta, distance)``: first and second derivatives of the covariance in
        those.
    spatial : bool
        Whether distances are between coordinates.
    """

    name: str
    title: str
    linear: bool
    names: Callable[[Sequence[str], Distance], tuple[str, ...]]
    start: Callable[[FloatArray, Distance], FloatArray]
    sigma: Callable[[FloatArray, Distance], FloatArray]
    first: Callable[[FloatArray, Distance], FloatArray]
    second: Callable[[FloatArray, Distance], FloatArray]
    scale: Callable[[FloatArray, Distance], FloatArray]
    to_free: Callable[[FloatArray, Distance], FloatArray]
    from_free: Callable[[FloatArray, Distance], FloatArray]
    in_free: Callable[[FloatArray, Distance], tuple[FloatArray, FloatArray]]
    spatial: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Structure], tuple[str]]:
        """Pickle by name: a fit holds its structure, and functions do not travel."""
        return _named, (self.name,)


def _named(name: str) -> Structure:
    from outcomes.models.mmrm.covariance import STRUCTURES

    return STRUCTURES[name]
