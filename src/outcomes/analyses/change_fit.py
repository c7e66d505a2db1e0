"""Rows about the fit of a change analysis: its size, its covariance, its terms."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from outcomes.analyses.change_data import ChangeData, elapsed
from outcomes.analyses.change_model import ChangeFit
from outcomes.analyses.random_effects import add_mixed_fit, grouping_labels
from outcomes.ard.rows import ArdRows
from outcomes.errors import ModelError
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.tables import glance
from outcomes.models.term_tests import anova
from outcomes.study.model import LmmModel
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


def add_fit(spec: Study, data: ChangeData, fit: ChangeFit, ard: ArdRows) -> None:
    """Add what is to be known about the fit itself."""
    ard = ard.at(n_subjects=data.n_subjects)
    if isinstance(fit, MmrmFit):
        _add_mmrm(data, fit, ard)
    elif isinstance(data.model, LmmModel):
        labels = grouping_labels(spec, data.model.groupings)
        level = data.conf_level
        add_mixed_fit(fit, data.excluded, labels, conf_level=level, ard=ard)


def _add_mmrm(data: ChangeData, fit: MmrmFit, ard: ArdRows) -> None:
    row = glance(fit).iloc[0]
    ard.add_all(
        {
            "n_subjects": row["n_subjects"],
            "n_records": row["n_records"],
            "loglik": row["loglik"],
            "minus_2_loglik": row["deviance"],
            "aic": row["aic"],
            "bic": row["bic"],
            "converged": float(fit.convergence.converged),
        },
        term="fit",
    )
    ard.add("covariance", term="fit", text=fit.structure)
    for number, step in enumerate(fit.convergence.ladder, start=1):
        line = ard.at(term="ladder", level=str(number), warning=step.message)
        line.add("covariance", text=step.covariance)
        line.add("converged", float(step.converged))
    for name, value in zip(fit.theta_names, fit.theta, strict=True):
        ard.add("estimate", value, term="covariance-parameter", level=str(name))
    for place, covariance in covariances(data, fit):
        _add_covariance(data, covariance, ard.at(**place))
    for reason, count in {**data.excluded, **fit.excluded}.items():
        ard.add("n", count, term="excluded", level=reason)


def covariances(data: ChangeData, fit: MmrmFit) -> list[tuple[dict[str, str], Frame]]:
    """Return the residual covariance of every group, with its place in the ARD.

    Parameters
    ----------
    data : ChangeData
        The records and the model.
    fit : MmrmFit
        Its fit.

    Returns
    -------
    list of (dict, DataFrame)
        Where arms have a covariance each, the place is the column ``arm``; for levels
        of another column it is ``subgroup``; without groups it is nothing. Covariances
        are visits by visits; where records have days of their own, at the target days.
    """
    found: Any = fit.covariance
    frames = found if isinstance(found, dict) else {"": found}
    if data.model.coordinate == "observed-day" and fit.structure == "sp_exp":
        frames = {level: _at_targets(data, fit, one) for level, one in frames.items()}
    column = "arm" if data.group == data.people.arm_variable else "subgroup"
    return [
        ({column: str(level)} if isinstance(found, dict) else {}, frame)
        for level, frame in frames.items()
    ]


def _at_targets(data: ChangeData, fit: MmrmFit, one_day: Frame) -> Frame:
    """Return a spatial exponential covariance at the target days of the visits.

    Parameters
    ----------
    data : ChangeData
        The records and the model.
    fit : MmrmFit
        Its fit.
    one_day : DataFrame, shape (2, 2)
        Covariance of two records one day apart, from which all others follow.
    """
    import numpy as np
    import pandas as pd

    (variance, covariance), _ = one_day.to_numpy(dtype="float64")
    daily = covariance / variance
    days = np.array([elapsed(day_of(data, str(visit))) for visit in fit.visits])
    sigma = variance * daily ** np.abs(days[:, None] - days[None, :])
    return pd.DataFrame(sigma, index=fit.visits, columns=fit.visits)


def day_of(data: ChangeData, visit: str) -> float:
    """Return the planned day of a visit of the model."""
    return next(v.time for v in [data.start, *data.visits] if v.id == visit)


def _add_covariance(data: ChangeData, covariance: Frame, ard: ArdRows) -> None:
    sigma = covariance.to_numpy(dtype="float64")
    visits = [str(visit) for visit in covariance.index]
    for i, visit in enumerate(visits):
        here = ard.at(visit=visit, time=day_of(data, visit))
        deviation = math.sqrt(sigma[i, i])
        here.add("estimate", deviation, term="residual-sd")
        for j in range(i):
            both = sigma[i, j] / math.sqrt(sigma[j, j]) / deviation
            here.add("estimate", both, term="residual-correlation", level=visits[j])


def add_tests(data: ChangeData, fit: ChangeFit, ard: ArdRows) -> None:
    """Add an F test of every term of the model, of the type the study file names."""
    kind = data.model.anova
    if kind is None:
        return
    ard = ard.at(term=f"type-{kind}-test", n_subjects=data.n_subjects)
    try:
        table = anova(fit, type=kind)
    except ModelError as problem:
        ard.fail(str(problem))
        return
    reasons: dict[str, str] = table.attrs["reasons"]
    marks = zero_marks(list(table["term"]), fit.design.factors)
    for row in table.to_dict("records"):
        term = str(row["term"])
        add_test(row, reasons.get(term, ""), ard.at(level=term + marks[term]))


def zero_marks(terms: list[str], factors: Collection[str]) -> dict[str, str]:
    """Mark the terms that are tested where a covariate is zero.

    Those are the terms that a further term multiplies by a covariate: with
    ``BASE:AVISIT`` in the model, differences of visits depend on BASE, and the test of
    ``AVISIT``, of type II or III, is of those at BASE = 0.

    Returns
    -------
    dict
        By term, ``''`` or such as ``', at BASE = 0'``.

    Examples
    --------
    >>> zero_marks(["BASE", "AVISIT", "BASE:AVISIT"], {"AVISIT"})["AVISIT"]
    ', at BASE = 0'
    """
    marks = {}
    for term in terms:
        own = set(term.split(":"))
        covariates: dict[str, None] = {}
        for other in terms:
            names = other.split(":")
            if own <= set(names):
                further = [name for name in names if name not in own]
                covariates |= dict.fromkeys(n for n in further if n not in factors)
        marks[term] = "".join(f", at {name} = 0" for name in covariates)
    return marks


def add_test(row: dict[Any, Any], reason: str, ard: ArdRows) -> None:
    """Add an F test, or why it does not exist."""
    # NaN compares false, so that this covers a test that does not exist.
    if not (row["statistic"] >= 0 and 0 <= row["p_value"] <= 1):
        ard.fail(reason or "the test does not exist for this fit.")
        return
    ard.add("f", row["statistic"])
    ard.add_all({name: row[name] for name in ("num_df", "den_df", "p_value")})
