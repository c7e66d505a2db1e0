"""The results of each study of a comparison, asked for by arm and day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outcomes.comparison.load import ComparisonFile, Member
from outcomes.comparison.results import COUNTS, CURVE, MEDIAN, compared_results
from outcomes.displays.across_words import NOT_FOLLOWED, name_of
from outcomes.displays.description import Cell, Part, joined
from outcomes.displays.lookup import Result, Results, results_of
from outcomes.displays.numbers import (
    ABSENT,
    COUNT,
    days,
    interval,
    number,
    proportion,
    with_brackets,
)
from outcomes.displays.palette import Look, arm_looks
from outcomes.displays.samples import is_few
from outcomes.displays.words import reason
from outcomes.study.spec import Arm


@dataclass(frozen=True, slots=True)
class AcrossStudy:
    """One study and what its results say; ``result_id`` of a result names the study."""

    member: Member
    results: Results
    name: str
    """What the study is called: compound and indication; its id where two are alike."""

    @property
    def arms(self) -> list[Arm]:
        """The arms, in the order of the study file."""
        return self.member.spec.arms

    @property
    def looks(self) -> dict[str, Look]:
        """Colour and marker by arm id, as in the figures of the study itself."""
        return arm_looks(self.member.spec)

    @property
    def confidence(self) -> str:
        """The confidence level of the analysis, as ``95%``."""
        return f"{100 * self.member.analysis.conf_level:g}%"

    def count(self, term: str, arm: str, level: str = "") -> Cell:
        """Return a count of subjects of an arm."""
        found = self.results.get(term, "n", arm=arm, level=level, method_id=COUNTS)
        return number(found, COUNT)

    def competing(self, arm: str) -> list[tuple[str, Cell]]:
        """Return the competing events of an arm, each with its count."""
        levels = self.results.levels("competing", arm=arm, method_id=COUNTS)
        kinds = [level for level in levels if level != "any"]
        return [(level, self.count("competing", arm, level)) for level in kinds]

    def median(self, arm: str) -> Cell:
        """Return the median time to the event with its limits."""

        def get(statistic: str) -> Result | None:
            return self.results.get(
                "quantile", statistic, arm=arm, level=MEDIAN, method_id=CURVE
            )

        limits = interval(days(get("conf_low")), days(get("conf_high")))
        return with_brackets(days(get("estimate")), limits)

    def followed(self, arm: str, statistic: str) -> Cell:
        """Return the median, or largest, length of follow-up of an arm."""
        return days(self._followed(arm, statistic))

    def until(self) -> float | None:
        """Return the last day of which anything is known, of any arm."""
        found = [self.followed_until(arm.id) for arm in self.arms]
        return max((day for day in found if day is not None), default=None)

    def followed_until(self, arm: str) -> float | None:
        """Return the last day of which anything is known of an arm.

        That is the last one on which anybody was followed, or a later one on which
        there is an estimate, since everybody has had the event.
        """
        found = self._followed(arm, "max")
        known = [found.value] if found is not None else []
        known += [
            row.time
            for row in self.results.having(
                "day", statistic="estimate", arm=arm, method_id=CURVE
            )
            if row.value is not None
        ]
        return max((day for day in known if day is not None), default=None)

    def at(self, arm: str, day: int, statistic: str) -> Result | None:
        """Return a result of an arm at a declared day."""
        return self.results.get(
            "day", statistic, arm=arm, time=float(day), method_id=CURVE
        )

    def is_followed(self, arm: str, day: int) -> bool:
        """Tell whether the results say anything of an arm at a day.

        They hold an estimate, or none where the arm was not followed so long: the
        study itself decides, so that its own displays say the same.
        """
        found = self.at(arm, day, "estimate")
        return found is None or found.value is not None

    def estimate(self, arm: str, day: int) -> Cell:
        """Return the per cent without event at a day, or that nobody is followed."""
        if not self.is_followed(arm, day):
            return _beyond(self.at(arm, day, "estimate"))
        return proportion(self.at(arm, day, "estimate"))

    def limits(self, arm: str, day: int) -> Cell:
        """Return the limits at a day; a dash where nobody is followed."""
        if not self.is_followed(arm, day):
            return Cell((Part(ABSENT),))
        low, high = (self.at(arm, day, name) for name in ("conf_low", "conf_high"))
        return interval(proportion(low), proportion(high))

    def estimate_with_limits(self, arm: str, day: int) -> Cell:
        """Return ``62.3 (48.1, 74.0)``, or that nobody is followed."""
        estimate = self.estimate(arm, day)
        if not self.is_followed(arm, day):
            return estimate
        return with_brackets(estimate, self.limits(arm, day))

    def at_risk(self, arm: str, day: int) -> Cell:
        """Return how many are at risk just before a day."""
        return number(self.at(arm, day, "n_risk"), COUNT)

    def events(self, arm: str, day: int) -> Cell:
        """Return how many have had the event by a day."""
        return number(self.at(arm, day, "n_event"), COUNT)

    def curve(self, arm: str) -> list[tuple[float, float]]:
        """Return the Kaplan-Meier curve of an arm: days and proportions."""
        rows = self.results.having(
            "curve", statistic="estimate", arm=arm, method_id=CURVE
        )
        return [
            (row.time, row.value)
            for row in rows
            if row.time is not None and row.value is not None
        ]

    @property
    def shows_anything(self) -> bool:
        """Whether there is an estimate at any declared day."""
        rows = self.results.having("day", statistic="estimate", method_id=CURVE)
        return any(row.value is not None for row in rows)

    def failures(self) -> list[str]:
        """Say why results are absent, one sentence each."""
        labels = {arm.id: arm.label for arm in self.arms}
        return list(
            dict.fromkeys(
                f"{self.name}{', ' + labels[row.arm] if row.arm in labels else ''}: not"
                f" computed, because {reason(row)}."
                for row in self.results.errors
            )
        )

    def _followed(self, arm: str, statistic: str) -> Result | None:
        return self.results.get("follow-up", statistic, arm=arm, method_id=CURVE)


@dataclass(frozen=True, slots=True)
class AcrossContext:
    """A comparison with the results of its studies."""

    comparison: ComparisonFile
    studies: tuple[AcrossStudy, ...]

    @property
    def days(self) -> list[int]:
        """The declared days, the earliest first."""
        return self.comparison.spec.ordered_days

    @property
    def confidence(self) -> str:
        """The confidence level, '' where the studies differ in it."""
        levels = {study.confidence for study in self.studies}
        return levels.pop() if len(levels) == 1 else ""

    @property
    def limits_label(self) -> str:
        """What limits are called: ``95% CI``, or ``CI`` where levels differ."""
        return f"{self.confidence} CI".strip()

    @property
    def few_at_risk(self) -> bool:
        """Whether limits at a declared day rest on few subjects."""
        return any(
            is_few(study.at(arm.id, day, "n_risk"))
            for study in self.studies
            for arm in study.arms
            for day in self.days
        )

    def failures(self) -> tuple[str, ...]:
        """Say why results are absent, one sentence each."""
        return tuple(said for study in self.studies for said in study.failures())


def across_context(comparison: ComparisonFile, results: Path) -> AcrossContext:
    """Read the results of the studies of a comparison.

    Raises
    ------
    DataError
        As `outcomes.comparison.results.compared_results`.
    """
    frames = compared_results(comparison, results)
    names = [name_of(member) for member in comparison.members]
    studies = [
        AcrossStudy(
            member,
            results_of(frames[member.id]),
            f"{name} ({member.id})" if names.count(name) > 1 else name,
        )
        for member, name in zip(comparison.members, names, strict=True)
    ]
    return AcrossContext(comparison, tuple(studies))


def _beyond(found: Result | None) -> Cell:
    """Say that nobody is followed, traceable to the result that says so."""
    return Cell((Part(NOT_FOLLOWED, found.result_id if found is not None else ""),))


def counted(pieces: list[tuple[str, Cell]]) -> Cell:
    """Return ``N 50; at risk 48``: each word with its number."""
    parts: list[Cell | str] = []
    for place, (word, cell) in enumerate(pieces):
        parts += [f"{'; ' if place else ''}{word} ", cell]
    return joined(*parts)
