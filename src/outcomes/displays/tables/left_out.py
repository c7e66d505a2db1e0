"""The result with each site or therapist left out in turn, with its p value."""

from __future__ import annotations

from outcomes.displays.context import Context
from outcomes.displays.description import Cell, Column, Table, text
from outcomes.displays.diagnosed import (
    Part,
    arms_of,
    gone,
    grid_of,
    model_of,
    result_term,
    unknown,
    whole,
    without,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    MEAN,
    NOT_ESTIMABLE,
    interval,
    number,
    p_value,
    with_brackets,
)


def build(context: Context) -> Table:
    """Build the table of results with parts left out."""
    arms = arms_of(context)
    grid = grid_of(
        context, _columns(context, arms), lambda part: _cells(context, part, arms)
    )
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _compared(context: Context) -> bool:
    return result_term(context) == "difference"


def _columns(context: Context, arms: list[str]) -> tuple[Column, ...]:
    estimate = "Difference (SE)" if _compared(context) else "LS mean (SE)"
    names = [estimate, f"{context.confidence} CI"]
    names += ["p value"] if _compared(context) else []
    return (
        Column(text("Subjects left out")),
        *(
            Column(text(name), span=text(context.arm_label(arm)))
            for arm in arms
            for name in names
        ),
    )


def _cells(context: Context, part: Part | None, arms: list[str]) -> list[Cell]:
    def get(arm: str, statistic: str) -> Result | None:
        if part is None:
            return whole(context, arm, statistic)
        return without(context, part, arm, statistic)

    cells = []
    for arm in arms:
        estimate, error, low, high = (
            number(get(arm, name), MEAN)
            for name in ("estimate", "std_error", "conf_low", "conf_high")
        )
        cells += [with_brackets(estimate, error), interval(low, high)]
        if _compared(context):
            cells.append(p_value(get(arm, "p_value")))
    return cells


def _notes(context: Context) -> list[str]:
    control = context.spec.control
    notes = [model_of(context, result_term(context))]
    if _compared(context) and control is not None:
        notes.append(f"Differences are arm minus {control.label}.")
    notes.append(
        "Each line is a model fitted anew without the subjects of one part, its"
        " covariance included. SE, standard error; CI, confidence interval. Nothing is"
        " adjusted for the number of parts left out."
    )
    return [*notes, unknown(context), gone(context, NOT_ESTIMABLE)]
