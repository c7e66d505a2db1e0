"""Who entered the follow-up, out of whom, and what became of everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outcomes.analyses.describe import share
from outcomes.analyses.selection import in_words
from outcomes.analyses.time_to_event_data import TIME, EventData
from outcomes.analyses.time_to_event_swimmer import observed_answers
from outcomes.ard.rows import ArdRows
from outcomes.study.analyses import TimeToEvent
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame
    Mask = pd.Series[bool]

_STILL: Final = (
    "COMPLETED STUDY",
    "NOT ENTERED FOLLOW-UP",
    "LAST ASSESSMENT",
    "NO ASSESSMENT AFTER ORIGIN",
)
_LEFT: Final = "DISCONTINUED"
_NO_STATUS: Final = "STATUS NOT RECORDED"


def eligible(data: EventData, analysis: TimeToEvent) -> Frame:
    """Return those at risk who could have entered: event-free and in the study then.

    Whoever did not enter for a reason of ``entry_weights.not_eligible`` could not have.

    Parameters
    ----------
    data : EventData
        Times.
    analysis : TimeToEvent
        Names these reasons.

    Returns
    -------
    DataFrame
        Rows of ``data.frame``, with ``ENTERED`` 0 or 1.
    """
    rows = event_free(data)
    barred = _barred(rows["USUBJID"], data, analysis)
    return rows[barred == ""].reset_index(drop=True)


def _barred(
    ids: pd.Series[str], data: EventData, analysis: TimeToEvent
) -> pd.Series[str]:
    """Return the reason for which subjects could not have entered; '' if they could."""
    subjects = data.people.subjects.set_index("USUBJID")
    reasons = ids.map(subjects["FUPNREAS"]).fillna("").astype(str)
    listed = {_folded(reason) for reason in _not_eligible(analysis)}
    out = ids.map(subjects["FUPFL"]) != "Y"
    return reasons.where(out & reasons.map(_folded).isin(listed), "")


def _not_eligible(analysis: TimeToEvent) -> list[str]:
    weights = analysis.entry_weights
    return [] if weights is None else list(weights.not_eligible)


def _folded(reason: str) -> str:
    return " ".join(reason.split()).casefold()


def event_free(data: EventData) -> Frame:
    """Return those at risk who were event-free and in the study when it was due.

    Follow-up is due on the day of entry of those who entered, else on the day on which
    the main study ended for the subject. Whoever had an event, competing ones included,
    on or before it, was censored before it by a rule of the endpoint, or left the main
    study, is not eligible; nor is who began to be at risk in the follow-up. Somebody
    whose last assessment came a little before that day is: nothing is known to have
    happened.

    Parameters
    ----------
    data : EventData
        Times.

    Returns
    -------
    DataFrame
        Rows of ``data.frame``, with ``ENTERED`` 0 or 1.
    """
    rows = data.frame
    subjects = data.people.subjects.set_index("USUBJID")
    entered = rows["USUBJID"].map(subjects["FUPFL"]) == "Y"
    stayed = entered | (rows["USUBJID"].map(subjects["EOSSTT"]) != _LEFT)
    free = (rows["CNSR"] == 1) | (rows[TIME] > rows["FUPDY"])
    ended = rows["EVNTDESC"]
    unseen = ended.isin(_STILL) | (ended.str.startswith(_LEFT) & entered)
    there = (rows[TIME] >= rows["FUPDY"]) | unseen
    known = rows["FUPDY"] >= 1
    keep = (known & stayed & free & there).astype(bool)
    out = rows.assign(ENTERED=entered.astype("int64"))
    return out[keep].reset_index(drop=True)


def add_entry(
    spec: Study, analysis: TimeToEvent, data: EventData, adqs: Frame, ard: ArdRows
) -> None:
    """Add the counts of the follow-up by arm; they close.

    Randomised are those who entered, those who did not, by reason, and those of whom
    nothing is recorded. Those who entered ended it in one of several ways. The eligible
    entered or did not; the others who entered did so after an event, or were otherwise
    not among those who could.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : TimeToEvent
        Names the reasons for which subjects could not have entered.
    data : EventData
        Population and times.
    adqs : DataFrame
        For who was assessed at visits of the follow-up.
    ard : ArdRows
        Where results go.
    """
    ard = ard.at(method_id="entry", method=in_words("counts of subjects"))
    subjects = data.people.subjects
    randomised = subjects[subjects["RANDFL"] == "Y"]
    reasons = _why_not(randomised)
    stages = _ends(randomised)
    answers = observed_answers(spec, data, adqs)
    late = set(spec.follow_up_visits)
    visits = [visit for visit in spec.visits if visit.id in late]
    if answers.empty:
        visits = []
    for arm in data.people.arms:
        own = randomised[randomised[data.people.arm_variable] == arm]
        ids = own["USUBJID"]
        n = len(own)
        here = ard.at(arm=arm, n_subjects=n)
        _add(here.at(term="randomised"), n, n)
        entered = int((own["FUPFL"] == "Y").sum())
        _add(here.at(term="entered"), entered, n)
        _add_eligible(data, analysis, own, here)
        mine = reasons.reindex(own.index)
        stated = int((mine.fillna("") != "").sum())
        _add(here.at(term="not-entered"), stated, n)
        for reason in sorted(set(reasons) - {""}):
            line = here.at(term="not-entered", level=reason)
            _add(line, int((mine == reason).sum()), n)
        unknown = int((mine == "").sum())
        _add(here.at(term="without-record", warning=_unclosed(unknown)), unknown, n)
        for visit in visits:
            seen = set(answers.loc[answers["AVISIT"] == visit.id, "USUBJID"])
            line = here.at(term="assessed", visit=visit.id, time=visit.time)
            _add(line, int(ids.isin(seen).sum()), n)
        last = stages.reindex(own.index)
        for stage in sorted(set(stages)):
            line = here.at(term="ended", level=stage)
            _add(line, int((last == stage).sum()), entered)


def _add_eligible(
    data: EventData, analysis: TimeToEvent, own: Frame, ard: ArdRows
) -> None:
    """Add how many of an arm could have entered, how many of them did, and who else."""
    n, ids = len(own), own["USUBJID"]
    could = ids.isin(eligible(data, analysis)["USUBJID"])
    came = own["FUPFL"] == "Y"
    for term, counted in (
        ("eligible", could),
        ("eligible-entered", could & came),
        ("eligible-not-entered", could & ~came),
        ("entered-otherwise", came & ~could),
    ):
        _add(ard.at(term=term), int(counted.sum()), n)
    free = event_free(data)["USUBJID"]
    barred = _barred(free, data, analysis)
    found = {reason for reason in barred if reason}
    folded = {_folded(reason) for reason in found}
    # A reason that nobody gave is a row, too: its spelling may be wrong.
    never = {why for why in _not_eligible(analysis) if _folded(why) not in folded}
    for reason in sorted(found | never):
        here = set(free[barred == reason])
        line = ard.at(term="could-not-enter", level=reason)
        _add(line, int(ids.isin(here).sum()), n)


def _unclosed(n: int) -> str:
    if not n:
        return ""
    return f"{n} randomised subjects neither entered nor have a reason why not"


def _add(ard: ArdRows, n: int, denominator: int) -> None:
    counts = share(n, denominator)
    ard.add_all({"n": counts["n"], "denominator": counts["denominator"]})
    if denominator:
        ard.add("percent", counts["percent"])


def _why_not(randomised: Frame) -> pd.Series[str]:
    """Return why each subject who did not enter did not; '' if nothing says it.

    Leaving the main study is a reason.
    """
    rows = randomised[randomised["FUPFL"] != "Y"]
    left = rows["EOSSTT"] == _LEFT
    why = (_LEFT + ": " + rows["DCSREAS"]).where(rows["DCSREAS"] != "", _LEFT)
    given = rows["FUPNREAS"] != ""
    return rows["FUPNREAS"].where(given, why.where(left, ""))


def _ends(randomised: Frame) -> pd.Series[str]:
    """Return how follow-up ended for each who entered."""
    rows = randomised[randomised["FUPFL"] == "Y"]
    reason = rows["FUPDREAS"].where(rows["FUPDREAS"] != "", _LEFT)
    status = rows["FUPSTT"].where(rows["FUPSTT"] != "", _NO_STATUS)
    return status.where(rows["FUPSTT"] != _LEFT, reason)
