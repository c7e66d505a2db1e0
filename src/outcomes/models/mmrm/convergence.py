"""What there is to tell of how an optimisation went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from outcomes.models.convergence import Convergence, LadderStep, data_messages
from outcomes.models.design import Design
from outcomes.models.mmrm.optimise import Optimum
from outcomes.models.options import FloatArray

# Of the eigenvalues of the covariance of the coefficients in orthonormal columns. The
# relative error of degrees of freedom grows with its square: 1e-8 at 1e7, 1e-4 at 1e9.
MOST_SPREAD = 1e8


def tell_convergence(
    optimum: Optimum,
    steps: tuple[LadderStep, ...],
    design: Design,
    aliased: Any,
    further: Sequence[str],
) -> Convergence:
    """Put together how the optimisation went and what else is worth reading."""
    messages = [f"{step.covariance}: {step.message}" for step in steps if step.message]
    messages += data_messages(design, aliased, further)
    return Convergence(
        status="not-converged" if optimum.message else "converged",
        optimiser="newton, fisher scoring" if optimum.scored else "newton",
        iterations=optimum.iterations,
        gradient_norm=optimum.gradient_norm,
        min_eigenvalue=optimum.min_eigenvalue,
        ladder=steps,
        messages=tuple(messages),
    )


def lost_digits(Phi: FloatArray, used: FloatArray) -> Iterator[str]:
    """Say what weakens the standard errors of a fit that converged."""
    values = np.linalg.eigvalsh(Phi)
    if values[-1] > MOST_SPREAD * values[0]:
        yield (
            "the information about the coefficients differs by a factor of"
            f" {values[-1] / values[0]:.0e}, so standard errors and degrees of freedom"
            " have lost digits: are visits or weights in different units?"
        )
    if np.any(np.diagonal(used) < 0):
        yield (
            "the adjusted covariance of the coefficients has negative variances, whose"
            " standard errors are missing: too few subjects for this vcov"
        )
