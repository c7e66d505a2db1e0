"""The stage on disk: read SDTM, derive, write ADaM and the issue log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.results import ISSUES
from outcomes.datasets.sdtm import TABLES
from outcomes.datasets.store import read_csv, read_table, write_csv, write_table
from outcomes.derive.adqs import derive_adqs
from outcomes.derive.adsl import derive_adsl
from outcomes.derive.notes import as_issues

if TYPE_CHECKING:
    from outcomes.study import StudyFile

_NEEDED = ("dm", "qs")


def run_stage(study: StudyFile, sdtm: Path, out: Path) -> None:
    """Derive a study; see `outcomes.derive.derive_study`."""
    import pandas as pd

    tables = {
        name: read_table(sdtm / f"{name}.parquet", schema)
        for name, schema in TABLES.items()
        if name in _NEEDED or (sdtm / f"{name}.parquet").exists()
    }
    issues = read_csv(sdtm / "issues.csv", ISSUES)
    adsl = derive_adsl(study.spec, tables)
    adqs = derive_adqs(study.spec, tables, adsl.frame)
    log = pd.concat([issues, as_issues([*adsl.notes, *adqs.notes])], ignore_index=True)
    write_table(adsl.frame, out / "adsl.parquet", ADSL)
    write_table(adqs.frame, out / "adqs.parquet", ADQS)
    write_csv(log, out / "issues.csv", ISSUES)
