"""Writes the report of a study: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from outcomes.datasets.store import atomic
from outcomes.report.appendix import appendix_of
from outcomes.report.collect import displays_in, sections_of
from outcomes.report.issues import findings_in, origin_notes
from outcomes.report.page import filled, prepared
from outcomes.report.summary import summary_of
from outcomes.study.load import StudyFile


def write_report(study: StudyFile, results: Path) -> None:
    """Write ``report.html`` into the results folder of a study.

    Parameters
    ----------
    study : StudyFile
        The study.
    results : Path
        Its results: ``tables``, ``figures``, ``ard`` and ``adam/issues.csv``.

    Raises
    ------
    DataError
        If the ARD of an analysis or the issue log is absent.
    RenderError
        If a display is not what the displays stage writes, or shows a number that is
        not in the ARD.
    """
    spec = study.spec
    appendix = appendix_of(spec, results / "ard")
    known = {line.result_id for part in appendix for line in part.lines}
    displays = [prepared(display, known) for display in displays_in(results, spec)]
    log = results / "adam" / "issues.csv"
    html = filled(
        "report.html.j2",
        spec=spec,
        summary=summary_of(spec, displays),
        origin_notes=origin_notes(log),
        sections=sections_of(displays),
        findings=findings_in(log),
        appendix=appendix,
        count=sum(len(part.lines) for part in appendix),
    )
    with atomic(results / "report.html") as stream:
        stream.write(html)
