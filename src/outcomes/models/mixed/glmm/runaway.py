"""Estimates that are not finite, or not to be relied upon, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from outcomes.models.design import Design
from outcomes.models.mixed.glmm.maximise import Optimum
from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.operator import Operator
from outcomes.models.mixed.glmm.prepare import Prepared
from outcomes.models.options import FloatArray

# Size of the linear predictor without random effects at which separation is looked for.
SUSPICIOUS = 8.0
# What no estimate that exists comes to: odds of one in a million millions.
IMPOSSIBLE = 28.0
# Standard deviation of the effects of the records, on the link scale, from which on
# Laplace's approximation of a binary or ordered outcome is far off.
WIDE = 6.0
# Change of the log likelihood with twice as many quadrature points.
WORTH_TELLING = 0.01


def tell_runaway(
    optimum: Optimum,
    prepared: Prepared,
    design: Design,
    values: FloatArray,
    family: str,
) -> str:
    """Name the terms whose coefficients have no finite estimate.

    Separation is a matter of the fixed effects and the outcome alone: a combination of
    columns that tells successes from failures raises the likelihood without end
    whatever the random effects are.

    Parameters
    ----------
    optimum : Optimum
        Where the search stopped.
    prepared : Prepared
        Its problem.
    design : Design
        Model matrix.
    values : FloatArray, shape (n, 1 or 2)
        Outcome and, of a binomial one, trials.
    family : str
        Name of the family.

    Returns
    -------
    str
        Empty where all is well.
    """
    problem = prepared.problem
    beta = problem.split(optimum.phi)[1]
    eta = problem.X @ beta
    if family == "cumulative":  # thresholds stand for the origin
        eta = eta - eta.min()
    size = float(np.max(np.abs(eta), initial=0.0))
    widest = max(_spreads(optimum, prepared))
    if max(size, widest) < SUSPICIOUS and not optimum.message:
        return ""
    if family == "binomial":
        from outcomes.models.logistic.cells import describe_separation
        from outcomes.models.logistic.separation import find_separation

        y, trials = values.T
        found = find_separation(design.X, y, trials, design.columns)
        if found:
            return (
                f"{describe_separation(found, design)}. Take the terms out or join"
                " levels; fit_logistic(penalty='firth') estimates them without random"
                " effects"
            )
    if family == "cumulative":
        names = _ordered_separation(design, prepared)
        if names:
            return (
                "separation: some combination of columns puts records above or below"
                f" all they are compared with. The coefficients of {', '.join(names)}"
                " have no finite maximum likelihood estimate. Take the terms out or"
                " join levels"
            )
    if size > IMPOSSIBLE:
        return (
            f"the linear predictor reaches {size:.0f} without random effects: some"
            " cells have one outcome only, and coefficients run off"
        )
    if widest > IMPOSSIBLE and family in ("binomial", "cumulative"):
        return (
            f"random effects have a standard deviation of {widest:.0f} on the link"
            " scale: outcomes hardly vary within levels, and the variance between them"
            " runs off"
        )
    return ""


def _ordered_separation(design: Design, prepared: Prepared) -> tuple[str, ...]:
    """Columns of a cumulative model whose coefficients run off.

    A record of category k says that threshold k is above its linear predictor and
    threshold k - 1 is not: two binary records, with an indicator for each threshold.
    Directions that contradict none of them are those of Albert and Anderson (1984).
    """
    from outcomes.models.logistic.separation import find_separation

    y = design.y.astype(np.intp)
    kept = np.flatnonzero(~prepared.aliased)
    X = design.X[:, kept]
    steps = int(y.max())
    above, below = np.flatnonzero(y < steps), np.flatnonzero(y > 0)
    places = np.concatenate([y[above], y[below] - 1])
    stacked = np.hstack([-np.eye(steps)[places], X[np.concatenate([above, below])]])
    higher = np.append(np.zeros(len(above)), np.ones(len(below)))
    names = (*map(str, range(steps)), *(design.columns[j] for j in kept))
    found = find_separation(stacked, higher, np.ones(len(higher)), names)
    return tuple(name for name in found.columns if name in names[steps:])


def _spreads(optimum: Optimum, prepared: Prepared) -> list[float]:
    """Root mean square over records of the effects of each term, on the link scale."""
    problem = prepared.problem
    s = problem.structure
    op = Operator(s, problem.split(optimum.phi)[0])
    parts = [op.A[term.rows] for term in s.inner]
    parts += [op.B[term.rows] for term in s.outer]
    return [float(np.sqrt((part**2).sum(axis=0).mean())) for part in parts]


def doubt_integral(optimum: Optimum, prepared: Prepared, family: str) -> list[str]:
    """Say where the approximation of the integral is not to be relied upon.

    Parameters
    ----------
    optimum : Optimum
        Where the search stopped.
    prepared : Prepared
        Its problem.
    family : str
        Name of the family.

    Returns
    -------
    list of str
        Random effects too wide for Laplace's approximation of a binary or ordered
        outcome; too few points of the quadrature. Empty where all is well.
    """
    points = prepared.problem.n_quad
    if points > 1:
        finer = replace(prepared.problem, n_quad=2 * points + 1)
        at = evaluate(optimum.phi, finer, optimum.state.at.modes)
        if at is None:
            return []
        change = (optimum.state.at.deviance - at.deviance) / 2.0
        if abs(change) < WORTH_TELLING:
            return []
        return [
            f"{points} quadrature points are few for random effects this wide: with"
            f" {2 * points + 1} the log likelihood changes by {change:.2g}; give a"
            " larger n_quad"
        ]
    if family not in ("binomial", "cumulative"):
        return []
    return [
        f"random effects have a standard deviation of {spread:.1f} on the link scale,"
        " where Laplace's approximation is far off: are there enough records of each"
        " level for these effects?"
        for spread in _spreads(optimum, prepared)
        if spread > WIDE
    ]
