"""One row per administration of an instrument: when it was, and on which study day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.datasets.sdtm import INSTRUMENT_NOT_DONE
from outcomes.derive.days import date_text, ordinals, study_day
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

GROUP = ["USUBJID", "QSGRPID"]
"""What identifies an administration."""

_SHARED = ["STUDYID", "QSCAT", "VISIT", "SESSION", "QSDTC", "QSDY", "QSEVALID"]


def administrations(qs: Frame) -> Frame:
    """Return one row per administration, sorted by subject and group.

    Returns
    -------
    DataFrame
        Columns of `GROUP`, what its rows share, ``ADT``, ``sequence`` (its first
        QSSEQ) and ``not_done``.

    Raises
    ------
    DataError
        Rows of one administration disagree on visit, session, date or evaluator.
    """
    rows = qs.sort_values([*GROUP, "QSSEQ"])
    out = rows[[*GROUP, *_SHARED]].drop_duplicates(ignore_index=True)
    torn = out.duplicated(GROUP)
    if torn.any():
        named = out.loc[torn, "USUBJID"] + " " + out.loc[torn, "QSGRPID"]
        raise DataError(
            f"qs: {plural(int(torn.sum()), 'administration')} whose rows disagree on "
            f"{', '.join(_SHARED[1:])} {first(named)}; each administration is one "
            "sitting with one QSGRPID."
        )
    leading = rows.drop_duplicates(GROUP).reset_index(drop=True)
    out["sequence"] = leading["QSSEQ"].astype("int64")
    out["not_done"] = (leading["QSTESTCD"] == "QSALL") | (
        leading["QSREASND"] == INSTRUMENT_NOT_DONE
    )
    out["ADT"] = date_text(out["QSDTC"])
    return out


def origins(spec: Study, adsl: Frame, admin: Frame) -> tuple[Frame, list[Note]]:
    """Return for each subject the date of study day 1, and days counted from it.

    Day 1 is the first dose or the randomisation (``origin``). A subject without that
    date has day 1 at randomisation; without that too, where the baseline visit would
    fall on its scheduled day.

    Returns
    -------
    frame : DataFrame
        By USUBJID: ``origin`` (days since 1970), ``before`` (the study day of first
        dose, else of randomisation: baseline is before it), ``dosed``, ``rescue``
        (study day of the first rescue medication), ``randomised``. Absent days are
        NaN.
    notes : list of Note
        Who fell back on what.
    """
    import pandas as pd

    by = adsl.set_index("USUBJID")
    dose, randomised = ordinals(by["TRTSDT"]), ordinals(by["RANDDT"])
    wanted = dose if spec.origin == "first-dose" else randomised
    visit = spec.baseline_visit
    own = admin[(admin["VISIT"] == visit.id) & (admin["ADT"] != "")]
    day = own.groupby("USUBJID")["ADT"].min().reindex(by.index, fill_value="")
    # The date of day 1 if the baseline visit was on its scheduled day.
    scheduled = ordinals(day) - (visit.day - 1 if visit.day > 0 else visit.day)
    second = np.where(np.isnan(wanted), randomised, wanted)
    origin = np.where(np.isnan(second), scheduled, second)
    reference = np.where(np.isnan(dose), randomised, dose)
    frame = pd.DataFrame(
        {
            "origin": origin,
            "before": study_day(reference, origin),
            "dosed": ~np.isnan(dose),
            "rescue": study_day(ordinals(by["RESCDT"]), origin),
            "randomised": by["RANDFL"] == "Y",
        },
        index=by.index,
    )
    inside = (by["RANDFL"] == "Y").to_numpy()
    used = by.index.isin(admin["USUBJID"])
    lacking = np.isnan(wanted) & used
    steps = [
        (
            lacking & ~np.isnan(second) & inside,
            "randomised",
            "is the date of randomisation",
        ),
        (
            lacking & np.isnan(second) & ~np.isnan(origin) & inside,
            "randomised",
            "is set by the baseline visit, taken to be on its scheduled day",
        ),
        (
            lacking & ~np.isnan(origin) & ~inside,
            "not randomised",
            "is set by the baseline visit, taken to be on its scheduled day",
        ),
    ]
    what = "first dose" if spec.origin == "first-dose" else "date of randomisation"
    notes = [
        Note(
            "study-day-origin",
            f"{plural(int(mask.sum()), 'subject')} ({who}) without {what}: day 1 "
            f"{how} {first(by.index[mask])}.",
            remedy=f"origin: {spec.origin}",
            file="adqs",
            column="ADY",
        )
        for mask, who, how in steps
        if mask.any()
    ]
    return frame, notes


def add_study_days(admin: Frame, days: Frame) -> tuple[Frame, list[Note]]:
    """Add ``ADY`` and the subject's ``before``, ``dosed`` and ``rescue`` days.

    ADY comes from the date; where there is no date, from QSDY; else it is NaN.

    Raises
    ------
    DataError
        QSDY is 0, or a subject is not in ADSL.
    """
    _refuse(admin, days.index)
    out = admin.copy()
    for name in ("before", "dosed", "rescue"):
        out[name] = out["USUBJID"].map(days[name])
    counted = study_day(ordinals(out["ADT"]), out["USUBJID"].map(days["origin"]))
    collected = out["QSDY"].astype("float64").to_numpy()
    out["ADY"] = np.where((out["ADT"] == "").to_numpy(), collected, counted)
    notes = []
    rows = out[out["ADY"].isna() & ~out["not_done"]]
    inside = rows["USUBJID"].map(days["randomised"]).astype(bool)
    for (instrument, randomised), own in rows.groupby(["QSCAT", inside], sort=True):
        who = "randomised" if randomised else "not randomised"
        notes.append(
            Note(
                "no-study-day",
                f"{plural(len(own), 'administration')} of {instrument} without a "
                f"study day in {plural(own['USUBJID'].nunique(), 'subject')} ({who}) "
                f"{first(own['USUBJID'])}.",
                remedy="ADY is null; the nominal visit counts",
                file="adqs",
                column="ADY",
                value=str(instrument),
            )
        )
    return out, notes


def sessions_without_dose(spec: Study, ex: Frame | None, admin: Frame) -> list[Note]:
    """Warn of administrations after a session that the subject has no exposure of.

    Nothing is said of a study without EX, or whose EX has no session numbers, nor of
    a subject some of whose doses have none.
    """
    if spec.sources.ex is None or ex is None or ex["SESSION"].isna().all():
        return []
    unnumbered = set(ex.loc[ex["SESSION"].isna(), "USUBJID"])
    numbered = ex[ex["SESSION"].notna()]
    held = set(zip(numbered["USUBJID"], numbered["SESSION"].astype(int), strict=True))
    rows = admin[admin["SESSION"].notna() & ~admin["not_done"]]
    places = zip(rows["USUBJID"], rows["SESSION"].astype(int), strict=True)
    wrong = np.array([p not in held and p[0] not in unnumbered for p in places], bool)
    notes = []
    for (name, session), own in rows[wrong].groupby(["QSCAT", "SESSION"], sort=True):
        notes.append(
            Note(
                "session-without-dose",
                f"{plural(len(own), 'administration')} of {name} after session "
                f"{session} of subjects who have no such session in ex "
                f"{first(own['USUBJID'])}.",
                remedy="kept with the session it names; correct that, or add the dose",
                severity="warning",
                file="adqs",
                column="SESSION",
                value=str(session),
            )
        )
    return notes


def _refuse(admin: Frame, subjects: pd.Index[Any]) -> None:
    problems = []
    foreign = ~admin["USUBJID"].isin(subjects)
    if foreign.any():
        names = admin.loc[foreign, "USUBJID"]
        problems.append(
            f"qs: {plural(names.nunique(), 'subject')} not in dm {first(names)}; add "
            "them to dm or remove their records."
        )
    zero = (admin["QSDY"] == 0).fillna(False).astype(bool)
    if zero.any():
        problems.append(
            f"qs: QSDY is 0 in {plural(int(zero.sum()), 'administration')} "
            f"{first(admin.loc[zero, 'USUBJID'])}; there is no day 0: the day before "
            "day 1 is day -1."
        )
    if problems:
        raise DataError("\n".join(problems))
