"""A generalised linear mixed model with one scalar random effect, by its definition.

The likelihood of a subject is ``integral of prod p(y | X beta + sd z) phi(z) dz``. Here
it is the trapezoid rule on a fixed grid so fine that its error is below rounding, or a
Gauss-Hermite rule of a stated number of points about the subject's own mode, scaled by
the observed curvature there (one point: Laplace).

Parameters, in this order: beta, log sd, then the logarithm of the negative binomial's
size or the thresholds of a cumulative model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from formulaic import model_matrix
from scipy import stats
from scipy.special import digamma, expit, gammaln, log_expit, log_ndtr, logsumexp

from parity.mixed_dense import arms

# Poles of the logistic are pi / sd off the axis: for an SD of 4 the error is exp(-49).
GRID = np.linspace(-9.0, 9.0, 181)
Array = np.ndarray
# Weights of central differences, by distance: of the fourth and of the eighth order.
FOURTH = {1: 2 / 3, 2: -1 / 12}
EIGHTH = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}


@dataclass(frozen=True)
class Scalar:
    """Data of the model; ``points`` None is the exact integral."""

    y: Array
    X: Array
    codes: Array
    levels: tuple[str, ...]
    names: tuple[str, ...]
    family: str
    link: str | None
    trials: Array
    offset: Array
    points: int | None

    @property
    def p(self) -> int:
        """Coefficients."""
        return self.X.shape[1]

    @cached_property
    def starts(self) -> Array:
        """First row of each subject; rows are in their order."""
        return np.flatnonzero(np.r_[True, np.diff(self.codes) > 0])

    def by_subject(self, rows: Array) -> Array:
        """Sum over the rows of each subject."""
        return np.add.reduceat(rows, self.starts, axis=0)

    def eta(self, t: Array, z: Array) -> Array:
        """Linear predictor at nodes ``z``, one set for all or one per row."""
        line = self.X @ t[: self.p] + self.offset
        return line[:, None] + np.exp(t[self.p]) * z


def make(spec: dict[str, Any], data: pd.DataFrame, points: int | None) -> Scalar:
    """Build the model of a case; its random effects must be one intercept."""
    ((grouping, terms),) = spec["random"].items()
    assert terms == "1"
    data = data.sort_values(grouping, kind="stable").reset_index(drop=True)
    outcome, right = spec["formula"].split(" ~ ")
    if "arm" in data:
        data = data.assign(arm=arms(data))
    X = model_matrix(right, data)
    if spec["family"] == "cumulative":
        X = X.drop(columns="Intercept")
    codes, levels = pd.factorize(data[grouping])
    one = np.ones(len(data))
    trials = data[spec["trials"]].to_numpy(float) if spec.get("trials") else one
    days = np.log(data["days"].to_numpy(float))
    y = data[outcome].to_numpy(dtype=float)
    return Scalar(
        y, X.to_numpy(dtype=float), codes, tuple(map(str, levels)), tuple(X.columns),
        spec["family"], spec.get("link"), trials,
        days if spec.get("offset") else 0 * one, points,
    )  # fmt: skip


def density(m: Scalar, eta: Array, extra: Array) -> tuple[Array, Array, list[Array]]:
    """Log density of each row, its slope in eta, its slopes in the extra parameters."""
    y, n = m.y[:, None], m.trials[:, None]
    choose = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    if m.family == "binomial" and m.link == "probit":
        up, down = log_ndtr(eta), log_ndtr(-eta)
        phi = stats.norm.logpdf(eta)
        slope = y * np.exp(phi - up) - (n - y) * np.exp(phi - down)
        return y * up + (n - y) * down + choose, slope, []
    if m.family == "binomial":
        value = y * log_expit(eta) + (n - y) * log_expit(-eta) + choose
        return value, y - n * expit(eta), []
    mu = np.exp(np.minimum(eta, 600)) if m.family != "cumulative" else eta
    if m.family == "poisson":
        return y * eta - mu - gammaln(y + 1), y - mu, []
    if m.family == "negative-binomial":
        size = np.exp(extra[0])
        log_sum = np.logaddexp(extra[0], eta)
        share = np.exp(-log_sum)
        value = gammaln(y + size) - gammaln(size) - gammaln(y + 1) + size * extra[0]
        value = value + y * eta - (y + size) * log_sum
        in_size = digamma(y + size) - digamma(size) + extra[0] + 1 - log_sum
        in_size = size * (in_size - (y + size) * share)
        return value, y - (y + size) * mu * share, [in_size]
    return _cumulative(m, eta, extra)


def _cumulative(m: Scalar, eta: Array, cuts: Array) -> tuple[Array, Array, list[Array]]:
    """F(u) - F(l) = F(u) F(-l) (1 - exp(l - u)) for the logistic F."""
    ends = np.r_[-np.inf, cuts, np.inf]
    k = m.y.astype(int)
    up, low = ends[k][:, None] - eta, ends[k - 1][:, None] - eta
    width = (ends[k] - ends[k - 1])[:, None]
    value = log_expit(up) + log_expit(-low) + np.log1p(-np.exp(-width))
    edge = np.exp(-width) / -np.expm1(-width)
    in_up = np.where(np.isinf(up), 0.0, expit(-up) + edge)
    in_low = np.where(np.isinf(low), 0.0, -expit(low) - edge)
    slopes = [
        in_up * (k == c + 1)[:, None] + in_low * (k == c + 2)[:, None]
        for c in range(len(cuts))
    ]
    return value, -(in_up + in_low), slopes


def exact(m: Scalar, t: Array) -> tuple[float, Array]:
    """Log likelihood by the trapezoid rule, and its gradient."""
    extra = t[m.p + 1 :]
    value, slope, slopes = density(m, m.eta(t, GRID), extra)
    joint = m.by_subject(value) + stats.norm.logpdf(GRID)
    total = logsumexp(joint, axis=1)
    share = np.exp(joint - total[:, None])[m.codes]
    gradient = [
        *(m.X.T @ np.sum(share * slope, axis=1)),
        np.exp(t[m.p]) * np.sum(share * slope * GRID),
        *(np.sum(share * s) for s in slopes),
    ]
    step = GRID[1] - GRID[0]
    return float(np.sum(total) + len(total) * np.log(step)), np.array(gradient)


def scores(m: Scalar, t: Array) -> Array:
    """Gradient of each subject's log likelihood; shape (subjects, parameters)."""
    value, slope, slopes = density(m, m.eta(t, GRID), t[m.p + 1 :])
    joint = m.by_subject(value) + stats.norm.logpdf(GRID)
    share = np.exp(joint - logsumexp(joint, axis=1)[:, None])[m.codes]
    rows = [
        m.X * np.sum(share * slope, axis=1)[:, None],
        np.exp(t[m.p]) * np.sum(share * slope * GRID, axis=1)[:, None],
        *(np.sum(share * s, axis=1)[:, None] for s in slopes),
    ]
    return m.by_subject(np.hstack(rows))


