"""Which analysis visit a record belongs to, and which of several is analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcomes.derive.days import difference
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError, one_of

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

UNSCHEDULED = "UNSCHEDULED"
NO_WINDOW = "UNSCHEDULED, IN NO WINDOW"
NO_DAY = "UNSCHEDULED, NO STUDY DAY"
OUT_OF_WINDOW = "OUT OF WINDOW"
NO_VALUE = "NO VALUE"
NOT_DONE = "INSTRUMENT NOT DONE"
DUPLICATE = "ANOTHER RECORD IS ANALYSED"
"""Values of ANL01RS; `outcomes.derive.baseline` has two more."""


def assign_visits(spec: Study, admin: Frame) -> tuple[Frame, list[Note]]:
    """Give every administration its analysis visit.

    A scheduled one keeps its nominal visit. An unscheduled one gets the visit whose
    window holds its day (``unscheduled: by-date``), or none. One that belongs to a
    dosing session and to no visit has none.

    Parameters
    ----------
    spec : Study
        The study.
    admin : DataFrame
        With VISIT, SESSION and ADY.

    Returns
    -------
    frame : DataFrame
        With AVISIT, AWTARGET, AWTDIFF, AWLO, AWHI, ANL01RS and ``unscheduled``.
    notes : list of Note
        Records moved to a visit by date, or kept although out of window.

    Raises
    ------
    DataError
        A visit that is not in the schedule; an unscheduled record where the study
        file says ``unscheduled: error``.
    """
    scheduled = [visit.id for visit in spec.visits]
    out = admin.copy()
    nominal = out["VISIT"].isin(scheduled)
    session = (out["VISIT"] == "") & out["SESSION"].notna()
    unscheduled = ~nominal & ~session
    _refuse(spec, out, unscheduled)
    out["unscheduled"] = unscheduled
    out["AVISIT"] = out["VISIT"].where(nominal, "")
    out["ANL01RS"] = ""
    notes = []
    if spec.unscheduled == "by-date":
        found = visit_of_day(spec, out["ADY"])
        out["AVISIT"] = out["AVISIT"].where(~unscheduled, found)
        lost = unscheduled & (found == "")
        out.loc[lost, "ANL01RS"] = NO_WINDOW
        out.loc[lost & out["ADY"].isna(), "ANL01RS"] = NO_DAY
        notes += _counts(
            out[unscheduled & ~lost],
            "unscheduled-by-date",
            "{what} not scheduled, put to the visit whose window holds the day",
            "unscheduled: by-date",
        )
    else:
        out.loc[unscheduled, "ANL01RS"] = UNSCHEDULED
    out = add_windows(spec, out)
    notes += _counts(
        out[nominal & _hours_away(spec, out)],
        "hour-on-another-day",
        "{what} at a visit hours after the first dose, dated neither on that day nor "
        "on the next",
        "the visit is kept; correct it, or the date",
        severity="warning",
    )
    outside = nominal & ((out["ADY"] < out["AWLO"]) | (out["ADY"] > out["AWHI"]))
    if spec.out_of_window == "exclude":
        out.loc[outside, "ANL01RS"] = OUT_OF_WINDOW
    else:
        notes += _counts(
            out[outside],
            "out-of-window",
            "{what} outside the window of the nominal visit, kept",
            "out_of_window: keep",
        )
    return out, notes


def _hours_away(spec: Study, records: Frame) -> pd.Series[bool]:
    """Say which records of an hour of the first dose are dated on another day.

    Such a visit has no window, and 24 hours may end on the next day.
    """
    hours = [v.id for v in spec.visits if v.hour is not None and v.day == 1]
    there = records["AVISIT"].isin(hours) & records["ADY"].notna()
    return there & ~records["ADY"].isin([1, 2]) & (spec.origin == "first-dose")


def visit_of_day(spec: Study, days: pd.Series[Any]) -> pd.Series[Any]:
    """Return the visit whose window holds each day, ``''`` where none does."""
    import pandas as pd

    out = pd.Series("", index=days.index, dtype="str")
    for visit in spec.visits:
        if visit.window is not None:
            out = out.mask(days.between(*visit.window), visit.id)
    return out


def add_windows(spec: Study, records: Frame) -> Frame:
    """Add AWTARGET, AWTDIFF, AWLO and AWHI of each record's AVISIT."""
    out = records.copy()
    target = {visit.id: visit.day for visit in spec.visits}
    low = {visit.id: visit.window[0] for visit in spec.visits if visit.window}
    high = {visit.id: visit.window[1] for visit in spec.visits if visit.window}
    for name, mapping in (("AWTARGET", target), ("AWLO", low), ("AWHI", high)):
        out[name] = out["AVISIT"].map(mapping).astype("float64")
    out["AWTDIFF"] = difference(out["ADY"], out["AWTARGET"])
    return out


