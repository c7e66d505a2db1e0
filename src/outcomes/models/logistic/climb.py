"""Maximising the likelihood, with Firth's penalty or without, by Newton's method.

Works in columns that are orthonormal, so neither the unit nor the origin of a covariate
matters. Equation numbers are those of ``docs/methods/logistic.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.logistic.links import contribute
from outcomes.models.options import BinaryLink, FloatArray

MAX_ITERATIONS = 200
MAX_HALVINGS = 30
# Share of the gain of one scoring step that the next may promise before the curvature
# of the penalty is taken into account; in a large trial it never is.
SLOW = 0.01
# Least curvature, as a share of that of scoring, a step is made for.
FLATTEST = 1e-3
# Products held at once for that curvature: bounds the memory of a large trial.
CHUNK = 4_000_000
# Largest move of a linear predictor, by its size, at which the next would be rounding.
SETTLED = 1e-10
# Half the squared Newton decrement, the log likelihood still to be gained, at which the
# estimates are right to 1e-9 of their standard errors. Where the likelihood is nearly
# flat the moves are rounding before they are small.
NOTHING_LEFT = 1e-18
# The same where predictors run off without end.
ENOUGH = 1e-10
# Gradient, in orthonormal columns, that is rounding.
FLAT = 1e-12
# Loss of log likelihood, per unit of it, that is rounding.
ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class Task:
    """A likelihood to maximise.

    Attributes
    ----------
    Q : FloatArray, shape (n, p)
        Orthonormal columns.
    successes, trials : FloatArray, shape (n,)
        Outcome.
    link : str
        ``"logit"`` or ``"probit"``.
    firth : bool
        Whether Jeffreys' penalty is added.
    endless : bool
        Whether the data are separated, so that the likelihood has no maximum and the
        climb ends where nothing is left to gain.
    """

    Q: FloatArray
    successes: FloatArray
    trials: FloatArray
    link: BinaryLink = "logit"
    firth: bool = False
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """The objective and its derivatives at coefficients.

    Attributes
    ----------
    gamma : FloatArray, shape (p,)
        Coefficients of the orthonormal columns.
    eta : FloatArray, shape (n,)
        Linear predictor.
    loglik : float
        Log likelihood without penalty and binomial coefficients.
    value : float
        The objective: with the penalty where there is one.
    gradient : FloatArray, shape (p,)
        Of the objective.
    information : FloatArray, shape (p, p)
        Expected information, without the penalty's part.
    """

    gamma: FloatArray
    eta: FloatArray
    loglik: float
    value: float
    gradient: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True)
class Peak:
    """Where a climb ended.

    Attributes
    ----------
    at : Point
        The last point.
    iterations : int
        Steps.
    settled : bool
        Whether it ended because nothing moves any more.
    """

    at: Point
    iterations: int
    settled: bool


def evaluate(task: Task, gamma: FloatArray) -> Point:
    """Evaluate the objective and its derivatives, (1) to (4a)."""
    Q = task.Q
    eta = Q @ gamma
    part = contribute(task.link, eta, task.successes, task.trials)
    information = Q.T @ (Q * part.weight[:, None])
    value, score = part.loglik, part.score
    if task.firth:
        sign, log_determinant = np.linalg.slogdet(information)
        if not (sign > 0 and np.isfinite(log_determinant)):
            return Point(gamma, eta, part.loglik, -np.inf, gamma * np.nan, information)
        value += 0.5 * float(log_determinant)
        hat = part.weight * np.sum((Q @ np.linalg.inv(information)) * Q, axis=1)
        score = score - 0.5 * hat * np.tanh(0.5 * eta)  # 1/2 - p is -tanh(eta/2)/2
    return Point(gamma, eta, part.loglik, value, Q.T @ score, information)


def climb(task: Task, start: FloatArray, fixed: int = 0) -> Peak:
    """Maximise over the coefficients, the last ``fixed`` of them held.

    Parameters
    ----------
    task : Task
        The likelihood.
    start : FloatArray, shape (p,)
        Where to start.
    fixed : int
        Number of coefficients, at the end, to hold.

    Returns
    -------
    Peak
        Settled or not.
    """
    at = evaluate(task, start)
    free = len(start) - fixed
    if free == 0:
        return Peak(at, 0, bool(np.isfinite(at.value)))
    before, slow = np.inf, False
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = _step(task, at, free, slow)
        if step is None:
            return Peak(at, iteration - 1, _is_flat(at, free))
        moves = np.abs(task.Q[:, :free] @ step)
        move = float(np.max(moves / (1.0 + np.abs(at.eta))))
        if not np.isfinite(move):
            return Peak(at, iteration - 1, _is_flat(at, free))
        gain = 0.5 * float(at.gradient[:free] @ step)
        enough = ENOUGH if task.endless else NOTHING_LEFT
        done = move < SETTLED or abs(gain) < enough
        slow = slow or (task.firth and gain > SLOW * before)
        before = gain
        found = _ascend(task, at, step)
        if found is None:  # no better point: that of rounding if there was little left
            return Peak(at, iteration, gain <= _slack(at) or _is_flat(at, free))
        at = found
        if done:
            return Peak(at, iteration, True)
    return Peak(at, MAX_ITERATIONS, False)


def _step(task: Task, at: Point, free: int, curved: bool) -> FloatArray | None:
    """Solve for a step: of scoring, or of Newton's method made to lead up."""
    scoring, gradient = at.information[:free, :free], at.gradient[:free]
    try:
        if not curved:
            return np.asarray(np.linalg.solve(scoring, gradient))
        half = np.linalg.cholesky(scoring)
    except np.linalg.LinAlgError:
        return None
    # Where the objective is not concave, curvature counts by its size.
    bend = np.linalg.solve(half, penalty_curvature(task, at)[:free, :free])
    bend = np.linalg.solve(half, bend.T)
    values, vectors = np.linalg.eigh(np.eye(free) - (bend + bend.T) / 2.0)
    values = np.maximum(np.abs(values), FLATTEST)
    along = vectors.T @ np.linalg.solve(half, gradient)
    return np.asarray(np.linalg.solve(half.T, vectors @ (along / values)))


