"""The cumulative baseline hazard of a Cox model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from outcomes.models.options import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.models.survival.cox_results import CoxFit

# A column of these alone is a contrast of levels, and its mean is nobody's.
CODES: Final = (-1.0, 0.0, 1.0)


def tabulate_baseline(fit: CoxFit, centred: bool) -> pd.DataFrame:
    """Tabulate the hazard; see `CoxFit.baseline`.

    Increments are those of the method for ties: Breslow's, or Efron's (as R survival).
    """
    import pandas as pd

    risk, records = fit.risk, fit.records
    X = fit.design.X[:, ~fit.aliased_mask]
    origin = np.zeros(X.shape[1])
    if centred:
        # R survival takes no account of weights where there is delayed entry.
        weights = np.ones(len(X)) if records.has_entry else records.weights
        origin = baseline_values(X, weights)
    piece = risk.piece[np.searchsorted(risk.last, np.arange(risk.n_times))]
    # Hazards are relative to the largest of a piece, whose columns were centred.
    lift = (origin - fit.shift) @ fit.beta - fit.hazards.top
    increment = risk.over_steps(fit.hazards.hazard) * np.exp(lift)[piece]
    frames = []
    for code, stratum in enumerate(records.strata):
        times = np.unique(records.time[records.stratum == code])
        hazard = np.full(len(times), np.nan)
        if fit.runaway is None:
            own = risk.strata == code
            grown = np.concatenate([[0.0], np.cumsum(increment[own])])
            hazard = grown[np.searchsorted(risk.times[own], times, side="right")]
        label = ", ".join(map(str, stratum)) if isinstance(stratum, tuple) else stratum
        frames.append(pd.DataFrame({"stratum": label, "time": times, "hazard": hazard}))
    return pd.concat(frames, ignore_index=True)


def baseline_values(X: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean of each column, or 0 where it holds -1, 0 and 1 alone."""
    coded = np.all(np.isin(X, CODES), axis=0)
    return np.where(coded, 0.0, np.average(X, axis=0, weights=weights))
