"""Minimising the deviance of a linear mixed model over its Cholesky factors.

The parameters are the elements of the factors, free in sign. A variance at its boundary
is then an ordinary minimum at zero, reached at Newton's speed, and not an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.criterion import Evaluation, evaluate
from outcomes.models.mixed.derivatives import (
    Derivatives,
    Products,
    differentiate,
    multiply,
)
from outcomes.models.mixed.layout import Layout
from outcomes.models.mixed.moments import Moments, factor_of, lower_places
from outcomes.models.options import BoolArray, FloatArray

# Newton decrement g'H^-1 g of the deviance at which no digit is left to gain.
DECREMENT_GOAL = 1e-20
# And the one a fit must have reached: twice the squared distance to the optimum in
# standard errors.
DECREMENT_LIMIT = 1e-10
MAX_ITERATIONS = 100
SHORTEST_STEP = 1e-8
# Longest step, as a multiple of the parameters (or of 1): a standard deviation far
# above the residual's is reached by growing steps.
FARTHEST = 10.0
ARMIJO = 1e-4
# Smallest curvature of a step, as a share of the largest.
SMALLEST_CURVATURE = 1e-8
# Standard deviation, relative to the residual's, that is zero if the deviance agrees.
AT_ZERO = 1e-3
# Change of the deviance that is rounding.
NO_CHANGE = 1e-8
# Where the search begins, standard deviations relative to the residual's.
STARTS = (1.0, 0.25)
# Records up to which a second optimum is always looked for: with so few there may be
# one, and the search costs nothing.
FEW_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the optimiser stopped.

    Attributes
    ----------
    theta : FloatArray, shape (m,)
        Elements of the relative Cholesky factors, of effects divided by their scale.
    at : Evaluation
        The criterion there.
    products : Products
        And what its derivatives are made of.
    gradient, hessian : FloatArray, shape (m,), (m, m)
        Of the deviance with sigma profiled out.
    decrement : float
        ``g' H^-1 g``; ``inf`` where the Hessian is not positive definite.
    iterations : int
        Steps.
    """

    theta: FloatArray
    at: Evaluation
    products: Products
    gradient: FloatArray
    hessian: FloatArray
    decrement: float
    iterations: int


def delta_of(theta: FloatArray, layout: Layout) -> FloatArray:
    """Distinct elements of the relative covariances; shape (m,)."""
    out = np.empty(layout.n_theta)
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        L = factor_of(slot, c, theta)
        out[slot.theta] = (L @ L.T)[lower_places(c)]
    return out


def delta_jacobian(theta: FloatArray, layout: Layout) -> FloatArray:
    """Differentiate `delta_of`; shape (m, m)."""
    out = np.zeros((layout.n_theta, layout.n_theta))
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        L = factor_of(slot, c, theta)
        lower = list(zip(*lower_places(c), strict=True))
        for i, (a, b) in enumerate(lower):
            for j, (row, column) in enumerate(lower):
                value = (a == row) * L[b, column] + (b == row) * L[a, column]
                out[slot.theta.start + i, slot.theta.start + j] = value
    return out


def bend(gradient: FloatArray, layout: Layout) -> FloatArray:
    """``sum_i gradient_i`` times the second derivatives of ``delta_i``; (m, m)."""
    out = np.zeros((layout.n_theta, layout.n_theta))
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        lower = list(zip(*lower_places(c), strict=True))
        whole = np.zeros((c, c))
        whole[lower_places(c)] = gradient[slot.theta]
        whole = whole + whole.T  # twice on the diagonal, as the derivative is
        for i, (row, column) in enumerate(lower):
            for j, (other, same) in enumerate(lower):
                if column == same:
                    place = slot.theta.start + i, slot.theta.start + j
                    out[place] = whole[row, other]
    return out


def minimise(
    moments: Moments, *, reml: bool, free: BoolArray | None = None
) -> Optimum | None:
    """Minimise the deviance; None where it cannot be evaluated at any start.

    Parameters
    ----------
    moments : Moments
        Sums over records.
    reml : bool
        Method.
    free : BoolArray, shape (m,), optional
        Elements of the factors that may differ from zero; all without it.
    """
    layout = moments.layout
    free = np.ones(layout.n_theta, dtype=bool) if free is None else free
    best: Optimum | None = None
    for size in STARTS:
        start = np.where(free, _diagonal(layout, size), 0.0)
        found = _descend(start, free, moments, reml=reml)
        if found is None:
            continue
        found = _settle(found, free, moments, reml=reml)
        if best is None or _better(found, best, moments):
            best = found
        if moments.n > FEW_RECORDS and not _near_edge(best, layout):
            break
    return best


def _diagonal(layout: Layout, size: float) -> FloatArray:
    theta = np.zeros(layout.n_theta)
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        L = size * np.eye(c)
        theta[slot.theta] = L[lower_places(c)]
    return theta


