"""How each subject came in and went out, read from DS.

Conventions on DSDECOD (case and outer blanks do not count):

- milestones: ``INFORMED CONSENT OBTAINED``, ``RANDOMIZED``;
- disposition events (DSCAT ``DISPOSITION EVENT`` or empty): ``SCREEN FAILURE`` with
  the reason in DSTERM, ``COMPLETED``, and anything else, which is the reason for
  discontinuation;
- records of any other DSCAT are counted and not used;
- records with EPOCH ``FOLLOW-UP`` say nothing of the main study
  (`outcomes.derive.follow_up`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from outcomes.derive.days import date_text
from outcomes.derive.notes import Note, first, plural

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame

CONSENT = "INFORMED CONSENT OBTAINED"
RANDOMIZED = "RANDOMIZED"
SCREEN_FAILURE = "SCREEN FAILURE"
COMPLETED = "COMPLETED"
DEATH = "DEATH"
FOLLOW_UP = "FOLLOW-UP"
MILESTONES = (CONSENT, RANDOMIZED)
SPELLINGS = {"RANDOMISED": RANDOMIZED, "INFORMED CONSENT": CONSENT}
UNSPECIFIC = ("DISCONTINUED", "WITHDRAWN", "OTHER")
"""Terms that say nothing: the reason is then the reported term, if there is one."""


def in_follow_up(ds: Frame) -> pd.Series[bool]:
    """Say which records of DS are of the follow-up, by EPOCH."""
    epoch = ds["EPOCH"].str.strip().str.upper().str.replace("[ _]", "-", regex=True)
    return epoch.isin([FOLLOW_UP, "FOLLOWUP"])


def read_events(
    ds: Frame, milestones: Sequence[str] = MILESTONES
) -> tuple[Frame, list[Note]]:
    """Return DS with ``term`` (standard spelling), ``event`` and ``day`` columns.

    ``event`` is true of disposition events; ``milestones`` have it false.
    """
    out = ds.copy()
    out["term"] = out["DSDECOD"].str.strip().str.upper().replace(SPELLINGS)
    category = out["DSCAT"].str.strip().str.upper()
    milestone = out["term"].isin(milestones)
    out["event"] = category.isin(["", "DISPOSITION EVENT"]) & ~milestone
    out["day"] = date_text(out["DSSTDTC"])
    unused = ~(out["event"] | milestone)
    notes = []
    if unused.any():
        terms = ", ".join(sorted(out.loc[unused, "DSDECOD"].unique()))
        notes.append(
            Note(
                "disposition-unused",
                f"{plural(int(unused.sum()), 'record')} of ds that are neither a "
                f"disposition event nor a known milestone: {terms}.",
                remedy="not used in derivation",
                file="ds",
                column="DSCAT",
            )
        )
    return out[~unused], notes


def milestone_dates(events: Frame, term: str) -> pd.Series[Any]:
    """Return the first date of a milestone by USUBJID (``''`` without a date)."""
    rows = events[events["term"] == term]
    dated = rows[rows["day"] != ""].groupby("USUBJID")["day"].min()
    return dated.reindex(sorted(rows["USUBJID"].unique()), fill_value="")


def end_of_study(
    events: Frame, subjects: pd.Index[Any], randomised: pd.Series[Any]
) -> tuple[Frame, list[Note]]:
    """Derive EOSDT, EOSSTT, DCSREAS and SCRFREAS.

    Parameters
    ----------
    events : DataFrame
        From `read_events`.
    subjects : Index of str
        USUBJID of every subject.
    randomised : Series of bool
        By USUBJID.

    Returns
    -------
    frame : DataFrame
        Four text columns, index ``subjects``.
    notes : list of Note
        Every contradiction, by subject.
    """
    import pandas as pd

    names = ["EOSDT", "EOSSTT", "DCSREAS", "SCRFREAS"]
    out = pd.DataFrame("", index=subjects, columns=names, dtype="str")
    rows = events[events["event"]].copy()
    rows["randomised"] = rows["USUBJID"].map(randomised).astype(bool)
    notes = contradictions(rows)

    failed = rows[~rows["randomised"] & (rows["term"] != COMPLETED)]
    last = _pick(failed, failed["term"].ne(SCREEN_FAILURE).astype(int))
    out.loc[last.index, "EOSDT"] = last["day"]
    out.loc[last.index, "SCRFREAS"] = last["DSTERM"].where(
        (last["term"] == SCREEN_FAILURE) | (last["DSTERM"] != ""), last["DSDECOD"]
    )

    inside = rows[rows["randomised"] & (rows["term"] != SCREEN_FAILURE)]
    end = ends(inside)
    out.loc[randomised.index[randomised], "EOSSTT"] = "ONGOING"
    out.loc[end.index, "EOSDT"] = end["day"]
    out.loc[end.index, "EOSSTT"] = end["status"]
    out.loc[end.index, "DCSREAS"] = end["reason"]
    return out, notes


def ends(rows: Frame) -> Frame:
    """Return how each subject ended, of several disposition events the one that counts.

    Parameters
    ----------
    rows : DataFrame
        Disposition events as from `read_events`.

    Returns
    -------
    DataFrame
        By USUBJID: ``day``, ``status`` (COMPLETED, DISCONTINUED) and ``reason``.
    """
    rank = 1 + (rows["term"] == COMPLETED) - (rows["term"] == DEATH)
    end = _pick(rows, rank.astype(int))
    completed = end["term"] == COMPLETED
    vague = end["term"].isin(UNSPECIFIC) & (end["DSTERM"] != "")
    reason = end["term"].where(~vague, end["DSTERM"])
    status = completed.map({True: COMPLETED, False: "DISCONTINUED"}).astype("str")
    return end.assign(status=status, reason=reason.where(~completed, ""))[
        ["day", "status", "reason"]
    ]


def _pick(rows: Frame, rank: pd.Series[Any]) -> Frame:
    """Return one row per subject: the smallest rank, then the earliest date."""
    ordered = rows.assign(rank=rank, undated=rows["day"] == "")
    ordered = ordered.sort_values(["USUBJID", "rank", "undated", "day", "DSSEQ"])
    return ordered.drop_duplicates("USUBJID").set_index("USUBJID")


def contradictions(rows: Frame, of: str = "") -> list[Note]:
    """Name subjects whose disposition events do not agree, and what was done.

    ``of`` is put before each message, where they are not those of the main study.
    """
    notes = []

    def warn(subject: str, message: str, remedy: str) -> None:
        notes.append(
            Note(
                "disposition-conflict",
                of + message,
                remedy,
                "warning",
                file="ds",
                column="DSDECOD",
                subject=subject,
            )
        )

    several = rows["USUBJID"].duplicated(keep=False)
    ended = several | (rows["term"] == (SCREEN_FAILURE)) | ~rows["randomised"]
    for subject, own in rows[ended].groupby("USUBJID", sort=True):
        name = str(subject)
        terms = sorted(own["term"])
        if not own["randomised"].iloc[0]:
            if COMPLETED in terms:
                warn(name, "COMPLETED, but not randomised.", "COMPLETED is not used")
            continue
        if SCREEN_FAILURE in terms:
            warn(
                name,
                "SCREEN FAILURE, but randomised.",
                "stays randomised; SCREEN FAILURE is not used",
            )
        left = [t for t in terms if t not in (COMPLETED, SCREEN_FAILURE)]
        if terms.count(COMPLETED) > 1:
            warn(name, "COMPLETED stands more than once.", "the earliest is used")
        if left and COMPLETED in terms:
            what = ", ".join(left)
            warn(name, f"COMPLETED and {what}.", "counts as discontinued")
        if len(left) > 1:
            what = ", ".join(left)
            rule = "DEATH is used" if DEATH in left else "the earliest is used"
            warn(name, f"several reasons for discontinuation: {what}.", rule)
    return notes


def completion(
    end: Frame | None, randomised: pd.Series[Any], at_last_visit: set[str]
) -> tuple[pd.Series[Any], list[Note]]:
    """Derive COMPLFL: from DS, or without one from being seen at the last visit.

    Parameters
    ----------
    end : DataFrame or None
        From `end_of_study`; None where the study has no DS.
    randomised : Series of bool
        By USUBJID.
    at_last_visit : set of str
        Subjects with a questionnaire done at the last scheduled visit.
    """
    if end is not None:
        done = end["EOSSTT"] == COMPLETED
        notes: list[Note] = []
        unseen = sorted(set(done.index[done]) - at_last_visit)
        if unseen:
            notes.append(
                Note(
                    "completed-unseen",
                    f"{plural(len(unseen), 'subject')} completed the study without a "
                    f"questionnaire at the last scheduled visit {first(unseen)}.",
                    remedy="COMPLFL is Y",
                    column="COMPLFL",
                )
            )
    else:
        done = randomised.index.isin(list(at_last_visit)) & randomised
        notes = [
            Note(
                "no-disposition",
                "The study has no ds: who has a questionnaire done at the last "
                f"scheduled visit is a completer ({int(done.sum())} of "
                f"{plural(int(randomised.sum()), 'randomised subject')}).",
                remedy="EOSSTT, EOSDT and DCSREAS are empty",
                column="COMPLFL",
            )
        ]
    return done.map({True: "Y", False: "N"}).astype("str"), notes
