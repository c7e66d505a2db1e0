"""What the fitting code needs to know about a covariance structure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outcomes.models.options import FloatArray

Positions = FloatArray


@dataclass(frozen=True, slots=True)
class Structure:
    """A covariance structure in its natural parameters, as SAS defines them.

    All functions take ``positions``, shape (K,), the place of each of the K visits in
    the declared order; ``theta`` has shape (m,).

    Attributes
    ----------
    name : str
        The value of the option ``covariance``.
    title : str
        The name in words.
    linear : bool
        Whether the covariance is linear in theta, so that ``second`` is zero.
    names : callable
        ``names(visits)``: one label per parameter.
    start : callable
        ``start(S, positions)``: parameters from an empirical covariance S, (K, K).
    sigma : callable
        ``sigma(theta, positions)``: the covariance, (K, K).
    first : callable
        ``first(theta, positions)``: its first derivatives, (m, K, K).
    second : callable
        ``second(theta, positions)``: its second derivatives, (m, m, K, K).
    scale : callable
        ``scale(theta, positions)``: the size of one unit of each parameter, (m,), so
        that a gradient times it does not depend on the units of the outcome.
    """

    name: str
    title: str
    linear: bool
    names: Callable[[Sequence[str]], tuple[str, ...]]
    start: Callable[[FloatArray, Positions], FloatArray]
    sigma: Callable[[FloatArray, Positions], FloatArray]
    first: Callable[[FloatArray, Positions], FloatArray]
    second: Callable[[FloatArray, Positions], FloatArray]
    scale: Callable[[FloatArray, Positions], FloatArray]
