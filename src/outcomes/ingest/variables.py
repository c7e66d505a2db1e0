"""One raw file to the variables of one SDTM table, as its source maps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.datasets.schema import Schema
from outcomes.ingest.cells import Cells, absent_columns, each
from outcomes.ingest.issues import (
    IssueLog,
    hints,
    is_unseen,
    nearest,
    plural,
    quoted,
)
from outcomes.ingest.raw import INVISIBLE, RawTable, TextArray
from outcomes.study.spec import SubjectSource, TableSource

_GIVEN = {"STUDYID", "SRCFILE", "SRCROW"}
_FULL_WIDTH = frozenset(map(chr, range(0xFF10, 0xFF1A)))
"""Digits that look like 0 to 9 and are not."""
_PARTIAL_DATES = {"ae", "cm", "dv", "pr"}
"""Tables of events and interventions: often only a month or a year is known."""
_CODED = {"ARMCD", "ACTARMCD"}
"""Their values are checked against the study, whether a map has them or not."""


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of a table, all of one length, and the cells they came from."""

    values: dict[str, NDArray[Any]]
    cells: Cells


def read_variables(
    source: TableSource, schema: Schema, table: RawTable, log: IssueLog
) -> Variables | None:
    """Read the variables that a source maps, typed as the schema says.

    Parameters
    ----------
    source : TableSource
        What the study file says of the file.
    schema : Schema
        The table to make.
    table : RawTable
        The file.
    log : IssueLog
        Takes every problem.

    Returns
    -------
    Variables or None
        None where the mapping itself does not hold.
    """
    if not _mapping_holds(source, schema, table, log):
        return None
    if source.rows == "distinct":
        table = _distinct(source, table, log)
    subject = table.columns[source.columns["USUBJID"]]
    cells = Cells(table, source, log, subject)
    check_ids(cells, subject, source.columns["USUBJID"])
    values: dict[str, NDArray[Any]] = {}
    for name, column in source.columns.items():
        exchange = source.values.get(name)
        if exchange is None or name in _CODED:
            text = cells.text(column, exchange)
        else:
            where = f"sources.{schema.name}.values.{name}"
            text = cells.mapped(column, exchange, where=where)
        values[name] = _typed(cells, schema, name, column, text)
    for name, constant in source.constants.items():
        # One cell is enough to find out whether it reads as the schema wants.
        one = RawTable(table.file, np.zeros(1, dtype=np.int64), {})
        alone = Cells(one, source, log, np.array([""], dtype=object))
        text = np.array([constant], dtype=object)
        typed = _typed(alone, schema, name, f"constants.{name}", text)
        values[name] = np.repeat(typed, len(table.rows))
    _require(values, source, schema, cells)
    return Variables(values, cells)


def _mapping_holds(
    source: TableSource, schema: Schema, table: RawTable, log: IssueLog
) -> bool:
    """Report variables that the table has not, and those it must have."""
    where = f"sources.{schema.name}"
    legal = [
        name
        for name in schema.names
        if name not in _GIVEN and name != f"{schema.name.upper()}SEQ"
    ]
    covariates = source.covariates if isinstance(source, SubjectSource) else {}
    problems = []
    for name in [*source.columns, *source.constants]:
        if name not in legal:
            problems.append(
                f"{where}: {name} is not a variable to map.{nearest(name, legal)}"
            )
    for name in source.values:
        if name not in [*source.columns, *covariates]:
            problems.append(f"{where}.values.{name}: {name} has no column.")
    for name in set(source.columns) & set(source.constants):
        problems.append(f"{where}: {name} has a column and a constant; keep one.")
    for name in legal:
        column = schema.column(name)
        if column is None or not column.required:
            continue
        if name not in source.columns and (
            name == "USUBJID" or name not in source.constants
        ):
            problems.append(f"{where}.columns: {name} is missing; name its raw column.")
    for problem in problems:
        log.add("error", "study-file", problem, file=table.file)
    needed = [*source.columns.values(), *(c.column for c in covariates.values())]
    return not absent_columns(table, needed, log) and not problems


def _distinct(source: TableSource, table: RawTable, log: IssueLog) -> RawTable:
    used = list(source.columns.values())
    if isinstance(source, SubjectSource):
        used += [covariate.column for covariate in source.covariates.values()]
    return distinct_rows(table, used, log)


def distinct_rows(table: RawTable, used: list[str], log: IssueLog) -> RawTable:
    """Take rows that are equal in the columns used once, and note how many."""
    out = table.distinct(list(dict.fromkeys(used)))
    repeated = len(table.rows) - len(out.rows)
    if repeated:
        log.add(
            "note",
            "repeated-rows",
            f"{repeated} of {plural(len(table.rows), 'row')} repeat an earlier one in "
            f"{', '.join(dict.fromkeys(used))}.",
            "Taken once (rows: distinct).",
            file=table.file,
        )
    return out


def _typed(
    cells: Cells, schema: Schema, name: str, column: str, text: TextArray
) -> NDArray[Any]:
    declared = schema.column(name)
    kind = declared.kind if declared else "text"
    if kind == "number":
        return cells.numbers(column, text)
    if kind == "integer":
        return cells.integers(column, text, least=1 if name == "SESSION" else None)
    if name.endswith("DTC"):
        own = column in cells.table.columns  # and no constant
        return cells.dates(column, text, partial=own and schema.name in _PARTIAL_DATES)
    return text


def _require(
    values: dict[str, NDArray[Any]], source: TableSource, schema: Schema, cells: Cells
) -> None:
    """Report rows that leave empty what no row may."""
    for column in schema.columns:
        # An empty arm has rules of its own; an unreadable date is reported already.
        if not column.required or column.name not in source.columns:
            continue
        if column.name == "ARMCD":
            continue
        raw = source.columns[column.name]
        text = cells.text(raw, source.values.get(column.name))
        cells.reject(
            text == "",
            "empty-value",
            raw,
            f"{column.name} ({column.label}) is empty; every row needs it.",
            "Fill it in, or remove the row from the export.",
        )


def check_ids(cells: Cells, subject: TextArray, column: str) -> None:
    """Report ids that look like another because of characters nobody sees."""

    def odd(text: str) -> list[str]:
        found = [c for c in text if c != " " and (is_unseen(c) or c in _FULL_WIDTH)]
        return [f"U+{ord(c):04X}" for c in dict.fromkeys(found)]

    # those that no cell may hold are reported by the reader of the file
    marked = each(subject, lambda text: bool(odd(text)) and not INVISIBLE.search(text))
    cells.reject(
        marked.astype(np.bool_),
        "invisible-in-id",
        column,
        lambda value: (
            f"the id {quoted(value)} holds {', '.join(odd(value))}: characters that "
            "are not seen, or look like plain ones."
        ),
        "Write the id with plain letters, digits and spaces in every file.",
        values=subject,
    )


def check_subjects(
    cells: Cells, subject: TextArray, column: str, known: set[str] | None
) -> None:
    """Report rows of subjects that DM does not have (unless DM could not be read)."""
    if known is None:
        return
    unknown = np.array([name != "" and name not in known for name in subject])
    hint = hints(known)
    cells.reject(
        unknown.astype(bool),
        "subject-not-in-dm",
        column,
        lambda value: (
            f"subject {quoted(value)} is not in the file of subjects (dm).{hint(value)}"
        ),
        "Add the subject there, or correct the identifier (leading zeros count).",
        values=subject,
    )
