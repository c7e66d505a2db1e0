"""The file of subjects to DM and SUPPDM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.datasets.adam import ADSL
from outcomes.datasets.sdtm import DM
from outcomes.ingest.cells import Cells
from outcomes.ingest.issues import IssueLog, hints, plural, quoted
from outcomes.ingest.raw import RawTable, TextArray
from outcomes.ingest.variables import Variables, read_variables
from outcomes.study.spec import Study, SubjectSource

if TYPE_CHECKING:
    import pandas as pd

SEX_CODES = ("F", "M", "U", "UNDIFFERENTIATED")
OLDEST = 120
NOT_ASSIGNED = "NOTASSGN"
"""ARMCD (CDISC) of an empty arm that ``not_randomised`` allows."""


def read_subjects(
    spec: Study, table: RawTable, log: IssueLog
) -> tuple[pd.DataFrame, pd.DataFrame, set[str]] | None:
    """Read DM, SUPPDM and the set of subjects.

    Returns
    -------
    tuple of DataFrame, DataFrame, set of str, or None
        None where the mapping does not hold, so that no subject is known.
    """
    import pandas as pd

    source = spec.sources.dm
    _check_covariates(source, log)
    read = read_variables(source, DM, table, log)
    if read is None:
        return None
    _check_duplicates(source, read, spec)
    _check_age(source, read)
    _check_sex(source, read)
    arms = [arm.id for arm in spec.arms]
    for name in ("ARMCD", "ACTARMCD"):
        if name in read.values:
            _check_arm(spec, read, name, arms)
    rows = {"SRCFILE": source.file, "SRCROW": read.cells.table.rows}
    dm = pd.DataFrame({"STUDYID": spec.study.id, **read.values, **rows})
    supplement = _supplement(spec, read.cells, read.values["USUBJID"])
    return dm, supplement, set(read.values["USUBJID"]) - {""}


def _check_covariates(source: SubjectSource, log: IssueLog) -> None:
    taken = {*DM.names, *ADSL.names}
    for name in source.covariates:
        if name in taken:
            log.add(
                "error",
                "study-file",
                f"sources.dm.covariates.{name}: {name} is a variable of DM or ADSL.",
                "Map it under columns, or choose another name.",
                file=source.file,
            )


def _check_duplicates(source: SubjectSource, read: Variables, spec: Study) -> None:
    """Report a subject that stands twice, and where its values disagree."""
    cells, subject = read.cells, read.values["USUBJID"]
    column = source.columns["USUBJID"]
    used = [*source.columns.values(), *(c.column for c in source.covariates.values())]
    first: dict[str, int] = {}
    for position, name in enumerate(subject):
        before = first.setdefault(name, position)
        if before == position or name == "":
            continue
        row = int(cells.table.rows[before])
        if source.rows == "all":
            cells.reject_row(
                position,
                "duplicate-subject",
                column,
                f"subject {quoted(name)} stands already in row {row}.",
                "Keep one row for each subject; if the file repeats subjects by "
                "design, declare rows: distinct.",
                value=str(cells.table.columns[column][position]),
            )
            continue
        for other in dict.fromkeys(used):
            texts = cells.table.columns[other]
            if texts[position] != texts[before]:
                cells.reject_row(
                    position,
                    "subject-conflict",
                    other,
                    f"subject {quoted(name)} has {quoted(texts[position])} here, but "
                    f"{quoted(texts[before])} in row {row}.",
                    "A subject has one value; correct one of them.",
                    value=str(texts[position]),
                )


def _check_age(source: SubjectSource, read: Variables) -> None:
    """Report ages nobody has: codes for missing, years of birth, days."""
    if "AGE" not in read.values:
        return
    age = read.values["AGE"]
    bad = ~np.isnan(age) & ((age < 0) | (age > OLDEST))
    column = source.columns.get("AGE", "constants.AGE")
    read.cells.reject(
        bad,
        "implausible-age",
        column,
        lambda value: f"{quoted(value)} is no age from 0 to {OLDEST} years.",
        "Correct it, or list it under missing.",
    )


def _check_sex(source: SubjectSource, read: Variables) -> None:
    """Warn of every value of SEX that CDISC does not have and no map explains."""
    if "SEX" not in source.columns or "SEX" in source.values:
        return
    cells, sex = read.cells, read.values["SEX"]
    for value in dict.fromkeys(sex):
        if value in ("", *SEX_CODES):
            continue
        hits = np.flatnonzero(sex == value)
        cells.log.add(
            "warning",
            "sex-code",
            f"{quoted(value)} is no CDISC code of SEX ({', '.join(SEX_CODES)}); it "
            f"stands in {plural(len(hits), 'row')}.",
            "It was kept as it is. Map it under sources.dm.values.SEX.",
            file=source.file,
            row=int(cells.table.rows[hits[0]]),
            column=source.columns["SEX"],
            value=value,
        )


def _check_arm(spec: Study, read: Variables, name: str, arms: list[str]) -> None:
    """Report arms that the study does not have; an empty planned arm has no meaning.

    With ``''`` in ``not_randomised`` an empty planned arm becomes `NOT_ASSIGNED`.
    """
    cells, text = read.cells, read.values[name]
    column = spec.sources.dm.columns.get(name, f"constants.{name}")
    outside = [code for code in spec.not_randomised if code]
    known = [*arms, *outside]
    if name == "ARMCD":
        allowed = "" in spec.not_randomised
        cells.reject(
            (text == "") & (not allowed),
            "arm-missing",
            column,
            "the arm is empty.",
            "Fill it in; for the never randomised map '' to a code listed in "
            "not_randomised.",
            values=text,
        )
        if allowed:
            read.values[name] = np.where(text == "", NOT_ASSIGNED, text)
    hint = hints(known)
    unknown = np.array([value != "" and value not in known for value in text])
    declared = f"{', '.join(arms)}; not randomised: {', '.join(outside) or 'none'}"
    cells.reject(
        unknown.astype(bool),
        "unknown-arm",
        column,
        lambda value: f"{quoted(value)} is no arm ({declared}).{hint(value)}",
        f"Correct it, or map it under sources.dm.values.{name}.",
        values=text,
    )


def _supplement(spec: Study, cells: Cells, subject: TextArray) -> pd.DataFrame:
    """Return a row of SUPPDM per subject and covariate that has a value."""
    import pandas as pd

    source = spec.sources.dm
    parts: list[pd.DataFrame] = []
    for name, covariate in source.covariates.items():
        exchange = source.values.get(name)
        if exchange is None:
            text = cells.text(covariate.column)
        else:
            where = f"sources.dm.values.{name}"
            text = cells.mapped(covariate.column, exchange, where=where)
        if covariate.kind == "number":
            cells.numbers(covariate.column, text)
            text = np.array([t.replace(source.decimal, ".") for t in text], object)
        given = text != ""
        columns: dict[str, Any] = {
            "STUDYID": spec.study.id,
            "USUBJID": subject[given],
            "QNAM": name,
            "QLABEL": covariate.label,
            "QVAL": text[given],
            "SRCFILE": source.file,
            "SRCROW": cells.table.rows[given],
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
