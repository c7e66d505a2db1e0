"""The marginal likelihood to be maximised, and what evaluating it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.glmm.families import Family
from outcomes.models.mixed.glmm.operator import Effects
from outcomes.models.mixed.glmm.structure import Structure
from outcomes.models.options import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Deviance of a generalised linear mixed model in phi = (theta, beta, psi).

    Attributes
    ----------
    family : Family
        Log density of the records.
    X : FloatArray, shape (n, p)
        Model matrix, its columns orthonormal times the root of the number of records.
    offset : FloatArray, shape (n,)
        Part of the linear predictor that is known.
    structure : Structure
        Random effects.
    times : FloatArray, shape (n,)
        Records of the data each of these stands for.
    n_quad : int
        Points of the quadrature; 1 is Laplace's approximation.
    """

    family: Family
    X: FloatArray
    offset: FloatArray
    structure: Structure
    times: FloatArray
    n_quad: int

    @property
    def p(self) -> int:
        """Coefficients."""
        return int(self.X.shape[1])

    @property
    def n_parameters(self) -> int:
        """Length of phi."""
        return self.structure.n_theta + self.p + self.family.n_extra

    def split(self, phi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return theta, beta and psi."""
        m = self.structure.n_theta
        return phi[:m], phi[m : m + self.p], phi[m + self.p :]

    def rest(self) -> Effects:
        """Random effects at zero, to start from."""
        s = self.structure
        return np.zeros((s.C, s.G)), np.zeros(s.q)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The objective at one phi.

    Attributes
    ----------
    deviance : float
        Minus twice the log likelihood.
    gradient : FloatArray, shape (k,)
        Its derivatives in phi.
    modes : Effects
        Most likely u, to start the next search from.
    """

    deviance: float
    gradient: FloatArray
    modes: Effects
