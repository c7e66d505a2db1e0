"""What ADSL takes from the tables beside DM: covariates, strata, deviations, rescue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes.datasets.adam import ADSL
from outcomes.derive.days import date_text
from outcomes.derive.notes import Note, first, plural
from outcomes.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study


def covariates(spec: Study, suppdm: Frame, subjects: pd.Index[Any]) -> Frame:
    """Return the declared covariates of ``sources.dm``, one column each.

    Raises
    ------
    DataError
        A covariate named like a column of ADSL, or a number that is none; all of
        them.
    """
    import pandas as pd

    declared = spec.sources.dm.covariates
    out = pd.DataFrame(index=subjects)
    problems = []
    wide = suppdm.set_index(["USUBJID", "QNAM"])["QVAL"]
    for name, covariate in declared.items():
        if ADSL.column(name) is not None:
            problems.append(
                f"sources.dm.covariates.{name}: ADSL has a column {name} already; "
                "choose another name."
            )
            continue
        held = wide[wide.index.get_level_values("QNAM") == name].droplevel("QNAM")
        values = held.reindex(subjects, fill_value="").astype("str")
        if covariate.kind == "text":
            out[name] = values
            continue
        numbers = pd.to_numeric(values.replace("", None), errors="coerce")
        bad = numbers.isna() & (values != "")
        if bad.any():
            found = ", ".join(sorted({repr(v) for v in values[bad]})[:3])
            problems.append(
                f"suppdm: {name} is declared a number, but is {found} in "
                f"{plural(int(bad.sum()), 'subject')} {first(values.index[bad])}; "
                "declare it as text or correct the values."
            )
        out[name] = numbers.astype("float64")
    if problems:
        raise DataError("\n".join(problems))
    return out


def strata(
    spec: Study, dm: Frame, suppdm: Frame, randomised: pd.Series[Any]
) -> tuple[pd.Series[Any], list[Note]]:
    """Return STRATAR: the declared strata of a randomised subject, joined by ``/``."""
    import pandas as pd

    names = spec.sources.dm.strata
    out = pd.Series("", index=dm.index, dtype="str")
    if not names:
        return out, []
    wide = suppdm.set_index(["USUBJID", "QNAM"])["QVAL"]
    parts = []
    for name in names:
        if name in dm.columns:
            parts.append(_as_text(dm[name]))
        else:
            held = wide[wide.index.get_level_values("QNAM") == name].droplevel("QNAM")
            parts.append(held.reindex(dm.index, fill_value="").astype("str"))
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "/" + part
    incomplete = pd.concat([part == "" for part in parts], axis=1).any(axis=1)
    incomplete &= randomised
    notes = []
    if incomplete.any():
        notes.append(
            Note(
                "stratum-missing",
                f"{plural(int(incomplete.sum()), 'randomised subject')} without "
                f"one of the strata {', '.join(names)} {first(dm.index[incomplete])}.",
                remedy="its place in STRATAR is empty",
                severity="warning",
                column="STRATAR",
            )
        )
    return joined.where(randomised, ""), notes


def _as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as text; whole numbers without a decimal point."""
    if values.dtype.kind not in "iuf":
        return values.astype("str")
    import pandas as pd

    numbers = values.astype("float64").tolist()
    texts = [f"{number:g}" if number == number else "" for number in numbers]
    return pd.Series(texts, index=values.index, dtype="str")


def major_deviations(
    dv: Frame, subjects: pd.Index[Any], *, present: bool
) -> pd.Series[Any]:
    """Return NMAJDEV: records of DV with DVCAT ``MAJOR``; null without a DV."""
    import pandas as pd

    if not present:
        return pd.Series(pd.NA, index=subjects, dtype="Int64")
    major = dv[dv["DVCAT"].str.strip().str.upper() == "MAJOR"]
    counts = major.groupby("USUBJID").size()
    return counts.reindex(subjects, fill_value=0).astype("Int64")


def rescue_dates(cm: Frame, since: pd.Series[Any]) -> tuple[pd.Series[Any], list[Note]]:
    """Return RESCDT: the first rescue medication on or after a date.

    Parameters
    ----------
    cm : DataFrame
        SDTM CM; rescue is CMCAT ``RESCUE``.
    since : Series of str
        By USUBJID: first dose, else randomisation, else ``''``.

    Returns
    -------
    dates : Series of str
        Index as ``since``.
    notes : list of Note
        Rescue records that were not counted, by reason.
    """
    rescue = cm[cm["CMCAT"].str.strip().str.upper() == "RESCUE"].copy()
    rescue["day"] = date_text(rescue["CMSTDTC"])
    rescue["since"] = rescue["USUBJID"].map(since).fillna("")
    undated = rescue["day"] == ""
    unplaced = ~undated & (rescue["since"] == "")
    early = ~undated & ~unplaced & (rescue["day"] < rescue["since"])
    notes = []
    for mask, what, severity in (
        (undated, "without a whole start date", "warning"),
        (
            unplaced,
            "of subjects with neither first dose nor randomisation date",
            "note",
        ),
        (early, "before first dose (or randomisation)", "note"),
    ):
        if mask.any():
            notes.append(
                Note(
                    "rescue-not-counted",
                    f"{plural(int(mask.sum()), 'rescue record')} {what} "
                    f"{first(rescue.loc[mask, 'USUBJID'])}.",
                    remedy="not used for RESCDT",
                    severity="warning" if severity == "warning" else "note",
                    file="cm",
                    column="CMSTDTC",
                )
            )
    counted = rescue[~(undated | unplaced | early)]
    dates = counted.groupby("USUBJID")["day"].min()
    return dates.reindex(since.index, fill_value="").astype("str"), notes
