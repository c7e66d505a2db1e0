"""Planned and actual arm, randomisation, exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.derive.days import date_text
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError, one_of

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

SCREEN_FAILURE = "Screen Failure"


def planned_arm(spec: Study, dm: Frame) -> Frame:
    """Return ARM, TRT01P, TRT01PN, RANDFL and SCRNFFL by USUBJID.

    A subject is randomised when its ARMCD is the id of an arm; TRT01PN is the place
    of the arm in the study file, from 1.

    Raises
    ------
    DataError
        ARMCD is neither an arm nor one of ``not_randomised``; all such codes.
    """
    import pandas as pd

    labels = {arm.id: arm.label for arm in spec.arms}
    known = [*labels, *spec.not_randomised]
    counts = dm.loc[~dm["ARMCD"].isin(known), "ARMCD"].value_counts().sort_index()
    if len(counts):
        raise DataError(
            "\n".join(
                f"dm: {plural(int(n), 'subject')}: {one_of(code, known, name='ARMCD')}"
                for code, n in counts.items()
            )
        )
    randomised = dm["ARMCD"].isin(list(labels))
    numbers = {arm.id: place for place, arm in enumerate(spec.arms, start=1)}
    return pd.DataFrame(
        {
            "ARM": dm["ARMCD"].map(labels).fillna(SCREEN_FAILURE).astype("str"),
            "TRT01P": dm["ARMCD"].where(randomised, ""),
            "TRT01PN": dm["ARMCD"].map(numbers).astype("Int64"),
            "RANDFL": _flag(randomised),
            "SCRNFFL": _flag(~randomised),
        },
        index=dm.index,
    )


def exposure(spec: Study, ex: Frame, subjects: pd.Index[Any]) -> Frame:
    """Return TRTSDT, TRTEDT, NSESSION and TRTFL by USUBJID.

    A dosing session is a value of SESSION or, where that is absent, a date. Without
    an EX in the study TRTFL is ``''`` and NSESSION null: not known.
    """
    import pandas as pd

    out = pd.DataFrame(index=subjects)
    if spec.sources.ex is None:
        out["TRTSDT"] = out["TRTEDT"] = out["TRTFL"] = ""
        out["NSESSION"] = pd.Series(pd.NA, index=subjects, dtype="Int64")
        return out
    rows = ex.assign(day=date_text(ex["EXSTDTC"]))
    dated = rows[rows["day"] != ""].groupby("USUBJID")["day"]
    out["TRTSDT"] = dated.min().reindex(subjects, fill_value="")
    out["TRTEDT"] = dated.max().reindex(subjects, fill_value="")
    number = rows["SESSION"].astype("str")
    rows["session"] = number.where(rows["SESSION"].notna(), rows["day"])
    sessions = rows.groupby("USUBJID")["session"].nunique()
    out["NSESSION"] = sessions.reindex(subjects, fill_value=0).astype("Int64")
    out["TRTFL"] = _flag(out["NSESSION"] > 0)
    return out


def actual_arm(
    spec: Study, dm: Frame, ex: Frame, planned: Frame, treated: pd.Series[Any]
) -> tuple[Frame, list[Note]]:
    """Return ACTARM, TRT01A and TRT01AN by USUBJID.

    ACTARMCD says it where it is given. Otherwise the first dose does, if EXTRT, or
    EXTRT with dose and unit, is the id or the label of an arm; if it is neither, a
    treated subject is taken to have got the planned arm, and that is noted. A subject
    known not to be treated has none.

    Parameters
    ----------
    treated : Series of str
        TRTFL by USUBJID.
    """
    import pandas as pd

    labels = {arm.id: arm.label for arm in spec.arms}
    numbers = {arm.id: place for place, arm in enumerate(spec.arms, start=1)}
    collected = dm["ACTARMCD"]
    given = collected.where(collected.isin(list(labels)), "")
    dosed = _arm_of_first_dose(spec, ex).reindex(dm.index, fill_value="")
    actual = given.where(collected != "", dosed)
    assumed = (collected == "") & (actual == "") & (treated == "Y")
    assumed &= planned["TRT01P"] != ""
    actual = actual.where(~assumed, planned["TRT01P"]).where(treated != "N", "")
    frame = pd.DataFrame(
        {
            "ACTARM": collected.map(labels)
            .fillna(collected.map(dict.fromkeys(spec.not_randomised, SCREEN_FAILURE)))
            .fillna("")
            .astype("str"),
            "TRT01A": actual.astype("str"),
            "TRT01AN": actual.map(numbers).astype("Int64"),
        },
        index=dm.index,
    )
    return frame, _arm_notes(frame, planned["TRT01P"], assumed, treated)


def _arm_of_first_dose(spec: Study, ex: Frame) -> pd.Series[Any]:
    """Return the arm that the first exposure record names, by USUBJID."""
    import pandas as pd

    names = {arm.label.casefold(): arm.id for arm in spec.arms}
    names |= {arm.id.casefold(): arm.id for arm in spec.arms}
    rows = ex.sort_values(["USUBJID", "EXSTDTC", "EXSEQ"]).drop_duplicates("USUBJID")
    found = rows["EXTRT"].str.strip().str.casefold().map(names)
    doses = [f"{dose:g}" if dose == dose else "" for dose in rows["EXDOSE"].tolist()]
    parts = pd.Series(doses, index=rows.index, dtype="str")
    parts = rows["EXTRT"].str.strip() + " " + parts + " " + rows["EXDOSU"].str.strip()
    found = found.fillna(parts.str.casefold().map(names)).fillna("")
    return found.set_axis(rows["USUBJID"]).astype("str")


def _arm_notes(
    frame: Frame,
    planned: pd.Series[Any],
    assumed: pd.Series[Any],
    treated: pd.Series[Any],
) -> list[Note]:
    notes = []
    if assumed.any():
        notes.append(
            Note(
                "actual-arm-assumed",
                f"Neither ACTARMCD nor ex tells what "
                f"{plural(int(assumed.sum()), 'treated subject')} got "
                f"{first(frame.index[assumed])}.",
                remedy="TRT01A is the planned arm",
                column="TRT01A",
            )
        )
    actual = frame["TRT01A"]
    other = (actual != "") & (planned != "") & (actual != planned)
    for subject in frame.index[other]:
        notes.append(
            Note(
                "actual-arm-differs",
                f"planned {planned[subject]}, got {actual[subject]}.",
                severity="warning",
                column="TRT01A",
                subject=str(subject),
            )
        )
    unplanned = (treated == "Y") & (planned == "")
    if unplanned.any():
        notes.append(
            Note(
                "treated-not-randomised",
                f"{plural(int(unplanned.sum()), 'subject')} treated without being "
                f"randomised {first(frame.index[unplanned])}.",
                severity="warning",
                column="TRTFL",
            )
        )
    return notes


def _flag(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.astype(bool).map({True: "Y", False: "N"}).astype("str")
