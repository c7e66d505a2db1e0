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
from outcomes.displays.words import reason
from outcomes.study.spec import Arm


@dataclass(frozen=True, slots=True)
class AcrossStudy:
    """One study and what its results say; ``result_id`` of a result names the study."""

    member: Member
    results: Results

    @property
    def name(self) -> str:
        """What the study is called: compound and indication."""
        return name_of(self.member)

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
        """Return the last day on which anybody was followed."""
        found = [self._followed(arm.id, "max") for arm in self.arms]
        known = [one.value for one in found if one and one.value is not None]
        return max(known) if known else None

    def followed_until(self, arm: str) -> float | None:
        """Return the last day on which anybody of an arm was followed."""
        found = self._followed(arm, "max")
        return found.value if found is not None else None

    def at(self, arm: str, day: int, statistic: str) -> Result | None:
        """Return a result of an arm at a declared day."""
        return self.results.get(
            "day", statistic, arm=arm, time=float(day), method_id=CURVE
        )

    def is_followed(self, arm: str, day: int) -> bool:
        """Tell whether there is an estimate of an arm at a day.

        There is none where nobody is at risk any more, unless all who were have had the
        event: then it is zero for good. A curve that falls to zero because the last of
        few had it, after others were censored, says nothing of later days.
        """
        risk, events = (self.at(arm, day, name) for name in ("n_risk", "n_event"))
        if risk is None or risk.value is None or risk.value > 0:
            return True
        began = self.results.get("at-risk", "n", arm=arm, method_id=COUNTS)
        if began is None or events is None or events.value is None:
            return False
        return began.value == events.value

    def estimate(self, arm: str, day: int) -> Cell:
        """Return the per cent without event at a day, or that nobody is followed."""
        if not self.is_followed(arm, day):
            return _beyond(self.at(arm, day, "n_risk"))
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
    studies = [
        AcrossStudy(member, results_of(frames[member.id]))
        for member in comparison.members
    ]
    return AcrossContext(comparison, tuple(studies))


def _beyond(risk: Result | None) -> Cell:
    """Say that nobody is followed, traceable to the count that says so."""
    return Cell((Part(NOT_FOLLOWED, risk.result_id if risk is not None else ""),))


def counted(pieces: list[tuple[str, Cell]]) -> Cell:
    """Return ``N 50; at risk 48``: each word with its number."""
    parts: list[Cell | str] = []
    for place, (word, cell) in enumerate(pieces):
        parts += [f"{'; ' if place else ''}{word} ", cell]
    return joined(*parts)
