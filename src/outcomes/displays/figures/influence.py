"""The result with each site or therapist left out in turn, beside the whole."""

from __future__ import annotations

from outcomes.displays.charts import ForestChart, ForestLine, ForestPanel, Interval
from outcomes.displays.context import Context
from outcomes.displays.description import (
    Cell,
    Column,
    Figure,
    Grid,
    text,
)
from outcomes.displays.diagnosed import (
    Part,
    arms_of,
    gone,
    grid_of,
    model_of,
    parts_of,
    result_term,
    score_of,
    unknown,
    whole,
    without,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, MEAN, interval, number


def build(context: Context) -> Figure:
    """Build the forest of results with parts left out."""
    arms, parts = arms_of(context), parts_of(context)
    numbers = _numbers(context, arms)
    chart = _chart(context, arms, parts)
    drawn = bool(chart.panels) and any(not line.heading for line in chart.lines)
    return Figure(
        context.heading,
        chart if drawn else None,
        _caption(context),
        _alt(context, arms, parts) if drawn else _no_figure(),
        numbers,
        context.footnotes(
            numbers,
            model_of(context, result_term(context)),
            _note(),
            unknown(context),
            gone(context, "Places left empty"),
        ),
        context.failures(),
    )


def _no_figure() -> str:
    return "No figure: the results could not be computed."


def _interval(
    value: Result | None, low: Result | None, high: Result | None
) -> Interval | None:
    found = [row.value if row else None for row in (value, low, high)]
    if None in found:
        return None
    a, b, c = (one or 0.0 for one in found)
    return Interval(a, b, c)


_LIMITS = ("estimate", "conf_low", "conf_high")


def _chart(
    context: Context, arms: list[str], parts: list[tuple[str, list[Part]]]
) -> ForestChart:
    panels, drawn = [], []
    for arm in arms:
        all_of = _interval(*(whole(context, arm, name) for name in _LIMITS))
        if all_of is not None:
            drawn.append(arm)
            panels.append(
                ForestPanel(context.arm_label(arm), context.looks[arm], all_of)
            )
    lines = []
    for label, values in parts:
        lines.append(ForestLine(f"Left out: {label}", (), heading=True))
        lines += [_line(context, part, drawn) for part in values]
    return ForestChart(tuple(panels), tuple(lines), _axis(context))


def _line(context: Context, part: Part, arms: list[str]) -> ForestLine:
    n = number(part.subjects, COUNT).text
    return ForestLine(
        f"{part.words} ({n} left out)",
        tuple(
            _interval(*(without(context, part, arm, name) for name in _LIMITS))
            for arm in arms
        ),
    )


def _visit(context: Context) -> str:
    return context.visit_label(str(getattr(context.subject, "visit", "")))


def _what(context: Context) -> str:
    control = context.spec.control
    if result_term(context) == "lsmean" or control is None:
        return "LS mean change"
    return f"Difference from {control.label}"


def _axis(context: Context) -> str:
    return (
        f"{_what(context)} in {score_of(context)} at {_visit(context)}"
        f" ({context.confidence} CI)"
    )


def _caption(context: Context) -> str:
    return (
        f"{_what(context)} in {score_of(context)} at {_visit(context)}, the model"
        " fitted again without one part of the subjects at a time. Points and lines:"
        f" estimates with {context.confidence} confidence"
        " intervals. Vertical line and band: the same of all subjects. A part whose"
        " point lies far from the line weighs heavily in the result."
    )


def _alt(context: Context, arms: list[str], parts: list[tuple[str, list[Part]]]) -> str:
    said = []
    for arm in arms:
        found = [
            row
            for _, values in parts
            for part in values
            if (row := without(context, part, arm, "estimate"))
            and row.value is not None
        ]
        if not found:
            continue
        low = min(found, key=lambda row: row.value or 0.0)
        high = max(found, key=lambda row: row.value or 0.0)
        said.append(
            f"{context.arm_label(arm)}:"
            f" {number(whole(context, arm, 'estimate'), MEAN).text} with all subjects,"
            f" from {number(low, MEAN).text} to {number(high, MEAN).text} with one part"
            " left out"
        )
    return (
        f"Forest plot of {_axis(context)} with each of"
        f" {sum(len(values) for _, values in parts)} parts left out in turn."
        f" {'; '.join(said)}."
    )


def _numbers(context: Context, arms: list[str]) -> Grid:
    columns = (
        Column(text("Subjects left out")),
        *(
            Column(text(name), span=text(context.arm_label(arm)))
            for arm in arms
            for name in ("Estimate", f"{context.confidence} CI")
        ),
    )
    return grid_of(context, columns, lambda part: _cells(context, part, arms))


def _cells(context: Context, part: Part | None, arms: list[str]) -> list[Cell]:
    cells = []
    for arm in arms:
        value, low, high = (
            number(
                whole(context, arm, name)
                if part is None
                else without(context, part, arm, name),
                MEAN,
            )
            for name in _LIMITS
        )
        cells += [value, interval(low, high)]
    return cells


def _note() -> str:
    return (
        "Each estimate is of a model fitted anew, its covariance included. Leaving out"
        " a part makes intervals wider; that is no sign of influence."
    )
