"""Who and which records an analysis is of: population, arm, endpoint, estimand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outcomes import __version__
from outcomes.ard.rows import ArdRows
from outcomes.datasets.adam import ADSL
from outcomes.errors import DataError, ModelError
from outcomes.instruments.registry import instrument
from outcomes.study.analyses import OfEndpoint
from outcomes.study.displays import sentence_case
from outcomes.study.endpoints import ChangeEndpoint
from outcomes.study.spec import Estimand, Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

AS_TREATED: Final = ("SAF", "SAFETY")
"""Populations that are analysed by the treatment received, not the planned one."""

_STRATEGY: Final = {
    "": "no intercurrent event declared, records after rescue medication kept as "
    "observed",
    "treatment-policy": "records after rescue medication kept (treatment policy)",
    "hypothetical": "records after rescue medication dropped (hypothetical)",
    "composite": "no from rescue medication on (composite)",
}


@dataclass(frozen=True, slots=True)
class Cohort:
    """The subjects of a population.

    Attributes
    ----------
    population : str
        Its id.
    arm_variable : str
        ``TRT01P`` or ``TRT01A``.
    arms : tuple of str
        Arms of the study file, in its order.
    subjects : DataFrame
        Rows of ADSL.
    """

    population: str
    arm_variable: str
    arms: tuple[str, ...]
    subjects: Frame

    def of_arm(self, arm: str) -> Frame:
        """Return the subjects of one arm, or all for ``''``."""
        if not arm:
            return self.subjects
        return self.subjects[self.subjects[self.arm_variable] == arm]

    def by_arm(self, *, total: bool = True) -> Iterator[tuple[str, Frame]]:
        """Go through the arms, then all of them together as ``''``."""
        for arm in (*self.arms, "") if total else self.arms:
            yield arm, self.of_arm(arm)

    def with_arm(self, records: Frame) -> Frame:
        """Return the records of these subjects, with the arm of each added."""
        arms = self.subjects[["USUBJID", self.arm_variable]]
        return records.merge(arms, on="USUBJID", how="inner", validate="m:1")


def arm_variable(population: str) -> str:
    """Return the treatment variable that a population is analysed by."""
    return "TRT01A" if population in AS_TREATED else "TRT01P"


def members(population: str, adsl: Frame) -> Frame:
    """Return the rows of ADSL that a population has.

    Raises
    ------
    DataError
        If ADSL lacks its flag.
    """
    flag = f"{population}FL"
    if flag not in adsl.columns:
        raise DataError(f"adsl has no {flag}; derive it again with this population.")
    return adsl[adsl[flag] == "Y"].reset_index(drop=True)


def cohort(spec: Study, population: str, adsl: Frame) -> Cohort:
    """Select a population.

    Raises
    ------
    DataError
        If ADSL lacks its flag, it has no subject, or one of them has no arm.
    """
    subjects = members(population, adsl)
    if subjects.empty:
        raise DataError(
            f"population {population} has no subject ({population}FL is never Y)."
        )
    variable = arm_variable(population)
    arms = tuple(arm.id for arm in spec.arms)
    lost = ~subjects[variable].isin(arms)
    if lost.any():
        first = subjects.loc[lost, "USUBJID"].iloc[0]
        raise DataError(
            f"population {population} has {int(lost.sum())} subjects without an arm of "
            f"the study in {variable} (first: {first}); restrict it to those "
            "randomised or treated."
        )
    return Cohort(population, variable, arms, subjects)


def fail_empty_arms(people: Cohort, ard: ArdRows) -> None:
    """Say of each arm without anybody in the population that it is empty."""
    for arm, subjects in people.by_arm(total=False):
        if subjects.empty:
            ard.fail(
                f"no subject of {people.population} is in this arm.",
                arm=arm,
                term="subjects",
                n_subjects=0,
            )


def fail_visit(visit: Visit, ard: ArdRows) -> None:
    """Say that nobody has a value at a visit that the analysis is of."""
    ard.fail(
        f"no value to analyse at {visit.id}, the visit of this analysis.",
        visit=visit.id,
        time=visit.time,
        term="visit",
        n_subjects=0,
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What is estimated: endpoint, population, and how rescue medication is met."""

    endpoint: str
    population: str
    estimand: str
    paramcd: str
    strategy: str

    @property
    def handling(self) -> str:
        """The strategy in words, for the method of a result."""
        return _STRATEGY[self.strategy]


def target(spec: Study, analysis: OfEndpoint) -> Target:
    """Settle endpoint and population of an analysis of a change."""
    if analysis.estimand is not None:
        return estimand_target(spec, spec.estimand(analysis.estimand))
    endpoint = analysis.endpoint or ""
    return Target(
        endpoint, analysis.population or "", "", paramcd_of(spec, endpoint), ""
    )


