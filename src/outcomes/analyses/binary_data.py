"""The records of a yes/no endpoint over visits: which are used, and why others not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outcomes.analyses.change_data import (
    AFTER_RESCUE,
    complete,
    grouping_columns,
    with_columns,
    with_weeks,
)
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
    score_paramcd,
    target,
)
from outcomes.errors import DataError
from outcomes.study.analyses import Clustering, LongitudinalResponders
from outcomes.study.base_score import base_score
from outcomes.study.random import Grouping
from outcomes.study.spec import Study, Visit

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

MADE: Final = "NRI"
NOT_OBSERVED: Final = "NO VALUE (LEFT MISSING)"


@dataclass(frozen=True, slots=True)
class BinaryData:
    """What a model of yes/no over visits works on.

    Attributes
    ----------
    what : Target
        Endpoint, population, estimand.
    people : Cohort
        The population.
    visits : list of Visit
        Visits after baseline that have a record with all covariates, in order.
    wanted : list of Visit
        Visits that the analysis is of.
    modelled : DataFrame
        One row per subject and visit: ``AVAL`` 0 or 1, the arm, the covariates.
    excluded : dict
        Records that are not used, by reason; those that a rule made are counted as
        what they stand for, values that nobody observed.
    counted_as_no : int
        Visits from rescue on that a composite strategy makes no without a value.
    """

    what: Target
    people: Cohort
    visits: list[Visit]
    wanted: list[Visit]
    modelled: Frame
    excluded: dict[str, int]
    counted_as_no: int

    @property
    def n_subjects(self) -> int:
        """Subjects whose records the model uses."""
        return int(self.modelled["USUBJID"].nunique())

    @property
    def empty_arms(self) -> list[str]:
        """Arms without a record that the model can use."""
        there = set(self.modelled[self.people.arm_variable])
        return [arm for arm in self.people.arms if arm not in there]

    def levels(self, reference: str | None) -> dict[str, list[str]]:
        """Return the order of arms (reference first) and visits."""
        arms = sorted(self.people.arms, key=lambda arm: arm != reference)
        present = [arm for arm in arms if arm not in self.empty_arms]
        visits = [visit.id for visit in self.visits]
        return {self.people.arm_variable: present, "AVISIT": visits}

    def at(self, visit: str, arm: str) -> Frame:
        """Return the records of an arm at a visit."""
        rows = self.modelled
        return rows[(rows["AVISIT"] == visit) & (rows[self.people.arm_variable] == arm)]


def binary_data(
    spec: Study,
    analysis: LongitudinalResponders | Clustering,
    covariates: list[str],
    found: list[Grouping],
    adsl: Frame,
    adqs: Frame,
) -> BinaryData:
    """Select the records of a yes/no endpoint over visits.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : LongitudinalResponders or Clustering
        Names endpoint, population and visits.
    covariates : list of str
        Of the model.
    found : list of Grouping
        Of the model; empty without random effects.
    adsl, adqs : DataFrame
        The datasets.

    Raises
    ------
    DataError
        If a value is neither 0 nor 1, or no record is left.
    ModelError
        If a covariate is not a column.
    """
    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    named = analysis.visits
    wanted = [v for v in post_baseline(spec) if not named or v.id in named]
    all_records = at_parameter(adqs, what.paramcd)
    own = all_records[all_records["USUBJID"].isin(people.subjects["USUBJID"])]
    used, excluded, counted = _used(what, people, own, wanted, adqs)
    names = list(
        dict.fromkeys([*covariate_names(covariates), *grouping_columns(found)])
    )
    if "BASE" in names:
        used = used.assign(BASE=_baseline(spec, analysis, what, used, adqs))
    members = [name for one in found if one.multiple for name in one.columns]
    records = with_columns(people.with_arm(used), people, [*names, *members])
    modelled, absent = complete(with_weeks(spec, records, found), names, found)
    seen = set(modelled["AVISIT"])
    if not seen:
        raise DataError(
            f"none of the {len(used)} records of {what.paramcd} has all covariates "
            f"({', '.join(why for why, n in absent.items() if n) or 'there is none'})."
        )
    return BinaryData(
        what=what,
        people=people,
        visits=[visit for visit in wanted if visit.id in seen],
        wanted=wanted,
        modelled=modelled,
        excluded={why: n for why, n in {**excluded, **absent}.items() if n},
        counted_as_no=counted,
    )


def _used(
    what: Target, people: Cohort, own: Frame, visits: list[Visit], adqs: Frame
) -> tuple[Frame, dict[str, int], int]:
    """Return the records to analyse, why others are not, and how many are made no."""
    import pandas as pd

    rows = analysed(own, visits)
    if not rows["AVAL"].isin([0, 1]).all():
        raise DataError(f"{what.paramcd}: AVAL of a yes/no endpoint must be 0 or 1.")
    made = rows["DTYPE"] == MADE
    observed = rows[~made]
    if what.strategy == "composite":
        no = observed["ICE1FL"] == "Y"
        observed = observed.assign(
            AVAL=observed["AVAL"].astype("float64").mask(no, 0.0)
        )
        known = _known_as_no(people, rows[made], adqs)
        kept = pd.concat([observed, rows[made][known]])
        left = int((~known).sum())
        return kept, {NOT_OBSERVED: left}, int(known.sum())
    late = after_rescue(observed, what.strategy)
    excluded = {AFTER_RESCUE: int(late.sum()), NOT_OBSERVED: int(made.sum())}
    return observed[~late], excluded, 0


def _known_as_no(people: Cohort, missing: Frame, adqs: Frame) -> pd.Series[bool]:
    """Mark the visits without a value that come on or after rescue medication.

    The composite strategy says no of them, whether or not anybody looked. A visit
    that was not held has its planned day; rescue has the study day that the dates of
    the subject's other records give.
    """
    import pandas as pd

    dated = adqs[(adqs["ADT"] != "") & adqs["ADY"].notna()]
    first = dated.drop_duplicates("USUBJID")[["USUBJID", "ADT", "ADY"]]
    rescued = people.subjects.loc[
        people.subjects["RESCDT"] != "", ["USUBJID", "RESCDT"]
    ]
    both = rescued.merge(first, on="USUBJID").itertuples(index=False, name=None)
    day = {
        subject: _study_day(date, known, int(known_day))
        for subject, date, known, known_day in both
    }
    since = missing["USUBJID"].map(day).astype("float64")
    planned = missing["AWTARGET"].astype("float64")
    return pd.Series(planned >= since, index=missing.index)


def _study_day(date: str, known: str, known_day: int) -> float:
    """Return the study day of a date, from another date and its study day.

    Examples
    --------
    >>> _study_day("2024-03-02", "2024-02-29", -1)
    2.0
    """
    import pandas as pd

    apart = (pd.Timestamp(date[:10]) - pd.Timestamp(known[:10])).days
    passed = (known_day - 1 if known_day > 0 else known_day) + apart
    return float(passed + 1 if passed >= 0 else passed)


def _baseline(
    spec: Study,
    analysis: LongitudinalResponders | Clustering,
    what: Target,
    used: Frame,
    adqs: Frame,
) -> pd.Series[float]:
    """Return the baseline value of the score that goes with the endpoint."""
    name, score = base_score(spec, what.endpoint, analysis.baseline)
    if not name:
        raise DataError(
            f"{what.endpoint} is made of no single score, so BASE is nobody's; name "
            "the change whose baseline it is in 'baseline'."
        )
    values = baseline_values(at_parameter(adqs, score_paramcd(name, score)))
    return used["USUBJID"].map(values).astype("float64")