def _look(
    theta: FloatArray, at: Evaluation, moments: Moments, *, reml: bool
) -> tuple[Products, Derivatives, FloatArray, FloatArray]:
    """Products, derivatives, gradient and Hessian in theta, sigma profiled out."""
    products = multiply(at, moments)
    now = differentiate(products, at, reml=reml)
    n = moments.n - moments.p if reml else moments.n
    profiled = now.observed - np.outer(now.pull, now.pull) / n
    J = delta_jacobian(theta, moments.layout)
    hessian = J.T @ profiled @ J + bend(now.gradient, moments.layout)
    return products, now, J.T @ now.gradient, (hessian + hessian.T) / 2.0


def _descend(
    theta: FloatArray, free: BoolArray, moments: Moments, *, reml: bool
) -> Optimum | None:
    """Newton steps, each halved until the deviance falls."""
    at = evaluate(theta, moments, reml=reml)
    if at is None:
        return None
    iterations, last = 0, np.inf
    while True:
        products, _, gradient, hessian = _look(theta, at, moments, reml=reml)
        step, decrement = _step(gradient, hessian, free)
        done = decrement <= DECREMENT_GOAL or iterations >= MAX_ITERATIONS
        # Among the last digits the decrement falls no further.
        done = done or last <= decrement <= DECREMENT_LIMIT
        last = decrement
        moved = None if done else _search(theta, step, gradient, at, moments, reml=reml)
        if moved is None:
            return Optimum(
                theta, at, products, gradient, hessian, decrement, iterations
            )
        theta, at = moved
        iterations += 1


def _step(
    gradient: FloatArray, hessian: FloatArray, free: BoolArray
) -> tuple[FloatArray, float]:
    """Newton step with eigenvalues taken by their size, and the decrement.

    At a saddle the gradient may vanish along a direction of negative curvature; the
    step then goes along it, so that the saddle is left.
    """
    step = np.zeros_like(gradient)
    if not free.any():
        return step, 0.0
    values, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    rotated = vectors.T @ gradient[free]
    size = np.maximum(np.abs(values), SMALLEST_CURVATURE * max(np.abs(values).max(), 1))
    along = rotated / size
    decrement = float(rotated @ along)
    if values[0] < -SMALLEST_CURVATURE * size.max():
        decrement = np.inf
        if np.abs(along[0]) < AT_ZERO:
            along[0] = AT_ZERO if rotated[0] >= 0 else -AT_ZERO
    step[free] = -(vectors @ along)
    return step, decrement


def _search(
    theta: FloatArray,
    step: FloatArray,
    gradient: FloatArray,
    at: Evaluation,
    moments: Moments,
    *,
    reml: bool,
) -> tuple[FloatArray, Evaluation] | None:
    farthest = FARTHEST * max(1.0, float(np.max(np.abs(theta), initial=0.0)))
    longest = float(np.max(np.abs(step), initial=0.0))
    length = min(1.0, farthest / max(longest, 1e-300))
    slope = float(gradient @ step)
    rounding = _rounding(at, moments)
    while length > SHORTEST_STEP:
        there = evaluate(theta + length * step, moments, reml=reml)
        if there is not None:
            bound = at.deviance + ARMIJO * length * slope
            if there.deviance <= bound:
                return theta + length * step, there
            if abs(slope) * length < 0.01 * rounding:
                # Too near for the deviance to tell; a Newton step is the better point.
                close = there.deviance <= at.deviance + rounding
                return (theta + length * step, there) if close else None
        length /= 2.0
    return None


def _rounding(at: Evaluation, moments: Moments) -> float:
    """Error of the deviance: its last digits, and those lost to small residuals."""
    lost = 1e-15 * float(moments.total[-1, -1]) / at.sigma2
    return 1e-12 * abs(at.deviance) + lost


def _better(found: Optimum, best: Optimum, moments: Moments) -> bool:
    """Whether a minimum is lower; if neither is, whether it is the sharper."""
    equal = NO_CHANGE + _rounding(best.at, moments)
    gain = best.at.deviance - found.at.deviance
    sharper = found.decrement <= DECREMENT_LIMIT < best.decrement
    return gain > equal or (sharper and gain > -equal)


def _near_edge(found: Optimum, layout: Layout) -> bool:
    return any(
        np.abs(
            np.diagonal(factor_of(slot, layout.terms[slot.term].c, found.theta))
        ).min()
        < AT_ZERO
        for slot in layout.slots
    )


def _settle(
    found: Optimum, free: BoolArray, moments: Moments, *, reml: bool
) -> Optimum:
    """Put what is zero but for rounding at zero, and give factors their usual signs."""
    layout = moments.layout
    theta = found.theta.copy()
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        L = factor_of(slot, c, theta)
        signs = np.where(np.diagonal(L) < 0.0, -1.0, 1.0)
        theta[slot.theta] = (L * signs)[lower_places(c)]
    at = evaluate(theta, moments, reml=reml)
    assert at is not None
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        for k in range(c):
            place = slot.theta.start + (k * (k + 3)) // 2
            if 0.0 < theta[place] < AT_ZERO:
                trial = theta.copy()
                trial[place] = 0.0
                there = evaluate(trial, moments, reml=reml)
                if there is not None and there.deviance <= at.deviance + NO_CHANGE:
                    theta, at = trial, there
    products, _, gradient, hessian = _look(theta, at, moments, reml=reml)
    _, decrement = _step(gradient, hessian, free)
    return Optimum(theta, at, products, gradient, hessian, decrement, found.iterations)
