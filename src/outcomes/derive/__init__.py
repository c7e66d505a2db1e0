"""From SDTM to ADaM: who is analysed, which record counts, what was derived from it.

Every rule, its key in the study file and its default: ``docs/derive.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from outcomes.datasets.store import Frame
    from outcomes.derive.notes import Derivation
    from outcomes.study import Study, StudyFile

__all__ = ["derive_adqs", "derive_adsl", "derive_adtte", "derive_study"]


def derive_study(study: StudyFile, sdtm: Path, out: Path) -> None:
    """Derive ADSL, ADQS and ADTTE of a study and continue its issue log.

    Parameters
    ----------
    study : StudyFile
        The study.
    sdtm : Path
        Folder with the SDTM tables (``*.parquet``) and ``issues.csv`` of ingest.
    out : Path
        Folder for ``adsl.parquet``, ``adqs.parquet``, ``adtte.parquet`` and
        ``issues.csv``.

    Raises
    ------
    DataError
        The tables break their contract or the study file (all such problems of a
        step at once); nothing is written then.
    SpecError
        Parameter codes or populations collide.
    """
    from outcomes.derive.stage import run_stage

    run_stage(study, sdtm, out)


def derive_adsl(spec: Study, tables: Mapping[str, Frame]) -> Derivation:
    """Derive one row per subject. See `outcomes.derive.adsl.derive_adsl`."""
    from outcomes.derive.adsl import derive_adsl as derive

    return derive(spec, tables)


def derive_adqs(spec: Study, tables: Mapping[str, Frame], adsl: Frame) -> Derivation:
    """Derive one row per value. See `outcomes.derive.adqs.derive_adqs`."""
    from outcomes.derive.adqs import derive_adqs as derive

    return derive(spec, tables, adsl)


def derive_adtte(
    spec: Study, tables: Mapping[str, Frame], adsl: Frame, adqs: Frame
) -> Derivation:
    """Derive one row per time to an event. See `outcomes.derive.adtte.derive_adtte`."""
    from outcomes.derive.adtte import derive_adtte as derive

    return derive(spec, tables, adsl, adqs)
