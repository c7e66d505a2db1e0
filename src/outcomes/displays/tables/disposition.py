"""CONSORT counts: who was screened, randomised, treated, and followed to the end."""

from __future__ import annotations

from outcomes.displays.context import (
    Context,
    arm_columns,
    kept,
    not_computed,
    total_column,
)
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, text
from outcomes.displays.numbers import COUNT, PERCENT, number, with_brackets, words
from outcomes.displays.words import coded_words
from outcomes.study.displays import endpoint_label, population_words

_ENROLLED = {"Not randomised": "Not enrolled", "Randomised": "Enrolled"}
_TREATMENT = (
    ("treated-as-allocated", "Treated as allocated"),
    ("treated-otherwise", "Treated otherwise"),
    ("not-treated", "Not treated"),
    ("treatment-unknown", "Not known whether treated"),
)
_END = (
    ("completed", "Completed the study"),
    ("ongoing", "Ongoing"),
    ("discontinued", "Discontinued"),
    ("status-unknown", "Status unknown"),
)
_ALL = ""


def build(context: Context) -> Table:
    """Build the table of CONSORT counts."""
    columns = (*arm_columns(context, {}), total_column(None))
    if context.failed:
        grid = not_computed(columns, "Subjects, n (%)")
    else:
        groups = (
            RowGroup(_enrolment(context), text("Enrolment")),
            _treatment(context),
            RowGroup(_end_of_study(context), text("End of study")),
            RowGroup(_populations(context), text("Analysis populations")),
            RowGroup(_analysed(context), text("In pre-specified analyses of change")),
        )
        grid = Grid(
            "Subjects, n (%)",
            columns,
            tuple(group for group in groups if group.rows),
            alike=True,
        )
    notes = context.footnotes(grid, *_notes(context))
    return Table(context.heading, grid, notes, context.failures())


def _notes(context: Context) -> list[str]:
    done = "enrolled" if context.single_arm else "randomised"
    notes = [
        f"Percentages: subjects not {done}, of those screened; "
        f"all others, of the subjects {done}"
        + ("." if context.single_arm else " to the arm.")
    ]
    if _safety(context):
        notes.append(
            f"Arms are those subjects were {done} to."
            " Safety populations are by treatment received."
            if not context.single_arm
            else "Safety populations are by treatment received."
        )
    closure = context.results.having("closure")
    if closure and not any(row.error for row in closure):
        sums = [f"screened = {done} + not {done}"]
        if any(row.level == "end-of-study" for row in closure):
            sums.append(f"{done} = completed + discontinued + ongoing")
        notes.append(f"Checked, and all subjects add up: {'; '.join(sums)}.")
    return notes


def _treatment(context: Context) -> RowGroup:
    """Count who was treated, or say in one row that it is not recorded."""
    absent = context.results.get("treatment-unknown", "label")
    if absent is not None:
        return RowGroup((Row(text("Treatment:"), (words(absent),), wide=True),))
    rows = kept([_row(context, *item) for item in _TREATMENT])
    return RowGroup(rows, text("Treatment"))


def _safety(context: Context) -> bool:
    return any(id in ("SAF", "SAFETY") for id in context.spec.populations)


def _row(
    context: Context, term: str, label: str, *, level: str = "", indent: int = 0
) -> Row:
    arms = [*(arm.id for arm in context.spec.arms), _ALL]
    return Row(
        text(label),
        tuple(_count(context, term, arm, level) for arm in arms),
        indent,
    )


def _count(context: Context, term: str, arm: str, level: str) -> Cell:
    get = context.results.get
    n = number(get(term, "n", arm=arm, level=level), COUNT)
    percent = get(term, "percent", arm=arm, level=level)
    return n if percent is None else with_brackets(n, number(percent, PERCENT))


def _only_count(context: Context, term: str, label: str) -> Row:
    arms = [*(arm.id for arm in context.spec.arms), _ALL]
    cells = [number(context.results.get(term, "n", arm=arm), COUNT) for arm in arms]
    return Row(text(label), tuple(cells))


def _enrolment(context: Context) -> tuple[Row, ...]:
    rows = [
        _only_count(context, "screened", "Screened"),
        _row(context, "not-randomised", _called(context, "Not randomised")),
    ]
    rows += _reasons(context, "not-randomised")
    rows.append(_only_count(context, "randomised", _called(context, "Randomised")))
    return kept(rows)


def _called(context: Context, label: str) -> str:
    return _ENROLLED[label] if context.single_arm else label


def _end_of_study(context: Context) -> tuple[Row, ...]:
    rows = []
    for term, label in _END:
        rows.append(_row(context, term, label))
        rows += _reasons(context, term)
    return kept(rows)


def _reasons(context: Context, term: str) -> list[Row]:
    levels = context.results.levels(term, statistic="n")
    return [
        _row(context, term, coded_words(level), level=level, indent=1)
        for level in levels
    ]


def _populations(context: Context) -> tuple[Row, ...]:
    rows = []
    arms = [*(arm.id for arm in context.spec.arms), _ALL]
    for population in context.spec.populations:
        cells = []
        for arm in arms:
            n = context.results.get("population", "n", arm=arm, population=population)
            percent = context.results.get(
                "population", "percent", arm=arm, population=population
            )
            count = number(n, COUNT)
            cells.append(
                count
                if percent is None
                else with_brackets(count, number(percent, PERCENT))
            )
        label = population_words(population, enrolled=context.single_arm)
        rows.append(Row(text(label), tuple(cells)))
    return kept(rows)


def _analysed(context: Context) -> tuple[Row, ...]:
    """Rows of the primary analyses, each named by its endpoint and population."""
    found = {
        row.level: row for row in context.results.having("analysed", statistic="n")
    }
    rows = []
    for level, row in found.items():
        label = endpoint_label(context.spec, row.endpoint) if row.endpoint else level
        cells = tuple(
            number(context.results.get("analysed", "n", arm=arm, level=level), COUNT)
            for arm in [*(arm.id for arm in context.spec.arms), _ALL]
        )
        rows.append(Row(text(f"{label} ({level}, {row.population})"), cells))
    return kept(rows)
