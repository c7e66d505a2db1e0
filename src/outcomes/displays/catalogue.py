"""Which displays a study has, under which numbers, in which files.

Light to import: the planner asks before anything scientific is loaded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches

from outcomes.displays.words import endpoint_of, outcome_label, subject_of
from outcomes.errors import SpecError
from outcomes.study.analyses import AnyAnalysis, OfEndpoint
from outcomes.study.displays import (
    Kind,
    Template,
    score_name,
    templates_of,
)
from outcomes.study.spec import Display, Study

_NUMBER = re.compile(r"F?[0-9]+(\.[0-9]+)*[a-z]?")


@dataclass(frozen=True, slots=True)
class PlannedDisplay:
    """One display of a study. ``id`` is the analysis id and the template name."""

    id: str
    analysis: str
    kind: Kind
    template: str
    number: str
    title: str
    footnotes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """What the display is called: ``Table 14.2.1``, ``Figure 14.2.3``."""
        word = "Table" if self.kind == "table" else "Figure"
        return f"{word} {self.number.removeprefix('F')}"


_AFTER_TITLE = {
    "over-time": "over time",
    "probabilities": "probabilities, differences and odds ratios",
    "probability-curves": "probability over time",
    "components": "variance components",
    "caterpillar": "predicted effects",
    "scatter": "scatter plot",
    "coefficients": "coefficients",
    "checks": "residuals and covariance",
    "residuals": "normalised residuals",
    "correlation": "fitted and empirical correlation",
    "influence": "one part of the subjects left out",
    "left-out": "one part of the subjects left out",
    "durability": "events, Kaplan-Meier estimates and comparisons",
    "entry": "entry into the follow-up, and what selection changes",
    "survival": "subjects without the event over time",
    "incidence": "cumulative incidence of the event and of competing events",
    "swimmer": "course of each subject",
    "hazards": "hazard ratio over time (scaled Schoenfeld residuals)",
}
"""Added to an analysis' own title, where one analysis has several displays."""


def planned_displays(spec: Study) -> list[PlannedDisplay]:
    """List the displays of a study, in the order of its analyses.

    The first analysis of a question gets the plain number (14.2.1), those after it
    14.2.1.1, 14.2.1.2 and so on. A number that the study file gives is never given
    again, and omitting a display leaves the numbers of the others alone.

    Parameters
    ----------
    spec : Study
        A valid study.

    Returns
    -------
    list of PlannedDisplay
        Without those the study omits.

    Raises
    ------
    SpecError
        With all that `display_problems` finds.
    """
    problems = display_problems(spec)
    if problems:
        lines = "\n".join(f"  {where}: {message}" for where, message in problems)
        raise SpecError(f"displays of the study {spec.study.id}\n{lines}")
    return [display for display, omit in _with_overrides(spec) if not omit]


def display_problems(spec: Study) -> list[tuple[str, str]]:
    """Return what is wrong with ``displays``: pairs of key path and message."""
    return [*_unknown(spec), *_bad_numbers(spec), *_doubled_numbers(spec)]


def outputs_of(display: PlannedDisplay) -> list[str]:
    """Name the files of a display, relative to the results folder of its study."""
    if display.kind == "table":
        return [f"tables/{display.id}.{end}" for end in ("html", "json")]
    return [f"figures/{display.id}.{end}" for end in ("svg", "pdf", "png", "json")]


def display_order(number: str) -> tuple[tuple[int, ...], bool, str]:
    """Return a sort key: by number, a table before the figure of the same number."""
    digits = tuple(int(part) for part in re.findall(r"[0-9]+", number))
    return digits, number.startswith("F"), number


def default_displays(spec: Study) -> list[PlannedDisplay]:
    """List the displays of a study before its own wishes about them."""
    taken = {
        _plain(_kind_of(spec, wish.id), wish.number)
        for wish in spec.displays
        if wish.number
    }
    used: set[tuple[Kind, str]] = set()
    displays = []
    for analysis in spec.analyses:
        for template in templates_of(spec, analysis):
            number = _free_number(template, used, taken)
            used.add(_plain(template.kind, number))
            displays.append(
                PlannedDisplay(
                    id=f"{analysis.id}-{template.name}",
                    analysis=analysis.id,
                    kind=template.kind,
                    template=template.name,
                    number=number,
                    title=_title(spec, analysis, template),
                )
            )
    return displays


