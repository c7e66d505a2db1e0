"""What every builder of a display gets, and what every display says the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from outcomes.displays.catalogue import PlannedDisplay
from outcomes.displays.description import (
    Cell,
    Column,
    Grid,
    Heading,
    Row,
    RowGroup,
    joined,
)
from outcomes.displays.description import text as plain
from outcomes.displays.event_warnings import event_warnings, shown_results
from outcomes.displays.lookup import Result, Results
from outcomes.displays.numbers import ABSENT, NOT_ESTIMABLE
from outcomes.displays.palette import Look, arm_looks
from outcomes.displays.words import (
    EVENT_METHODS,
    population_of,
    reason,
    result_words,
    subject_of,
)
from outcomes.study.analyses import AnyAnalysis, TimeToEvent
from outcomes.study.displays import population_words
from outcomes.study.spec import Arm, Study, Visit

_REASONS_SHOWN = 5
_VERSION = re.compile(r"outcomes [0-9][0-9A-Za-z.+]*")
_LEFT_OUT = "-without"
"""Ends the terms of results with a part left out, which is their level."""
_AVERAGE = "-average"
"""Ends the terms of averages over visits, whose name is their level."""
_WHOLE = ("analysis", "visit", "subjects")
"""Terms whose errors are sentences about the whole of a place."""


@dataclass(frozen=True, slots=True)
class Context:
    """One display of one study, and the results it is made from."""

    spec: Study
    display: PlannedDisplay
    results: Results

    @property
    def analysis(self) -> AnyAnalysis:
        """The analysis behind the display."""
        return self.spec.analysis(self.display.analysis)

    @property
    def subject(self) -> AnyAnalysis:
        """The analysis that the results are about: its own, or that of diagnostics."""
        return subject_of(self.spec, self.analysis)

    @property
    def looks(self) -> dict[str, Look]:
        """Colour and marker by arm id, the same in all figures of the study."""
        return arm_looks(self.spec)

    @property
    def active_arms(self) -> list[Arm]:
        """The arms that are compared with the control."""
        return [arm for arm in self.spec.arms if not arm.control]

    @property
    def visits(self) -> list[Visit]:
        """The visits that the analysis sees: those of the follow-up if it says so."""
        spec = self.spec if self.subject.follow_up else self.spec.without_follow_up()
        return spec.visits

    @property
    def later_visits(self) -> list[str]:
        """Ids of the visits after baseline that the analysis sees, in order."""
        ids = [visit.id for visit in self.visits]
        return ids[ids.index(self.spec.baseline_visit.id) + 1 :]

    @property
    def confidence(self) -> str:
        """The confidence level of the analysis, as ``95%``."""
        return f"{100 * getattr(self.subject, 'conf_level', 0.95):g}%"

    def arm_label(self, id: str) -> str:
        """Return what an arm is called."""
        return next((arm.label for arm in self.spec.arms if arm.id == id), id)

    def visit_label(self, id: str) -> str:
        """Return what a visit is called."""
        return next((v.label for v in self.spec.visits if v.id == id), id)

    @property
    def single_arm(self) -> bool:
        """Whether nobody was randomised: subjects enrolled."""
        return self.spec.study.design == "single-arm"

    def _level_label(self, level: str) -> str:
        return next((v.label for v in self.spec.visits if v.id == level), level)

    @property
    def heading(self) -> Heading:
        """The heading of the display; whether prespecified is what the ARD says."""
        rows = self.results.rows
        planned = (
            all(row.prespecified == "Y" for row in rows)
            if rows
            else self.analysis.prespecified
        )
        return Heading(
            id=self.display.id,
            analysis=self.display.analysis,
            kind=self.display.kind,
            number=self.display.number,
            name=self.display.heading,
            title=self.display.title,
            population=self._population,
            label="PRE-SPECIFIED" if planned else "EXPLORATORY",
            synthetic=self.spec.study.synthetic,
        )

    @property
    def _population(self) -> str:
        """Whom the display is about: the populations of the ARD, in words."""
        if self.analysis.question == "disposition":
            return "All subjects of the study"
        rows = self._shown(self.results.rows)
        found = dict.fromkeys(row.population for row in rows)
        ids = [id for id in found if id] or [population_of(self.spec, self.analysis)]
        names = [self._population_name(id) for id in ids if id]
        return "; ".join(names) or "All subjects"

    def _population_name(self, id: str) -> str:
        """Name a population; that of who entered a follow-up says that it is one."""
        if id == getattr(self.subject, "followed_up", None):
            return f"Selected: entered follow-up ({id})"
        return population_words(id, enrolled=self.single_arm)

    def failures(self) -> tuple[str, ...]:
        """Say why results are absent: where and what, one sentence each."""
        errors = self._shown(self.results.errors)
        said = dict.fromkeys(self._failure(row) for row in errors)
        reasons = list(said)
        if not self.results.rows:
            return ("The analysis has no results at all.",)
        more = len(reasons) - _REASONS_SHOWN
        if more > 0:
            note = f"{more} further results are missing; the ARD gives the reasons."
            return (*reasons[:_REASONS_SHOWN], note)
        return tuple(reasons)

    def _failure(self, row: Result) -> str:
        if row.method_id in EVENT_METHODS:
            return self._event_failure(row)
        term = row.term.removesuffix(_LEFT_OUT).removesuffix(_AVERAGE)
        level = self._level_label(row.level)
        if level and row.term.endswith(_LEFT_OUT):
            level = f"without {level}"
        if row.term.endswith(_AVERAGE):
            level = f"average over {level}"
        where = [
            self.visit_label(row.visit) if row.visit else "",
            self.arm_label(row.arm) if row.arm else "",
            level,
            result_words(term) if term not in _WHOLE else "",
        ]
        place = ", ".join(part for part in where if part)
        said = f"{place}: not computed" if place else "not computed"
        return f"{said[0].upper()}{said[1:]}, because {reason(row)}."

    def _event_failure(self, row: Result) -> str:
        """Say what of the times of an arm is absent, whichever days were asked for."""
        selected = row.population == getattr(self.subject, "followed_up", None)
        where = [
            self.arm_label(row.arm) if row.arm else "",
            "selected: entered follow-up" if selected else "",
            EVENT_METHODS[row.method_id],
        ]
        place = ", ".join(part for part in where if part)
        return f"{place[0].upper()}{place[1:]}: not computed, because {reason(row)}."

    @property
    def failed(self) -> bool:
        """Whether the analysis as a whole could not be done."""
        rows = self.results.rows
        return not rows or any(row.term == "analysis" for row in self.results.errors)

    def footnotes(self, grid: Grid, *own: str) -> tuple[str, ...]:
        """Return all footnotes: warnings, the template's, general ones, the study's."""
        notes = [f"Warning: {warning}" for warning in self._warnings]
        notes += [note for note in own if note]
        marks = [part.text for cell in grid.cells() for part in cell.parts]
        legend = [
            meaning
            for mark, meaning in (
                (ABSENT, f"{ABSENT}, not applicable or not available"),
                (NOT_ESTIMABLE, f"{NOT_ESTIMABLE}, not estimable"),
            )
            if mark in marks
        ]
        if legend:
            notes.append("; ".join(legend) + ".")
        notes += self.display.footnotes
        if self.heading.synthetic:
            notes.append("Synthetic data: simulated subjects, no real ones.")
        if self._versions:
            notes.append(f"Computed by {', '.join(self._versions)}.")
        return tuple(notes)

    @property
    def _warnings(self) -> list[str]:
        """Warnings of the results; those of times only of what the display shows."""
        if not isinstance(self.subject, TimeToEvent):
            return self.results.warnings
        rows = self._shown(self.results.rows)
        return event_warnings(self.spec, self.subject, rows)

    def _shown(self, rows: Iterable[Result]) -> list[Result]:
        """Return results that the display is about; not all of times are on each."""
        if not isinstance(self.analysis, TimeToEvent):
            return list(rows)
        return shown_results(self.display.template, self.analysis, rows)

    def method_phrases(self, term: str, **narrowed: str) -> list[str]:
        """Return the phrases of the ARD on how a term was computed, once each.

        Versions of this package are left out: `footnotes` names them once.
        """
        return list(
            dict.fromkeys(
                phrase
                for row in self.results.having(term, **narrowed)
                for phrase in row.method.split("; ")
                if phrase and not _VERSION.fullmatch(phrase)
            )
        )

    @property
    def _versions(self) -> list[str]:
        """Versions of this package that results were computed with."""
        return list(
            dict.fromkeys(
                phrase
                for row in self.results.rows
                for phrase in row.method.split("; ")
                if _VERSION.fullmatch(phrase)
            )
        )

    def methods(self, term: str) -> str:
        """Return how the rows of a term were computed, in the words of the ARD."""
        return "; ".join(self.method_phrases(term))


def arm_columns(context: Context, counts: dict[str, Cell]) -> list[Column]:
    """Return one column per arm, with ``(N = ...)`` where a count is given."""
    return [
        Column(_with_count(arm.label, counts.get(arm.id))) for arm in context.spec.arms
    ]


def total_column(count: Cell | None) -> Column:
    """Return the column for all arms together."""
    return Column(_with_count("Total", count))


def _with_count(label: str, count: Cell | None) -> Cell:
    if count is None:
        return plain(label)
    return joined(f"{label} (N\u00a0=\u00a0", count, ")")


def not_computed(columns: tuple[Column, ...], stub: str) -> Grid:
    """Return a grid that says that there are no numbers, never an empty one."""
    cells = tuple(plain(NOT_ESTIMABLE) for _ in columns)
    return Grid(stub, columns, (RowGroup((Row(plain("Not computed"), cells),)),))


def kept(rows: list[Row]) -> tuple[Row, ...]:
    """Return the rows that have at least one number."""
    return tuple(row for row in rows if any(cell.result_ids for cell in row.cells))
