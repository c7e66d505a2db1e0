"""Which record is the baseline, and what changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.derive.notes import Note, first, plural
from outcomes.derive.visits import (
    NO_VALUE,
    NOT_DONE,
    UNSCHEDULED,
    add_windows,
)

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

NOT_BASELINE = "NOT THE BASELINE RECORD"
NOT_BEFORE = "NOT BEFORE FIRST DOSE"
_OWN = ["USUBJID", "PARAMCD"]


def mark_baseline(spec: Study, records: Frame) -> tuple[Frame, list[Note]]:
    """Mark the last value before first dose and put it to the baseline visit.

    A value is before first dose when its study day is, or when it was taken at the
    baseline visit on the day of the first dose. A subject never dosed is judged by
    the day of randomisation, and without a value before that, or without dates, by
    the baseline visit. Records of later visits never are the baseline, nor is an
    unscheduled record under ``unscheduled: exclude``.

    With ``baseline.rule: visit`` nothing is done here: the record analysed at the
    baseline visit is the baseline (`apply_baseline`).

    Returns
    -------
    frame : DataFrame
        With ABLFL; the other records at the baseline visit have a reason in ANL01RS.
    notes : list of Note
    """
    out = records.copy()
    out["ABLFL"] = ""
    if spec.baseline.rule == "visit":
        return out, []
    visit = spec.baseline_visit
    places = [v.id for v in spec.visits]
    not_after = out["VISIT"].isin(places[: places.index(visit.id) + 1])
    nominal = out["VISIT"] == visit.id
    possible = out["AVAL"].notna() & (not_after | out["unscheduled"])
    possible &= out["ANL01RS"] != UNSCHEDULED
    early = out["ADY"] < out["before"]
    early |= nominal & ((out["ADY"] == out["before"]) | out["ADY"].isna())
    fallback = nominal & ~out["dosed"].astype(bool)
    rows = out[possible & (early | fallback)]
    ordered = rows[_OWN].assign(
        early=early[rows.index],
        day=rows["ADY"].fillna(float(visit.day)),
        nominal=nominal[rows.index],
        sequence=rows["sequence"],
    )
    ordered = ordered.sort_values(["early", "day", "nominal", "sequence"])
    chosen = ordered.drop_duplicates(_OWN, keep="last").index
    out.loc[chosen, ["AVISIT", "ANL01RS"]] = [visit.id, ""]
    out.loc[chosen, "ABLFL"] = "Y"
    out = add_windows(spec, out)
    rest = (out["AVISIT"] == visit.id) & (out["ABLFL"] == "") & out["AVAL"].notna()
    late = rest & out["dosed"].astype(bool) & ~early
    out.loc[rest & (out["ANL01RS"] == ""), "ANL01RS"] = NOT_BASELINE
    out.loc[late, "ANL01RS"] = NOT_BEFORE
    return out, _late_notes(out[late], visit.id)


def _late_notes(rows: Frame, visit: str) -> list[Note]:
    return [
        Note(
            "baseline-after-dose",
            f"{visit}: {plural(own['QSGRPID'].nunique(), 'administration')} of {name} "
            f"not before the first dose {first(own['USUBJID'])}.",
            remedy="not used as baseline",
            severity="warning",
            file="adqs",
            column="ABLFL",
            value=str(name),
        )
        for name, own in rows.groupby("PARCAT1", sort=True)
    ]


def apply_baseline(spec: Study, records: Frame) -> Frame:
    """Add BASE to all records of a visit, CHG and PCHG to those after baseline.

    PCHG is there only where BASE is above 0. Records of a dosing session and no visit
    have no baseline; a yes/no has BASE and no change.
    """
    out = records.copy()
    visit = spec.baseline_visit.id
    if spec.baseline.rule == "visit":
        is_base = (out["AVISIT"] == visit) & (out["ANL01FL"] == "Y")
        out["ABLFL"] = is_base.map({True: "Y", False: ""})
    base = out[out["ABLFL"] == "Y"].set_index(_OWN)["AVAL"].rename("BASE")
    out = out.drop(columns="BASE", errors="ignore").join(base, on=_OWN)
    session_only = (out["AVISIT"] == "") & ~out["unscheduled"]
    out["BASE"] = out["BASE"].where(~session_only)
    after = after_baseline(spec, out) & ~out["yes_no"]
    change = (out["AVAL"] - out["BASE"]).where(after)
    out["CHG"] = change
    out["PCHG"] = (100.0 * change / out["BASE"].where(out["BASE"] > 0)).astype(float)
    return out


def after_baseline(spec: Study, records: Frame) -> pd.Series[Any]:
    """Say which records come after baseline: by visit, without one by study day."""
    places = [visit.id for visit in spec.visits]
    later = places[places.index(spec.baseline_visit.id) + 1 :]
    stray = (records["AVISIT"] == "") & records["unscheduled"]
    day = np.where(records["before"].isna(), 1.0, records["before"])
    return records["AVISIT"].isin(later) | (stray & (records["ADY"] >= day))


def missing_baselines(records: Frame, randomised: set[str]) -> list[Note]:
    """Count randomised subjects with values of a parameter but no baseline."""
    rows = records[
        records["USUBJID"].isin(list(randomised))
        & (records["AVISIT"] != "")
        & records["AVAL"].notna()
    ]
    lacking = rows[rows["BASE"].isna()]
    return [
        Note(
            "no-baseline",
            f"{plural(own['USUBJID'].nunique(), 'randomised subject')} with values of "
            f"{code} and no baseline {first(own['USUBJID'])}.",
            remedy="BASE, CHG and PCHG are null",
            severity="warning",
            file="adqs",
            column="BASE",
            value=str(code),
        )
        for code, own in lacking.groupby("PARAMCD", sort=True)
    ]


def exclusion_notes(records: Frame) -> list[Note]:
    """Count what is not analysed, by instrument and reason."""
    notes = []
    rows = records[records["ANL01RS"] != ""]
    for (name, reason), own in rows.groupby(["PARCAT1", "ANL01RS"], sort=True):
        groups = own.drop_duplicates(["USUBJID", "QSGRPID"])
        notes.append(
            Note(
                "not-analysed",
                f"{reason}: {plural(len(groups), 'administration')} of {name} "
                f"({plural(len(own), 'record')}) {first(groups['USUBJID'])}.",
                remedy="kept without ANL01FL",
                file="adqs",
                column="ANL01RS",
                value=str(name),
            )
        )
    return notes


def no_value_reasons(records: Frame) -> pd.Series[Any]:
    """Return ANL01RS with the reason of records that have no value."""
    reason = records["ANL01RS"].mask(records["AVAL"].isna(), NO_VALUE)
    return reason.mask(records["AVAL"].isna() & records["not_done"], NOT_DONE)
