"""The HTML writer: a fragment for the report, and a page of its own around it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from outcomes.displays.align import aligned
from outcomes.displays.description import Cell, Figure, Grid, Heading, Table

READS = ("displays/templates/*.css", "displays/templates/*.j2")


@dataclass(frozen=True, slots=True)
class _Span:
    """A place in the upper of two heading rows: over ``width`` columns, or none."""

    cell: Cell | None
    header: Cell
    width: int
    align: Literal["number", "text"]


def table_fragment(table: Table) -> str:
    """Return a table with its heading and footnotes, to stand inside a page."""
    return _render(
        "table.html.j2",
        heading=table.heading,
        footnotes=table.footnotes,
        failures=table.failures,
        **_grid(table.grid),
    )


def numbers_fragment(figure: Figure) -> str:
    """Return the numbers of a figure as a table, to stand inside a page."""
    return _render("numbers.html.j2", heading=figure.heading, **_grid(figure.numbers))


def page(heading: Heading, fragment: str, *, study: str) -> str:
    """Return a page of its own around a fragment, with the styles it needs.

    Parameters
    ----------
    heading : Heading
        For the title of the page.
    fragment : str
        What `table_fragment` returned.
    study : str
        Name of the study.
    """
    from markupsafe import Markup

    css = _source("display.css")
    return _render(
        "page.html.j2",
        heading=heading,
        fragment=Markup(fragment),
        css=Markup(css),
        study=study,
    )


def _grid(grid: Grid) -> dict[str, Any]:
    even = aligned(grid)
    return {"grid": even, "spans": _spans(even)}


def _spans(grid: Grid) -> list[_Span]:
    """Lay out the upper heading row; empty if no column has one."""
    if all(column.span is None for column in grid.columns):
        return []
    spans = []
    for cell, columns in groupby(grid.columns, key=lambda column: column.span):
        members = list(columns)
        if cell is None:
            spans += [_Span(None, c.header, 1, c.align) for c in members]
        else:
            spans.append(_Span(cell, cell, len(members), "number"))
    return spans


def _source(name: str) -> str:
    from importlib.resources import files

    folder = files("outcomes.displays").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _render(template: str, **values: Any) -> str:
    """Fill a template; everything that is not Markup is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
