"""Observed and missing values by visit and arm."""

from __future__ import annotations

from outcomes.displays.context import (
    Context,
    arm_columns,
    kept,
    not_computed,
    total_column,
)
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, text
from outcomes.displays.numbers import COUNT, PERCENT, number, with_brackets
from outcomes.displays.words import coded_words, endpoint_of
from outcomes.study.analyses import OfEndpoint
from outcomes.study.displays import score_label

_STUB = "Subjects, n (%)"
_PATTERNS = (
    ("complete", "Complete"),
    ("monotone", "Missing from some visit on (monotone)"),
    ("intermittent", "Missing in between (intermittent)"),
    ("never-observed", "Never observed after baseline"),
)


def build(context: Context) -> Table:
    """Build the table of observed and missing values."""
    columns = (
        *arm_columns(context, {} if context.failed else _counts(context)),
        total_column(None if context.failed else _denominator(context, "")),
    )
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = [_visit(context, visit.id) for visit in context.visits]
        patterns = kept([_row(context, *item) for item in _PATTERNS])
        groups.append(RowGroup(patterns, text("Pattern over all visits")))
        shown = tuple(group for group in groups if group.rows)
        grid = Grid(_STUB, columns, shown, alike=True)
    analysis = context.analysis
    score = ""
    if isinstance(analysis, OfEndpoint):
        score = score_label(context.spec, endpoint_of(context.spec, analysis))
    notes = context.footnotes(
        grid,
        f"Observed: subjects with a value of the {score} at the visit.",
        "Percentages are of the subjects of the arm in this population;"
        " reasons are counts of subjects whose value is missing.",
    )
    return Table(context.heading, grid, notes, context.failures())


def _counts(context: Context) -> dict[str, Cell]:
    return {arm.id: _denominator(context, arm.id) for arm in context.spec.arms}


def _denominator(context: Context, arm: str) -> Cell:
    """Return the size of the population, which is the same at every visit."""
    for visit in context.visits:
        result = context.results.get("observed", "denominator", visit=visit.id, arm=arm)
        if result is not None:
            return number(result, COUNT)
    return number(None, COUNT)


def _visit(context: Context, visit: str) -> RowGroup:
    rows = [
        _row(context, "observed", "Observed", visit=visit, indent=1),
        _row(context, "missing", "Missing", visit=visit, indent=1),
    ]
    levels = context.results.levels("missing", visit=visit)
    rows += [
        _row(context, "missing", _reason(level), visit=visit, level=level, indent=2)
        for level in levels
    ]
    return RowGroup(kept(rows), text(context.visit_label(visit)))


def _reason(level: str) -> str:
    """Write the coded part of 'After discontinuation: ADVERSE EVENT' as words."""
    before, colon, coded = level.partition(": ")
    return f"{before}{colon}{coded_words(coded)}" if colon else level


def _row(
    context: Context,
    term: str,
    label: str,
    *,
    visit: str = "",
    level: str = "",
    indent: int = 1,
) -> Row:
    cells = []
    for arm in [*(arm.id for arm in context.spec.arms), ""]:
        get = context.results.get
        n = number(get(term, "n", visit=visit, arm=arm, level=level), COUNT)
        percent = get(term, "percent", visit=visit, arm=arm, level=level)
        cells.append(
            n if percent is None else with_brackets(n, number(percent, PERCENT))
        )
    return Row(text(label), tuple(cells), indent)
