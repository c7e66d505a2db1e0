"""From the records to the maximum of the partial likelihood, or to its limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from outcomes.models.logistic.cone import null_space
from outcomes.models.options import FloatArray
from outcomes.models.survival.cox_likelihood import (
    Hazards,
    cumulate,
    information,
    scores,
)
from outcomes.models.survival.cox_newton import Peak, climb, least_share
from outcomes.models.survival.cox_risk_sets import (
    RiskSets,
    centre_pieces,
    cut_pieces,
    find_risk_sets,
)
from outcomes.models.survival.records import Records
from outcomes.models.survival.runaway import (
    Runaway,
    find_runaway,
    largest_at_risk,
    split_records,
)

# Largest difference of linear predictors that hazards are computed together with, when
# pieces have to be cut, and how often they may be cut anew.
APART: Final = 200.0
# The same where records enter late: their hazards are taken off sums over risk sets,
# and what they leave behind is rounding of theirs, not of what remains.
APART_LATE: Final = 8.0
MOST_CUTS: Final = 10
# Information on a direction, as a share of that at zero, that is rounding.
NOISE: Final = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where all coefficients are zero.

    Attributes
    ----------
    risk : RiskSets
        Risk sets of n records.
    Q : FloatArray, shape (n, p)
        Orthogonal columns of mean square one.
    at : Hazards
        Sums over risk sets.
    score : FloatArray, shape (p,)
        First derivatives.
    information : FloatArray, shape (p, p)
        Minus the second derivatives.
    """

    risk: RiskSets
    Q: FloatArray
    at: Hazards
    score: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Ascent:
    """How the partial likelihood was maximised.

    Attributes
    ----------
    start : Start
        At zero.
    back : FloatArray, shape (p, p)
        Takes coefficients of orthogonal columns to those of the model.
    risk : RiskSets
        Risk sets of the likelihood that was maximised; where coefficients run off,
        those of its limit.
    Q : FloatArray, shape (n, p)
        Its columns, orthogonal at the start.
    columns, shift : FloatArray
        Columns of the model, centred in the pieces of ``risk``, and what was taken off.
    peak : Peak
        At the maximum.
    runaway : Runaway or None
        Directions without a maximum.
    within : FloatArray, shape (p, q)
        Orthonormal directions that have one; all of them as a rule.
    order : FloatArray, shape (all records,)
        Value of each record along a direction of running off, zeros without.
    """

    start: Start
    back: FloatArray
    risk: RiskSets
    Q: FloatArray
    columns: FloatArray
    shift: FloatArray
    peak: Peak
    runaway: Runaway | None
    within: FloatArray
    order: FloatArray


def ascend(
    records: Records,
    risk: RiskSets,
    X: FloatArray,
    centred: tuple[FloatArray, FloatArray],
    ties: str,
) -> Ascent:
    """Maximise the partial likelihood.

    Where Newton's method comes to doubt that there is a maximum, linear programming
    decides. If there is none, the limit of the likelihood far along the directions
    without one is maximised along the others.

    Parameters
    ----------
    records : Records
        All rows used.
    risk : RiskSets
        Risk sets of n of them.
    X : FloatArray, shape (all records, p)
        Model matrix, no column repeating others.
    centred : tuple
        From `centre_pieces`.
    ties : str
        ``"efron"`` or ``"breslow"``.
    """
    columns, shift = centred
    p = X.shape[1]
    Q, R = np.linalg.qr(columns)
    unit = float(np.sqrt(len(columns)))
    Q, R = Q * unit, R / unit
    back = np.asarray(np.linalg.inv(R))
    origin = np.zeros(p)
    null = cumulate(risk, Q, origin)
    start = Start(
        risk, Q, null, scores(risk, Q, null).sum(axis=0), information(risk, Q, null)
    )
    peak = climb(risk, Q, origin, reference=start.information)
    found = Ascent(
        start, back, risk, Q, columns, shift, peak, None, np.eye(p), np.zeros(len(X))
    )
    if not peak.flat:
        return _finish(found, X) if _too_far(found) else found
    runaway = find_runaway(risk, columns)
    if runaway is None:
        return _finish(replace(found, peak=climb(risk, Q, peak.gamma)), X)
    values = np.full(len(X), np.nan)
    inside = runaway.basis @ runaway.inside
    # Values in different pieces are not compared, so their origin does not matter.
    values[risk.rows] = columns @ inside
    risk = find_risk_sets(split_records(records, values), ties)
    columns, shift = centre_pieces(X, risk)
    Q = columns @ back
    within = null_space((R @ runaway.basis).T)
    return Ascent(
        start=start,
        back=back,
        risk=risk,
        Q=Q,
        columns=columns,
        shift=shift,
        peak=climb(risk, Q, origin, within=within),
        runaway=runaway,
        within=within,
        order=X @ inside,
    )


def _finish(found: Ascent, X: FloatArray) -> Ascent:
    """Go on where hazards are too far apart to be computed together."""
    for _ in range(MOST_CUTS):
        if found.peak.settled and not _too_far(found):
            break
        apart = APART_LATE if found.risk.delayed else APART
        risk = cut_pieces(found.risk, _levels(found), apart)
        columns, shift = centre_pieces(X, risk)
        Q = columns @ found.back
        found = replace(
            found,
            risk=risk,
            Q=Q,
            columns=columns,
            shift=shift,
            peak=climb(risk, Q, found.peak.gamma),
        )
    peak = found.peak
    left = least_share(peak.information, found.start.information)
    return replace(found, peak=replace(peak, settled=peak.settled and left > NOISE))


def _levels(found: Ascent) -> FloatArray:
    """Largest linear predictor at risk at each event time; shape (m,)."""
    beta = found.back @ found.peak.gamma
    eta = found.columns @ beta
    # Seen from one origin, so that pieces cut before can be told from others.
    eta = eta + (found.shift @ beta)[found.risk.piece]
    return np.asarray(eta[largest_at_risk(found.risk, eta)])


def _too_far(found: Ascent) -> bool:
    """Tell whether hazards in a piece are too far apart for sums that lose some."""
    risk = found.risk
    if not risk.delayed or not found.columns.shape[1]:
        return False
    level = _levels(found)
    starts = risk.openings
    spread = np.maximum.reduceat(level, starts) - np.minimum.reduceat(level, starts)
    return bool(spread.max() > 2.0 * APART_LATE)
