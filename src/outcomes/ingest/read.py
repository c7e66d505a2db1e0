"""All raw files of a study to SDTM tables, or to the list of all that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.datasets.results import ISSUES
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import conform, write_csv, write_table
from outcomes.errors import DataError
from outcomes.ingest.issues import IssueLog, lines_of
from outcomes.study.tables import OPTIONAL, tables_of

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.ingest.raw import RawFiles
    from outcomes.study.load import StudyFile


def read_sources(study: StudyFile) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Read all raw files of a study.

    Parameters
    ----------
    study : StudyFile
        A study; one that is broken in sections that say nothing of raw data will do.

    Returns
    -------
    tables : dict of DataFrame
        The SDTM tables of `tables_of`, each in the shape of its schema; empty if
        there are errors.
    issues : DataFrame
        The issue log (`outcomes.datasets.results.ISSUES`), stage ``ingest``.
    """
    from outcomes.ingest.raw import RawFiles

    log = IssueLog()
    frames = _read_all(study, RawFiles(study, log), log)
    if log.has_errors:
        return {}, log.frame()
    names = tables_of(study.spec)
    return {name: conform(frames[name], TABLES[name]) for name in names}, log.frame()


def _read_all(
    study: StudyFile, files: RawFiles, log: IssueLog
) -> dict[str, pd.DataFrame]:
    from outcomes.ingest.events import read_events
    from outcomes.ingest.questionnaires import (
        check_duplicates,
        read_questionnaire,
        to_qs,
    )
    from outcomes.ingest.subjects import read_subjects

    spec, sources = study.spec, study.spec.sources
    frames: dict[str, pd.DataFrame] = {}
    known: set[str] | None = None
    table = files.table(sources.dm)
    subjects = read_subjects(spec, table, log) if table else None
    if subjects:
        frames["dm"], frames["suppdm"], known = subjects
    for name in OPTIONAL:
        source = getattr(sources, name)
        table = files.table(source) if source else None
        if table:
            events = read_events(spec, source, TABLES[name], table, log, known)
            if events is not None:
                frames[name] = events
    answered = []
    for position, entry in enumerate(sources.qs):
        table = files.table(entry)
        one = read_questionnaire(spec, position, table, log, known) if table else None
        if one:
            answered.append(one)
    check_duplicates(spec, answered, log)
    if not log.has_errors:
        frames["qs"] = to_qs(spec, answered)
    return frames


def ingest_study(study: StudyFile, out: Path) -> pd.DataFrame:
    """Write the SDTM tables of a study and its issue log.

    Every table of `tables_of` as ``<table>.parquet``, and ``issues.csv``. Tables of
    sources that the study has no more are removed.

    Parameters
    ----------
    study : StudyFile
        A valid study.
    out : Path
        Folder to write to; made if it is not there.

    Returns
    -------
    DataFrame
        The issue log.

    Raises
    ------
    DataError
        With every error found, one a line. Nothing is written then.
    """
    tables, issues = read_sources(study)
    errors = issues[issues["severity"] == "error"]
    if len(errors):
        lines = "\n".join(f"  {line}" for line in lines_of(errors))
        count = f"{len(errors)} problem{'s' if len(errors) != 1 else ''}"
        raise DataError(f"{study.path.name}: {count} in the raw data\n{lines}")
    for name, frame in tables.items():
        write_table(frame, out / f"{name}.parquet", TABLES[name])
    for name in set(TABLES) - set(tables):
        (out / f"{name}.parquet").unlink(missing_ok=True)
    write_csv(issues, out / "issues.csv", ISSUES)
    return issues
