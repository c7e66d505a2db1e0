"""Exposure, disposition, deviations, adverse events, medication, contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.datasets.schema import Schema
from outcomes.ingest.issues import IssueLog
from outcomes.ingest.raw import RawTable
from outcomes.ingest.variables import check_subjects, read_variables
from outcomes.study.spec import Study, TableSource

if TYPE_CHECKING:
    import pandas as pd

_START = {
    "ex": "EXSTDTC",
    "ds": "DSSTDTC",
    "dv": "DVSTDTC",
    "ae": "AESTDTC",
    "cm": "CMSTDTC",
    "pr": "PRSTDTC",
}
"""The date that orders a subject's records."""


def read_events(
    spec: Study,
    source: TableSource,
    schema: Schema,
    table: RawTable,
    log: IssueLog,
    known: set[str] | None,
) -> pd.DataFrame | None:
    """Read one table of events, numbered by date and then by row.

    Parameters
    ----------
    spec : Study
        The study.
    source : TableSource
        What it says of the file.
    schema : Schema
        The table to make.
    table : RawTable
        The file.
    log : IssueLog
        Takes every problem.
    known : set of str or None
        The subjects of DM, if it could be read.
    """
    import pandas as pd

    read = read_variables(source, schema, table, log)
    if read is None:
        return None
    subject = read.values["USUBJID"]
    check_subjects(read.cells, subject, source.columns["USUBJID"], known)
    rows = {"SRCFILE": source.file, "SRCROW": read.cells.table.rows}
    frame = pd.DataFrame({"STUDYID": spec.study.id, **read.values, **rows})
    start = _START[schema.name]
    if start not in frame:
        frame[start] = ""
    frame = frame.sort_values(["USUBJID", start, "SRCROW"], kind="stable")
    number = frame.groupby("USUBJID", sort=False).cumcount() + 1
    return frame.assign(**{f"{schema.name.upper()}SEQ": number.astype(np.int64)})
