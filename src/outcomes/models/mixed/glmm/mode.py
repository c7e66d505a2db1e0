"""The most likely random effects at given parameters, by Newton's method."""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.families import Family
from outcomes.models.mixed.glmm.operator import Effects, Operator
from outcomes.models.options import BoolArray, FloatArray

# Newton's method squares what is left, so the step after this one would be 1e-14.
LAST_STEP = 1e-7
MOST_STEPS = 60
MOST_HALVINGS = 40
# Share of the objective that is rounding.
ROUNDING = 1e-12


def find_mode(
    op: Operator, family: Family, known: FloatArray, psi: FloatArray, start: Effects
) -> tuple[Effects, FloatArray] | None:
    """Maximise ``log f(y | u) - u'u / 2`` over u.

    Without effects over groups each group has steps of its own length.

    Parameters
    ----------
    op : Operator
        Random effects.
    family : Family
        Log density, concave in the linear predictor.
    known : FloatArray, shape (n,)
        Linear predictor without random effects.
    psi : FloatArray, shape (r,)
        Further parameters.
    start : Effects
        Where to start.

    Returns
    -------
    tuple, optional
        The mode and the linear predictor there, or nothing where the search fails.
    """
    u = start
    eta = known + op.forward(u)
    terms = family.kernel(eta, psi, 2)
    value = _value(op, terms[0], u)
    for _ in range(MOST_STEPS):
        slope = op.back(terms[1])
        slope = slope[0] - u[0], slope[1] - u[1]
        try:
            step = op.factor(-terms[2]).solve(slope)
        except np.linalg.LinAlgError:
            return None
        size = max((float(np.max(np.abs(s), initial=0.0)) for s in step), default=0.0)
        if not np.isfinite(size):
            return None
        if size < LAST_STEP:
            u = u[0] + step[0], u[1] + step[1]
            return u, known + op.forward(u)
        length = np.ones_like(value)
        for _ in range(MOST_HALVINGS):
            trial = _move(op, u, step, length)
            eta = known + op.forward(trial)
            terms = family.kernel(eta, psi, 2)
            there = _value(op, terms[0], trial)
            worse = _fell(there, value)
            if not worse.any():
                break
            length = np.where(worse, length / 2.0, length)
        else:
            return None
        u, value = trial, there
    return None


def _value(op: Operator, log_density: FloatArray, u: Effects) -> FloatArray:
    """Objective of each group, or of all where effects reach over them."""
    if op.s.q:
        total = log_density.sum() - 0.5 * ((u[0] ** 2).sum() + u[1] @ u[1])
        return np.array([total])
    value = op.s.by_group(log_density) - 0.5 * (u[0] ** 2).sum(axis=0)
    return np.asarray(value)


def _fell(there: FloatArray, value: FloatArray) -> BoolArray:
    least = value - ROUNDING * (1.0 + np.abs(value))
    return np.asarray(~(there >= least))


def _move(op: Operator, u: Effects, step: Effects, length: FloatArray) -> Effects:
    if op.s.q:
        return u[0] + length[0] * step[0], u[1] + length[0] * step[1]
    return u[0] + length * step[0], u[1]
