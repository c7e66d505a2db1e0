"""Baseline characteristics by arm."""

from __future__ import annotations

from outcomes.displays.context import (
    Context,
    arm_columns,
    not_computed,
    total_column,
)
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    PERCENT,
    decimals_of,
    interval,
    number,
    with_brackets,
    words,
)
from outcomes.displays.words import coded_words

_STUB = "Characteristic"
_MISSING = "Missing"
_SEXES = {"F": "Female", "M": "Male", "U": "Unknown"}
_YES_NO = {"Y": "Yes", "N": "No", "U": "Unknown"}


def build(context: Context) -> Table:
    """Build the table of baseline characteristics."""
    results = context.results
    counts = {
        arm.id: number(results.get("subjects", "n", arm=arm.id), COUNT)
        for arm in context.spec.arms
    }
    total = number(results.get("subjects", "n"), COUNT)
    if context.failed:
        columns = (*arm_columns(context, {}), total_column(None))
        grid = not_computed(columns, _STUB)
    else:
        columns = (*arm_columns(context, counts), total_column(total))
        groups = tuple(_variable(context, term) for term in _terms(context))
        shown = tuple(group for group in groups if group.rows)
        grid = Grid(_STUB, columns, shown, alike=True)
    notes = context.footnotes(
        grid,
        "Values are n (%) for categories; percentages are of the subjects of the arm"
        " in this population, missing values being a category of their own.",
        "SD, standard deviation; Q1 and Q3, first and third quartile.",
        "No p values: in a randomised trial differences at baseline are due to chance."
        if len(context.spec.arms) > 1 and not context.single_arm
        else "",
    )
    return Table(context.heading, grid, notes, context.failures())


def _terms(context: Context) -> list[str]:
    """Return what is described: variables as the study lists them, then scores."""
    found = list(
        dict.fromkeys(
            row.term for row in context.results.rows if row.statistic == "label"
        )
    )
    order = getattr(context.analysis, "variables", [])
    scores = getattr(context.analysis, "scores", [])
    endpoints = {
        row.term: row.endpoint
        for row in context.results.rows
        if row.statistic == "label"
    }

    def place(term: str) -> tuple[int, int]:
        if term in order:
            return 0, order.index(term)
        named = endpoints[term] or term
        return 1, scores.index(named) if named in scores else len(scores)

    return sorted(found, key=place)


def _get(
    context: Context, term: str, statistic: str, *, arm: str = "", level: str = ""
) -> Result | None:
    """Return a result; that of a score stands at the baseline visit."""
    get = context.results.get
    found = get(term, statistic, arm=arm, level=level)
    if found is not None:
        return found
    visit = context.spec.baseline_visit.id
    return get(term, statistic, visit=visit, arm=arm, level=level)


def _variable(context: Context, term: str) -> RowGroup:
    label = words(_get(context, term, "label"))
    numeric = bool(context.results.having(term, statistic="mean"))
    rows = _numeric(context, term) if numeric else _categories(context, term)
    return RowGroup(tuple(rows), label)


def _arms(context: Context) -> list[str]:
    return [*(arm.id for arm in context.spec.arms), ""]


def _numeric(context: Context, term: str) -> list[Row]:
    raw = decimals_of(
        row
        for statistic in ("min", "max", "q1", "median", "q3")
        for row in context.results.having(term, statistic=statistic)
    )
    middle_digits = min(raw + 1, 2)

    def cells(*shown: tuple[str, int]) -> list[list[Cell]]:
        return [
            [
                number(_get(context, term, statistic, arm=arm), digits)
                for statistic, digits in shown
            ]
            for arm in _arms(context)
        ]

    mean = cells(("mean", middle_digits), ("sd", middle_digits + 1))
    middle = cells(*((name, middle_digits) for name in ("median", "q1", "q3")))
    ends = cells(("min", raw), ("max", raw))
    rows = [
        Row(text("n"), tuple(n for (n,) in cells(("n", COUNT))), 1),
        Row(text("Mean (SD)"), tuple(with_brackets(m, s) for m, s in mean), 1),
        Row(
            text("Median (Q1, Q3)"),
            tuple(with_brackets(m, interval(a, b)) for m, a, b in middle),
            1,
        ),
        Row(text("Minimum, maximum"), tuple(interval(a, b) for a, b in ends), 1),
    ]
    missing = context.results.having(term, statistic="n_missing")
    if any(row.value for row in missing):
        row = Row(text("Missing"), tuple(n for (n,) in cells(("n_missing", COUNT))), 1)
        rows.append(row)
    return rows


def _categories(context: Context, term: str) -> list[Row]:
    levels = context.results.levels(term, statistic="n")
    names = _names(term, levels)
    order = [*names, *(level for level in levels if level not in (*names, _MISSING))]
    order += [level for level in levels if level == _MISSING]
    return [
        Row(
            text(names.get(level) or coded_words(level)),
            tuple(_count(context, term, level, arm) for arm in _arms(context)),
            1,
        )
        for level in order
    ]


def _names(term: str, levels: list[str]) -> dict[str, str]:
    """Return the names of coded levels, where the code is one of CDISC."""
    present = [level for level in levels if level != _MISSING]
    for known in (_SEXES,) if term == "SEX" else (_YES_NO,):
        if present and all(level in known for level in present):
            return {code: name for code, name in known.items() if code in present}
    return {}


def _count(context: Context, term: str, level: str, arm: str) -> Cell:
    n = _get(context, term, "n", level=level, arm=arm)
    percent = _get(context, term, "percent", level=level, arm=arm)
    return with_brackets(number(n, COUNT), number(percent, PERCENT))
