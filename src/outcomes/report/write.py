"""Writes the report of a study: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

from outcomes.datasets.store import atomic
from outcomes.report.appendix import Part, appendix_of
from outcomes.report.collect import Display, displays_in, sections_of
from outcomes.report.issues import findings_in, origin_notes
from outcomes.report.links import linked
from outcomes.report.summary import summary_of
from outcomes.report.svg import inlined
from outcomes.study.load import StudyFile

READS = (
    "displays/templates/display.css",
    "report/templates/*.css",
    "report/templates/*.j2",
    "report/templates/*.js",
)


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
    displays = [_prepared(display, known) for display in displays_in(results, spec)]
    log = results / "adam" / "issues.csv"
    html = _render(
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


def _prepared(display: Display, known: set[str]) -> Display:
    """Return a display with its numbers linked and its figure ready to stand inline."""
    html = linked(display.html, known, display=display.id)
    if not display.svg:
        return replace(display, html=html)
    svg = inlined(display.svg, prefix=f"figure-{display.id}", label=display.alt)
    return replace(display, html=html, svg=svg)


def _source(package: str, name: str) -> str:
    from importlib.resources import files

    folder = files(package).joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _render(*, appendix: list[Part], **values: object) -> str:
    """Fill the template; what is not marked as safe there is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: _source("outcomes.report", name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    css = _source("outcomes.displays", "display.css")
    css += _source("outcomes.report", "report.css")
    script = _source("outcomes.report", "report.js")
    return environment.get_template("report.html.j2").render(
        css=css,
        script=script,
        script_digest=_digest(script),
        appendix=appendix,
        **values,
    )


def _digest(script: str) -> str:
    """Return the hash by which the page's own policy admits its one script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
