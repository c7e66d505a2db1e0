"""The cumulative logit family: thresholds between ordered categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.glmm.families import exponentials, logistic_terms
from outcomes.models.options import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeLogit:
    """Ordered categories, ``P(y <= k) = logistic(threshold[k] - eta)``.

    The further parameters are the first threshold and the logarithms of the distances
    from each to the next, so that the order needs no constraint.

    Attributes
    ----------
    y : IntArray, shape (n,)
        Categories from 0.
    n_categories : int
        Their number.
    shares : FloatArray, shape (n_categories,)
        How much of the records each has, to start from.
    """

    y: IntArray
    n_categories: int
    shares: FloatArray

    @property
    def n_extra(self) -> int:
        """One less than categories."""
        return self.n_categories - 1

    def start(self) -> FloatArray:
        """Thresholds of a model without effects."""
        below = np.cumsum(self.shares)[:-1]
        alpha = np.log(below / (1.0 - below))
        return np.append(alpha[0], np.log(np.diff(alpha)))

    def _bounds(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Thresholds above and below each record; infinite at the ends."""
        alpha = np.concatenate([[-np.inf], thresholds(psi), [np.inf]])
        return alpha[self.y + 1], alpha[self.y]

    def _chain(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes of the thresholds above and below each record; each (r, n)."""
        slope = np.zeros((self.n_extra, self.n_categories + 1))
        slope[:, 1:-1] = threshold_slopes(psi).T
        return slope[:, self.y + 1], slope[:, self.y]

    def constant(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log density due to the distance between two thresholds (6)."""
        gap = np.concatenate([[np.inf], np.exp(psi[1:]), [np.inf]])
        value = np.log(-np.expm1(-gap))
        slope = np.zeros((self.n_extra, self.n_categories))
        inner = gap[1:-1]
        with np.errstate(over="ignore"):
            slope[np.arange(1, self.n_extra), np.arange(1, self.n_extra)] = (
                inner / np.expm1(inner)
            )
        return value[self.y], slope[:, self.y]

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Log probability of a category but for the constant (6)."""
        upper, lower = self._bounds(psi)
        e1, s1, above = exponentials(eta - upper)
        e2, s2, below = exponentials(lower - eta)
        p1, p2 = e1 / s1, e2 / s2
        out = [-above - below, p2 - p1]
        if order > 1:
            v1, v2 = p1 / s1, p2 / s2
            out.append(-v1 - v2)
        if order > 2:
            out.append(v2 * (1.0 - 2.0 * p2) - v1 * (1.0 - 2.0 * p1))
        return out

    def slopes(self, eta: FloatArray, psi: FloatArray) -> tuple[FloatArray, ...]:
        """Slopes in the thresholds, by the chain rule (6)."""
        upper, lower = self._bounds(psi)
        up, down = self._chain(psi)
        p1, v1, w1 = logistic_terms(eta - upper)
        p2, v2, w2 = logistic_terms(lower - eta)
        return p1 * up - p2 * down, v1 * up + v2 * down, w1 * up - w2 * down


def thresholds(psi: FloatArray) -> FloatArray:
    """Thresholds of the parameters; shape (r,)."""
    return np.cumsum(np.append(psi[:1], np.exp(psi[1:])))


def threshold_slopes(psi: FloatArray) -> FloatArray:
    """Differentiate the thresholds (rows) in the parameters (columns)."""
    r = len(psi)
    step = np.append(1.0, np.exp(psi[1:]))
    return np.asarray(np.tril(np.ones((r, r))) * step)
