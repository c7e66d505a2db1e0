"""Raw files to SDTM tables and the issue log.

Everything is read as text first, so that nothing is guessed; every problem is listed
with its file, row, column and value; with an error nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.ingest.tables import tables_of

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.study.load import StudyFile

__all__ = ["ingest_study", "read_sources", "tables_of"]


def read_sources(study: StudyFile) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Read all raw files of a study; see `outcomes.ingest.read.read_sources`."""
    from outcomes.ingest import read

    return read.read_sources(study)


def ingest_study(study: StudyFile, out: Path) -> pd.DataFrame:
    """Write the SDTM tables of a study; see `outcomes.ingest.read.ingest_study`."""
    from outcomes.ingest import read

    return read.ingest_study(study, out)