def _plain(kind: Kind, number: str) -> tuple[Kind, str]:
    return kind, number.removeprefix("F")


def _kind_of(spec: Study, id: str) -> Kind:
    for analysis in spec.analyses:
        for template in templates_of(spec, analysis):
            if f"{analysis.id}-{template.name}" == id:
                return template.kind
    return "table"


def _free_number(
    template: Template, used: set[tuple[Kind, str]], taken: set[tuple[Kind, str]]
) -> str:
    """Return the first number of a template that nobody has.

    A number taken by the study file blocks only the numbered ones after the first, so
    that giving a display its own default number changes nothing.
    """
    if _plain(template.kind, template.number) not in used:
        return template.number
    place = 1
    while True:
        number = f"{template.number}.{place}"
        if _plain(template.kind, number) not in used | taken:
            return number
        place += 1


def _with_overrides(spec: Study) -> Iterator[tuple[PlannedDisplay, bool]]:
    wishes: dict[str, Display] = {wish.id: wish for wish in spec.displays}
    for display in default_displays(spec):
        wish = wishes.get(display.id)
        if wish is None:
            yield display, False
            continue
        number = wish.number or display.number
        if display.kind == "figure" and not number.startswith("F"):
            number = f"F{number}"
        yield (
            replace(
                display,
                number=number,
                title=wish.title or display.title,
                footnotes=tuple(wish.footnotes),
            ),
            wish.omit,
        )


def _unknown(spec: Study) -> Iterator[tuple[str, str]]:
    known = [display.id for display in default_displays(spec)]
    for wish in spec.displays:
        if wish.id not in known:
            near = get_close_matches(wish.id, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            yield (
                f"displays.{wish.id}",
                "no analysis has a display of this id."
                f" Known: {', '.join(known)}.{hint}",
            )


def _bad_numbers(spec: Study) -> Iterator[tuple[str, str]]:
    for wish in spec.displays:
        if not wish.number:
            continue
        where = f"displays.{wish.id}.number"
        if not _NUMBER.fullmatch(wish.number):
            yield (
                where,
                f"'{wish.number}' is no display number; write one such as '14.2.1'.",
            )
        elif wish.number.startswith("F") and _kind_of(spec, wish.id) == "table":
            yield where, f"'{wish.number}' is the number of a figure; this is a table."


def _doubled_numbers(spec: Study) -> Iterator[tuple[str, str]]:
    shown = [display for display, omit in _with_overrides(spec) if not omit]
    counts = Counter(_plain(display.kind, display.number) for display in shown)
    for (kind, number), count in counts.items():
        if count > 1:
            ids = [d.id for d in shown if _plain(d.kind, d.number) == (kind, number)]
            yield (
                "displays",
                f"{kind} {number} stands for {' and '.join(ids)}; numbers are unique.",
            )


def _title(spec: Study, analysis: AnyAnalysis, template: Template) -> str:
    if analysis.title:
        more = _AFTER_TITLE.get(template.name)
        return f"{analysis.title}: {more}" if more else analysis.title
    words = {"endpoint": "", "visit": "", "predictor": ""}
    about = subject_of(spec, analysis)
    if isinstance(about, OfEndpoint):
        words["endpoint"] = outcome_label(spec, endpoint_of(spec, about))
    visit = getattr(about, "visit", None)
    if visit is not None:
        words["visit"] = spec.visit(visit).label
    predictor = getattr(analysis, "predictor", None)
    if predictor is not None:
        words["predictor"] = score_name(predictor.instrument, predictor.score)
    title = template.title.format(**words)
    # Several analyses of one endpoint may be diagnosed: the title says which it is.
    return title if about is analysis else f"{title} ({about.title or about.id})"
