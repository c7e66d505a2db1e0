"""From the ARD files of a study to the files of its displays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outcomes.ard.rows import read_ard
from outcomes.datasets.store import atomic
from outcomes.displays.catalogue import PlannedDisplay, planned_displays
from outcomes.displays.context import Context
from outcomes.displays.description import Figure, Heading, Table
from outcomes.displays.drawing.draw import draw
from outcomes.displays.figures import (
    caterpillar,
    correlation,
    cumulative,
    hazards,
    incidence,
    influence,
    over_time,
    probability_curves,
    residuals,
    scatter,
    survival,
    swimmer,
)
from outcomes.displays.html import numbers_fragment, page, table_fragment
from outcomes.displays.lookup import Results, results_of
from outcomes.displays.tables import (
    baseline,
    change,
    checks,
    components,
    disposition,
    durability,
    entry,
    left_out,
    missingness,
    prediction,
    probabilities,
    responders,
)
from outcomes.errors import RenderError, SpecError, one_of
from outcomes.study.displays import not_of
from outcomes.study.load import StudyFile
from outcomes.study.spec import Study

_TABLES: dict[str, Callable[[Context], Table]] = {
    "counts": disposition.build,
    "characteristics": baseline.build,
    "observed": missingness.build,
    "estimates": change.build,
    "checks": checks.build,
    "left-out": left_out.build,
    "rates": responders.build,
    "probabilities": probabilities.build,
    "components": components.build,
    "durability": durability.build,
    "entry": entry.build,
    "coefficients": prediction.build,
}
_FIGURES: dict[str, Callable[[Context], Figure]] = {
    "over-time": over_time.build,
    "residuals": residuals.build,
    "correlation": correlation.build,
    "influence": influence.build,
    "ecdf": cumulative.build,
    "probability-curves": probability_curves.build,
    "caterpillar": caterpillar.build,
    "survival": survival.build,
    "incidence": incidence.build,
    "swimmer": swimmer.build,
    "hazards": hazards.build,
    "scatter": scatter.build,
}


def render_displays(study: StudyFile, ids: list[str], ard: Path, out: Path) -> None:
    """Make displays and write their files.

    Parameters
    ----------
    study : StudyFile
        The study.
    ids : list of str
        Displays, or analyses for all displays of each.
    ard : Path
        Folder with one ARD file per analysis.
    out : Path
        Results folder of the study: tables go to ``tables``, figures to ``figures``.

    Raises
    ------
    SpecError
        If an id is neither a display nor an analysis with displays.
    DataError
        If an ARD file is absent or is no ARD.
    RenderError
        If an ARD has no row, is of another study or analysis, or has several rows for
        one place of a display.
    """
    wanted = chosen(study.spec, ids)
    known: dict[str, Results] = {}
    for display in wanted:
        if display.analysis not in known:
            known[display.analysis] = _results(study.spec, display.analysis, ard)
        context = Context(study.spec, display, known[display.analysis])
        if display.kind == "table":
            _write_table(described_table(context), study.spec, out / "tables")
        else:
            _write_figure(described_figure(context), study.spec, out / "figures")


def _results(spec: Study, analysis: str, ard: Path) -> Results:
    path = ard / f"{analysis}.parquet"
    frame = read_ard(path)
    problem = not_of(spec.study.id, analysis, frame["study"], frame["analysis"])
    if problem:
        raise RenderError(f"{path}: {problem}.")
    return results_of(frame)


def chosen(spec: Study, ids: Iterable[str]) -> list[PlannedDisplay]:
    """Return the displays that ids name, in the order of the study.

    Raises
    ------
    SpecError
        If an id names nothing.
    """
    planned = planned_displays(spec)
    names = {display.id for display in planned} | {d.analysis for d in planned}
    for id in ids:
        if id not in names:
            raise SpecError(one_of(id, sorted(names), name="display"))
    return [d for d in planned if d.id in ids or d.analysis in ids]


def described_table(context: Context) -> Table:
    """Return what a table says, from the ARD."""
    return _TABLES[context.display.template](context)


def described_figure(context: Context) -> Figure:
    """Return what a figure shows and says, from the ARD."""
    return _FIGURES[context.display.template](context)


def _write_table(table: Table, spec: Study, folder: Path) -> None:
    fragment = table_fragment(table)
    content = {
        **_about(table.heading, spec),
        "footnotes": list(table.footnotes),
        "failures": list(table.failures),
        "html": fragment,
    }
    whole = page(table.heading, fragment, study=f"{spec.study.title} ({spec.study.id})")
    _write_text(folder / f"{table.heading.id}.html", whole)
    _write_json(folder / f"{table.heading.id}.json", content)


def _write_figure(figure: Figure, spec: Study, folder: Path) -> None:
    draw(figure.chart, figure.failures, folder, figure.heading.id)
    content = {
        **_about(figure.heading, spec),
        "caption": figure.caption,
        "alt": figure.alt,
        "footnotes": list(figure.footnotes),
        "failures": list(figure.failures),
        "numbers": numbers_fragment(figure),
    }
    _write_json(folder / f"{figure.heading.id}.json", content)


def _about(heading: Heading, spec: Study) -> dict[str, Any]:
    return {**asdict(heading), "study": spec.study.id}


def _write_text(path: Path, content: str) -> None:
    with atomic(path) as stream:
        stream.write(content)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic(path) as stream:
        json.dump(content, stream, ensure_ascii=False, indent=1, sort_keys=True)
        stream.write("\n")
