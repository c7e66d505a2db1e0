"""Running planned analyses: datasets in, one file of results each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from outcomes.analyses.registry import MODULES
from outcomes.ard.rows import ArdRows, write_ard
from outcomes.datasets.adam import ADQS, ADSL
from outcomes.datasets.store import read_table
from outcomes.errors import (
    ConvergenceFailure,
    DataError,
    ModelError,
    UsageError,
    one_of,
)
from outcomes.study.load import StudyFile
from outcomes.study.spec import AnyAnalysis, Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


class Question(Protocol):
    """What a module in `MODULES` offers."""

    def analyse(
        self,
        spec: Study,
        analysis: AnyAnalysis,
        adsl: pd.DataFrame,
        adqs: pd.DataFrame,
        ard: ArdRows,
    ) -> None:
        """Add the results of one analysis to ``ard``."""


def run_analyses(study: StudyFile, ids: list[str], adam: Path, out: Path) -> None:
    """Do planned analyses and write ``<out>/<id>.parquet`` for each.

    An analysis that cannot be done becomes one row that says why, so that it never
    takes the others down.

    Parameters
    ----------
    study : StudyFile
        The study.
    ids : list of str
        Analyses, by id.
    adam : Path
        Folder with ``adsl.parquet`` and ``adqs.parquet``.
    out : Path
        Folder for the results.

    Raises
    ------
    UsageError
        If the study has no analysis of an id; nothing is written then.
    DataError
        If a dataset cannot be read, has no row or is of another study, or ADQS has a
        subject that ADSL lacks; nothing is written then.
    """
    spec = study.spec
    known = [analysis.id for analysis in spec.analyses]
    for id in ids:
        if id not in known:
            raise UsageError(one_of(id, known, name="analysis"))
    adsl = read_table(adam / "adsl.parquet", ADSL)
    adqs = read_table(adam / "adqs.parquet", ADQS)
    check_datasets(spec.study.id, adam, adsl, adqs)
    for id in ids:
        rows = results_of(spec, spec.analysis(id), adsl, adqs)
        write_ard(rows, out / f"{id}.parquet")


def check_datasets(study: str, adam: Path, adsl: Frame, adqs: Frame) -> None:
    """Refuse datasets that cannot be those of a study.

    Parameters
    ----------
    study : str
        Id of the study.
    adam : Path
        Where the datasets come from.
    adsl, adqs : DataFrame
        The datasets.

    Raises
    ------
    DataError
        If one has no row or is of another study, or ADQS has a subject that ADSL lacks.
    """
    for name, frame in (("adsl", adsl), ("adqs", adqs)):
        path = adam / f"{name}.parquet"
        if frame.empty:
            raise DataError(
                f"{path}: no row; see the issue log of derive for why, then derive "
                "again."
            )
        foreign = sorted(set(frame["STUDYID"]) - {study})
        if foreign:
            raise DataError(
                f"{path}: STUDYID is {', '.join(foreign[:3])}, but the study file is "
                f"of {study}; give the folder that was derived with this study file."
            )
    lost = sorted(set(adqs["USUBJID"]) - set(adsl["USUBJID"]))
    if lost:
        more = ", ..." if len(lost) > 3 else ""
        raise DataError(
            f"{adam / 'adqs.parquet'}: {len(lost)} subjects are not in adsl "
            f"({', '.join(lost[:3])}{more}), so that no analysis would count them; "
            "derive both datasets again, together."
        )


def results_of(
    spec: Study, analysis: AnyAnalysis, adsl: pd.DataFrame, adqs: pd.DataFrame
) -> ArdRows:
    """Return the results of one analysis, or the one row that says why there are none.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Analysis
        One of its analyses.
    adsl, adqs : DataFrame
        The datasets.
    """
    import numpy as np

    question: Question = import_module(MODULES[analysis.question])
    ard = _rows(spec, analysis)
    try:
        question.analyse(spec, analysis, adsl, adqs, ard)
        # Rows that cannot stand in one table are a failure of this analysis alone.
        ard.frame()
    except (ModelError, DataError, ConvergenceFailure) as problem:
        reason = str(problem)
    except np.linalg.LinAlgError as problem:
        reason = (
            f"the linear algebra of the model broke down ({problem}); look for a "
            "covariate that repeats another, or for too few subjects."
        )
    else:
        if len(ard):
            return ard
        reason = "the analysis gave no result at all."
    failed = _rows(spec, analysis)
    failed.fail(reason, term="analysis")
    return failed


def _rows(spec: Study, analysis: AnyAnalysis) -> ArdRows:
    return ArdRows(
        study=spec.study.id,
        analysis=analysis.id,
        prespecified="Y" if analysis.prespecified else "N",
    )
