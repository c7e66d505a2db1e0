"""Events, survival at declared days and how arms compare, by arm."""

from __future__ import annotations

from outcomes.displays.context import Context, arm_columns, not_computed
from outcomes.displays.description import Grid, RowGroup, Table, text
from outcomes.displays.numbers import NOT_FOLLOWED
from outcomes.displays.samples import (
    KM,
    Sample,
    among_responders,
    causes_of,
    definition_notes,
    few_note,
    having,
    method_note,
    samples_of,
    shown,
)
from outcomes.displays.tables.event_rows import (
    count_rows,
    day_rows,
    interval_rows,
    mean_row,
    quantile_rows,
)
from outcomes.displays.tables.event_tests import (
    comparison_rows,
    incidence_rows,
    model_notes,
)

_STUB = "Statistic"


def build(context: Context) -> Table:
    """Build the table of events, estimates and comparisons."""
    columns = tuple(arm_columns(context, {}))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = [
            group
            for sample in samples_of(context)
            for group in _groups(context, sample)
            if group.rows
        ]
        grid = Grid(_STUB, columns, tuple(groups))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _groups(context: Context, sample: Sample) -> list[RowGroup]:
    estimates = [
        *quantile_rows(context, sample, 1),
        *day_rows(context, sample, 1),
        mean_row(context, sample, 1),
    ]
    parts = [
        ("subjects and events", count_rows(context, sample)),
        ("Kaplan-Meier estimates", estimates),
        (
            f"comparisons{among_responders(context)}",
            comparison_rows(context, sample),
        ),
        ("cumulative incidence (Aalen-Johansen)", incidence_rows(context, sample)),
        ("event known to an interval (Turnbull)", interval_rows(context, sample)),
    ]
    alone = len(samples_of(context)) == 1
    return [
        RowGroup(
            shown(rows),
            text(
                f"{words[0].upper()}{words[1:]}"
                if alone
                else f"{sample.label}: {words}"
            ),
        )
        for words, rows in parts
    ]


def _notes(context: Context) -> list[str]:
    samples = samples_of(context)
    sample = samples[0]
    notes = definition_notes(context)
    notes.append(
        "Percentages of events, competing events and censored subjects are of the"
        " subjects at risk; the percentage at risk is of all subjects of the arm. At"
        " risk at a day: just before it; events: up to and including it. The estimate"
        " without event counts the events of the day as events."
    )
    if any(one.ending for one in samples):
        notes.append(
            "Weighted numbers at risk and of events are sums of weights; the number of"
            " persons at risk stands in brackets."
        )
    if any(row.text == "not reached" for row in context.results.having("quantile")):
        notes.append(
            "NR, not reached: the curve, or its confidence limit, does not fall to this"
            " quantile within the time observed."
        )
    if any(row.text == NOT_FOLLOWED for row in context.results.having("day")):
        notes.append(
            f"{NOT_FOLLOWED.capitalize()}: the day is after the last one observed in"
            " the arm."
        )
    notes += [
        *_follow_up_notes(context),
        few_note(context, samples),
        method_note(context, "Estimates", "day", KM),
        method_note(context, "Means", "mean", "rmst"),
        method_note(context, "Hazard ratios", "hazard-ratio", "cox"),
        *model_notes(context, sample),
    ]
    if causes_of(context):
        notes.append(
            "Cumulative incidence: probability of the event by the day while competing"
            " events may come first. One minus Kaplan-Meier, which censors competing"
            " events, is larger."
        )
    if having(context, sample, "turnbull", "day"):
        notes.append(
            "Turnbull: the event is known to lie between two assessments; low to high"
            " are the bounds that such data determine."
        )
    control = context.spec.control
    if control is not None:
        notes.append(
            f"Ratios are arm over {control.label}, differences arm minus"
            f" {control.label}. A hazard ratio below 1 and a positive difference of"
            " means indicate that the event occurs later in the arm. p values and"
            " intervals are not adjusted for multiple comparisons."
        )
    notes.append("CI, confidence interval.")
    return notes


def _follow_up_notes(context: Context) -> list[str]:
    """Say how long follow-up is told, and what it means that it is not reached."""
    found = context.results.having("follow-up", statistic="median")
    found = [row for row in found if row.method_id.startswith(KM)]
    if not found:
        return []
    said = "Median follow-up by the reverse Kaplan-Meier method"
    if any(row.text == "not reached" for row in found):
        said += (
            "; NR: so many subjects had the event that the follow-up of fewer than half"
            " is known to have ended otherwise"
        )
    return [f"{said}."]
