"""Limits of a quantity where its profile deviance has risen by a given amount.

The deviance is minimised over everything else with the quantity held, by Newton steps
on the conditions of Lagrange; the limit is found by a bracketing search along values,
each minimum starting from the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from outcomes.models.options import FloatArray, IntArray

# Relative step of differences of a quantity, a smooth function of few parameters.
STEP = 1e-5
MAX_ITERATIONS = 60
# Steps after which the Hessian is computed anew.
PATIENCE = 6
# Of the Lagrangian's gradient, in units of the deviance for one scaled parameter.
GRADIENT_GOAL = 1e-7
VALUE_GOAL = 1e-10
# Curvature, as a share of the largest, from which a point is a saddle.
DESCENT = 1e-6
# Of a limit, on the scale of the quantity.
LIMIT_GOAL = 1e-9
# Minima from which one more is sought, and how often a step to it is halved.
STARTS, SHORTER = 2, 7
# How far from the estimate a limit is sought, on the (logarithmic) scale of it.
FARTHEST = 12.0

Quantity = Callable[[FloatArray], float]


class Deviance(Protocol):
    """What is minimised."""

    def __call__(
        self, phi: FloatArray, *, fresh: bool = False
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """Value, gradient and Hessian, None where there are none.

        The Hessian may be that of parameters nearby unless a fresh one is asked for.
        """


@dataclass(frozen=True, slots=True)
class Constrained:
    """The minimum with a quantity held.

    Attributes
    ----------
    phi : FloatArray, shape (k,)
        Parameters.
    deviance : float
        Its value there.
    """

    phi: FloatArray
    deviance: float


def slope_and_bend(
    h: Quantity, phi: FloatArray, places: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Differentiate a quantity of the parameters at some places, once and twice."""
    k = len(phi)
    size = STEP * np.maximum(np.abs(phi), 1e-2)
    gradient, hessian = np.zeros(k), np.zeros((k, k))
    wide = size * 30.0  # second differences need a longer step
    middle = h(phi)
    for i in places:
        e = np.zeros(k)
        e[i] = 1.0
        gradient[i] = (h(phi + size[i] * e) - h(phi - size[i] * e)) / (2 * size[i])
        up, down = h(phi + wide[i] * e), h(phi - wide[i] * e)
        hessian[i, i] = (up - 2.0 * middle + down) / wide[i] ** 2
        for j in places[places < i]:
            f = np.zeros(k)
            f[j] = 1.0
            a, b = wide[i] * e, wide[j] * f
            cross = h(phi + a + b) - h(phi + a - b) - h(phi - a + b) + h(phi - a - b)
            hessian[i, j] = hessian[j, i] = cross / (4.0 * wide[i] * wide[j])
    return gradient, hessian


def hold(
    deviance: Deviance,
    h: Quantity,
    value: float,
    start: FloatArray,
    places: IntArray,
) -> Constrained | None:
    """Minimise the deviance with ``h(phi) = value``; None where that fails."""
    phi = start.copy()
    for iteration in range(MAX_ITERATIONS):
        if iteration % PATIENCE == 0:
            here = deviance(phi, fresh=True)
        if here is None:
            return None
        D, g, H = here
        a, bend = slope_and_bend(h, phi, places)
        gap = h(phi) - value
        weight = -float(a @ g) / float(a @ a)
        lagrange = g + weight * a
        if np.max(np.abs(lagrange)) < GRADIENT_GOAL and abs(gap) < VALUE_GOAL:
            away = _downhill(deviance, h, phi, weight, (a, bend))
            if away is None:
                return Constrained(phi, D)
            phi, here = away
            continue
        step = _lagrange_step(H + weight * bend, a, lagrange, gap)
        penalty = 10.0 * (abs(weight) + 1.0)
        merit = D + penalty * abs(gap)
        length = 1.0
        while length > 1e-6:
            trial = phi + length * step
            there = deviance(trial)
            if there is not None:
                now = there[0] + penalty * abs(h(trial) - value)
                if np.isfinite(now) and now <= merit + 1e-10 * (1.0 + abs(D)):
                    break
            length /= 2.0
        else:
            close = np.max(np.abs(lagrange)) < 1e2 * GRADIENT_GOAL
            return Constrained(phi, D) if close and abs(gap) < 1e-8 else None
        phi, here = trial, there
    return None


