"""The records of a change analysis: which are used, which are not and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
from outcomes.study.spec import Change, Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

AFTER_RESCUE: Final = "AFTER RESCUE MEDICATION"
NO_VALUE: Final = "NO VALUE"
NO_BASELINE: Final = "NO BASELINE VALUE"
NOT_FLAGGED: Final = "NOT FLAGGED FOR ANALYSIS"


@dataclass(frozen=True, slots=True)
class ChangeData:
    """What a change analysis works on.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    people : Cohort
        The population.
    visit : Visit
        The visit of the analysis.
    visits : list of Visit
        Scheduled visits after baseline that have a record with all covariates, in
        order.
    records : DataFrame
        One row per subject and visit with a change and all covariates, so those that
        the model uses: ADQS columns, the arm variable and the covariates.
    baseline : Series
        Baseline value by USUBJID, of subjects in the population that have one.
    excluded : dict
        Records that are not used, by reason.
    formula : str
        Of the model.
    """

    what: Target
    people: Cohort
    visit: Visit
    visits: list[Visit]
    records: Frame
    baseline: pd.Series[float]
    excluded: dict[str, int]
    formula: str

    @property
    def empty_arms(self) -> list[str]:
        """Arms without a record that the model can use."""
        there = set(self.records[self.people.arm_variable])
        return [arm for arm in self.people.arms if arm not in there]

    def levels(self, reference: str | None) -> dict[str, list[str]]:
        """Return the order of arms (reference first) and visits."""
        arms = sorted(self.people.arms, key=lambda arm: arm != reference)
        visits = [visit.id for visit in self.visits]
        return {self.people.arm_variable: arms, "AVISIT": visits}


def change_data(spec: Study, analysis: Change, adsl: Frame, adqs: Frame) -> ChangeData:
    """Select the records of a change analysis.

    Raises
    ------
    DataError
        If there is no record with a change after baseline.
    ModelError
        If a covariate is not a column.
    """
    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    all_records = at_parameter(adqs, what.paramcd)
    own = all_records[all_records["USUBJID"].isin(people.subjects["USUBJID"])]
    visits = post_baseline(spec)
    used = analysed(own, visits)
    late = after_rescue(used, what.strategy)
    bare = used["CHG"].isna() & ~late
    excluded = _not_analysed(spec, own, used)
    excluded |= {AFTER_RESCUE: int(late.sum()), NO_BASELINE: int(bare.sum())}
    used = used[~late & ~bare]
    if used.empty:
        raise DataError(
            f"no subject of {what.population} has a change of {what.paramcd} after "
            "baseline; see the issue log of derive for why."
        )
    names = covariate_names(analysis.model.covariates)
    records = _with_covariates(people.with_arm(used), people, names)
    for name in names:
        # Counted here, and not left to the model, so that no number of this analysis
        # is of records that the model does not use.
        absent = records[name].isna()
        excluded[f"{name} is missing"] = int(absent.sum())
        records = records[~absent]
    if records.empty:
        raise DataError(
            f"none of the {len(used)} records of {what.paramcd} has all covariates "
            f"({', '.join(names)})."
        )
    seen = set(records["AVISIT"])
    baseline = baseline_values(own).dropna()
    several = len(people.arms) > 1
    arm = f"{people.arm_variable}*AVISIT" if several else "AVISIT"
    return ChangeData(
        what=what,
        people=people,
        visit=spec.visit(analysis.visit),
        visits=[visit for visit in visits if visit.id in seen],
        records=records,
        baseline=baseline,
        excluded={why: n for why, n in excluded.items() if n},
        formula=" + ".join([f"CHG ~ {arm}", *analysis.model.covariates]),
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
    keep = ["USUBJID", "AVISIT", "AVAL", "CHG", "BASE", people.arm_variable]
    wanted = [name for name in wanted if name not in keep]
    out = records[keep].merge(people.subjects[["USUBJID", *wanted]], on="USUBJID")
    for name in wanted:
        if out[name].dtype.kind in "iuf":
            out[name] = out[name].astype("float64")
        else:
            out[name] = out[name].astype(object).where(out[name] != "", None)
    return out
