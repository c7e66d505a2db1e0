"""The results behind all displays, one row each, at full precision."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.ard.rows import read_ard
from outcomes.errors import DataError
from outcomes.report.titles import analysis_title
from outcomes.study.displays import not_of
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the ARD: ``method`` is a place in the list of methods, 0 for none."""

    result_id: str
    value: str
    n: str
    method: int
    note: str


@dataclass(frozen=True, slots=True)
class Part:
    """The ARD of one analysis."""

    analysis: str
    title: str
    methods: tuple[str, ...]
    lines: tuple[Line, ...]


def appendix_of(spec: Study, ard: Path) -> list[Part]:
    """Read the ARD of every analysis of a study.

    Raises
    ------
    DataError
        If a file is absent, is no ARD, has no row or is of another study or analysis.
    """
    parts = []
    for analysis in spec.analyses:
        path = ard / f"{analysis.id}.parquet"
        frame = read_ard(path)
        problem = not_of(spec.study.id, analysis.id, frame["study"], frame["analysis"])
        if problem:
            raise DataError(f"{path}: {problem}.")
        parts.append(part_of(analysis.id, analysis_title(spec, analysis), frame))
    return parts


def part_of(analysis: str, title: str, frame: pd.DataFrame) -> Part:
    """Return the results of an analysis as the appendix shows them.

    Parameters
    ----------
    analysis, title : str
        What they are of.
    frame : DataFrame
        Rows of an ARD.
    """
    methods = list(dict.fromkeys(m for m in frame["method"] if m))
    places = {method: place for place, method in enumerate(methods, start=1)}
    names = ["result_id", "value", "text", "n_subjects", "method", "warning", "error"]
    lines = tuple(
        _line(row, places) for row in frame[names].astype(object).to_dict("records")
    )
    return Part(analysis, title, tuple(methods), lines)


def _line(row: dict[Any, Any], places: dict[str, int]) -> Line:
    value, n = row["value"], row["n_subjects"]
    absent = value is None or isnan(value)
    notes = [f"{name}: {row[name]}" for name in ("error", "warning") if row[name]]
    return Line(
        result_id=row["result_id"],
        value=row["text"] if absent else _full(float(value)),
        n=str(n) if isinstance(n, int) else "",
        method=places.get(row["method"], 0),
        note="; ".join(notes),
    )


def _full(value: float) -> str:
    """Write a double so that it reads back the same; counts without a point."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)
