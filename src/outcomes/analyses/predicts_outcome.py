"""An experience score against change: association within arm, adjusted for baseline.

Whether an experience causes improvement cannot be learnt from this; every result is
exploratory. Method: ``docs/methods/experience.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.experience_data import (
    ARM,
    OUTCOME,
    PREDICTOR,
    ExperienceData,
    coded,
    experience_data,
)
from outcomes.analyses.partial_correlation import (
    check_columns,
    partial_correlation,
    standardised,
)
from outcomes.analyses.selection import fail_empty_arms, fail_visit, in_words
from outcomes.ard.rows import ArdRows, point_level
from outcomes.errors import ModelError
from outcomes.instruments.registry import instrument
from outcomes.study.analyses import PredictsOutcome
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

ARM_ADJUSTED: Final = "arm-adjusted"
LIMITS: Final = "association, not cause"


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted regression of change on the predictor.

    Attributes
    ----------
    slope : dict
        ``estimate std_error df t p_value conf_low conf_high`` of the predictor.
    r_squared : float
        Of the whole model.
    anchor : tuple of float
        The predictor of a subject, at which no digit is lost whatever its origin, and
        the fitted change there with all other columns at their mean.
    """

    slope: dict[str, float]
    r_squared: float
    anchor: tuple[float, float]

    def at(self, x: float) -> float:
        """Return the fitted change, all other columns at their mean."""
        return self.anchor[1] + self.slope["estimate"] * (x - self.anchor[0])


