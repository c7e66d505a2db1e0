"""The stage on disk: read SDTM, derive, write ADaM and the issue log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.datasets.adam import ADQS, ADSL, ADTTE
from outcomes.datasets.results import ISSUES
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import read_csv, read_table, write_csv, write_table
from outcomes.derive.adqs import derive_adqs
from outcomes.derive.adsl import derive_adsl
from outcomes.derive.adtte import derive_adtte
from outcomes.derive.notes import as_issues
from outcomes.errors import DataError
from outcomes.study.tables import tables_of

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame
    from outcomes.study import StudyFile


def run_stage(study: StudyFile, sdtm: Path, out: Path) -> None:
    """Derive a study; see `outcomes.derive.derive_study`."""
    import pandas as pd

    # only tables that the study has a source for: a folder may hold older ones
    tables = {
        name: read_table(sdtm / f"{name}.parquet", TABLES[name])
        for name in tables_of(study.spec)
    }
    _refuse_other_studies(study.spec.study.id, tables, sdtm)
    issues = read_csv(sdtm / "issues.csv", ISSUES)
    adsl = derive_adsl(study.spec, tables)
    adqs = derive_adqs(study.spec, tables, adsl.frame)
    adtte = derive_adtte(study.spec, tables, adsl.frame, adqs.frame)
    notes = as_issues([*adsl.notes, *adqs.notes, *adtte.notes])
    log = pd.concat([issues, notes], ignore_index=True)
    write_table(adsl.frame, out / "adsl.parquet", ADSL)
    write_table(adqs.frame, out / "adqs.parquet", ADQS)
    write_table(adtte.frame, out / "adtte.parquet", ADTTE)
    write_csv(log, out / "issues.csv", ISSUES)


def _refuse_other_studies(id: str, tables: Mapping[str, Frame], sdtm: Path) -> None:
    """Refuse tables of a study other than the one that is derived."""
    problems = []
    for name, table in tables.items():
        others = sorted(set(table["STUDYID"]) - {id})
        if others:
            problems.append(
                f"{sdtm / f'{name}.parquet'}: STUDYID is {', '.join(others[:3])}, but "
                f"the study file is of {id}; name the SDTM folder of {id}, or run its "
                "ingest again."
            )
    if problems:
        raise DataError("\n".join(problems))
