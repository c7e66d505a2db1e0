"""Observed and missing values by visit and arm, and the patterns they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.analyses.describe import share
from outcomes.analyses.selection import (
    Cohort,
    after_rescue,
    analysed,
    at_parameter,
    baseline_values,
    cohort,
    fail_empty_arms,
    in_words,
    scheduled,
    target,
)
from outcomes.ard.rows import ArdRows
from outcomes.study.analyses import Missingness
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame

INTERMITTENT = "Intermittent"
AFTER_RESCUE = "After rescue"
OTHER = "Other"
PATTERNS = ("complete", "monotone", "intermittent", "never-observed")


def analyse(
    spec: Study, analysis: Missingness, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add who was expected and observed at each visit.

    Every subject of the population is expected at every scheduled visit. A missing
    value with an observed one after it is intermittent; else it comes after
    discontinuation, where that is recorded. Values that a hypothetical strategy drops
    are missing for it.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Missingness
        The analysis.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.
    """
    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    records = at_parameter(adqs, what.paramcd)
    visits = scheduled(spec, records)
    used = analysed(records, visits)
    dropped = after_rescue(used, what.strategy)
    ids = people.subjects["USUBJID"]
    seen = _grid(used[~dropped], ids, [visit.id for visit in visits])
    rescued = _grid(used[dropped], ids, [visit.id for visit in visits])
    ard = ard.at(
        endpoint=what.endpoint,
        population=what.population,
        estimand=what.estimand,
        method=in_words("counts of subjects of the population", what.handling),
    )
    known = baseline_values(records).dropna().index
    first = spec.baseline_visit
    fail_empty_arms(people, ard)
    _visit(people, ids.isin(known), ard.at(visit=first.id, time=first.time))
    if not visits:
        ard.fail(
            f"no record of {what.paramcd} at a visit after baseline.",
            term="observed",
            n_subjects=0,
        )
        return
    reasons = _reasons(people.subjects, seen, rescued)
    for visit in visits:
        here = ard.at(visit=visit.id, time=visit.time)
        _visit(people, seen[visit.id].reset_index(drop=True), here)
        _missing_by_reason(people, reasons[visit.id], here)
    _patterns(people, seen, ard)


def _grid(records: Frame, ids: pd.Series[str], visits: list[str]) -> Frame:
    """Return subjects x visits: whether there is a record."""
    import pandas as pd

    grid = pd.DataFrame(False, index=pd.Index(ids), columns=visits)
    for visit, rows in records.groupby("AVISIT"):
        grid.loc[grid.index.isin(rows["USUBJID"]), str(visit)] = True
    return grid


def _visit(people: Cohort, seen: Any, ard: ArdRows) -> None:
    """Count observed and missing at one visit; ``seen`` as the rows of the cohort."""
    observed = set(people.subjects["USUBJID"][seen])
    for arm, subjects in people.by_arm():
        n = len(subjects)
        there = int(subjects["USUBJID"].isin(observed).sum())
        ard.add_all(share(there, n), arm=arm, term="observed", n_subjects=n)
        ard.add_all(share(n - there, n), arm=arm, term="missing", n_subjects=n)


def _reasons(subjects: Frame, seen: Frame, rescued: Frame) -> Frame:
    """Return subjects x visits: why a value is missing, ``''`` where it is not."""
    import pandas as pd

    out = pd.DataFrame("", index=seen.index, columns=seen.columns, dtype="str")
    left = subjects.set_index("USUBJID")
    reason = left["DCSREAS"].replace("", "reason not given")
    tail = ("After discontinuation: " + reason).where(
        left["EOSSTT"] == "DISCONTINUED", OTHER
    )
    later = pd.Series(False, index=seen.index)
    for visit in reversed(list(seen.columns)):
        missing = ~seen[visit]
        out.loc[missing, visit] = tail[missing]
        out.loc[missing & later, visit] = INTERMITTENT
        out.loc[missing & rescued[visit], visit] = AFTER_RESCUE
        later |= seen[visit]
    return out


def _missing_by_reason(people: Cohort, reasons: pd.Series[str], ard: ArdRows) -> None:
    levels = sorted(set(reasons) - {""})
    for arm, subjects in people.by_arm():
        own = reasons[subjects["USUBJID"]]
        for level in levels:
            counts = share(int((own == level).sum()), len(subjects))
            here = ard.at(arm=arm, term="missing", level=level)
            here.add_all(counts, n_subjects=len(subjects))


def _patterns(people: Cohort, seen: Frame, ard: ArdRows) -> None:
    """Count who has all values, misses them from some visit on, or in between."""
    count = seen.sum(axis=1)
    # Monotone: the observed visits are the first ones.
    run = seen.cumprod(axis=1).sum(axis=1)
    width = seen.shape[1]
    pattern = count.map(lambda n: "complete" if n == width else "never-observed")
    part = (count > 0) & (count < width)
    pattern[part & (run == count)] = "monotone"
    pattern[part & (run < count)] = "intermittent"
    for arm, subjects in people.by_arm():
        own = pattern[subjects["USUBJID"]]
        for name in PATTERNS:
            counts = share(int((own == name).sum()), len(subjects))
            ard.add_all(counts, arm=arm, term=name, n_subjects=len(subjects))