def analyse(
    spec: Study, analysis: PredictsOutcome, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add the associations of one analysis.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : PredictsOutcome
        The analysis.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If the predictor was measured after the outcome, or either does not exist.
    ModelError
        If a covariate does not exist.
    """
    data = experience_data(spec, analysis, adsl, adqs)
    visit = spec.visit(analysis.visit)
    ard = ard.at(
        endpoint=data.what.endpoint,
        population=data.what.population,
        estimand=data.what.estimand,
        visit=visit.id,
        time=visit.time,
        session=analysis.predictor.session,
    )
    part = analysis.predictor
    score = instrument(part.instrument).scores[part.score].label
    words = _words(score, analysis, data)
    fail_empty_arms(data.people, ard)
    if data.subjects[OUTCOME].isna().all():
        fail_visit(visit, ard)
    for arm in data.people.arms:
        rows = data.of_arm(arm)
        used = data.complete(rows)
        here = ard.at(arm=arm, n_subjects=len(used), method=words)
        _counts(data, rows, used, here)
        _points(used, here)
        _within_arm(data, used, analysis.conf_level, here)
    if len(data.people.arms) == 1:
        return
    used = data.complete(data.subjects)
    pooled = ard.at(
        n_subjects=len(used),
        method_id=ARM_ADJUSTED,
        method=words.replace("within arm", "all arms, arm in the model, secondary"),
    )
    _pooled(data, used, analysis.conf_level, pooled)


def _words(score: str, analysis: PredictsOutcome, data: ExperienceData) -> str:
    adjusted = " + ".join(analysis.covariates)
    return in_words(
        f"least squares within arm, change on {score}"
        + (f" adjusted for {adjusted}" if adjusted else ""),
        data.what.handling,
        LIMITS,
    )


def _counts(data: ExperienceData, rows: Frame, used: Frame, ard: ArdRows) -> None:
    absent = rows[[*data.covariates]].isna().any(axis=1)
    for term, n in {
        "subjects": len(rows),
        "analysed": len(used),
        "missing-predictor": int(rows[PREDICTOR].isna().sum()),
        "missing-outcome": int(rows[OUTCOME].isna().sum()),
        "missing-covariate": int(absent.sum()),
    }.items():
        ard.add("n", n, term=term, n_subjects=len(rows))


def _points(used: Frame, ard: ArdRows) -> None:
    """Add the points of the scatter, in their own order: no subject can be told."""
    points = used[[PREDICTOR, OUTCOME]].sort_values([PREDICTOR, OUTCOME])
    for number, (x, y) in enumerate(points.itertuples(index=False), start=1):
        ard.add_all({"x": x, "y": y}, term="points", level=point_level(number))


def _within_arm(
    data: ExperienceData, used: Frame, conf_level: float, ard: ArdRows
) -> None:
    covariates = coded(used, data.covariates)
    try:
        line = regress(used[PREDICTOR], used[OUTCOME], covariates, conf_level)
    except ModelError as problem:
        ard.fail(str(problem), term="slope")
        ard.fail(str(problem), term="partial-correlation")
        return
    _add_line(line, conf_level, ard)
    for number, x in enumerate((used[PREDICTOR].min(), used[PREDICTOR].max()), start=1):
        ard.add_all({"x": x, "y": line.at(x)}, term="fitted-line", level=str(number))
    here = ard.at(
        term="partial-correlation",
        method="partial correlation by pingouin, Fisher's limits; "
        + str(ard.default("method")),
    )
    try:
        found = partial_correlation(
            used[PREDICTOR], used[OUTCOME], covariates, conf_level
        )
    except ModelError as problem:
        here.fail(str(problem))
        return
    here.add_all({"estimate": found.estimate, "p_value": found.p_value})
    _limits(here, found.conf_low, found.conf_high, conf_level)


def _pooled(data: ExperienceData, used: Frame, conf_level: float, ard: ArdRows) -> None:
    """Add the slope common to all arms, with arm in the model."""
    covariates = coded(used, [*data.covariates, ARM])
    try:
        line = regress(used[PREDICTOR], used[OUTCOME], covariates, conf_level)
    except ModelError as problem:
        ard.fail(str(problem), term="slope")
        return
    _add_line(line, conf_level, ard)


def regress(
    predictor: pd.Series[float],
    outcome: pd.Series[float],
    covariates: Frame,
    conf_level: float,
) -> Line:
    """Regress an outcome on a predictor, adjusted for covariates.

    Columns are centred and scaled for the fit and the slope is brought back to its
    unit, because the pseudo-inverse would drop a column of another magnitude.

    Parameters
    ----------
    predictor, outcome : Series, shape (n,)
        Numbers, none missing.
    covariates : DataFrame, shape (n, k)
        Likewise; k may be 0.
    conf_level : float
        Of the limits.

    Raises
    ------
    ModelError
        If a column is constant or follows from others, or no degree of freedom is
        left.
    """
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    X = np.column_stack([predictor, covariates]).astype("float64")
    check_columns(X, [str(predictor.name), *map(str, covariates.columns)])
    y = np.asarray(outcome, dtype="float64")
    Z = standardised(X)
    fit = OLS(y - y.mean(), np.column_stack([np.ones(len(Z)), Z])).fit()
    x = X[:, 0] - X[0, 0]
    unit = float(np.ptp(x) / np.ptp(Z[:, 0]))
    low, high = fit.conf_int(alpha=1 - conf_level)[1] / unit
    slope = {
        "estimate": float(fit.params[1] / unit),
        "std_error": float(fit.bse[1] / unit),
        "df": float(fit.df_resid),
        "t": float(fit.tvalues[1]),
        "p_value": float(fit.pvalues[1]),
        "conf_low": float(low),
        "conf_high": float(high),
    }
    there = float(y.mean() - slope["estimate"] * x.mean())
    return Line(slope, float(fit.rsquared), (float(X[0, 0]), there))


def _add_line(line: Line, conf_level: float, ard: ArdRows) -> None:
    here = ard.at(term="slope")
    numbers: dict[str, Any] = dict(line.slope)
    low, high = numbers.pop("conf_low"), numbers.pop("conf_high")
    here.add_all(numbers)
    _limits(here, low, high, conf_level)
    ard.add("estimate", line.r_squared, term="r-squared")


def _limits(ard: ArdRows, low: float, high: float, conf_level: float) -> None:
    if not math.isnan(low):
        ard.add("conf_low", low, conf_level=conf_level)
        ard.add("conf_high", high, conf_level=conf_level)
