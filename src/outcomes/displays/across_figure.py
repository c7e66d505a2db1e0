"""Survival of several studies side by side, as a figure: one panel each."""

from __future__ import annotations

from outcomes.displays.across_chart import (
    AcrossChart,
    AcrossCourse,
    AcrossPanel,
    AcrossPoint,
)
from outcomes.displays.across_context import AcrossContext, AcrossStudy
from outcomes.displays.across_words import (
    NOT_FOLLOWED,
    definitions_differ,
    footnotes_across,
    heading_across,
)
from outcomes.displays.description import Column, Figure, Grid, Row, RowGroup, text
from outcomes.study.event_words import origin_words
from outcomes.study.spec import Arm


def figure_across(context: AcrossContext) -> Figure:
    """Build the figure of a comparison."""
    numbers = _numbers(context)
    drawn = any(study.shows_anything for study in context.studies)
    return Figure(
        heading_across(context.comparison, "figure"),
        _chart(context) if drawn else None,
        _caption(context),
        _alt(context) if drawn else "No figure: the results could not be computed.",
        numbers,
        footnotes_across(context.comparison, numbers, few=context.few_at_risk),
        context.failures(),
    )


def _chart(context: AcrossContext) -> AcrossChart:
    return AcrossChart(
        days=tuple(context.days),
        panels=tuple(_panel(context, study) for study in context.studies),
        x_label="Day; day 1 is the origin of each study (square-root scale)",
        y_label=f"Without event, % ({context.limits_label})",
        counts_label="At risk",
    )


def _panel(context: AcrossContext, study: AcrossStudy) -> AcrossPanel:
    return AcrossPanel(
        name=study.name,
        courses=tuple(_course(context, study, arm) for arm in study.arms),
        until=study.until(),
    )


def _course(context: AcrossContext, study: AcrossStudy, arm: Arm) -> AcrossCourse:
    points = []
    for day in context.days:
        found = study.at(arm.id, day, "estimate")
        if found is None or found.value is None or not study.is_followed(arm.id, day):
            continue
        limits = (study.at(arm.id, day, name) for name in ("conf_low", "conf_high"))
        low, high = (_percent(one.value if one else None) for one in limits)
        points.append(AcrossPoint(day, 100 * found.value, low, high))
    steps = [(day, 100 * value) for day, value in study.curve(arm.id)]
    end = study.followed_until(arm.id)
    if steps and end is not None and end > steps[-1][0]:
        steps.append((end, steps[-1][1]))
    return AcrossCourse(
        name=arm.label,
        look=study.looks[arm.id],
        points=tuple(points),
        steps=tuple(steps),
        counts=tuple(study.at_risk(arm.id, day).text for day in context.days),
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _caption(context: AcrossContext) -> str:
    origins = [
        f"{study.name}: {origin_words(study.member.spec, study.member.endpoint)}"
        for study in context.studies
    ]
    limits = context.limits_label.replace("CI", "confidence limits")
    differ = (
        "; their definitions of the event differ, see the table"
        if definitions_differ(context.comparison.members)
        else ""
    )
    return (
        "Subjects without the event at declared days, by arm, one panel per study:"
        f" Kaplan-Meier estimates with {limits} (markers), and the curve behind them"
        " (steps). Shaded: days for which no arm of the study has an estimate."
        f" Studies stand side by side and are not compared{differ}."
        f" Day 1 is, for {'; '.join(origins)}."
    )


def _alt(context: AcrossContext) -> str:
    """Describe the figure to those who cannot see it: the last estimate of each arm."""
    said = []
    for study in context.studies:
        ends = "; ".join(_last(context, study, arm) for arm in study.arms)
        said.append(f"{study.name}: {ends}.")
    days = ", ".join(str(day) for day in context.days)
    return (
        f"{len(context.studies)} panels, one per study, of the per cent of subjects"
        f" without the event at days {days}, with confidence limits, one line per arm."
        f" The last estimate of each: {' '.join(said)}"
    )


def _last(context: AcrossContext, study: AcrossStudy, arm: Arm) -> str:
    for day in reversed(context.days):
        found = study.at(arm.id, day, "estimate")
        known = found is not None and found.value is not None
        if known and study.is_followed(arm.id, day):
            return f"{arm.label} {study.estimate(arm.id, day).text}% at day {day}"
    return f"{arm.label} {NOT_FOLLOWED}"


def _numbers(context: AcrossContext) -> Grid:
    columns = (
        Column(text("Without event, %")),
        Column(text(context.limits_label)),
        Column(text("At risk")),
        Column(text("Events")),
    )
    groups = []
    for study in context.studies:
        for arm in study.arms:
            rows = tuple(
                Row(
                    text(f"Day {day}"),
                    (
                        study.estimate(arm.id, day),
                        study.limits(arm.id, day),
                        study.at_risk(arm.id, day),
                        study.events(arm.id, day),
                    ),
                    1,
                )
                for day in context.days
            )
            groups.append(RowGroup(rows, text(f"{study.name}: {arm.label}")))
    return Grid("Study, arm and day", columns, tuple(groups))
