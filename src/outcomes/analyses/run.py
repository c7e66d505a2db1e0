"""Running planned analyses: datasets in, one file of results each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from outcomes.analyses.registry import MODULES, datasets_of
from outcomes.ard.rows import ArdRows, write_ard
from outcomes.datasets.adam import TABLES
from outcomes.datasets.store import read_table
from outcomes.errors import (
    ConvergenceFailure,
    DataError,
    ModelError,
    UsageError,
    one_of,
)
from outcomes.study.analyses import AnyAnalysis
from outcomes.study.load import StudyFile
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


class Question(Protocol):
    """What a module in `MODULES` offers."""

    def analyse(
        self,
        spec: Study,
        analysis: AnyAnalysis,
        *datasets_and_ard: pd.DataFrame | ArdRows,
    ) -> None:
        """Add the results of one analysis to the last argument."""


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
        Folder with the datasets that the analyses read.
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
    wanted = {id: datasets_of(spec.analysis(id).question) for id in ids}
    names = sorted({name for own in wanted.values() for name in own})
    tables = {
        name: read_table(adam / f"{name}.parquet", TABLES[name]) for name in names
    }
    check_datasets(spec.study.id, adam, **tables)
    for id, own in wanted.items():
        rows = results_of(spec, spec.analysis(id), *(tables[name] for name in own))
        write_ard(rows, out / f"{id}.parquet")


def check_datasets(
    study: str, adam: Path, adsl: Frame, adqs: Frame, adtte: Frame | None = None
) -> None:
    """Refuse datasets that cannot be those of a study.

    Parameters
    ----------
    study : str
        Id of the study.
    adam : Path
        Where the datasets come from.
    adsl, adqs, adtte : DataFrame
        The datasets, ADTTE where it is read.

    Raises
    ------
    DataError
        If ADSL or ADQS has no row, one is of another study, or has a subject that ADSL
        lacks.
    """
    events = {} if adtte is None else {"adtte": adtte}
    records = {"adqs": adqs, **events}
    for name, frame in {"adsl": adsl, **records}.items():
        path = adam / f"{name}.parquet"
        if frame.empty and name != "adtte":
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
    for name, frame in records.items():
        lost = sorted(set(frame["USUBJID"]) - set(adsl["USUBJID"]))
        if lost:
            more = ", ..." if len(lost) > 3 else ""
            raise DataError(
                f"{adam / f'{name}.parquet'}: {len(lost)} subjects are not in adsl "
                f"({', '.join(lost[:3])}{more}), so that no analysis would count them; "
                "derive both datasets again, together."
            )


def results_of(spec: Study, analysis: AnyAnalysis, *datasets: pd.DataFrame) -> ArdRows:
    """Return the results of one analysis, or the one row that says why there are none.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Analysis
        One of its analyses.
    *datasets : DataFrame
        Those that the question reads, in the order of `datasets_of`. An analysis sees
        the study without its follow-up visits, unless it says ``follow_up: true``.
    """
    import numpy as np

    if not analysis.follow_up:
        late = spec.follow_up_visits
        datasets = tuple(_without(frame, late) for frame in datasets)
        spec = spec.without_follow_up()
    question: Question = import_module(MODULES[analysis.question])
    ard = _rows(spec, analysis)
    try:
        question.analyse(spec, analysis, *datasets, ard)
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


def _without(frame: Frame, visits: list[str]) -> Frame:
    """Return a dataset without records of some visits."""
    if not visits or "AVISIT" not in frame:
        return frame
    return frame[~frame["AVISIT"].isin(visits)]


def _rows(spec: Study, analysis: AnyAnalysis) -> ArdRows:
    return ArdRows(
        study=spec.study.id,
        analysis=analysis.id,
        prespecified="Y" if analysis.prespecified else "N",
    )
