"""The comparison file: studies whose durability stands side by side.

Every class is a section of the file, every attribute a key. Unknown keys are errors.
What the keys mean: ``docs/methods/durability-comparison.md``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcomes.study.base import FileName, Id, Once, Section, Text

ComparedDay = Annotated[int, Field(ge=1, le=36_500)]


class ComparisonInfo(Section):
    """What the comparison is called: ``comparison``."""

    id: Id
    title: Text
    footnotes: list[Text] = Field(default_factory=list)


class ComparedStudy(Section):
    """One entry of ``studies``: a study file, and its time-to-event analysis."""

    study: FileName
    analysis: Id


class Comparison(Section):
    """The whole comparison file; ``days`` count from the origin, which is day 1."""

    comparison: ComparisonInfo
    days: Once[ComparedDay] = Field(min_length=1)
    studies: list[ComparedStudy] = Field(min_length=2)

    @property
    def ordered_days(self) -> list[int]:
        """The days, the earliest first."""
        return sorted(self.days)
