"""What a result owes to one site, therapist or subject: the fit without each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError, OutcomesError
from outcomes.models.columns import declared_order
from outcomes.models.estimates import Estimates
from outcomes.models.inference import STATISTICS
from outcomes.models.mmrm.fit import fit_mmrm
from outcomes.models.mmrm.histories import check_columns
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

Summarise = Callable[[MmrmFit], Estimates]
UNATTENDED = "a visit without records "


def leave_one_out(
    fit: MmrmFit, data: pd.DataFrame, by: str, summarise: Summarise
) -> pd.DataFrame:
    """Fit the same model without each level of a column in turn.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    data : pandas.DataFrame
        The data it was made from.
    by : str
        Column whose levels are left out: a site, a therapist, or the subject.
    summarise : callable
        From a fit to `Estimates`, such as the contrast at the last visit.

    Returns
    -------
    pandas.DataFrame
        The column ``by`` with the level left out (``"<by>_left_out"`` where the
        estimates have a column of that name), ``subjects_left_out`` and
        ``records_left_out``, the columns of the estimates, ``converged`` and
        ``message``. First come the estimates of the fit as it is, with the level
        ``""``. A fit that cannot be made without a level has NaN for its numbers and
        the reason as its message; otherwise the message is what was noticed beyond the
        messages of the full fit. Records without a level are never left out;
        ``attrs["messages"]`` counts them.

    Raises
    ------
    ModelError
        If ``data`` is not what the fit was made from, or ``by`` has fewer than two
        levels in the records used.

    Notes
    -----
    Where ``by`` is a factor of the formula its column goes with the level, and LS
    means average over the levels that are left.

    References
    ----------
    Christensen, Pearson and Johnson (1992), Technometrics 34, 38-45,
    https://doi.org/10.2307/1269550.

    Examples
    --------
    >>> def last(fit):  # doctest: +SKIP
    ...     return contrasts(emmeans(fit, "ARM", by="VISIT"), reference="PBO")
    >>> leave_one_out(fit, adqs, "SITEID", last)  # doctest: +SKIP
    """
    import pandas as pd

    of_record = _levels_of_records(fit, data, by)
    present = set(of_record.dropna().unique())
    levels = [value for value in declared_order(of_record, by, {}) if value in present]
    if len(levels) < 2:
        raise ModelError(
            f"leave_one_out: {by!r} has fewer than two levels in the records used, so"
            " nothing is left without one."
        )
    full = summarise(fit).frame
    name = f"{by}_left_out" if by in full.columns else by
    frames = [_labelled(full, fit, "; ".join(fit.convergence.messages))]
    left_out = [(0, 0)]
    for value in levels:
        out = (of_record == value).fillna(False).to_numpy(dtype=bool)
        left_out.append((len(np.unique(fit.records.subject[out])), int(out.sum())))
        frames.append(_without(fit, out, summarise, full))
    for frame, level, (n_subjects, n_records) in zip(
        frames, ["", *levels], left_out, strict=True
    ):
        frame.insert(0, "records_left_out", n_records)
        frame.insert(0, "subjects_left_out", n_subjects)
        frame.insert(0, name, pd.Series([level] * len(frame), dtype=object))
    table = pd.concat(frames, ignore_index=True)
    n_missing = int(of_record.isna().sum())
    table.attrs["messages"] = (
        (f"{by} is missing in {n_missing} records, which are in every fit",)
        if n_missing
        else ()
    )
    return table


def _levels_of_records(fit: MmrmFit, data: pd.DataFrame, by: str) -> pd.Series:
    """Return the level of each record of the fit, whose rows are found in the data."""
    design, outcome = fit.design, fit.design.formula.outcome
    check_columns(data, (fit.subject, fit.visit, outcome, by))
    used = None
    if design.rows[-1] < len(data):
        used = data.iloc[design.rows].reset_index(drop=True)
        keys = [fit.subject, fit.visit]
        same = used[keys].astype(object).equals(design.frame[keys].astype(object))
        if not same or not np.array_equal(_outcome(used, outcome), design.y):
            used = None
    if used is None:
        raise ModelError(
            "leave_one_out: data is not what the fit was made from: its subjects,"
            f" visits or '{outcome}' are others. Give the same rows in the same order."
        )
    return used[by]


def _outcome(used: pd.DataFrame, name: str) -> FloatArray:
    import pandas as pd

    return np.asarray(pd.to_numeric(used[name], errors="coerce"), dtype=float)


def _without(
    fit: MmrmFit, out: BoolArray, summarise: Summarise, full: pd.DataFrame
) -> pd.DataFrame:
    """Summarise the fit without some records; NaN with a message if there is none."""
    try:
        again = _refit(fit, fit.design.frame.loc[~out])
        estimates = summarise(again).frame
    # What a summary asks for may be gone with the level: a reason, not a failure.
    except (OutcomesError, LookupError, ValueError, ArithmeticError) as error:
        frame = full.copy()
        frame[list(STATISTICS)] = np.nan
        kind = "" if isinstance(error, OutcomesError) else f"{type(error).__name__}: "
        return frame.assign(converged=False, message=f"{kind}{error}")
    known = set(fit.convergence.messages)
    news = [
        text
        for text in again.convergence.messages
        if text not in known and UNATTENDED not in text
    ]
    return _labelled(estimates, again, "; ".join(news))


def _labelled(estimates: pd.DataFrame, fit: MmrmFit, message: str) -> pd.DataFrame:
    return estimates.reset_index(drop=True).assign(
        converged=fit.convergence.converged, message=message
    )


def _refit(fit: MmrmFit, frame: pd.DataFrame) -> MmrmFit:
    """Fit the model of a fit to some of its records.

    Its frame has complete records and numbers as such, and the levels it had are told,
    so that nothing depends on how they were declared.
    """
    design = fit.design
    levels = {name: list(values) for name, values in design.factors.items()}
    levels[fit.visit] = _visits_in_place(fit)
    if fit.group and fit.group not in design.formula.variables:
        levels[fit.group] = list(fit.groups)
    return fit_mmrm(
        fit.formula,
        frame.astype(dict.fromkeys(levels, object)),
        subject=fit.subject,
        visit=fit.visit,
        covariance=fit.structure,  # type: ignore[arg-type]
        group=fit.group,
        weights=fit.weights,
        coordinates=fit.coordinates if fit.structure == "sp_exp" else None,
        constrained=fit.constrained,
        method=fit.method,
        df=fit.df_method,
        vcov=fit.vcov_method,
        levels=levels,
    )


def _visits_in_place(fit: MmrmFit) -> list[Any]:
    """Return the visits in order, with fillers for those that have no records.

    A visit nobody attended still counts in the distance between its neighbours.
    """
    places = fit.records.places.astype(int)
    order: list[Any] = [f"{UNATTENDED}{i}" for i in range(int(places.max()) + 1)]
    for place, value in zip(places, fit.visits, strict=True):
        order[place] = value
    return order
