"""Reads what the displays stage wrote."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcomes.errors import RenderError
from outcomes.study.displays import display_files
from outcomes.study.spec import Study

_SECTIONS: dict[tuple[int, ...], str] = {
    (14, 1): "Study population",
    (14, 2): "Efficacy",
    (14, 3): "Safety",
    (16, 1): "Diagnostics",
}


@dataclass(frozen=True, slots=True)
class Display:
    """One display, as its JSON file describes it; ``svg`` is '' for a table."""

    id: str
    study: str
    analysis: str
    kind: str
    number: str
    name: str
    title: str
    population: str
    label: str
    synthetic: bool
    footnotes: tuple[str, ...]
    failures: tuple[str, ...]
    html: str
    """The table, or the numbers of a figure."""
    caption: str = ""
    alt: str = ""
    svg: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Displays under one heading."""

    id: str
    title: str
    displays: tuple[Display, ...]


def displays_in(results: Path, spec: Study) -> list[Display]:
    """Read the displays of a study that were made, ordered by number.

    Other files, of analyses that the study no longer has or asks differently and of
    displays it omits, are left from an earlier run and not read.

    Raises
    ------
    RenderError
        If a file is not what the displays stage writes, or is of another study or
        display.
    """
    found = []
    for id, analysis, kind in display_files(spec):
        path = results / f"{kind}s" / f"{id}.json"
        if not path.is_file():
            continue
        display = read_display(path)
        there = (display.study, display.analysis, display.id, display.kind)
        if there != (spec.study.id, analysis, id, kind):
            raise RenderError(
                f"{path}: this is the {display.kind} {display.id} of the study "
                f"{display.study}, not the {kind} {id} of {spec.study.id}; make the "
                "displays again."
            )
        found.append(display)
    return sorted(found, key=_order)


def sections_of(displays: list[Display]) -> list[Section]:
    """Group displays by the first two parts of their number."""
    groups: dict[tuple[int, ...], list[Display]] = {}
    for display in displays:
        groups.setdefault(_digits(display.number)[:2], []).append(display)
    sections = []
    for digits, members in groups.items():
        number = ".".join(str(digit) for digit in digits)
        title = f"{number} {_SECTIONS.get(digits, 'Further displays')}"
        sections.append(Section(f"section-{number}", title, tuple(members)))
    return sections


def _digits(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", number))


def _order(display: Display) -> tuple[tuple[int, ...], bool, str, str]:
    """Order by number; a table stands before the figure of the same number."""
    digits = _digits(display.number)
    return digits, display.kind == "figure", display.number, display.id


def read_display(path: Path) -> Display:
    """Read what the displays stage wrote about a display.

    Raises
    ------
    RenderError
        If the file is absent or something else.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        figure = content["kind"] == "figure"
        return Display(
            id=content["id"],
            study=content["study"],
            analysis=content["analysis"],
            kind=content["kind"],
            number=content["number"],
            name=content["name"],
            title=content["title"],
            population=content["population"],
            label=content["label"],
            synthetic=content["synthetic"],
            footnotes=tuple(content["footnotes"]),
            failures=tuple(content["failures"]),
            html=content["numbers"] if figure else content["html"],
            caption=content["caption"] if figure else "",
            alt=content["alt"] if figure else "",
            svg=path.with_suffix(".svg").read_text(encoding="utf-8") if figure else "",
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RenderError(
            f"{path}: not a description of a display ({problem}); make it again."
        ) from problem
