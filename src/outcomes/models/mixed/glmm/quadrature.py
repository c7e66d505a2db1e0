"""Adaptive Gauss-Hermite quadrature over one random effect of each group."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from outcomes.models.mixed.glmm.mode import find_mode
from outcomes.models.mixed.glmm.operator import Effects, Operator
from outcomes.models.mixed.glmm.problem import Evaluation, Problem
from outcomes.models.options import FloatArray

# Numbers that stay in the processor's cache while a block of nodes is worked on.
BLOCK = 32_000


@lru_cache(maxsize=32)
def hermite_rule(n_quad: int) -> tuple[FloatArray, FloatArray]:
    """Nodes, and logarithms of weights times the inverse of the normal kernel.

    The weight of node x is one over the sum of squares of the orthonormal polynomials
    there. Multiplied by exp(x^2 / 2) it is a sum of squares of Hermite functions,
    which keeps all its digits far into the tails.

    Parameters
    ----------
    n_quad : int
        Number of nodes.

    Returns
    -------
    tuple of FloatArray, each of shape (n_quad,)
        Nodes x and ``log(weight) + x^2 / 2``.

    References
    ----------
    Golub and Welsch (1969), Math Comp 23, 221-230.
    """
    from scipy.linalg import eigh_tridiagonal

    if n_quad == 1:
        return np.zeros(1), np.zeros(1)
    root = np.sqrt(np.arange(1.0, n_quad + 1.0))
    x = eigh_tridiagonal(np.zeros(n_quad), root[:-1], eigvals_only=True)
    for _ in range(3):
        values = _hermite_functions(x, n_quad + 1)
        x = x - values[n_quad] / (root[-1] * values[n_quad - 1])
        x = (x - x[::-1]) / 2.0
    values = _hermite_functions(x, n_quad)
    rule = x, -np.log((values**2).sum(axis=0))
    for part in rule:
        part.flags.writeable = False
    return rule


def _hermite_functions(x: FloatArray, count: int) -> FloatArray:
    """Orthonormal Hermite polynomials times exp(-x^2 / 4); shape (count, len(x))."""
    out = np.empty((count, len(x)))
    out[0] = np.exp(-x * x / 4.0)
    out[1] = x * out[0]
    for k in range(1, count - 1):
        out[k + 1] = (x * out[k] - np.sqrt(k) * out[k - 1]) / np.sqrt(k + 1.0)
    return out


def evaluate_quadrature(
    phi: FloatArray, problem: Problem, start: Effects
) -> Evaluation | None:
    """Evaluate equation (14) and the gradient (15) of that sum.

    Nodes sit about the mode of each group, in units of the curvature there, both found
    at this very phi. The gradient is that of the sum as computed: it takes the
    movement of mode and curvature along.

    Parameters
    ----------
    phi : FloatArray, shape (k,)
        theta, beta, psi.
    problem : Problem
        Data; each group has one effect.
    start : Effects
        Where to look for the modes.

    Returns
    -------
    Evaluation, optional
        Nothing where a mode is not found.
    """
    theta, beta, psi = problem.split(phi)
    family, times, s = problem.family, problem.times, problem.structure
    op = Operator(s, theta)
    found = find_mode(op, family, problem.offset + problem.X @ beta, psi, start)
    if found is None:
        return None
    modes, eta = found
    u, z, a, group = modes[0][0], s.Z[0], op.A[0], s.group
    _, l1, l2, l3 = family.kernel(eta, psi, 3)
    w = -l2
    square = a * a
    M = 1.0 + s.by_group(w * square)
    tau = 1.0 / np.sqrt(M)
    nodes = _Nodes(problem, psi, eta, a * tau[group], u, tau)
    constant, constant_slope = family.constant(psi)
    deviance = -2.0 * float(nodes.loglik @ s.count + constant @ times)
    if not np.isfinite(deviance):
        return None
    mean1, moment = nodes.mean_slopes(z)
    pull, stretch = nodes.pulls(theta[0])
    stretch = stretch + 1.0 / tau
    m = -0.5 * tau**3 * stretch
    adjoint = (pull - m * s.by_group(l3 * square * a)) / M
    m_r, s_r, u_r = m[group], adjoint[group], u[group]
    moved = -m_r * l3 * square - s_r * w * a
    e = (mean1 + moved) * times
    fixed = moved * u_r + 2.0 * m_r * w * a + s_r * l1
    slope_theta = float(moment @ s.count) + float((fixed * z) @ times)
    slopes_psi = np.zeros(0)
    if family.n_extra:
        _, second, third = family.slopes(eta, psi)
        total = nodes.mean_extra() + constant_slope
        total = total - m_r * square * third + s_r * a * second
        slopes_psi = total @ times
    gradient = -2.0 * np.concatenate([[slope_theta], e @ problem.X, slopes_psi])
    return Evaluation(deviance, gradient, modes)


class _Nodes:
    """The integrand of every group at its nodes.

    Attributes
    ----------
    u : FloatArray, shape (nodes, G)
        Places.
    loglik : FloatArray, shape (G,)
        Log likelihood of each group.
    shares : FloatArray, shape (nodes, G)
        Share of each node in it.
    """

    __slots__ = (
        "_eta",
        "_problem",
        "_psi",
        "_slope",
        "_steps",
        "_sums",
        "_x",
        "loglik",
        "shares",
        "u",
    )

    def __init__(
        self,
        problem: Problem,
        psi: FloatArray,
        eta: FloatArray,
        step: FloatArray,
        mode: FloatArray,
        tau: FloatArray,
    ) -> None:
        x, log_weight = hermite_rule(problem.n_quad)
        s = problem.structure
        self._problem, self._psi, self._eta, self._steps = problem, psi, eta, step
        self._x = x
        self.u = mode + x[:, None] * tau
        n = len(eta)
        self._slope = np.empty((len(x), n))
        level = np.empty((len(x), s.G))
        for part in self._parts():
            value, slope = problem.family.kernel(self._at(part), psi, 1)
            level[part] = s.by_group(value)
            self._slope[part] = slope
        level += log_weight[:, None] - 0.5 * self.u**2
        top = level.max(axis=0)
        shares = np.exp(level - top)
        total = shares.sum(axis=0)
        self.loglik = top + np.log(total) + np.log(tau)
        self.shares = shares / total

    def _parts(self) -> list[slice]:
        """Blocks of nodes."""
        size = max(1, BLOCK // len(self._eta))
        count = len(self._x)
        return [slice(k, min(k + size, count)) for k in range(0, count, size)]

    def _at(self, part: slice) -> FloatArray:
        """Linear predictor at some nodes; shape (nodes, n)."""
        return np.asarray(self._eta + self._x[part, None] * self._steps)

    def mean_slopes(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean over nodes of the slope of the log density in eta, and of u z slope.

        Returns
        -------
        tuple of FloatArray, shapes (n,) and (G,)
        """
        s = self._problem.structure
        self._sums = np.empty(self.u.shape)
        mean = np.zeros(len(self._eta))
        for part in self._parts():
            slope = self._slope[part]
            self._sums[part] = s.by_group(slope * z)
            mean += np.einsum("qn,qn->n", self.shares[part][:, s.group], slope)
        moment = np.einsum("qg,qg,qg->g", self.shares, self.u, self._sums)
        return mean, moment

    def pulls(self, theta: float) -> tuple[FloatArray, FloatArray]:
        """Mean slope of the integrand in u, and in the width; each (G,)."""
        pull = self.shares * (theta * self._sums - self.u)
        return pull.sum(axis=0), self._x @ pull

    def mean_extra(self) -> FloatArray:
        """Mean over nodes of the slopes in the further parameters; shape (r, n)."""
        group = self._problem.structure.group
        family = self._problem.family
        total = np.zeros((family.n_extra, len(self._eta)))
        for k, x in enumerate(self._x):
            first = family.slopes(self._eta + x * self._steps, self._psi)[0]
            total += self.shares[k][group] * first
        return total
