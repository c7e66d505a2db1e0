"""Fills the templates of pages: one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from outcomes.report.collect import Display
from outcomes.report.links import linked
from outcomes.report.svg import inlined

READS = (
    "displays/templates/display.css",
    "report/templates/*.css",
    "report/templates/*.j2",
    "report/templates/*.js",
)


def prepared(display: Display, known: set[str]) -> Display:
    """Return a display with its numbers linked and its figure ready to stand inline.

    Raises
    ------
    RenderError
        If it shows a number whose row is not known, or its figure is no SVG.
    """
    html = linked(display.html, known, display=display.id)
    if not display.svg:
        return replace(display, html=html)
    svg = inlined(display.svg, prefix=f"figure-{display.id}", label=display.alt)
    return replace(display, html=html, svg=svg)


def filled(template: str, **values: object) -> str:
    """Fill a template; what is not marked as safe there is escaped.

    Parameters
    ----------
    template : str
        Its name; it is given the styles and the one script, too.
    **values
        What it shows.
    """
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
    return environment.get_template(template).render(
        css=css, script=script, script_digest=_digest(script), **values
    )


def _source(package: str, name: str) -> str:
    from importlib.resources import files

    folder = files(package).joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return the hash by which the page's own policy admits its one script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
