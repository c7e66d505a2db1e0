"""What there is to tell of a fit: its data, its iterations, its standard errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.gee.clusters import Clusters
from outcomes.models.gee.robust import Covariances
from outcomes.models.gee.run_off import name_columns
from outcomes.models.gee.working import SINGULAR, Working
from outcomes.models.options import BoolArray, FloatArray

if TYPE_CHECKING:
    from outcomes.models.gee.solver import Solution

# Subjects below which the plain sandwich is known to be too small.
FEW_SUBJECTS: Final = 40
OFFENDERS_SHOWN: Final = 3


def tell_data(design: Design, aliased: BoolArray, visit: str | None) -> Iterator[str]:
    """Say what was noticed in the data."""
    yield from design.messages
    names = [design.columns[j] for j in np.flatnonzero(aliased)]
    if names:
        yield "columns that repeat earlier ones have no coefficient: " + ", ".join(
            names
        )
    if visit in design.formula.variables:
        levels = design.factors[str(visit)]
        if all(isinstance(level, int | float) for level in levels):
            yield (
                f"{visit} is a factor of {len(levels)} levels, as the column of visits"
                " is; a trend needs a column of its own"
            )


def tell_trouble(
    solution: Solution, smallest: float, working: Working, stray: bool
) -> Iterator[str]:
    """Say why the iterations did not end in an answer.

    Parameters
    ----------
    solution : Solution
        Where they ended.
    smallest : float
        Smallest eigenvalue of the working correlation there.
    working : Working
        That correlation.
    stray : bool
        Whether coefficients run off with this correlation, and not without.
    """
    if stray:
        yield (
            f"the iterations run away with the {working.structure} working correlation,"
            " though no coefficient runs off with independence: it is estimated from"
            " too little; use a simpler structure"
        )
        return
    if not solution.converged and np.isfinite(solution.score):
        yield (
            f"the estimating equations are not solved after {solution.iterations}"
            f" iterations; the norm of the score is {solution.score:.1e}"
        )
    if not smallest > SINGULAR:
        shown = ", ".join(f"{a:.4g}" for a in working.alpha[:OFFENDERS_SHOWN])
        yield (
            f"the {working.structure} working correlation is not positive definite"
            f" (estimated {shown}); use a simpler structure"
        )


def tell_run_off(
    run_off: FloatArray,
    back: FloatArray,
    X: FloatArray,
    design: Design,
    aliased: BoolArray,
) -> Iterator[str]:
    """Name the coefficients that run off to infinity."""
    if run_off.size:
        kept = [design.columns[j] for j in np.flatnonzero(~aliased)]
        names = name_columns(run_off, back, X, kept)
        yield (
            f"complete separation: the coefficients of {', '.join(names)} run off to"
            f" infinity, since {design.formula.outcome} does not vary where they alone"
            " tell records apart; they have no standard error. Take such terms out,"
            " join levels, or use a penalised model"
        )


def tell_few(
    found: Covariances,
    vcov: str,
    clusters: Clusters,
    design: Design,
    subject: str,
    p: int,
) -> Iterator[str]:
    """Say what weakens a sandwich from few subjects.

    Raises
    ------
    ModelError
        If a subject without which a coefficient cannot be estimated is to be adjusted.
    """
    N = clusters.n_clusters
    if found.settling.any():
        whose = design.frame[subject].iloc[clusters.first[found.settling]]
        who = f"{subject} {', '.join(map(str, whose[:OFFENDERS_SHOWN]))}"
        if vcov == "mancl-derouen":
            raise ModelError(
                f"vcov: 'mancl-derouen' divides by what is left of a {subject} when its"
                f" leverage is taken out, which is nothing for {who}: a coefficient"
                " rests on it alone. Use 'kauermann-carroll' or 'robust', or take terms"
                " out of the formula."
            )
        yield (
            f"{int(found.settling.sum())} subjects settle a coefficient alone (first:"
            f" {who}); their residuals are zero, and what they settle has no variance"
            f" in {vcov}"
        )
    if vcov != "model" and p >= N:
        yield (
            f"the sandwich covariance is singular: {N} subjects for {p} coefficients;"
            " some combinations have no variance in it. Take terms out, or use"
            " vcov='model'"
        )
    elif vcov == "robust" and N < FEW_SUBJECTS:
        yield (
            f"the robust standard errors of {N} subjects are too small as a rule; use"
            " vcov='mancl-derouen' or 'kauermann-carroll', and df='clusters'"
        )