def mode_of(m: Scalar, t: Array) -> tuple[Array, Array]:
    """Most likely z of each subject, and minus the second derivative there."""
    sd, extra = np.exp(t[m.p]), t[m.p + 1 :]
    z = np.zeros(len(m.starts))

    def at(z: Array) -> tuple[Array, Array]:
        value, slope, _ = density(m, m.eta(t, z[m.codes, None]), extra)
        total = m.by_subject(value)[:, 0] - z**2 / 2
        return total, sd * m.by_subject(slope)[:, 0] - z

    def curvature(z: Array) -> Array:
        # Fourth-order differences of the analytic slope.
        h = 0.005 / max(sd, 1.0)
        return -sum(
            w * (at(z + k * h)[1] - at(z - k * h)[1]) / h for k, w in FOURTH.items()
        )

    bend = np.ones_like(z)
    for turn in range(100):
        value, slope = at(z)
        bend = np.maximum(curvature(z), 1e-3) if turn in (0, 1, 3, 6, 10) else bend
        step = slope / bend
        for _ in range(30):
            worse = at(z + step)[0] < value - 1e-10
            if not worse.any():
                break
            step = np.where(worse, step / 2, step)
        z = z + step
        if np.max(np.abs(step)) < 1e-13:
            break
    return z, curvature(z)


