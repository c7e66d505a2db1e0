"""Draws of the parameters of an MMRM, for what has to carry their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.mmrm.likelihood import Evaluation, Problem, evaluate
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import FloatArray

# Draws without a valid covariance are drawn again; a fit is refused when more than this
# share of at least so many draws had none.
MOST_INVALID, ENOUGH = 0.9, 100


@dataclass(frozen=True, slots=True)
class ParameterDraws:
    """Draws of the parameters of a fit.

    Attributes
    ----------
    beta : FloatArray, shape (n, p)
        Coefficients.
    theta : FloatArray, shape (n, m)
        Covariance parameters, natural, as in ``fit.theta``.
    sigma : FloatArray, shape (n, G, K, K)
        The covariances they make, as in ``fit.sigma``.
    n_invalid : int
        Draws thrown away, because their covariance was not positive definite.
    """

    beta: FloatArray
    theta: FloatArray
    sigma: FloatArray
    n_invalid: int

    def __repr__(self) -> str:
        n, p = self.beta.shape
        return (
            f"<{n} draws of {p} coefficients and {self.theta.shape[1]} covariance"
            f" parameters; {self.n_invalid} without a covariance drawn again>"
        )


def draw_parameters(
    fit: MmrmFit, rng: np.random.Generator, n: int = 1
) -> ParameterDraws:
    """Draw covariance parameters and coefficients from their sampling distribution.

    The covariance parameters come from the normal approximation in free parameters
    (logarithms of standard deviations, links of correlations), the coefficients from
    their normal distribution at the covariance drawn. The first n draws of a longer
    series are the same.

    Parameters
    ----------
    fit : MmrmFit
        A fit that converged.
    rng : numpy.random.Generator
        Source of randomness.
    n : int
        Number of draws.

    Returns
    -------
    ParameterDraws
        The draws.

    Raises
    ------
    ModelError
        If the fit did not converge, ``n`` is no positive integer, or hardly any draw
        has a valid covariance.

    Notes
    -----
    Equations (P5) and (P6) in ``docs/methods/mmrm-prediction.md``. The model-based
    distribution is drawn from, whatever ``vcov`` the fit has.

    References
    ----------
    Little and Rubin (2019), Statistical Analysis with Missing Data, chapter 10,
    https://doi.org/10.1002/9781119482260.

    Examples
    --------
    >>> draw_parameters(fit, np.random.default_rng(1), 100).beta  # doctest: +SKIP
    """
    _check(fit, rng, n)
    eta, root = _free(fit)
    beta = np.empty((n, len(fit.beta)))
    theta = np.empty((n, len(fit.theta)))
    sigma = np.empty((n, *fit.sigma.shape))
    n_invalid = 0
    for i in range(n):
        at = None
        while at is None:
            theta[i], at = _draw_theta(fit.problem, eta, root, rng)
            n_invalid += at is None
            if n_invalid > MOST_INVALID * max(i + n_invalid, ENOUGH):
                raise ModelError(
                    f"{n_invalid} of {i + n_invalid} draws of the covariance"
                    f" parameters of '{fit.structure}' are not positive definite: the"
                    " estimate is too close to the edge for a normal approximation."
                    " Fit a simpler covariance."
                )
        gamma = at.beta + at.root @ rng.standard_normal(len(at.beta))
        beta[i] = fit.origin + fit.to_columns @ gamma
        sigma[i] = fit.problem.sigma(theta[i])
    return ParameterDraws(beta, theta, sigma, n_invalid)


def _check(fit: MmrmFit, rng: Any, n: Any) -> None:
    if not isinstance(rng, np.random.Generator):
        raise ModelError(
            "rng: a numpy Generator is needed, as numpy.random.default_rng(seed) is."
        )
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ModelError(f"n: {n!r} is not a positive whole number of draws.")
    if not fit.convergence.converged:
        raise ModelError(
            "the fit did not converge, so its parameters have no distribution to draw"
            " from; fit a simpler covariance, or give a list to fall back on."
        )


def _free(fit: MmrmFit) -> tuple[FloatArray, FloatArray]:
    """Free parameters, (m,), and a factor of their covariance, (m, m).

    Free and natural parameters describe the same Sigma, so their first derivatives
    span the same space and the Jacobian between them is read off there. At the maximum
    this covariance is the inverse of the information in the free parameters, exactly.
    """
    problem = fit.problem
    m = len(fit.theta) // len(problem.parts)
    jacobian = np.zeros((len(fit.theta), len(fit.theta)))
    eta = np.empty_like(fit.theta)
    thetas = problem.by_part(fit.theta)
    for g, (own, part) in enumerate(zip(thetas, problem.parts, strict=True)):
        at = slice(g * m, (g + 1) * m)
        eta[at] = problem.structure.to_free(own, part.distance)
        natural = problem.structure.first(own, part.distance).reshape(m, -1).T
        free = problem.structure.in_free(own, part.distance)[0].reshape(m, -1).T
        # Lengths apart by the units of the outcome and of distances say nothing.
        size = np.linalg.norm(free, axis=0)
        jacobian[at, at] = np.linalg.lstsq(free / size, natural)[0] / size[:, None]
    cov = jacobian @ fit.cov_theta @ jacobian.T
    sd = np.sqrt(np.diagonal(cov))
    return eta, np.asarray(sd[:, None] * np.linalg.cholesky(cov / sd[:, None] / sd))


def _draw_theta(
    problem: Problem, eta: FloatArray, root: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, Evaluation | None]:
    """Draw natural parameters, and evaluate the likelihood there if it exists."""
    moved = eta + root @ rng.standard_normal(len(eta))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        theta = np.concatenate(
            [
                problem.structure.from_free(own, part.distance)
                for own, part in zip(problem.by_part(moved), problem.parts, strict=True)
            ]
        )
    return theta, evaluate(theta, problem)
