"""The records of a change analysis: which are used, which are not and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outcomes.analyses.describe import numbers
from outcomes.analyses.selection import (
    Cohort,
    Target,
    after_rescue,
    analysed,
    at_parameter,
    baseline_values,
    cohort,
    covariate_names,
    post_baseline,
    target,
)
from outcomes.errors import DataError, ModelError, one_of
from outcomes.study.model import MmrmModel
from outcomes.study.spec import Change, Study, Visit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Frame = pd.DataFrame

AFTER_RESCUE: Final = "AFTER RESCUE MEDICATION"
NO_VALUE: Final = "NO VALUE"
NO_BASELINE: Final = "NO BASELINE VALUE"
NOT_FLAGGED: Final = "NOT FLAGGED FOR ANALYSIS"
DAY: Final = "days"
"""Column with the days since the origin, where the covariance goes by them."""
SOURCE: Final = {DAY: "ADY"}
"""Where a column of ours comes from, for what is said of missing values."""


@dataclass(frozen=True, slots=True)
class ChangeData:
    """What a change analysis works on.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    people : Cohort
        The population.
    model : MmrmModel
        What is fitted.
    start : Visit
        The baseline visit.
    visit : Visit
        The visit of the analysis.
    visits : list of Visit
        Scheduled visits after baseline that have a record with all covariates, in
        order.
    modelled : DataFrame
        What the model is fitted to: one row per subject and visit with the outcome and
        all covariates; ADQS columns, the arm variable, the covariates, the covariance
        group and `DAY`. In a constrained model, with the baseline records.
    baseline : Series
        Baseline value by USUBJID, of subjects in the population that have one.
    excluded : dict
        Records that are not used, by reason.
    formula : str
        Of the model.
    """

    what: Target
    people: Cohort
    model: MmrmModel
    start: Visit
    visit: Visit
    visits: list[Visit]
    modelled: Frame
    baseline: pd.Series[float]
    excluded: dict[str, int]
    formula: str

    @property
    def records(self) -> Frame:
        """The records after baseline that the model uses."""
        return self.modelled[self.modelled["AVISIT"] != self.start.id]

    @property
    def empty_arms(self) -> list[str]:
        """Arms without a record after baseline that the model can use."""
        there = set(self.records[self.people.arm_variable])
        return [arm for arm in self.people.arms if arm not in there]

    @property
    def group(self) -> str | None:
        """The column whose levels have a covariance each."""
        return group_column(self.model, self.people)

    def levels(self, reference: str | None) -> dict[str, list[str]]:
        """Return the order of arms (reference first) and visits."""
        arms = sorted(self.people.arms, key=lambda arm: arm != reference)
        first = [self.start.id] if self.model.constrained else []
        visits = [*first, *(visit.id for visit in self.visits)]
        return {self.people.arm_variable: arms, "AVISIT": visits}

    def at(self, visit: str, arm: str) -> Frame:
        """Return the records of an arm at a visit."""
        rows = self.modelled
        return rows[(rows["AVISIT"] == visit) & (rows[self.people.arm_variable] == arm)]

    def changes(self, visit: str, arm: str) -> NDArray[np.float64]:
        """Return the changes observed in an arm at a visit, of those with a baseline.

        A model of change has no others; a constrained one may.
        """
        return numbers(self.at(visit, arm)["CHG"].dropna())


def group_column(model: MmrmModel, people: Cohort) -> str | None:
    """Return the column that ``model.group`` means."""
    return people.arm_variable if model.group == "arm" else model.group


def elapsed(day: float) -> float:
    """Return days since the origin: study day 1 is the day of the origin itself.

    Examples
    --------
    >>> elapsed(-1), elapsed(1), elapsed(22)
    (-1.0, 0.0, 21.0)
    """
    return float(day - 1 if day > 0 else day)


def change_data(spec: Study, analysis: Change, adsl: Frame, adqs: Frame) -> ChangeData:
    """Select the records of a change analysis.

    Raises
    ------
    DataError
        If there is no record with a change after baseline, or two records of a subject
        share the day that their covariance goes by.
    ModelError
        If a covariate is not a column.
    """
    what, model = target(spec, analysis), analysis.model
    people = cohort(spec, what.population, adsl)
    all_records = at_parameter(adqs, what.paramcd)
    own = all_records[all_records["USUBJID"].isin(people.subjects["USUBJID"])]
    visits = post_baseline(spec)
    used, excluded = _used(spec, model, what, own)
    baseline = baseline_values(own).dropna()
    if model.constrained:
        used = _with_baseline(spec, own, used)
    modelled, absent = _complete(spec, model, people, used)
    seen = set(modelled["AVISIT"]) - {spec.baseline_visit.id}
    if not seen:
        raise DataError(
            f"none of the {len(used)} records of {what.paramcd} has all covariates "
            f"({', '.join(why.removesuffix(' is missing') for why in absent)})."
        )
    if model.coordinate == "observed-day":
        _refuse_same_day(modelled)
    return ChangeData(
        what=what,
        people=people,
        model=model,
        start=spec.baseline_visit,
        visit=spec.visit(analysis.visit),
        visits=[visit for visit in visits if visit.id in seen],
        modelled=modelled,
        baseline=baseline,
        excluded={why: n for why, n in {**excluded, **absent}.items() if n},
        formula=_formula(model, people),
    )


def _used(
    spec: Study, model: MmrmModel, what: Target, own: Frame
) -> tuple[Frame, dict[str, int]]:
    """Return the records after baseline to analyse, and why others are not, counted."""
    used = analysed(own, post_baseline(spec))
    late = after_rescue(used, what.strategy)
    bare = used["CHG"].isna() & ~late & (not model.constrained)
    excluded = _not_analysed(spec, own, used)
    excluded |= {AFTER_RESCUE: int(late.sum()), NO_BASELINE: int(bare.sum())}
    used = used[~late & ~bare]
    if used.empty:
        raise DataError(
            f"no subject of {what.population} has a change of {what.paramcd} after "
            "baseline; see the issue log of derive for why."
        )
    return used, excluded


def _complete(
    spec: Study, model: MmrmModel, people: Cohort, used: Frame
) -> tuple[Frame, dict[str, int]]:
    """Add what the model needs, and drop and count the records that lack it.

    Counted here, and not left to the model, so that no number of the analysis is of
    records that the model does not use.
    """
    names = _columns_needed(model, people)
    records = _with_covariates(people.with_arm(used), people, names)
    records = _with_days(spec, model, records)
    absent: dict[str, int] = {}
    for name in [*names, *([DAY] if model.coordinate else [])]:
        gone = records[name].isna()
        absent[f"{SOURCE.get(name, name)} is missing"] = int(gone.sum())
        records = records[~gone]
    return records, absent


def _formula(model: MmrmModel, people: Cohort) -> str:
    outcome = "AVAL" if model.constrained else "CHG"
    arm = f"{people.arm_variable}*AVISIT" if len(people.arms) > 1 else "AVISIT"
    return " + ".join([f"{outcome} ~ {arm}", *model.covariates])


def _columns_needed(model: MmrmModel, people: Cohort) -> list[str]:
    """Return the columns that a record must have beside outcome, visit and arm."""
    names = covariate_names(model.covariates)
    group = group_column(model, people)
    if group not in (None, people.arm_variable, *names):
        names.append(str(group))
    return names


def _with_baseline(spec: Study, own: Frame, used: Frame) -> Frame:
    """Put the baseline record of each subject before the others, at the visit of it."""
    import pandas as pd

    rows = own[(own["ABLFL"] == "Y") & own["AVAL"].notna()]
    return pd.concat([rows.assign(AVISIT=spec.baseline_visit.id), used])


def _with_days(spec: Study, model: MmrmModel, records: Frame) -> Frame:
    """Add the day that a spatial covariance measures distances by."""
    if not model.coordinate:
        return records
    if model.coordinate == "observed-day":
        days = records["ADY"].astype("float64")
        return records.assign(**{DAY: days.where(days <= 0, days - 1)})
    target_days = {visit.id: elapsed(visit.day) for visit in spec.visits}
    return records.assign(**{DAY: records["AVISIT"].map(target_days).astype("float64")})


def _refuse_same_day(records: Frame) -> None:
    """Two records of a subject on one day would be correlated perfectly."""
    doubled = records.duplicated(["USUBJID", DAY])
    if doubled.any():
        first = records[doubled].iloc[0]
        raise DataError(
            f"{int(doubled.sum())} records share subject and study day with another "
            f"visit (first: {first['USUBJID']} at {first['AVISIT']}), so a spatial "
            "covariance over observed days does not exist; say coordinates: target-day."
        )


def _not_analysed(spec: Study, records: Frame, used: Frame) -> dict[str, int]:
    """Count the records after baseline that were not flagged, by reason."""
    last = spec.baseline_visit.day
    early = [visit.id for visit in spec.visits if visit.day <= last]
    before = records["AVISIT"].isin(early) | (records["ABLFL"] == "Y")
    rest = records[~before & ~records.index.isin(used.index)]
    why = rest["ANL01RS"].where(rest["ANL01RS"] != "", NOT_FLAGGED)
    why = why.mask((why == NOT_FLAGGED) & rest["AVAL"].isna(), NO_VALUE)
    return {
        str(reason): int(n) for reason, n in why.value_counts().sort_index().items()
    }


def _with_covariates(records: Frame, people: Cohort, names: list[str]) -> Frame:
    """Add covariates of ADSL; an empty text is a missing value, not a level."""
    wanted = [name for name in names if name not in ("BASE", "AVISIT")]
    columns = people.subjects.columns
    for name in wanted:
        if name not in columns:
            raise ModelError(
                one_of(name, ["BASE", "AVISIT", *columns], name="covariates")
            )
    keep = ["USUBJID", "AVISIT", "AVAL", "CHG", "BASE", "ADY", people.arm_variable]
    wanted = [name for name in wanted if name not in keep]
    out = records[keep].merge(people.subjects[["USUBJID", *wanted]], on="USUBJID")
    for name in wanted:
        if out[name].dtype.kind in "iuf":
            out[name] = out[name].astype("float64")
        else:
            out[name] = out[name].astype(object).where(out[name] != "", None)
    return out
