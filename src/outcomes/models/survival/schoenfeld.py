"""Schoenfeld residuals and the test of proportional hazards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import FloatArray, IntArray, check_option
from outcomes.models.survival.cox_likelihood import (
    cumulate,
    information,
    mean_at_events,
    scores,
)
from outcomes.models.survival.cox_results import CoxFit
from outcomes.models.survival.cox_tests import chi_square
from outcomes.models.survival.records import Records

if TYPE_CHECKING:
    import pandas as pd

TimeTransform = Literal["km", "rank", "identity", "log"]
# Spread of a function of time, as a share of it, that is rounding.
CONSTANT: Final = 1e-13


def schoenfeld_residuals(fit: CoxFit, scaled: bool = True) -> pd.DataFrame:
    """Tabulate the Schoenfeld residuals of the events.

    The residual of an event is its columns less their mean over the risk set (with
    Efron's method for ties, averaged over its factors), not weighted. Scaled, it is
    multiplied by the number of events and the inverse of the information, and the
    coefficient is added: a smooth curve through the scaled residuals shows how the log
    hazard ratio changes in time (Grambsch and Therneau).

    Parameters
    ----------
    fit : CoxFit
        A fit that converged.
    scaled : bool
        Whether to scale.

    Returns
    -------
    pandas.DataFrame
        ``time stratum row`` (the index of the event's row in the data) and a column
        for each coefficient, one row per event, by stratum and time.

    Raises
    ------
    ModelError
        If coefficients run off to infinity, or a column is named as one of these.

    References
    ----------
    Grambsch and Therneau (1994), Biometrika 81, 515-526,
    https://doi.org/10.1093/biomet/81.3.515.

    Examples
    --------
    >>> schoenfeld_residuals(fit)  # doctest: +SKIP
    """
    import pandas as pd

    _check(fit, "schoenfeld_residuals")
    risk, records = fit.risk, fit.records
    deaths = np.flatnonzero(risk.dead)
    when = risk.last[deaths]
    values = fit.columns[deaths] - mean_at_events(risk, fit.hazards)[when]
    if scaled:
        values = len(deaths) * values @ fit.cov_model + fit.beta
    labels = [
        ", ".join(map(str, s)) if isinstance(s, tuple) else s for s in records.strata
    ]
    frame = pd.DataFrame(
        {
            "time": risk.times[when],
            "stratum": [labels[k] for k in risk.strata[when]],
            "row": fit.row_labels[risk.rows[deaths]],
        }
    )
    for j, name in enumerate(fit.estimated_terms):
        if name in frame:
            raise ModelError(
                f"schoenfeld_residuals: {name!r} is the name of a column of the"
                " results; rename the column of the data."
            )
        frame[name] = values[:, j]
    return frame


def proportional_hazards(fit: CoxFit, transform: TimeTransform = "km") -> pd.DataFrame:
    """Test whether hazard ratios are constant in time.

    The score test of coefficients that change linearly in a function of time g,
    against constant ones, with the information of the augmented model at the fit (as
    R survival from version 3). It uses the model's information for a robust fit, too.

    Parameters
    ----------
    fit : CoxFit
        A fit that converged.
    transform : str
        The function g: ``"km"``, one less the Kaplan-Meier estimate just before, of
        all rows together and unweighted; ``"rank"`` of all times; ``"identity"``;
        ``"log"``.

    Returns
    -------
    pandas.DataFrame
        ``term chisq df p_value``: the terms of the formula, then ``GLOBAL``. NaN where
        the information of the augmented model is singular (one event time).

    Raises
    ------
    ModelError
        If there is no coefficient, or one that runs off to infinity.

    Notes
    -----
    Equations (9) to (11) of ``docs/methods/cox.md``.

    Examples
    --------
    >>> proportional_hazards(fit)  # doctest: +SKIP
    """
    import pandas as pd

    check_option(transform, TimeTransform, name="transform")
    _check(fit, "proportional_hazards")
    # In orthogonal columns, lest those that are nearly copies lose the digits that
    # tell them apart; `back` takes scores of these to scores of the model's.
    Q, back = np.linalg.qr(fit.columns)
    unit = float(np.sqrt(len(Q)))
    risk, X, back = fit.risk, Q * unit, back / unit
    at = cumulate(risk, X, back @ fit.beta)
    back = back / fit.sizes
    g = transform_times(fit.records, risk.times, transform)
    deaths = np.bincount(risk.last[risk.dead], minlength=risk.n_times)
    reach = float(np.max(np.abs(g)))
    g = g - float(deaths @ g) / float(deaths.sum())
    size = float(np.max(np.abs(g)))
    # Of a function that does not change, rounding would be all that is left.
    g = g / size if size > CONSTANT * reach else 0.0 * g
    score = g @ scores(risk, X, at)
    plain = information(risk, X, at)
    cross = information(risk, X, at, g)
    square = information(risk, X, at, g**2)
    # What is left of the changing coefficients once the constant ones are adjusted.
    left = square - cross @ np.linalg.solve(plain, cross)
    rows = []
    for term, places in _terms(fit):
        own = back[:, places]
        found = chi_square(own.T @ score, own.T @ left @ own)
        rows.append((term, found.statistic, found.df, found.p_value))
    found = chi_square(score, left)
    rows.append(("GLOBAL", found.statistic, found.df, found.p_value))
    return pd.DataFrame(rows, columns=["term", "chisq", "df", "p_value"])


def transform_times(records: Records, times: FloatArray, transform: str) -> FloatArray:
    """Evaluate a function of time at event times; shape (m,).

    Parameters
    ----------
    records : Records
        All rows used.
    times : FloatArray, shape (m,)
        Event times.
    transform : str
        As for `proportional_hazards`.
    """
    if transform == "identity":
        return times
    if transform == "log":
        return np.asarray(np.log(times))
    ends = np.sort(records.time)
    if transform == "rank":
        before = np.searchsorted(ends, times, side="left")
        upto = np.searchsorted(ends, times, side="right")
        return np.asarray((before + 1 + upto) / 2.0)
    found, deaths = np.unique(records.time[records.event == 1], return_counts=True)
    at_risk = len(ends) - np.searchsorted(ends, found, side="left")
    if records.has_entry:
        entries = np.sort(records.entry)
        at_risk -= len(entries) - np.searchsorted(entries, found, side="left")
    survival = np.concatenate([[1.0], np.cumprod(1.0 - deaths / at_risk)])
    return np.asarray(1.0 - survival[np.searchsorted(found, times, side="left")])


def _check(fit: CoxFit, name: str) -> None:
    if not isinstance(fit, CoxFit):
        raise ModelError(f"{name}: a CoxFit is needed, not a {type(fit).__name__}.")
    if not len(fit.beta):
        raise ModelError(f"{name}: the model has no coefficients.")
    if not fit.convergence.converged:
        raise ModelError(
            f"{name}: the fit did not converge: {fit.convergence.messages[0]}"
        )


def _terms(fit: CoxFit) -> list[tuple[str, IntArray]]:
    """Terms of the formula and the places of their coefficients."""
    spec = fit.design.spec
    place = {name: j for j, name in enumerate(fit.estimated_terms)}
    found = []
    for term in spec.terms:
        names = map(str, spec.column_names[spec.term_slices[term]])
        places = [place[name] for name in names if name in place]
        if places:
            found.append((str(term), np.array(places, dtype=np.intp)))
    return found
