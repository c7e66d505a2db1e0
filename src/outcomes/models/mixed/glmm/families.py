"""Log densities of the outcome and their derivatives in the linear predictor.

Equation numbers are those of ``docs/methods/glmm.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from outcomes.models.options import FloatArray

# Beyond this exp() leaves the numbers.
LARGEST_EXPONENT = 700.0
ROOT_TWO_PI = float(np.sqrt(2.0 * np.pi))


class Family(Protocol):
    """Log density ``constant(psi) + kernel(eta, psi)`` of n records.

    ``eta`` has shape (n,), or (nodes, n) where only the kernel and its first derivative
    are asked for. ``psi`` are the r parameters of the family beside the coefficients.
    """

    @property
    def n_extra(self) -> int:
        """Number r of further parameters."""

    def start(self) -> FloatArray:
        """Further parameters to start from; shape (r,)."""

    def constant(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Part free of eta, shape (n,), and its slopes in psi, shape (r, n)."""

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Rest of the log density and its derivatives in eta up to an order."""

    def slopes(self, eta: FloatArray, psi: FloatArray) -> tuple[FloatArray, ...]:
        """Slopes in psi of the kernel and its first two derivatives; each (r, n)."""


def exponentials(eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return exp(eta), 1 + exp(eta) and log(1 + exp(eta)), without overflow."""
    largest = float(np.max(eta, initial=0.0))
    if largest <= LARGEST_EXPONENT:
        e = np.exp(eta)
        s = 1.0 + e
        return e, s, np.log(s)
    e = np.exp(np.minimum(eta, LARGEST_EXPONENT))
    s = 1.0 + e
    return e, s, np.log(s) + np.maximum(eta - LARGEST_EXPONENT, 0.0)


def logistic_terms(eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logistic distribution function, its density and the slope of that (2)."""
    e, s, _ = exponentials(eta)
    p = e / s
    v = p / s
    return p, v, v * (1.0 - 2.0 * p)


@dataclass(frozen=True, slots=True, eq=False)
class _Plain:
    """A family without further parameters.

    Attributes
    ----------
    y, trials, fixed : FloatArray, shape (n,)
        Outcome (successes), trials and the constant of the log density.
    single : bool
        Whether all trials are 1.
    """

    y: FloatArray
    trials: FloatArray
    fixed: FloatArray
    single: bool = False

    @property
    def n_extra(self) -> int:
        """No further parameters."""
        return 0

    def start(self) -> FloatArray:
        """No further parameters."""
        return np.zeros(0)

    def constant(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Binomial coefficients or factorials."""
        return self.fixed, np.zeros((0, len(self.y)))

    def slopes(self, eta: FloatArray, psi: FloatArray) -> tuple[FloatArray, ...]:
        """No further parameters."""
        none = np.zeros((0, len(self.y)))
        return none, none, none


@dataclass(frozen=True, slots=True, eq=False)
class Logit(_Plain):
    """Binomial counts with a logit link."""

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Log likelihood of y successes (2)."""
        e, s, softplus = exponentials(eta)
        p = np.divide(e, s, out=e)
        higher: list[FloatArray] = []
        if order > 1:
            curve = np.divide(p, s, out=s)
            np.negative(curve, out=curve)
            if not self.single:
                curve *= self.trials
            higher.append(curve)
        if order > 2:
            higher.append(curve * (1.0 - 2.0 * p))
        if not self.single:
            softplus *= self.trials
            p *= self.trials
        value = np.subtract(self.y * eta, softplus, out=softplus)
        return [value, np.subtract(self.y, p, out=p), *higher]


@dataclass(frozen=True, slots=True, eq=False)
class Probit(_Plain):
    """Binomial counts with a probit link."""

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Log likelihood of y successes (3)."""
        if self.single:
            sign = 2.0 * self.y - 1.0
            out = _log_normal(sign * eta, order)
            out[1] = sign * out[1]
            if order > 2:
                out[3] = sign * out[3]
            return out
        above, below = _log_normal(eta, order), _log_normal(-eta, order)
        fails = self.trials - self.y
        return [
            self.y * up + (-1.0) ** k * fails * down
            for k, (up, down) in enumerate(zip(above, below, strict=True))
        ]


def _log_normal(x: FloatArray, order: int) -> list[FloatArray]:
    """Log of the normal distribution function and its derivatives (3)."""
    from scipy.special import log_ndtr

    value = log_ndtr(x)
    ratio = np.exp(-0.5 * x * x - value) / ROOT_TWO_PI
    out = [value, ratio]
    if order > 1:
        second = -ratio * (x + ratio)
        out.append(second)
    if order > 2:
        out.append(-second * (x + ratio) - ratio * (1.0 + second))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Poisson(_Plain):
    """Counts with a log link."""

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Log likelihood of a count (4)."""
        mean = np.exp(np.minimum(eta, LARGEST_EXPONENT))
        out = [self.y * eta - mean, self.y - mean]
        out += [-mean] * max(order - 1, 0)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class NegativeBinomial:
    """Counts with variance ``mu + mu**2 / exp(psi)`` and a log link.

    Attributes
    ----------
    y, fixed : FloatArray, shape (n,)
        Counts, and minus the logarithms of their factorials.
    """

    y: FloatArray
    fixed: FloatArray

    @property
    def n_extra(self) -> int:
        """One: the logarithm of the dispersion."""
        return 1

    def start(self) -> FloatArray:
        """Dispersion 1."""
        return np.zeros(1)

    def constant(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gamma functions of the log density (5)."""
        from scipy.special import digamma, gammaln

        k = np.exp(psi[0])
        value = gammaln(self.y + k) - gammaln(k) + self.fixed
        return value, (k * (digamma(self.y + k) - digamma(k)))[None, :]

    def kernel(self, eta: FloatArray, psi: FloatArray, order: int) -> list[FloatArray]:
        """Log likelihood of a count (5)."""
        k = np.exp(psi[0])
        t = eta - psi[0]
        e, s, softplus = exponentials(t)
        p = e / s
        # Sums of terms of one sign: no digits are lost where counts are large.
        value = -self.y * np.logaddexp(0.0, -t) - k * softplus
        out = [value, self.y / s - k * p]
        if order > 1:
            v = (self.y + k) * p / s
            out.append(-v)
        if order > 2:
            out.append(v * (2.0 * p - 1.0))
        return out

    def slopes(self, eta: FloatArray, psi: FloatArray) -> tuple[FloatArray, ...]:
        """Slopes in the logarithm of the dispersion (5)."""
        k = np.exp(psi[0])
        size = self.y + k
        e, s, softplus = exponentials(eta - psi[0])
        p = e / s
        v = p / s
        first = size * p - self.y - k * softplus
        second = size * v - k * p
        third = size * v * (1.0 - 2.0 * p) - k * v
        return first[None, :], second[None, :], third[None, :]
