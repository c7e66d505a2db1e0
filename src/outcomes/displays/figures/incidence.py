"""Cumulative incidence of the event and of each competing event, by arm."""

from __future__ import annotations

from outcomes.displays.charts import CurvesChart, CurvesPanel
from outcomes.displays.context import Context
from outcomes.displays.curves import block_of, curve_of, numbers_of
from outcomes.displays.description import Figure
from outcomes.displays.numbers import proportion
from outcomes.displays.samples import (
    Sample,
    cause_words,
    causes_of,
    day_label,
    days_of,
    definition_notes,
    event_label,
    few_note,
    method_note,
    on_day,
    samples_of,
)

_METHOD = "aalen-johansen"


def build(context: Context) -> Figure:
    """Build the figure of cumulative incidence."""
    sample = samples_of(context)[0]
    causes = causes_of(context)
    chart = _chart(context, sample, causes)
    drawn = any(curve.times for panel in chart.panels for curve in panel.curves)
    names = tuple((cause, cause_words(cause)) for cause in causes)
    numbers = numbers_of(context, [sample], _METHOD, "Cumulative incidence, %", names)
    return Figure(
        context.heading,
        chart if drawn else None,
        f"{event_label(context)}: cumulative incidence of the event and of competing"
        f" events by arm (Aalen-Johansen, with {context.confidence} confidence bands)."
        " At any day, the panels and the share still without any of these events add up"
        " to 100%. Below: subjects at risk just before each day, and events of the kind"
        " through it.",
        _alt(context, sample, causes)
        if drawn
        else "No figure: the results are absent.",
        numbers,
        context.footnotes(
            numbers,
            *definition_notes(context),
            method_note(context, "Curves", "day", _METHOD),
            few_note(context, [sample], _METHOD),
            "Counts of days too close to each other to stand below the axis are in the"
            " table of numbers.",
        ),
        context.failures(),
    )


def _chart(context: Context, sample: Sample, causes: list[str]) -> CurvesChart:
    arms = [arm.id for arm in context.spec.arms]
    panels = []
    for cause in causes:
        last = cause == causes[-1]
        lines = (("Events", "n_event"), ("At risk", "n_risk"))[: 2 if last else 1]
        panels.append(
            CurvesPanel(
                cause_words(cause),
                tuple(
                    curve_of(context, sample, arm, _METHOD, subgroup=cause)
                    for arm in arms
                ),
                tuple(
                    block_of(context, sample, arm, _METHOD, lines, cause)
                    for arm in arms
                ),
            )
        )
    return CurvesChart(
        panels=tuple(panels),
        days=tuple(days_of(context)),
        x_label=day_label(context),
        y_label="Cumulative incidence, %",
        whole=False,
    )


def _alt(context: Context, sample: Sample, causes: list[str]) -> str:
    days = days_of(context)
    if not days:
        return "Step curves of cumulative incidence by arm."
    last = days[-1]
    said = []
    for cause in causes:
        shares = [
            f"{arm.label} {share.text}{'%' * (share.text[:1].isdigit())}"
            for arm in context.spec.arms
            for share in [
                proportion(
                    on_day(
                        *(context, sample, last, "estimate", arm.id),
                        method=_METHOD,
                        subgroup=cause,
                    )
                )
            ]
        ]
        said.append(f"{cause_words(cause)}: {'; '.join(shares)}")
    return (
        "Rising step curves of cumulative incidence over days, a panel for each kind of"
        f" event, one curve per arm. By day {last:g}. {'. '.join(said)}."
    )
