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
from outcomes.study.analyses import Change, OfEndpoint
from outcomes.study.model import LmmModel, MmrmModel
from outcomes.study.random import SUBJECT, WEEK, Grouping
from outcomes.study.spec import Study, Visit

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
    model : MmrmModel or LmmModel
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
    conf_level : float
        Of the limits.
    """

    what: Target
    people: Cohort
    model: MmrmModel | LmmModel
    start: Visit
    visit: Visit
    visits: list[Visit]
    modelled: Frame
    baseline: pd.Series[float]
    excluded: dict[str, int]
    formula: str
    conf_level: float

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
    def n_subjects(self) -> int:
        """Subjects whose records the model uses."""
        return int(self.modelled["USUBJID"].nunique())

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


def group_column(model: MmrmModel | LmmModel, people: Cohort) -> str | None:
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
    visit = spec.visit(analysis.visit)
    visits = post_baseline(spec)
    return select_changes(spec, analysis, analysis.model, visits, visit, adsl, adqs)


def select_changes(
    spec: Study,
    analysis: OfEndpoint,
    model: MmrmModel | LmmModel,
    visits: list[Visit],
    visit: Visit,
    adsl: Frame,
    adqs: Frame,
) -> ChangeData:
    """Select the records of a model of change at some visits after baseline.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : OfEndpoint
        Names endpoint and population, or the estimand.
    model : MmrmModel or LmmModel
        What is fitted.
    visits : list of Visit
        Whose records are wanted.
    visit : Visit
        The one that matters most.
    adsl, adqs : DataFrame
        The datasets.

    Raises
    ------
    DataError
        As `change_data`.
    ModelError
        As `change_data`.
    """
    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    all_records = at_parameter(adqs, what.paramcd)
    own = all_records[all_records["USUBJID"].isin(people.subjects["USUBJID"])]
    own = _of_visits(spec, own, visits)
    used, excluded = _used(spec, model, what, own, visits)
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
        visit=visit,
        visits=[visit for visit in visits if visit.id in seen],
        modelled=modelled,
        baseline=baseline,
        excluded={why: n for why, n in {**excluded, **absent}.items() if n},
        formula=_formula(model, people),
        conf_level=analysis.conf_level,
    )


def _of_visits(spec: Study, own: Frame, visits: list[Visit]) -> Frame:
    """Leave out the visits after baseline that an analysis is not of."""
    wanted = {visit.id for visit in visits}
    others = {visit.id for visit in post_baseline(spec)} - wanted
    return own[~own["AVISIT"].isin(others) | (own["ABLFL"] == "Y")]


def _used(
    spec: Study,
    model: MmrmModel | LmmModel,
    what: Target,
    own: Frame,
    visits: list[Visit],
) -> tuple[Frame, dict[str, int]]:
    """Return the records after baseline to analyse, and why others are not, counted."""
    used = analysed(own, visits)
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
    spec: Study, model: MmrmModel | LmmModel, people: Cohort, used: Frame
) -> tuple[Frame, dict[str, int]]:
    """Add what the model needs, and drop and count the records that lack it.

    Counted here, and not left to the model, so that no number of the analysis is of
    records that the model does not use.
    """
    names = _columns_needed(model, people)
    found = model.groupings if isinstance(model, LmmModel) else []
    members = [name for one in found if one.multiple for name in one.columns]
    records = with_columns(people.with_arm(used), people, [*names, *members])
    records = with_weeks(spec, _with_days(spec, model, records), found)
    if model.coordinate:
        names.append(DAY)
    return complete(records, names, found)


def complete(
    records: Frame, names: list[str], found: list[Grouping]
) -> tuple[Frame, dict[str, int]]:
    """Drop the records that lack a column or every member of a grouping, and count.

    Parameters
    ----------
    records : DataFrame
        With these columns.
    names : list of str
        Columns that each record must have.
    found : list of Grouping
        Groupings; of several members a record needs one.

    Returns
    -------
    records : DataFrame
        Those that are complete.
    absent : dict
        By reason, also those without any record.
    """
    absent: dict[str, int] = {}
    for name in names:
        gone = records[name].isna()
        absent[f"{SOURCE.get(name, name)} is missing"] = int(gone.sum())
        records = records[~gone]
    for one in found:
        if one.multiple:
            gone = records[list(one.columns)].isna().all(axis=1)
            absent[f"{' and '.join(one.columns)} are missing"] = int(gone.sum())
            records = records[~gone]
    return records, absent


def grouping_columns(found: list[Grouping]) -> list[str]:
    """Return the columns that every record must have for its groupings."""
    names = [name for one in found if not one.multiple for name in one.columns]
    return [name for name in dict.fromkeys(names) if name != SUBJECT]


def with_weeks(spec: Study, records: Frame, found: list[Grouping]) -> Frame:
    """Add the weeks that slopes are over: from the origin to the planned day."""
    if not any(WEEK in one.effects for one in found):
        return records
    weeks = {visit.id: elapsed(visit.time) / 7.0 for visit in spec.visits}
    return records.assign(**{WEEK: records["AVISIT"].map(weeks).astype("float64")})


def _formula(model: MmrmModel | LmmModel, people: Cohort) -> str:
    outcome = "AVAL" if model.constrained else "CHG"
    arm = f"{people.arm_variable}*AVISIT" if len(people.arms) > 1 else "AVISIT"
    return " + ".join([f"{outcome} ~ {arm}", *model.covariates])


def _columns_needed(model: MmrmModel | LmmModel, people: Cohort) -> list[str]:
    """Return the columns that a record must have beside outcome, visit and arm."""
    names = covariate_names(model.covariates)
    if isinstance(model, LmmModel):
        return list(dict.fromkeys([*names, *grouping_columns(model.groupings)]))
    group = group_column(model, people)
    if group not in (None, people.arm_variable, *names):
        names.append(str(group))
    return names


def _with_baseline(spec: Study, own: Frame, used: Frame) -> Frame:
    """Put the baseline record of each subject before the others, at the visit of it."""
    import pandas as pd

    rows = own[(own["ABLFL"] == "Y") & own["AVAL"].notna()]
    return pd.concat([rows.assign(AVISIT=spec.baseline_visit.id), used])


def _with_days(spec: Study, model: MmrmModel | LmmModel, records: Frame) -> Frame:
    """Add the day that a spatial covariance measures distances by."""
    if not model.coordinate:
        return records
    if model.coordinate == "observed-day":
        days = records["ADY"].astype("float64")
        return records.assign(**{DAY: days.where(days <= 0, days - 1)})
    target_days = {visit.id: elapsed(visit.time) for visit in spec.visits}
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
    last = spec.baseline_visit.time
    early = [visit.id for visit in spec.visits if visit.time <= last]
    before = records["AVISIT"].isin(early) | (records["ABLFL"] == "Y")
    rest = records[~before & ~records.index.isin(used.index)]
    why = rest["ANL01RS"].where(rest["ANL01RS"] != "", NOT_FLAGGED)
    why = why.mask((why == NOT_FLAGGED) & rest["AVAL"].isna(), NO_VALUE)
    return {
        str(reason): int(n) for reason, n in why.value_counts().sort_index().items()
    }


def with_columns(records: Frame, people: Cohort, names: list[str]) -> Frame:
    """Add columns of ADSL; an empty text is a missing value, not a level."""
    wanted = [name for name in names if name not in ("BASE", "AVISIT")]
    columns = people.subjects.columns
    for name in wanted:
        if name not in columns:
            raise ModelError(
                one_of(name, ["BASE", "AVISIT", *columns], name="covariates")
            )
    keep = ["USUBJID", "AVISIT", "AVAL", "CHG", "BASE", "ADY", people.arm_variable]
    wanted = [name for name in dict.fromkeys(wanted) if name not in keep]
    out = records[keep].merge(people.subjects[["USUBJID", *wanted]], on="USUBJID")
    for name in wanted:
        if out[name].dtype.kind in "iuf":
            out[name] = out[name].astype("float64")
        else:
            out[name] = out[name].astype(object).where(out[name] != "", None)
    return out
