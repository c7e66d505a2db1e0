"""Who entered the follow-up, when, and why the others did not: read from DS.

Every randomised subject either entered or has a reason for not entering; where that
does not hold no denominator would close, and the derivation stops. Conventions, with
all that is looked at: ``docs/derive.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from outcomes.derive.days import date_text
from outcomes.derive.disposition import (
    MILESTONES,
    SPELLINGS,
    contradictions,
    ends,
    read_events,
)
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import FollowUp, Study

COLUMNS = ("FUPFL", "FUPDT", "FUPNREAS", "FUPEDT", "FUPSTT", "FUPDREAS")
_ALL = 1000
"""How many subjects an error names: all of them, in any trial that is read by eye."""


def follow_up(
    spec: Study,
    ds: Frame,
    main: Frame,
    qs: Frame,
    out: Frame,
    randomised: pd.Series[Any],
) -> list[Note]:
    """Fill in the columns of ADSL that are about the follow-up.

    Parameters
    ----------
    spec : Study
        The study.
    ds : DataFrame
        Records of DS with EPOCH ``FOLLOW-UP``.
    main : DataFrame
        The other records of DS.
    qs : DataFrame
        Rows of QS of instruments that were done.
    out : DataFrame
        ADSL so far, by USUBJID, with RANDDT, EOSDT, EOSSTT and DCSREAS; gets
        `COLUMNS`.
    randomised : Series of bool
        By USUBJID.

    Returns
    -------
    list of Note
        Contradictions, and what was assumed.

    Raises
    ------
    DataError
        Everything that keeps denominators from closing, with the subjects: neither
        entered nor a reason, both, no reason, an entry or a visit of the follow-up
        before randomisation, a record of entry with the EPOCH of the main study.
    """
    out[list(COLUMNS)] = ""
    if spec.follow_up is None:
        return _undeclared(ds)
    own = spec.follow_up
    terms = _terms(own)
    rows, notes = read_events(ds, terms)
    inside = rows["USUBJID"].map(randomised).astype(bool)
    notes += _outsiders(rows[~inside])
    rows = rows[inside].sort_values(["USUBJID", "day", "DSSEQ"])
    entry = _first_of(rows[rows["term"] == terms[0]])
    refusal = _first_of(rows[rows["term"] == terms[1]])
    notes += _several(rows, terms)
    notes += _fill(out, entry, refusal, randomised)
    problems = misplaced(spec, main) + _not_closing(
        own, out, entry, refusal, randomised
    )
    problems += _too_early(spec, qs, out)
    if problems:
        raise DataError("\n".join(problems))
    notes += _ended(out, rows[rows["event"]])
    return notes + _suspicious(spec, qs, out)


def _terms(own: FollowUp) -> list[str]:
    """Return what says entry, and that there was none, in standard spelling."""
    terms = [own.entered.strip().upper(), own.not_entered.strip().upper()]
    return [SPELLINGS.get(term, term) for term in terms]


def misplaced(spec: Study, ds: Frame) -> list[str]:
    """Say which records of the main study say who entered the follow-up.

    Taken for how the main study ended they would be a discontinuation.

    Parameters
    ----------
    spec : Study
        The study.
    ds : DataFrame
        Records of DS with another EPOCH than ``FOLLOW-UP``.
    """
    if spec.follow_up is None:
        return []
    terms = [term for term in _terms(spec.follow_up) if term not in MILESTONES]
    found = ds[ds["DSDECOD"].str.strip().str.upper().isin(terms)]
    if found.empty:
        return []
    return [
        f"ds: {plural(len(found), 'record')} of {' or '.join(terms)} with another "
        f"EPOCH than FOLLOW-UP {first(found['USUBJID'], _ALL)}; correct EPOCH."
    ]


def _undeclared(ds: Frame) -> list[Note]:
    if ds.empty:
        return []
    return [
        Note(
            "follow-up-not-declared",
            f"{plural(len(ds), 'record')} of ds of the follow-up, which the study file "
            f"does not have {first(ds['USUBJID'])}.",
            remedy="not used; declare follow_up, or correct EPOCH",
            severity="warning",
            file="ds",
            column="EPOCH",
        )
    ]


def _outsiders(rows: Frame) -> list[Note]:
    if rows.empty:
        return []
    return [
        _warning(
            "follow-up-not-randomised",
            f"{plural(rows['USUBJID'].nunique(), 'subject')} with records of the "
            f"follow-up who were not randomised {first(rows['USUBJID'])}.",
            "not used",
            "FUPFL",
        )
    ]


def _several(rows: Frame, terms: list[str]) -> list[Note]:
    """Warn of who entered on several days, or did not for several reasons."""
    notes = []
    for term, column, what, do in (
        (terms[0], "day", "entered the follow-up on several days", "the earliest"),
        (terms[1], "DSTERM", "did not enter it for several reasons", "the first"),
    ):
        own = rows[(rows["term"] == term) & (rows[column].str.strip() != "")]
        folded = own[column].str.strip().str.casefold()
        count = folded.groupby(own["USUBJID"]).nunique()
        who = count.index[count > 1]
        if len(who):
            notes.append(
                _warning(
                    "follow-up-conflict",
                    f"{plural(len(who), 'subject')} {what} {first(who)}.",
                    f"{do} is used; correct ds",
                    "FUPDT" if column == "day" else "FUPNREAS",
                )
            )
    return notes


def _first_of(rows: Frame) -> Frame:
    """Return one record per subject: the earliest dated one, else the first."""
    ordered = rows.assign(undated=rows["day"] == "").sort_values(
        ["USUBJID", "undated", "day", "DSSEQ"]
    )
    return ordered.drop_duplicates("USUBJID").set_index("USUBJID")


def _fill(
    out: Frame, entry: Frame, refusal: Frame, randomised: pd.Series[Any]
) -> list[Note]:
    """Set FUPFL, FUPDT and FUPNREAS.

    Who left the main study and has no record of the follow-up has a reason: that one.
    """
    people = randomised.index[randomised]
    out.loc[people, "FUPFL"] = "N"
    out.loc[entry.index, "FUPFL"] = "Y"
    out.loc[entry.index, "FUPDT"] = entry["day"]
    out.loc[refusal.index, "FUPNREAS"] = refusal["DSTERM"].str.strip()
    silent = people.difference(entry.index).difference(refusal.index)
    left = out.index.isin(silent) & (out["EOSSTT"] == "DISCONTINUED")
    out.loc[left, "FUPNREAS"] = "DISCONTINUED: " + out.loc[left, "DCSREAS"]
    notes = []
    if left.any():
        notes.append(
            Note(
                "follow-up-left-before",
                f"{plural(int(left.sum()), 'randomised subject')} without a record of "
                f"the follow-up, who left the main study {first(out.index[left])}.",
                remedy="FUPFL is N; FUPNREAS is the reason for leaving",
                column="FUPNREAS",
            )
        )
    undated = entry.index[entry["day"] == ""]
    if len(undated):
        notes.append(
            _warning(
                "follow-up-entry-undated",
                f"{plural(len(undated), 'subject')} entered the follow-up without a "
                f"date {first(undated)}.",
                "FUPFL is Y, FUPDT is empty",
                "FUPDT",
            )
        )
    return notes


def _not_closing(
    own: FollowUp,
    out: Frame,
    entry: Frame,
    refusal: Frame,
    randomised: pd.Series[Any],
) -> list[str]:
    """Say whom the denominators of the follow-up do not count once and only once."""
    people = randomised.index[randomised]
    outside = (out.loc[people, "FUPFL"] == "N") & (out.loc[people, "FUPNREAS"] == "")
    reasonless = people[outside].intersection(refusal.index)
    neither = people[outside].difference(reasonless)
    both = entry.index.intersection(refusal.index)
    how = (
        f"record {own.entered.upper()}, or {own.not_entered.upper()} with the reason in"
        " DSTERM, in ds with EPOCH FOLLOW-UP"
    )
    found = [
        (neither, "neither entered the follow-up nor have a reason", how),
        (both, "both entered and did not enter the follow-up", "keep one record"),
        (
            reasonless,
            f"{own.not_entered.upper()} without a reason",
            "fill in DSTERM of the record",
        ),
    ]
    return [
        f"ds: {plural(len(who), 'randomised subject')} {what} {first(who, _ALL)}; {do}."
        for who, what, do in found
        if len(who)
    ]


def _too_early(spec: Study, qs: Frame, out: Frame) -> list[str]:
    """Say who entered, or was seen in the follow-up, before being randomised."""
    known = (out["RANDDT"] != "") & (out["FUPDT"] != "")
    entered = out.index[known & (out["FUPDT"] < out["RANDDT"])]
    rows = _visits(spec, qs)
    start = rows["USUBJID"].map(out["RANDDT"]).fillna("")
    early = rows[(rows["day"] != "") & (start != "") & (rows["day"] < start)]
    seen = early["USUBJID"] + " " + early["VISIT"]
    problems = []
    if len(entered):
        problems.append(
            f"ds: {plural(len(entered), 'subject')} entered the follow-up before being "
            f"randomised {first(entered, _ALL)}; correct one of the dates."
        )
    if len(seen):
        problems.append(
            f"qs: {plural(seen.nunique(), 'visit')} of the follow-up dated before "
            f"randomisation {first(seen, _ALL)}; correct the visit or the date."
        )
    return problems


def _visits(spec: Study, qs: Frame) -> Frame:
    """Return subject, visit and date of assessments at visits of the follow-up."""
    rows = qs.loc[qs["VISIT"].isin(spec.follow_up_visits), ["USUBJID", "VISIT"]]
    return rows.assign(day=date_text(qs.loc[rows.index, "QSDTC"])).drop_duplicates()


def _ended(out: Frame, rows: Frame) -> list[Note]:
    """Set FUPEDT, FUPSTT and FUPDREAS of those who entered."""
    entered = out["FUPFL"] == "Y"
    inside = rows["USUBJID"].map(entered).astype(bool)
    notes = contradictions(
        rows[inside].assign(randomised=True), of="of the follow-up: "
    )
    end = ends(rows[inside])
    out.loc[entered, "FUPSTT"] = "ONGOING"
    out.loc[end.index, "FUPEDT"] = end["day"]
    out.loc[end.index, "FUPSTT"] = end["status"]
    out.loc[end.index, "FUPDREAS"] = end["reason"]
    stray = rows.loc[~inside, "USUBJID"]
    if len(stray):
        notes.append(
            _warning(
                "follow-up-end-without-entry",
                f"{plural(stray.nunique(), 'subject')} with an end of the follow-up "
                f"who did not enter it {first(stray)}.",
                "not used",
                "FUPSTT",
            )
        )
    return notes


def _suspicious(spec: Study, qs: Frame, out: Frame) -> list[Note]:
    """Warn of dates and assessments of the follow-up that do not fit together."""
    entered = out["FUPFL"] == "Y"
    dated = entered & (out["FUPDT"] != "")
    rows = _visits(spec, qs)
    flag, entry = (rows["USUBJID"].map(out[name]) for name in ("FUPFL", "FUPDT"))
    uninvited = rows.loc[flag == "N", "USUBJID"]
    before = (rows["day"] != "") & (entry != "") & (rows["day"] < entry)
    found: list[tuple[str, Iterable[str], str, str, str]] = [
        (
            "follow-up-before-end",
            out.index[dated & (out["EOSDT"] != "") & (out["FUPDT"] < out["EOSDT"])],
            "entered the follow-up before the main study ended",
            "both dates are kept; correct one",
            "FUPDT",
        ),
        (
            "follow-up-without-end",
            out.index[entered & (out["EOSSTT"] == "ONGOING")],
            "entered the follow-up without an end of the main study",
            "EOSSTT is ONGOING; add the end to ds",
            "EOSSTT",
        ),
        (
            "follow-up-end-before-entry",
            out.index[dated & (out["FUPEDT"] != "") & (out["FUPEDT"] < out["FUPDT"])],
            "ended the follow-up before entering it",
            "both dates are kept; correct one",
            "FUPEDT",
        ),
        (
            "follow-up-end-undated",
            out.index[out["FUPSTT"].isin(["COMPLETED", "DISCONTINUED"])].intersection(
                out.index[out["FUPEDT"] == ""]
            ),
            "ended the follow-up without a date",
            "FUPEDT is empty",
            "FUPEDT",
        ),
        (
            "follow-up-assessment-uninvited",
            uninvited,
            "assessed at a visit of the follow-up without having entered it",
            "the records are kept; FUPFL is N",
            "FUPFL",
        ),
        (
            "follow-up-assessment-early",
            rows.loc[before & (flag == "Y"), "USUBJID"],
            "assessed at a visit of the follow-up before entering it",
            "the records are kept; correct one of the dates",
            "FUPDT",
        ),
    ]
    return [
        _warning(
            rule, f"{plural(len(names), 'subject')} {what} {first(names)}.", do, to
        )
        for rule, who, what, do, to in found
        if (names := sorted(set(who)))
    ]


def _warning(rule: str, message: str, remedy: str, column: str) -> Note:
    return Note(rule, message, remedy, "warning", column=column)
