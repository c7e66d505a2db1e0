"""The deviance of a linear mixed model over its factors and its residual variance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.mixed.criterion import evaluate
from outcomes.models.mixed.derivatives import differentiate, multiply
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.layout import Layout, semidefinite_root
from outcomes.models.mixed.moments import Moments, factor_of, lower_places
from outcomes.models.mixed.newton import bend, delta_jacobian, minimise
from outcomes.models.mixed.results import LmmFit
from outcomes.models.mixed.variance import Parts, Surface, surface
from outcomes.models.options import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class LmmSurface:
    """Parameters are theta and, last, the logarithm of the residual variance.

    Attributes
    ----------
    moments : Moments
        Sums over records.
    reml : bool
        Method.
    start : FloatArray, shape (m + 1,)
        Parameters at the minimum.
    best : float
        Deviance there, but for a constant.
    sigma_is_free : bool
        The residual variance is a parameter.
    """

    moments: Moments
    reml: bool
    start: FloatArray
    best: float
    sigma_is_free: bool = True

    @property
    def layout(self) -> Layout:
        """Places of the effects."""
        return self.moments.layout

    @property
    def places(self) -> IntArray:
        """All parameters."""
        return np.arange(len(self.start))

    @property
    def terms(self) -> tuple[Term, ...]:
        """Random effects."""
        return self.layout.terms

    def deviance(
        self, phi: FloatArray, *, fresh: bool = False
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """Value, gradient and Hessian, which is always fresh."""
        theta, log_sigma2 = phi[:-1], float(phi[-1])
        at = evaluate(theta, self.moments, reml=self.reml)
        if at is None or not abs(log_sigma2) < 300.0:
            return None
        n = self.moments.n - self.moments.p if self.reml else self.moments.n
        share = at.sigma2 / np.exp(log_sigma2)
        value = at.deviance + n * (share - 1.0 - np.log(share))
        held = replace(at, sigma2=float(np.exp(log_sigma2)))
        now = differentiate(multiply(at, self.moments), held, reml=self.reml)
        J = delta_jacobian(theta, self.layout)
        m = len(theta)
        gradient, hessian = np.empty(m + 1), np.empty((m + 1, m + 1))
        gradient[:m], gradient[m] = J.T @ now.gradient, n * (1.0 - share)
        hessian[:m, :m] = J.T @ now.observed @ J + bend(now.gradient, self.layout)
        hessian[:m, m] = hessian[m, :m] = J.T @ now.pull
        hessian[m, m] = n * share
        return float(value), gradient, hessian

    def parts(self, phi: FloatArray) -> Parts:
        """Covariance of each term and the residual variance."""
        residual = float(np.exp(phi[-1]))
        found = []
        for slot, size in zip(self.layout.slots, self.moments.scale, strict=True):
            L = factor_of(slot, self.terms[slot.term].c, phi[:-1])
            L = L / size[:, None]
            found.append(residual * (L @ L.T))
        return found, residual

    def with_covariance(
        self, phi: FloatArray, term: int, covariance: FloatArray
    ) -> FloatArray:
        """Parameters with the covariance of one term set."""
        slot, size = self.layout.slots[term], self.moments.scale[term]
        relative = covariance * size[:, None] * size / np.exp(phi[-1])
        out = phi.copy()
        places = lower_places(len(size))
        out[:-1][slot.theta] = semidefinite_root(relative)[places]
        return out

    def without(self, free: BoolArray) -> float:
        """Least deviance with some elements of the factors at zero."""
        found = minimise(self.moments, reml=self.reml, free=free)
        return np.nan if found is None else found.at.deviance


@surface.register
def _(fit: LmmFit) -> Surface:
    start = np.append(fit.optimum.theta, np.log(fit.optimum.at.sigma2))
    return LmmSurface(fit.moments, fit.method == "reml", start, fit.optimum.at.deviance)
