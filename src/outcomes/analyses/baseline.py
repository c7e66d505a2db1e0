"""Baseline characteristics by arm. No p values: the arms differ by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.analyses.describe import QUANTILES, share, summary
from outcomes.analyses.selection import (
    Cohort,
    baseline_values,
    cohort,
    fail_empty_arms,
    in_words,
    paramcd_of,
)
from outcomes.ard.rows import ArdRows
from outcomes.datasets.adam import ADSL
from outcomes.errors import DataError, one_of
from outcomes.study.analyses import BaselineCharacteristics
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

MISSING = "Missing"


def analyse(
    spec: Study,
    analysis: BaselineCharacteristics,
    adsl: Frame,
    adqs: Frame,
    ard: ArdRows,
) -> None:
    """Add the characteristics of a population at baseline.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : BaselineCharacteristics
        The analysis. ``scores`` are endpoints; the score behind them is described.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.

    Raises
    ------
    DataError
        If a variable is no column of ADSL, or the population has nobody.
    """
    population = analysis.population or ""
    people = cohort(spec, population, adsl)
    visit = spec.baseline_visit
    ard = ard.at(population=population, method=in_words("observed values", QUANTILES))
    for arm, subjects in people.by_arm():
        n = len(subjects)
        ard.add("n", n, arm=arm, term="subjects", n_subjects=n)
    fail_empty_arms(people, ard)
    for name in analysis.variables:
        if name not in adsl.columns:
            raise DataError(one_of(name, adsl.columns, name=f"{analysis.id}.variables"))
        column = ADSL.column(name)
        label = column.label if column else _declared_label(spec, name)
        ard.add("label", term=name, text=label, n_subjects=len(people.subjects))
        if adsl[name].dtype.kind in "iuf":
            _numeric(people, people.subjects.set_index("USUBJID")[name], name, ard)
        else:
            _categorical(people, name, ard)
    for score in analysis.scores:
        paramcd = paramcd_of(spec, score)
        records = adqs[adqs["PARAMCD"] == paramcd]
        here = ard.at(endpoint=score, visit=visit.id, time=visit.time)
        if records.empty:
            here.fail(
                f"adqs has no record of {paramcd}; see the issue log of derive for "
                "why.",
                term=paramcd,
                n_subjects=0,
            )
            continue
        label = f"{records['PARAM'].iloc[0]} at baseline"
        here.add("label", term=paramcd, text=label, n_subjects=len(people.subjects))
        _numeric(people, baseline_values(records), paramcd, here)


def _declared_label(spec: Study, name: str) -> str:
    covariate = spec.sources.dm.covariates.get(name)
    return covariate.label if covariate else name


def _numeric(people: Cohort, values: pd.Series[Any], term: str, ard: ArdRows) -> None:
    if values.reindex(people.subjects["USUBJID"]).isna().all():
        ard.fail(
            f"no subject of {people.population} has a value.", term=term, n_subjects=0
        )
    for arm, subjects in people.by_arm():
        own = values.reindex(subjects["USUBJID"])
        ard.add_all(summary(own), arm=arm, term=term, n_subjects=len(subjects))


def _categorical(people: Cohort, term: str, ard: ArdRows) -> None:
    levels = sorted(set(people.subjects[term]) - {"", MISSING})
    if people.subjects[term].isin(["", MISSING]).any():
        levels.append(MISSING)
    for arm, subjects in people.by_arm():
        given = subjects[term].replace("", MISSING)
        for level in levels:
            counts = share(int((given == level).sum()), len(subjects))
            ard.add_all(
                counts, arm=arm, term=term, level=level, n_subjects=len(subjects)
            )
