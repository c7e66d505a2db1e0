"""The objective, whichever approximation it is."""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.laplace import evaluate_laplace
from outcomes.models.mixed.glmm.operator import Effects
from outcomes.models.mixed.glmm.problem import Evaluation, Problem
from outcomes.models.mixed.glmm.quadrature import evaluate_quadrature
from outcomes.models.options import FloatArray


def evaluate(phi: FloatArray, problem: Problem, start: Effects) -> Evaluation | None:
    """Evaluate deviance and gradient; nothing where they do not exist.

    Parameters
    ----------
    phi : FloatArray, shape (k,)
        theta, beta, psi.
    problem : Problem
        Data.
    start : Effects
        Where to look for the modes, from an evaluation nearby.
    """
    if not np.all(np.isfinite(phi)):
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if problem.n_quad > 1:
            return evaluate_quadrature(phi, problem, start)
        return evaluate_laplace(phi, problem, start)