def _refuse(spec: Study, admin: Frame, unscheduled: pd.Series[Any]) -> None:
    legal = [visit.id for visit in spec.visits] + spec.unscheduled_visits
    rows = admin[unscheduled]
    problems = []
    for name in sorted(set(rows["VISIT"]) - set(legal)):
        own = rows.loc[rows["VISIT"] == name, "USUBJID"]
        problems.append(
            f"qs: {plural(len(own), 'administration')} {first(own)}: "
            f"{one_of(name, legal, name='VISIT')}"
        )
    if spec.unscheduled == "error" and not problems and len(rows):
        named = rows["USUBJID"] + " " + rows["QSCAT"] + " " + rows["ADT"]
        problems.append(
            f"qs: {plural(len(rows), 'unscheduled administration')} "
            f"{first(named.str.strip())}; give them a visit, or set unscheduled: "
            "by-date or exclude."
        )
    if problems:
        raise DataError("\n".join(problems))


def _counts(
    rows: Frame,
    rule: str,
    text: str,
    remedy: str,
    severity: Literal["note", "warning"] = "note",
) -> list[Note]:
    """Count administrations by instrument and visit."""
    return [
        Note(
            rule,
            f"{visit}: "
            + text.format(what=f"{plural(len(own), 'administration')} of {name}")
            + f" {first(own['USUBJID'])}.",
            remedy,
            severity,
            file="adqs",
            column="AVISIT",
            value=str(name),
        )
        for (name, visit), own in rows.groupby(["QSCAT", "AVISIT"], sort=True)
    ]


PLACE = ["USUBJID", "PARAMCD", "AVISIT", "SESSION"]
"""One record is analysed at each."""


def refuse_duplicates(records: Frame) -> None:
    """Raise if several records with a value stand at one visit.

    Raises
    ------
    DataError
        Naming the subjects, visits and instruments, for ``duplicates: error``.
    """
    rows = records[_eligible(records)]
    doubled = rows[rows.duplicated(PLACE, keep=False)]
    if doubled.empty:
        return
    session = doubled["SESSION"].astype("str").where(doubled["SESSION"].notna(), "")
    place = doubled["AVISIT"].where(doubled["AVISIT"] != "", "session " + session)
    named = doubled["USUBJID"] + " " + place + " " + doubled["PARCAT1"]
    raise DataError(
        f"qs: {plural(named.nunique(), 'visit')} with several records {first(named)}; "
        "remove one, or set duplicates: closest, first or last."
    )


def choose_records(spec: Study, records: Frame) -> Frame:
    """Set ANL01FL on one record per subject, parameter, visit and session.

    Only records with a value and without a reason against them compete. ``closest``
    takes the one nearest to the target day, of equally near ones the latest, then a
    scheduled before an unscheduled one, then the one entered last. ``first`` and
    ``last`` go by study day. A record without a study day comes after those with one.

    Returns
    -------
    DataFrame
        With ANL01FL, and ANL01RS of those that lost.
    """
    out = records.copy()
    rows = out[_eligible(out)]
    day = rows["ADY"].to_numpy(dtype=np.float64)
    late = -1.0 if spec.duplicates != "first" else 1.0
    near = (
        rows["AWTDIFF"].abs().to_numpy(dtype=np.float64)
        if spec.duplicates == "closest"
        else np.zeros(len(rows))
    )
    ordered = rows[[*PLACE, "unscheduled"]].assign(
        near=np.where(np.isnan(near), np.inf, near),
        day=np.where(np.isnan(day), np.inf, late * day),
        entered=late * rows["sequence"].to_numpy(dtype=np.float64),
    )
    ordered = ordered.sort_values(["near", "day", "unscheduled", "entered"])
    chosen = ordered.drop_duplicates(PLACE).index
    out["ANL01FL"] = ""
    out.loc[chosen, "ANL01FL"] = "Y"
    out.loc[rows.index.difference(chosen), "ANL01RS"] = DUPLICATE
    return out


def _eligible(records: Frame) -> pd.Series[Any]:
    placed = (records["AVISIT"] != "") | records["SESSION"].notna()
    return records["AVAL"].notna() & (records["ANL01RS"] == "") & placed
