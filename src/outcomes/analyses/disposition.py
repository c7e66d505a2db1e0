"""Disposition: who was screened, randomised, treated, completed and analysed.

Counts as CONSORT 2010 asks for, and the check that they add up. Method:
``docs/methods/disposition.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcomes.analyses.change_data import change_data
from outcomes.analyses.describe import share
from outcomes.analyses.selection import arm_variable, in_words, members, target
from outcomes.ard.rows import ArdRows
from outcomes.errors import DataError, ModelError
from outcomes.study.analyses import Change, Disposition
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame
    Mask = pd.Series[bool]

NOT_GIVEN = "Reason not given"
NOT_RECORDED = "not recorded"


def analyse(
    spec: Study, analysis: Disposition, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add the counts of one disposition analysis.

    Parameters
    ----------
    spec : Study
        The study; its prespecified change analyses are counted too.
    analysis : Disposition
        The analysis. Counts are of everybody in ADSL, whatever its population.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.
    """
    ard = ard.at(method=in_words("counts of subjects"))
    randomised = adsl[adsl["RANDFL"] == "Y"]
    _entry(spec, adsl, randomised, ard)
    if randomised.empty:
        ard.fail(f"nobody was {_verb(spec)}.", term="randomised", n_subjects=0)
    unknown = ~randomised["TRTFL"].isin(["Y", "N"])
    recorded = not unknown.all() or randomised.empty
    if not recorded:
        ard.add(
            "label",
            text=NOT_RECORDED,
            term="treatment-unknown",
            warning="the study records no doses, so that who was treated is not known",
            n_subjects=len(randomised),
        )
    for arm, subjects in _by_arm(spec, randomised):
        here = ard.at(arm=arm)
        here.add_all(
            share(len(subjects), len(randomised)),
            term="randomised",
            n_subjects=len(subjects),
        )
        if recorded:
            _treatment(subjects, here, some_unknown=bool(unknown.any()))
        _end_of_study(subjects, here, randomised)
    _populations(spec, adsl, randomised, ard)
    for other in spec.analyses:
        if isinstance(other, Change) and other.prespecified:
            what = target(spec, other)
            if members(what.population, adsl).empty:
                line = ard.at(level=other.id, population=what.population)
                line.add("n", 0, term="analysed", endpoint=what.endpoint)
                continue
            try:
                _analysed(spec, other, adsl, adqs, ard)
            except (DataError, ModelError) as problem:
                ard.fail(str(problem), term="analysed", level=other.id)


def _by_arm(spec: Study, subjects: Frame) -> Iterator[tuple[str, Frame]]:
    for arm in spec.arms:
        yield arm.id, subjects[subjects["TRT01P"] == arm.id]
    yield "", subjects


def _entry(spec: Study, adsl: Frame, randomised: Frame, ard: ArdRows) -> None:
    screened = len(adsl)
    ard.add("n", screened, term="screened", n_subjects=screened)
    out = adsl[adsl["RANDFL"] != "Y"]
    lines = ard.at(term="not-randomised", n_subjects=screened)
    lines.add_all(share(len(out), screened))
    for reason, count in _reasons(out["SCRFREAS"]):
        lines.add_all(share(count, screened), level=reason)
    parts = {
        f"{_verb(spec)} to {arm}": len(subjects)
        for arm, subjects in _by_arm(spec, randomised)
        if arm
    }
    _close(ard, "screened", screened, {**parts, f"not {_verb(spec)}": len(out)})


def _verb(spec: Study) -> str:
    """Say what happened to those who entered: one arm leaves nothing to randomise."""
    return "randomised" if len(spec.arms) > 1 else "allocated"


def _reasons(given: pd.Series[str]) -> Iterator[tuple[str, int]]:
    counts = given.replace("", NOT_GIVEN).value_counts()
    for reason in sorted(counts.index):
        yield str(reason), int(counts[reason])