def _downhill(
    deviance: Deviance,
    h: Quantity,
    phi: FloatArray,
    weight: float,
    shape: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, tuple[float, FloatArray, FloatArray]] | None:
    """Leave a saddle, where a component at zero would rather not be; None at a minimum.

    The deviance is even in the factors, so its slope vanishes at zero either way. A
    step along the curvature moves the quantity too, to second order, so the Lagrangian
    is what must fall.
    """
    here = deviance(phi, fresh=True)
    if here is None:
        return None
    a, bend = shape
    basis = np.linalg.svd((a / np.linalg.norm(a))[None, :])[2][1:]
    inner = basis @ (here[2] + weight * bend) @ basis.T
    values, vectors = np.linalg.eigh((inner + inner.T) / 2.0)
    if not len(values) or values[0] > -DESCENT * max(1.0, float(values[-1])):
        return None
    along = basis.T @ vectors[:, 0]
    origin = h(phi)
    for length in (0.3, -0.3, 0.05, -0.05, 0.01, -0.01):
        trial = phi + length * along
        there = deviance(trial, fresh=True)
        if there is None:
            continue
        if there[0] + weight * (h(trial) - origin) < here[0]:
            return trial, there
    return None


def _lagrange_step(
    H: FloatArray, a: FloatArray, gradient: FloatArray, gap: float
) -> FloatArray:
    """Newton step within the tangent of the constraint, plus the one back to it."""
    normal = a / np.linalg.norm(a)
    back = -gap * a / float(a @ a)
    basis = np.linalg.svd(normal[None, :])[2][1:]
    if not len(basis):
        return back
    inner = basis @ H @ basis.T
    values, vectors = np.linalg.eigh((inner + inner.T) / 2.0)
    size = np.maximum(np.abs(values), 1e-8 * max(float(np.abs(values).max()), 1e-8))
    slope = basis @ (gradient + H @ back)
    return np.asarray(back - basis.T @ (vectors @ ((vectors.T @ slope) / size)))


def limit(
    deviance: Deviance,
    h: Quantity,
    *,
    start: FloatArray,
    places: IntArray,
    best: float,
    rise: float,
    width: float,
    side: int,
    scaled: Callable[[FloatArray, float], FloatArray] | None = None,
    ceiling: float = np.nan,
    farthest: float = FARTHEST,
) -> float:
    """Find where the profile deviance of a quantity has risen by ``rise``.

    Parameters
    ----------
    deviance : callable
        To be minimised.
    h : callable
        The quantity, on a scale without ends.
    start : FloatArray, shape (k,)
        Where the deviance is least, or, where the quantity has no value there, nearby.
    places : IntArray
        Parameters the quantity depends on.
    best : float
        Its least value.
    rise : float
        By how much it has risen at the limit.
    width : float
        A first guess of the distance of the limit.
    side : int
        -1 for the lower, 1 for the upper limit.
    scaled : callable, optional
        Parameters near given ones at which the quantity has a given value.
    ceiling : float
        Deviance where the quantity has no meaning any more (a correlation with a
        variance at zero), which stands for a minimum that is not found.
    farthest : float
        How far from the estimate the limit is sought.

    Returns
    -------
    float
        The limit; ``side * inf`` where the deviance does not rise that far, NaN where
        the minimum with the quantity held is not found.
    """
    from scipy.optimize import brentq

    origin = h(start)
    points = {origin: start}
    known: dict[float, float] = {}
    here = deviance(start)
    if here is not None and here[0] <= best:
        known[origin] = -float(np.sqrt(rise))

    def excess(value: float) -> float:
        if value in known:
            return known[value]
        found = None
        for place in sorted(points, key=lambda at: abs(at - value))[:STARTS]:
            guess = points[place]
            guess = guess if scaled is None else scaled(guess, value)
            found = hold(deviance, h, value, guess, places)
            if found is not None:
                points[value] = found.phi
                break
        if found is None and np.isnan(ceiling):
            raise ArithmeticError
        least = ceiling if found is None else found.deviance
        # The signed root is nearly linear in the quantity, so few steps are needed.
        known[value] = float(np.sqrt(max(least - best, 0.0)) - np.sqrt(rise))
        return known[value]

    def reach(near: float, far: float) -> float:
        """Go from one value to another, or as far as the minimum is found."""
        for _ in range(SHORTER):
            try:
                excess(far)
            except ArithmeticError:
                far = (near + far) / 2.0
            else:
                return far
        raise ArithmeticError

    try:
        near, far, jump = origin, origin + side * width, width
        while excess(near) > 0.0:  # the start was beyond the limit already
            near, far, jump = near - side * jump, near, jump * 1.6
            if abs(near - origin) > farthest:
                return -side * np.inf
        far = reach(near, far)
        while excess(far) < 0.0:
            jump = 1.6 * abs(far - near)
            near, far = far, reach(far, far + side * jump)
            if abs(far - origin) > farthest:
                return side * np.inf
        return float(brentq(excess, near, far, xtol=LIMIT_GOAL, rtol=1e-12))
    except ArithmeticError:
        return np.nan
