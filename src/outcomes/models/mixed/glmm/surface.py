"""The deviance of a generalised linear mixed model over all its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.mixed.blups import Predicted, predicted_effects
from outcomes.models.mixed.effects import Term
from outcomes.models.mixed.glmm.objective import evaluate
from outcomes.models.mixed.glmm.optimise import State, descend, hessian
from outcomes.models.mixed.glmm.results import GlmmFit
from outcomes.models.mixed.glmm.start import expected_curvature
from outcomes.models.mixed.glmm.structure import Structure, diagonal_places, lower
from outcomes.models.mixed.layout import semidefinite_root
from outcomes.models.mixed.variance import Parts, Surface, surface
from outcomes.models.options import BoolArray, FloatArray, IntArray

# Variance of the latent variable behind a threshold; a count has none.
LATENT = {"logit": np.pi**2 / 3.0, "probit": 1.0}
SMALLEST = 1e-10
# Newton decrement at which a minimum is one, to more digits than a test shows.
SETTLED = 1e-6
# Standard deviation, on the link scale, that an absent effect is given to start from.
A_LITTLE = 0.3


@dataclass(slots=True)
class GlmmSurface:
    """Parameters are those of the optimiser: theta, beta, psi.

    Attributes
    ----------
    fit : GlmmFit
        The fit.
    start : FloatArray, shape (k,)
        Parameters at the minimum.
    best : float
        Deviance there.
    near : State
        Last state evaluated, where the next search for modes starts.
    curved : State
        Where the curvature was computed last.
    curvature : FloatArray, shape (k, k)
        The Hessian there.
    """

    fit: GlmmFit
    start: FloatArray
    best: float
    near: State
    curved: State
    curvature: FloatArray

    @property
    def places(self) -> IntArray:
        """Elements of the factors."""
        return np.arange(self.fit.prepared.problem.structure.n_theta)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Random effects."""
        return self.fit.terms_random

    def deviance(
        self, phi: FloatArray, *, fresh: bool = False
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """Value, gradient and the Hessian of parameters nearby, or a fresh one."""
        problem = self.fit.prepared.problem
        at = evaluate(phi, problem, self.near.at.modes)
        if at is None:
            return None
        self.near = replace(self.near, phi=phi, at=at)
        if fresh and not np.array_equal(phi, self.curved.phi):
            self._bend(phi)
        return at.deviance, at.gradient, self.curvature

    def _bend(self, phi: FloatArray) -> None:
        """Compute the curvature at new parameters, if it can be had."""
        inverse = _inverse(self.curvature)
        state = replace(self.near, phi=phi, inverse=inverse)
        found = hessian(state, self.fit.prepared.problem)
        if found is not None and np.all(np.isfinite(found)):
            self.curved, self.curvature = state, (found + found.T) / 2.0

    def parts(self, phi: FloatArray) -> Parts:
        """Covariance of each term and the residual variance on the latent scale."""
        prepared = self.fit.prepared
        found = []
        for term, size in zip(
            prepared.problem.structure.terms, prepared.scales, strict=True
        ):
            L = lower(phi[term.theta], term.c) / size[:, None]
            found.append(L @ L.T)
        counts = self.fit.family in ("poisson", "negative-binomial")
        return found, 0.0 if counts else LATENT[self.fit.link]

    def with_covariance(
        self, phi: FloatArray, term: int, covariance: FloatArray
    ) -> FloatArray:
        """Parameters with the covariance of one term set."""
        own = self.fit.prepared.problem.structure.terms[term]
        size = self.fit.prepared.scales[term]
        out = phi.copy()
        root = semidefinite_root(covariance * size[:, None] * size)
        out[own.theta] = root[np.tril_indices(own.c)]
        return out

    def without(self, free: BoolArray) -> float:
        """Least deviance with some elements of the factors at zero.

        Effects that are not there beside all others may be there without some, and
        where they are zero the slope is too: so the search starts again with a little
        of each of them.
        """
        problem = self.fit.prepared.problem
        m = len(free)
        kept = np.append(free, np.ones(len(self.start) - m, dtype=bool))
        phi = self.start.copy()
        phi[:m][~free] = 0.0
        inverse = np.zeros_like(self.curvature)
        inverse[np.ix_(kept, kept)] = _inverse(self.curvature[np.ix_(kept, kept)])
        found = [self._descend(phi, inverse)]
        absent = kept & (phi == 0.0)
        absent[_not_diagonal(problem.structure)] = False
        if absent.any():
            phi[absent] = A_LITTLE
            at = evaluate(phi, problem, problem.rest())
            if at is not None:
                whole = _inverse(expected_curvature(phi, at, problem))
                inverse[np.ix_(kept, kept)] = _inverse(whole[np.ix_(kept, kept)])
                found.append(self._descend(phi, inverse))
        settled = [each for each in found if np.isfinite(each)]
        return min(settled, default=np.nan)

    def _descend(self, phi: FloatArray, inverse: FloatArray) -> float:
        """Least deviance near a start; NaN where none is reached."""
        problem = self.fit.prepared.problem
        at = evaluate(phi, problem, problem.rest())
        if at is None:
            return np.nan
        found = descend(State(phi, at, inverse, 0), problem)
        return found.at.deviance if found.decrement < SETTLED else np.nan


def _not_diagonal(structure: Structure) -> IntArray:
    """Places of all elements of the factors but those of their diagonals."""
    places = np.ones(structure.n_theta, dtype=bool)
    for term in structure.terms:
        places[term.theta.start + diagonal_places(term.c)] = False
    return np.flatnonzero(places)


def _inverse(H: FloatArray) -> FloatArray:
    """Inverse of a Hessian with its eigenvalues taken by their size."""
    size = np.sqrt(np.maximum(np.abs(np.diagonal(H)), SMALLEST))
    values, vectors = np.linalg.eigh(H / size[:, None] / size)
    values = np.maximum(np.abs(values), SMALLEST)
    return np.asarray((vectors / values) @ vectors.T / size[:, None] / size)


@surface.register
def _(fit: GlmmFit) -> Surface:
    state = fit.optimum.state
    k = len(state.phi)
    held = np.diagonal(state.inverse) <= 0.0
    curvature = np.eye(k)
    free = np.flatnonzero(~held)
    curvature[np.ix_(free, free)] = _inverse(state.inverse[np.ix_(free, free)])
    return GlmmSurface(fit, state.phi, state.at.deviance, state, state, curvature)


@predicted_effects.register
def _(fit: GlmmFit, *, estimated: bool) -> Predicted:
    return [(each.estimate, each.std_error) for each in fit.modes()]