def _treatment(subjects: Frame, ard: ArdRows, *, some_unknown: bool) -> None:
    """Count who got what; somebody not known to be treated is not untreated."""
    treated = subjects["TRTFL"] == "Y"
    untreated = subjects["TRTFL"] == "N"
    as_planned = subjects["TRT01A"] == subjects["TRT01P"]
    _count(ard, "treated-as-allocated", treated & as_planned)
    _count(ard, "treated-otherwise", treated & ~as_planned)
    _count(ard, "not-treated", untreated)
    if some_unknown:
        weak = ard.at(warning="of some subjects it is not known whether treated")
        _count(weak, "treatment-unknown", ~treated & ~untreated)


def _count(ard: ArdRows, term: str, members: Mask) -> None:
    n = len(members)
    ard.add_all(share(int(members.sum()), n), term=term, n_subjects=n)


def _end_of_study(subjects: Frame, ard: ArdRows, randomised: Frame) -> None:
    """Count how the study ended; without records, who was seen at its last visit.

    Every reason given in the study is counted in every arm, if only as none.
    """
    status = subjects["EOSSTT"]
    if not (randomised["EOSSTT"] != "").any():
        weak = ard.at(
            warning="the study records no end of study; completers are those with a "
            "questionnaire at the last scheduled visit"
        )
        _count(weak, "completed", subjects["COMPLFL"] == "Y")
        _count(weak, "status-unknown", subjects["COMPLFL"] != "Y")
        return
    _count(ard, "completed", status == "COMPLETED")
    _count(ard, "ongoing", status == "ONGOING")
    left = status == "DISCONTINUED"
    _count(ard, "discontinued", left)
    given = subjects["DCSREAS"].replace("", NOT_GIVEN)
    everybody = randomised.loc[randomised["EOSSTT"] == "DISCONTINUED", "DCSREAS"]
    for reason, _ in _reasons(everybody):
        _count(ard.at(level=reason), "discontinued", left & (given == reason))
    parts = {
        word.lower(): int((status == word).sum())
        for word in ("COMPLETED", "DISCONTINUED", "ONGOING")
    }
    _close(ard, "end-of-study", len(subjects), parts)


def _close(ard: ArdRows, what: str, whole: int, parts: dict[str, int]) -> None:
    """Check that parts add up to the whole; where not, the row is an error."""
    rest = whole - sum(parts.values())
    row = ard.at(term="closure", level=what, n_subjects=whole)
    if rest == 0:
        row.add("estimate", 0)
        return
    listed = " + ".join(f"{count} {name}" for name, count in parts.items())
    row.fail(f"{whole} subjects are not {listed}; {rest} do not add up.")


def _populations(spec: Study, adsl: Frame, randomised: Frame, ard: ArdRows) -> None:
    for id in spec.populations:
        variable = arm_variable(id)
        inside = members(id, adsl)
        for arm in (*(a.id for a in spec.arms), ""):
            n = int((inside[variable] == arm).sum()) if arm else len(inside)
            of = int((randomised["TRT01P"] == arm).sum()) if arm else len(randomised)
            by = "treatment received" if variable == "TRT01A" else "planned treatment"
            line = ard.at(
                term="population",
                population=id,
                arm=arm,
                n_subjects=n,
                method=in_words(f"counts of subjects by {by}"),
            )
            counts = share(n, of)
            # More subjects can have received an arm than were allocated to it.
            if n > of or variable == "TRT01A":
                counts = {"n": float(n)}
            line.add_all(counts)


def _analysed(
    spec: Study, analysis: Change, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Count the subjects with a record that the analysis uses."""
    data = change_data(spec, analysis, adsl, adqs)
    used = set(data.modelled["USUBJID"])
    for arm, subjects in data.people.by_arm():
        counts = share(int(subjects["USUBJID"].isin(used).sum()), len(subjects))
        ard.add_all(
            counts,
            term="analysed",
            level=analysis.id,
            endpoint=data.what.endpoint,
            population=data.what.population,
            estimand=data.what.estimand,
            arm=arm,
            n_subjects=len(subjects),
        )
