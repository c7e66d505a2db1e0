"""The result with each site or therapist left out in turn, with its p value."""

from __future__ import annotations

from outcomes.displays.context import Context, not_computed
from outcomes.displays.description import Cell, Column, Grid, Row, RowGroup, Table, text
from outcomes.displays.diagnosed import (
    EVERYBODY,
    Part,
    arms_of,
    gone,
    model_of,
    parts_of,
    result_term,
    unknown,
    whole,
    without,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    MEAN,
    NOT_ESTIMABLE,
    interval,
    number,
    p_value,
    with_brackets,
)

_STUB = "Fitted to"


def build(context: Context) -> Table:
    """Build the table of results with parts left out."""
    arms = arms_of(context)
    columns = _columns(context, arms)
    groups = [RowGroup((Row(text(EVERYBODY), (Cell(), *_cells(context, None, arms))),))]
    for label, parts in parts_of(context):
        rows = tuple(
            Row(
                text(part.words),
                (number(part.subjects, COUNT), *_cells(context, part, arms)),
                1,
            )
            for part in parts
        )
        groups.append(RowGroup(rows, text(f"Left out: {label}")))
    grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    if not arms:
        grid = not_computed(columns, _STUB)
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
