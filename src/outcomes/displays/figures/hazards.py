"""Whether the hazard ratio is one number: scaled Schoenfeld residuals over time."""

from __future__ import annotations

from collections import defaultdict

from outcomes.displays.charts import TrendPanel, TrendsChart
from outcomes.displays.context import Context
from outcomes.displays.description import Column, Figure, Grid, Row, RowGroup, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import EFFECT, number, p_value
from outcomes.displays.samples import (
    Sample,
    among_responders,
    day_label,
    definition_notes,
    event_label,
    having,
    method_note,
    samples_of,
)
from outcomes.displays.tables.event_tests import (
    adjusted,
    schoenfeld_p,
    stratified,
    whole_arm_p,
)

_METHOD = "schoenfeld"


def build(context: Context) -> Figure:
    """Build the figure of scaled Schoenfeld residuals."""
    sample = samples_of(context)[0]
    panels = tuple(
        panel
        for arm in context.active_arms
        for panel in [_panel(context, sample, arm.id)]
        if panel.points
    )
    chart = TrendsChart(
        panels,
        day_label(context),
        "Log hazard ratio: scaled Schoenfeld residuals",
        _remark(context, sample),
    )
    numbers = _numbers(context, sample)
    return Figure(
        context.heading,
        chart if panels else None,
        f"{event_label(context)}: scaled Schoenfeld residuals of the Cox model"
        f"{adjusted(context)}{stratified(context)}{among_responders(context)}, one"
        " point per event, with a running line. A level line is a hazard ratio that"
        " stays the same; below zero the event is rarer in the arm at that time."
        " p value: test of proportional hazards.",
        _alt(context, sample, panels)
        if panels
        else "No figure: the results are absent.",
        numbers,
        context.footnotes(
            numbers,
            *definition_notes(context),
            method_note(context, "Residuals", "residual", _METHOD),
        ),
        context.failures(),
    )


def _points(context: Context, sample: Sample, arm: str) -> list[dict[str, Result]]:
    found: dict[str, dict[str, Result]] = defaultdict(dict)
    for row in having(context, sample, _METHOD, "residual"):
        if row.arm == arm and row.time is not None and row.value is not None:
            found[row.level][row.statistic] = row
    return [found[level] for level in sorted(found)]


def _pairs(
    points: list[dict[str, Result]], name: str
) -> tuple[tuple[float, float], ...]:
    return tuple(
        sorted(
            (row.time, row.value)
            for one in points
            for row in [one.get(name)]
            if row is not None and row.time is not None and row.value is not None
        )
    )


def _panel(context: Context, sample: Sample, arm: str) -> TrendPanel:
    points = _points(context, sample, arm)
    return TrendPanel(
        name=_name(context, sample, arm),
        look=context.looks[arm],
        points=_pairs(points, "residual"),
        smooth=tuple(dict(_pairs(points, "smooth")).items()),
    )


def _name(context: Context, sample: Sample, arm: str) -> str:
    control = context.spec.control
    against = f" against {control.label}" if control is not None else ""
    p = schoenfeld_p(context, sample, arm)
    if p is None or p.value is None:
        return f"{context.arm_label(arm)}{against}"
    return f"{context.arm_label(arm)}{against}: {_p_words(p)}"


def _remark(context: Context, sample: Sample) -> str:
    """Say the test of all arms together, where there is none of each."""
    found = whole_arm_p(context, sample)
    if found is None or found.value is None:
        return ""
    return f"Proportional hazards, all arms: {_p_words(found)}"


def _p_words(found: Result) -> str:
    shown = p_value(found).text
    return f"p {shown[0]} {shown[1:]}" if shown[:1] in "<>" else f"p = {shown}"


def _alt(context: Context, sample: Sample, panels: tuple[TrendPanel, ...]) -> str:
    return (
        "Scatter of scaled Schoenfeld residuals over days with a running line, a panel"
        f" per comparison. {'; '.join(panel.name for panel in panels)}."
    )


def _numbers(context: Context, sample: Sample) -> Grid:
    groups = []
    for arm in context.active_arms:
        rows = []
        for point in _points(context, sample, arm.id):
            day = next(iter(point.values())).time
            cells = (
                number(point.get("residual"), EFFECT),
                number(point.get("smooth"), EFFECT),
            )
            rows.append(Row(text(f"Day {day:g}"), cells, 1))
        groups.append(RowGroup(tuple(rows), text(_name(context, sample, arm.id))))
    columns = (
        Column(text("Residual")),
        Column(text("Running line")),
    )
    return Grid(
        "Comparison and day of the event", columns, tuple(g for g in groups if g.rows)
    )
