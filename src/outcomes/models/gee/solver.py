"""The estimating equations, solved by statsmodels.

statsmodels loops over clusters in Python. Here it is given all records as one cluster,
whose working covariance is block-diagonal: it does the Fisher scoring, and the
correlation within blocks is ours, a block at a time in NumPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from statsmodels.genmod import families
from statsmodels.genmod.cov_struct import CovStruct
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.tools.sm_exceptions import IterationLimitWarning

from outcomes.errors import ModelError
from outcomes.models.gee.clusters import Clusters
from outcomes.models.gee.working import Working, estimate_working
from outcomes.models.options import FloatArray

ITERATIONS: Final = 100
# Of the score in orthonormal columns, for an outcome whose residuals are of order one.
TOLERANCE: Final = 1e-9
# Steps without correlation to start from; they end where a mean comes close to its
# edge, from where statsmodels' own start runs on until it overflows.
START_STEPS: Final = 8
EDGE: Final = 20.0
# Information on a direction that has run off for good, and the largest residual of
# outcomes that are all reproduced.
RUN_OFF: Final = 1e-12
REPRODUCED: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the iterations ended.

    Attributes
    ----------
    gamma : FloatArray, shape (p,)
        Coefficients of the columns given, the last that are numbers.
    converged : bool
        Whether the score is below the tolerance.
    iterations : int
        Steps.
    score : float
        Norm of the score; NaN where coefficients have run off.
    messages : tuple of str
        What statsmodels had to say.
    """

    gamma: FloatArray
    converged: bool
    iterations: int
    score: float
    messages: tuple[str, ...]


class RunOffError(Exception):
    """Coefficients have run off so far that further steps only lose digits."""


class BlockDiagonal(CovStruct):  # type: ignore[misc]
    """The working covariance of all records, a block for each cluster."""

    def __init__(self, clusters: Clusters, structure: str, less: int) -> None:
        super().__init__()
        self.clusters = clusters
        self.structure = structure
        self.less = less
        start = "independence"
        self.working = Working(clusters, start, np.zeros(0), 1.0)
        self.dep_params = self.working.alpha
        self.path: list[FloatArray] = []

    def update(self, params: Any) -> None:
        """Estimate the correlation at the present means.

        Raises
        ------
        RunOffError
            If there is no point in going on.
        """
        mean, eta = self.model.cached_means[0]
        self.path.append(np.array(params, dtype=float))
        if isinstance(self.model.family, families.Binomial | families.Poisson):
            slope = self.model.family.link.inverse_deriv(eta)
            weights = slope**2 / self.model.family.variance(mean)
            X = self.model.exog
            if not np.isfinite(weights).all():
                raise RunOffError
            if not np.linalg.eigvalsh(X.T @ (weights[:, None] * X))[0] > RUN_OFF:
                raise RunOffError
            if np.abs(self.model.endog - mean).max() < REPRODUCED:
                raise RunOffError
        pearson = (self.model.endog - mean) / np.sqrt(self.model.family.variance(mean))
        self.working = estimate_working(
            self.clusters, self.structure, pearson, self.less
        )
        self.dep_params = self.working.alpha

    def covariance_matrix_solve(
        self, expval: Any, index: int, stdev: FloatArray, rhs: Sequence[FloatArray]
    ) -> list[FloatArray]:
        """Solve with the working covariance, dispersion left out."""
        found = []
        for x in rhs:
            root = stdev.reshape(-1, *([1] * (x.ndim - 1)))
            found.append(self.working.solve(x / root) / root)
        return found


def solve_gee(
    y: FloatArray,
    X: FloatArray,
    clusters: Clusters,
    *,
    family: str,
    link: str,
    structure: str,
    less: int,
) -> Solution:
    """Solve the estimating equations.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Outcome, in the order of the blocks.
    X : FloatArray, shape (n, p)
        Orthonormal columns, in the same order.
    clusters : Clusters
        The blocks.
    family, link, structure : str
        The model.
    less : int
        See `estimate_working`.

    Raises
    ------
    ModelError
        If the iterations lead nowhere.
    """
    size = max(1.0, float(np.sqrt(np.mean(np.abs(y)))))
    variance = _family(family, link)
    blocks = BlockDiagonal(clusters, structure, less)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        model = GEE(
            y,
            X,
            groups=np.zeros(len(y), dtype=np.intp),
            family=variance,
            cov_struct=blocks,
        )
        start = _start(y, X, variance)
        try:
            found = model.fit(
                maxiter=ITERATIONS, ctol=TOLERANCE * size, start_params=start
            )
        except RunOffError:
            path = [start, *blocks.path]
            last = [step for step in path if np.isfinite(step).all()][-1]
            return Solution(last, False, len(path) - 1, float("nan"), ())
    if found is None:  # a step could not be solved for, or had no covariance
        path = [start, *blocks.path]
        last = [step for step in path if np.isfinite(step).all()][-1]
        return Solution(last, False, len(path) - 1, float("nan"), ())
    said = [
        " ".join(str(warning.message).split())
        for warning in caught
        if not issubclass(warning.category, IterationLimitWarning)
    ]
    path = [np.asarray(step, dtype=float) for step in found.fit_history["params"]]
    finite = [step for step in path if np.isfinite(step).all()]
    if not finite:
        raise ModelError(
            f"the estimating equations of family='{family}', link='{link}' cannot be"
            " solved: the first step leads to coefficients that are not numbers. Check"
            " the outcome and the covariates for extreme values."
        )
    return Solution(
        gamma=finite[-1],
        converged=bool(found.converged) and len(finite) == len(path),
        iterations=len(path),
        score=float(found.score_norm) / size,
        messages=tuple(f"statsmodels: {text}" for text in dict.fromkeys(said)),
    )


def _start(y: FloatArray, X: FloatArray, family: Any) -> FloatArray:
    """Take steps of iteratively reweighted least squares; shape (p,)."""
    mean = family.starting_mu(y)
    eta = family.predict(mean)
    gamma = np.zeros(X.shape[1])
    for _ in range(START_STEPS):
        weights = family.weights(mean)
        target = eta + family.link.deriv(mean) * (y - mean)
        information = X.T @ (weights[:, None] * X)
        step = np.linalg.lstsq(information, X.T @ (weights * target), rcond=None)[0]
        eta = X @ step
        mean = family.fitted(eta)
        if not np.isfinite(step).all():
            break
        gamma = step
        if isinstance(family, families.Binomial) and np.abs(eta).max() > EDGE:
            break
    return np.asarray(gamma, dtype=float)


def _family(family: str, link: str) -> Any:
    known = {
        "logit": families.links.Logit,
        "probit": families.links.Probit,
        "identity": families.links.Identity,
        "log": families.links.Log,
    }
    kind = {
        "binomial": families.Binomial,
        "gaussian": families.Gaussian,
        "poisson": families.Poisson,
    }[family]
    return kind(known[link]())
