"""Which covariance structure is fitted, and from where the optimiser starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.convergence import LadderStep
from outcomes.models.design import Design
from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.optimise import Optimum, maximise
from outcomes.models.mmrm.prepare import Prepared, check_structure, pose, prepare
from outcomes.models.mmrm.records import Records

# Subjects with some pair of visits, below which several maxima are looked for.
FEW_PAIRS = 10
STRONG = 0.8


def climb_down(
    ladder: Sequence[str], design: Design, records: Records, *, reml: bool
) -> tuple[tuple[LadderStep, ...], Prepared, Problem, Optimum]:
    """Try the structures in turn; the steps taken, that of the returned fit last."""
    steps: list[LadderStep] = []
    fitted: list[tuple[LadderStep, Prepared, Problem, Optimum]] = []
    prepared: dict[bool, Prepared] = {}
    for name in ladder:
        # With one visit every structure is the same single variance.
        structure = STRUCTURES[name if len(records.visits) > 1 else "us"]
        spatial = structure.spatial
        if spatial not in prepared:
            prepared[spatial] = prepare(design, records, spatial=spatial)
        own = prepared[spatial]
        refused = check_structure(own, structure, records)
        optimum = None
        if not refused:
            problem = pose(own, structure, reml=reml)
            optimum = _solve(own, problem)
            refused = "the likelihood cannot be evaluated"
        if optimum is None:
            steps.append(LadderStep(name, False, refused))
            continue
        step = LadderStep(name, not optimum.message, optimum.message)
        fitted.append((step, own, problem, optimum))
        if step.converged:
            break
        steps.append(step)
    if not fitted:
        raise ModelError(_no_structure(steps))
    step, own, problem, optimum = fitted[-1]
    others = [other for other in steps if other is not step]
    return (*others, step), own, problem, optimum


def _no_structure(steps: Sequence[LadderStep]) -> str:
    reasons = "; ".join(f"{step.covariance}: {step.message}" for step in steps)
    hint = ""
    if [step.covariance for step in steps] == ["us"]:
        hint = " Give covariance as a list with simpler structures to fall back to."
    return f"no covariance structure can be fitted: {reasons}.{hint}"


def _solve(prepared: Prepared, problem: Problem) -> Optimum | None:
    """Maximise from the empirical covariance, and from others if need be.

    From independence where that fails; and where few subjects have some pair of visits,
    so that the likelihood may have several maxima, from strong correlations too.
    """
    K = prepared.S.shape[-1]
    own = np.eye(K)
    shared = prepared.pairs[:, own == 0]
    starts = [prepared.S, prepared.S * own]
    several = shared.size > 0 and shared[shared > 0].min() < FEW_PAIRS
    if several:
        sd = np.sqrt(np.diagonal(prepared.S, axis1=1, axis2=2))
        size = sd[:, :, None] * sd[:, None, :]
        for rho in (STRONG, -STRONG / (K - 1)):
            starts.append(size * (rho + (1.0 - rho) * own))
    best: Optimum | None = None
    for S in starts:
        found = maximise(problem.start(S), problem)
        if found is None:
            continue
        if best is None or _rank(found) < _rank(best):
            best = found
        if not several and not best.message:
            break
    return best


def _rank(optimum: Optimum) -> tuple[bool, float]:
    """Sort key: converged first, then by likelihood; equal maxima keep their order."""
    return bool(optimum.message), round(optimum.evaluation.deviance, 7)
