"""Random effects given the outcome: modes and conditional variances."""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.operator import Operator
from outcomes.models.mixed.glmm.results import GlmmFit, Modes
from outcomes.models.mixed.glmm.structure import InnerTerm, OuterTerm, lower
from outcomes.models.options import FloatArray


def conditional_modes(fit: GlmmFit) -> tuple[Modes, ...]:
    """Find the most likely effects of every level and how certain they are.

    Parameters
    ----------
    fit : GlmmFit
        Any fit.

    Returns
    -------
    tuple of Modes
        One for each of ``fit.terms_random``, levels in their order. Standard errors
        are roots of the diagonal of ``Lambda M^-1 Lambda'`` (16), with the parameters
        taken as known, as lme4's ``condVar``.
    """
    problem = fit.prepared.problem
    s = problem.structure
    theta, beta, psi = problem.split(fit.optimum.phi)
    op = Operator(s, theta)
    u = fit.optimum.state.at.modes
    eta = problem.offset + problem.X @ beta + op.forward(u)
    factor = op.factor(-problem.family.kernel(eta, psi, 2)[2])
    own, rest = factor.inverse, np.zeros((0, 0))
    if s.q:
        rest = factor.rest_inverse()
        own = factor.group_covariance(rest)[0]
    found = []
    first = 0
    for k, term in enumerate(s.terms):
        L = lower(theta[term.theta], term.c)
        q = fit.terms_random[k].q
        if isinstance(term, InnerTerm):
            place = np.ix_(range(s.C)[term.rows], range(s.C)[term.rows])
            raw, block = u[0][term.rows], own[place]
            raw, block = raw[:, fit.prepared.kind], block[:, :, fit.prepared.kind]
        else:
            raw, block = _over_groups(term, u[1], rest, first, q)
            first += q * term.c
        estimate = (L @ raw) / fit.prepared.scales[k][:, None]
        variance = np.einsum("ia,abq,ib->iq", L, block, L)
        std_error = np.sqrt(variance) / fit.prepared.scales[k][:, None]
        found.append(Modes(estimate.T.copy(), std_error.T.copy()))
    return tuple(found)


def _over_groups(
    term: OuterTerm, u: FloatArray, rest: FloatArray, first: int, q: int
) -> tuple[FloatArray, FloatArray]:
    """Effects of the levels of one term and their covariance; (c, q), (c, c, q)."""
    places = first + np.arange(q * term.c).reshape(q, term.c)
    block = rest[places[:, :, None], places[:, None, :]]
    return u[places].T, np.moveaxis(block, 0, -1)