def quadrature(m: Scalar, t: Array) -> float:
    """Log likelihood by Gauss-Hermite nodes about the modes."""
    assert m.points is not None
    nodes, weights = np.polynomial.hermite.hermgauss(m.points)
    z, curvature = mode_of(m, t)
    spread = np.sqrt(2.0 / curvature)
    at = z[:, None] + spread[:, None] * nodes
    value, _, _ = density(m, m.eta(t, at[m.codes]), t[m.p + 1 :])
    joint = m.by_subject(value) + stats.norm.logpdf(at) + nodes**2 + np.log(weights)
    return float(np.sum(logsumexp(joint, axis=1) + np.log(spread)))


def loglik(m: Scalar, t: Array) -> float:
    """Log likelihood by the rule of the model."""
    return exact(m, t)[0] if m.points is None else quadrature(m, t)


def differences(
    f: Callable[[Array], Any],
    t: Array,
    steps: Array,
    weights: dict[int, float] | None = None,
) -> Array:
    """Differentiate f in every parameter, by default to the eighth order."""
    out = []
    for k in range(len(t)):
        move = np.zeros_like(t)
        move[k] = steps[k]
        slope = sum(
            w * (f(t + i * move) - f(t - i * move))
            for i, w in (weights or EIGHTH).items()
        )
        out.append(slope / steps[k])
    return np.array(out)


def _sizes(m: Scalar, t: Array) -> Array:
    """Return what a unit of each parameter does to the linear predictor, at most."""
    return np.r_[np.maximum(np.abs(m.X).max(axis=0), 1.0), np.ones(len(t) - m.p)]


def gradient(m: Scalar, t: Array) -> Array:
    """Gradient: analytic for the exact integral, else by differences."""
    if m.points is None:
        return exact(m, t)[1]
    return differences(lambda q: quadrature(m, q), t, 0.01 / _sizes(m, t), FOURTH)


def hessian(m: Scalar, t: Array) -> Array:
    """Second derivatives, differences of the gradient."""
    weights = EIGHTH if m.points is None else FOURTH
    H = differences(lambda q: gradient(m, q), t, 0.02 / _sizes(m, t), weights)
    return np.asarray((H + H.T) / 2)


def _quick_hessian(m: Scalar, t: Array) -> Array:
    """Those of the exact integral, to steer by: two gradients a parameter."""
    m = replace(m, points=None)
    H = [
        (exact(m, t + d)[1] - exact(m, t - d)[1]) / 2e-4 for d in 1e-4 * np.eye(len(t))
    ]
    return np.asarray((np.array(H) + np.array(H).T) / 2)


def maximise(m: Scalar, t: Array) -> tuple[Array, Array]:
    """Newton's method from near the maximum; returns it and the covariance."""
    for _ in range(40):
        step = np.linalg.solve(-_quick_hessian(m, t), gradient(m, t))
        t = t + step
        if np.max(np.abs(step)) < 1e-9:
            break
    assert np.max(np.abs(gradient(m, t))) < 1e-6
    return t, np.linalg.inv(-hessian(m, t))


def profile_limits(m: Scalar, t: Array, cov: Array, k: int) -> tuple[float, float]:
    """Where the profile of parameter k is half a chi-square quantile below the top.

    Newton's method on the two conditions at once: the others at their best, the value
    at its level (Venzon and Moolgavkar 1988).
    """
    target = loglik(m, t) - stats.chi2.ppf(0.95, 1) / 2
    ends = []
    for side in (-1.0, 1.0):
        at = t + side * 1.96 * cov[:, k] / np.sqrt(cov[k, k])
        for _ in range(40):
            g, H = gradient(m, at), _quick_hessian(m, at)
            gap, system = g.copy(), H.copy()
            gap[k], system[k] = loglik(m, at) - target, g
            step = -np.linalg.solve(system, gap)
            step *= min(1.0, 0.5 / np.max(np.abs(step)))
            at = at + step
            if np.max(np.abs(step)) < 1e-10:
                break
        assert np.max(np.abs(step)) < 1e-8
        ends.append(float(at[k]))
    return ends[0], ends[1]


def with_points(m: Scalar, points: int | None) -> Scalar:
    """Return the same model by another rule."""
    return replace(m, points=points)
