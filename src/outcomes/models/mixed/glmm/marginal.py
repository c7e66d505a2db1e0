"""Mean outcome of a generalised linear mixed model, over its random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.g_computation import (
    mean_outcome,
    parameter_covariance,
    subjects_of,
)
from outcomes.models.links import inverse_link, inverse_link_slope
from outcomes.models.mixed.effects import code_effects
from outcomes.models.mixed.glmm.results import GlmmFit, theta_slices
from outcomes.models.mixed.glmm.structure import lower
from outcomes.models.options import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

# The normal distribution is cut here; beyond lies 2e-19.
FARTHEST = 9.0
# Nodes of the trapezoidal rule are this far apart at most, in standard deviations, and
# this over the standard deviation of the random effects: the error of the rule falls
# as exp(-2 pi d / step), with d = pi / sd the distance of the logit's nearest pole.
STEP, STEP_OF_SD = 0.5, 0.5
# Records times nodes at once.
CHUNK = 2_000_000


@mean_outcome.register(GlmmFit)
def _(
    fit: GlmmFit, X: FloatArray, frame: pd.DataFrame
) -> tuple[FloatArray, FloatArray]:
    if fit.family != "binomial":
        raise ModelError(
            f"standardise: the outcome of a {fit.family} model is not yes/no."
        )
    eta = X @ fit.beta + fit.offset_values
    sd, turn = _spread(fit, frame)
    step = min(STEP, STEP_OF_SD / max(float(sd.max(initial=0.0)), 1e-6))
    z = np.arange(-FARTHEST, FARTHEST + step / 2, step)
    density = np.exp(-0.5 * z**2) * step / np.sqrt(2.0 * np.pi)
    density /= density.sum()
    mean, by_eta, by_sd = (np.empty(len(eta)) for _ in range(3))
    size = max(1, CHUNK // len(z))
    for start in range(0, len(eta), size):
        own = slice(start, start + size)
        points = eta[own, None] + sd[own, None] * z
        slope = inverse_link_slope(fit.link, points)
        mean[own] = inverse_link(fit.link, points) @ density
        by_eta[own] = slope @ density
        by_sd[own] = slope @ (density * z)
    return mean, np.hstack([by_eta[:, None] * X, by_sd[:, None] * turn])


def _spread(fit: GlmmFit, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Give each record the standard deviation of its random part, and its slopes.

    Returns
    -------
    tuple of FloatArray, shapes (n,) and (n, m)
    """
    variance = np.zeros(len(frame))
    turn = np.zeros((len(frame), len(fit.theta)))
    for term, own in zip(fit.terms_random, theta_slices(fit.terms_random), strict=True):
        values = code_effects(term, frame)
        share = _shares(term.member, term.weights)
        L = lower(fit.theta[own], term.c)
        pulled = values @ L
        variance += share * np.sum(pulled**2, axis=1)
        rows, columns = np.tril_indices(term.c)
        turn[:, own] = share[:, None] * values[:, rows] * pulled[:, columns]
    sd = np.sqrt(variance)
    return sd, turn / np.where(sd > 0.0, sd, 1.0)[:, None]


def _shares(member: IntArray, weights: FloatArray) -> FloatArray:
    """Sum of squared shares of the distinct levels a record belongs to; shape (n,)."""
    same = member[:, None, :] == member[None, :, :]
    return np.asarray(np.einsum("kn,ln,kln->n", weights, weights, same))


@parameter_covariance.register
def _(fit: GlmmFit) -> FloatArray:
    known = len(fit.beta) + len(fit.theta)
    return fit.cov_joint[:known, :known]


@subjects_of.register
def _(fit: GlmmFit) -> IntArray:
    single = [term for term in fit.terms_random if term.single]
    if not single:
        return np.arange(len(fit.design.X))
    widest = max(single, key=lambda term: term.q)
    return np.asarray(widest.member[0], dtype=np.intp)
