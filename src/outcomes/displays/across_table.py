"""Survival of several studies at declared days, with every denominator."""

from __future__ import annotations

from outcomes.displays.across_context import AcrossContext, AcrossStudy, counted
from outcomes.displays.across_words import (
    definitions_across,
    footnotes_across,
    heading_across,
    name_of,
)
from outcomes.displays.description import (
    Cell,
    Column,
    Grid,
    Row,
    RowGroup,
    Table,
    joined,
    text,
)
from outcomes.study.spec import Arm


def table_across(context: AcrossContext) -> Table:
    """Build the table of a comparison."""
    grid = Grid(
        "Study, arm and statistic",
        tuple(Column(text(f"Day {day}")) for day in context.days),
        tuple(group for study in context.studies for group in _study(context, study)),
    )
    comparison = context.comparison
    return Table(
        heading_across(comparison, "table"),
        grid,
        (
            *definitions_across(comparison),
            *footnotes_across(comparison, grid, few=context.few_at_risk),
        ),
        context.failures(),
    )


def _study(context: AcrossContext, study: AcrossStudy) -> list[RowGroup]:
    """Return a heading of the study and, below it, a group of rows for each arm."""
    title = RowGroup((), text(f"{name_of(study.member)} ({study.member.id})"))
    return [title, *(_arm(context, study, arm) for arm in study.arms)]


def _arm(context: AcrossContext, study: AcrossStudy, arm: Arm) -> RowGroup:
    def cells(of: str) -> tuple[Cell, ...]:
        return tuple(getattr(study, of)(arm.id, day) for day in context.days)

    rows = (
        Row(
            text(f"Without event, % ({study.confidence} CI)"),
            cells("estimate_with_limits"),
            1,
        ),
        Row(text("At risk"), cells("at_risk"), 1),
        Row(text("Events"), cells("events"), 1),
    )
    return RowGroup(rows, joined(f"{_label(arm)}: ", _whole(study, arm.id)))


def _label(arm: Arm) -> str:
    role = "control" if arm.control else "active" if arm.active else ""
    return f"{arm.label} ({role})" if role else arm.label


def _whole(study: AcrossStudy, arm: str) -> Cell:
    """Return what is true of an arm whatever the day: counts, median, follow-up."""
    return counted(
        [
            ("N", study.count("population", arm)),
            ("at risk", study.count("at-risk", arm)),
            ("events", study.count("event", arm, "any")),
            *[(f"{name} (competing)", cell) for name, cell in study.competing(arm)],
            (f"median in days ({study.confidence} CI)", study.median(arm)),
            ("days followed: median", study.followed(arm, "median")),
            ("longest", study.followed(arm, "max")),
        ]
    )