def estimand_target(spec: Study, estimand: Estimand) -> Target:
    """Settle what an estimand says."""
    strategies = {e.event: e.strategy for e in estimand.intercurrent_events}
    return Target(
        estimand.endpoint,
        estimand.population,
        estimand.id,
        paramcd_of(spec, estimand.endpoint),
        strategies.get("rescue", ""),
    )


def paramcd_of(spec: Study, endpoint: str) -> str:
    """Return the parameter of an endpoint: its own, or its score's for a change."""
    declared = spec.endpoints[endpoint]
    if isinstance(declared, ChangeEndpoint):
        return score_paramcd(declared.instrument, declared.score)
    return declared.paramcd


def score_paramcd(name: str, score: str) -> str:
    """Return the parameter of a score, or of a derived yes/no, of an instrument."""
    definition = instrument(name)
    if score in definition.scores:
        return definition.scores[score].paramcd
    return definition.derived[score].paramcd


def post_baseline(spec: Study) -> list[Visit]:
    """Return the scheduled visits after the baseline visit, in order."""
    baseline = spec.baseline_visit
    return [visit for visit in spec.visits if visit.time > baseline.time]


def scheduled(spec: Study, records: Frame) -> list[Visit]:
    """Return the visits after baseline for which anybody has a record, done or not."""
    there = set(records["AVISIT"])
    return [visit for visit in post_baseline(spec) if visit.id in there]


def at_parameter(adqs: Frame, paramcd: str) -> Frame:
    """Return the records of a parameter.

    Raises
    ------
    DataError
        If there is none.
    """
    rows = adqs[adqs["PARAMCD"] == paramcd]
    if rows.empty:
        raise DataError(
            f"adqs has no record of {paramcd}; see the issue log of derive for why."
        )
    return rows


def analysed(records: Frame, visits: list[Visit]) -> Frame:
    """Return the records flagged for analysis at some visits, with a value.

    Raises
    ------
    DataError
        If a subject has two for one visit.
    """
    wanted = [visit.id for visit in visits]
    keep = records["AVISIT"].isin(wanted) & (records["ANL01FL"] == "Y")
    rows = records[keep & records["AVAL"].notna()]
    doubled = rows.duplicated(["USUBJID", "AVISIT"])
    if doubled.any():
        first = rows[doubled].iloc[0]
        raise DataError(
            f"{int(doubled.sum())} records of {first['PARAMCD']} repeat a subject and "
            f"visit with ANL01FL Y (first: {first['USUBJID']} at {first['AVISIT']})."
        )
    return rows


def baseline_values(records: Frame) -> pd.Series[float]:
    """Return the value of the baseline record (ABLFL) of a parameter, by USUBJID.

    Raises
    ------
    DataError
        If a subject has two.
    """
    rows = records[records["ABLFL"] == "Y"]
    doubled = rows["USUBJID"].duplicated()
    if doubled.any():
        first = rows[doubled].iloc[0]
        raise DataError(
            f"{first['PARAMCD']}: {first['USUBJID']} has two records with ABLFL Y."
        )
    return rows.set_index("USUBJID")["AVAL"].astype("float64")


def after_rescue(records: Frame, strategy: str) -> pd.Series[bool]:
    """Mark the records that a hypothetical strategy drops."""
    return (records["ICE1FL"] == "Y") & (strategy == "hypothetical")


def covariate_names(covariates: Iterable[str]) -> list[str]:
    """Return the columns that covariates name, products taken apart.

    Raises
    ------
    ModelError
        If one is not a column name or a product of column names.

    Examples
    --------
    >>> covariate_names(["BASE*AVISIT", "SITEGR1"])
    ['BASE', 'AVISIT', 'SITEGR1']
    """
    names: dict[str, None] = {}
    for covariate in covariates:
        for part in re.split(r"[*:]", covariate):
            name = part.strip()
            if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,7}", name):
                raise ModelError(
                    f"covariates: '{covariate}' is not a column name or a product of "
                    "them, such as BASE or BASE*AVISIT."
                )
            names[name] = None
    return list(names)


def in_words(*parts: str) -> str:
    """Join the parts of a method, with the version of this package last."""
    return "; ".join([*(part for part in parts if part), f"outcomes {__version__}"])


def column_label(spec: Study, name: str) -> str:
    """Return what a column of ADSL is called: its own label, or the declared one."""
    column = ADSL.column(name)
    if column is not None:
        return sentence_case(column.label.removesuffix(" Identifier"))
    declared = spec.sources.dm.covariates.get(name)
    return declared.label if declared else name