def penalty_curvature(task: Task, at: Point) -> FloatArray:
    """Second derivatives of the penalty for the logit, (4b); shape (p, p)."""
    Q = task.Q
    n, p = Q.shape
    weight = contribute(task.link, at.eta, task.successes, task.trials).weight
    white = (Q * np.sqrt(weight)[:, None]) @ np.linalg.cholesky(
        np.linalg.inv(at.information)
    )
    hat = np.sum(white**2, axis=1)
    tilt = -np.tanh(0.5 * at.eta)  # 1 - 2p
    upper = np.triu_indices(p)
    twice = np.where(upper[0] == upper[1], 1.0, 2.0)
    products = np.zeros((len(twice), p))
    step = max(1, CHUNK // len(twice))
    for first in range(0, n, step):
        part = slice(first, first + step)
        pairs = white[part][:, upper[0]] * white[part][:, upper[1]]
        products += pairs.T @ (Q[part] * tilt[part, None])
    bend = hat * (1.5 * tilt**2 - 0.5)  # 1 - 6p(1 - p)
    return np.asarray(
        0.5 * (Q.T @ (Q * bend[:, None]) - products.T @ (products * twice[:, None]))
    )


def _ascend(task: Task, at: Point, step: FloatArray) -> Point | None:
    """Halve a step until it does not lead down."""
    for _ in range(MAX_HALVINGS):
        gamma = at.gamma.copy()
        gamma[: len(step)] += step
        new = evaluate(task, gamma)
        if new.value >= at.value - _slack(at):
            return new
        step = step / 2.0
    return None


def _slack(at: Point) -> float:
    return float(ROUNDING * (1.0 + len(at.eta) ** 0.5 + abs(at.value)))


def _is_flat(at: Point, free: int) -> bool:
    """Tell whether the gradient is rounding, where the curvature may be so too."""
    return bool(np.all(np.abs(at.gradient[:free]) <= FLAT))
