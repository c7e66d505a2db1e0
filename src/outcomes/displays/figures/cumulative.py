"""Cumulative distribution of change at a visit, by arm."""

from __future__ import annotations

from outcomes.displays.charts import Steps, StepsChart
from outcomes.displays.context import Context
from outcomes.displays.description import (
    Column,
    Figure,
    Grid,
    Row,
    RowGroup,
    text,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    MEAN,
    PERCENT,
    SD,
    decimals_of,
    number,
    with_brackets,
)
from outcomes.displays.words import endpoint_of, lower_is_better
from outcomes.study.analyses import OfEndpoint
from outcomes.study.displays import score_label


def build(context: Context) -> Figure:
    """Build the figure of cumulative distributions."""
    steps = tuple(_steps(context, arm.id) for arm in context.spec.arms)
    drawn = any(step.values for step in steps)
    numbers = _numbers(context)
    score = _score(context)
    chart = StepsChart(
        steps=steps,
        x_label=f"Change from baseline in {score}",
        y_label="Subjects at or below this change, %",
        hint=_hint(context),
    )
    return Figure(
        context.heading,
        chart if drawn else None,
        f"Cumulative distribution of change from baseline in {score} at"
        f" {_visit(context)}, observed cases. Each line gives the percentage of"
        f" observed subjects of the arm whose change is at or below the value on the"
        f" horizontal axis; n is the number of them. {_hint(context)}",
        _alt(context) if drawn else "No figure: the results could not be computed.",
        numbers,
        context.footnotes(numbers, *_notes(context)),
        context.failures(),
    )


def _visit(context: Context) -> str:
    return context.visit_label(getattr(context.analysis, "visit", ""))


def _endpoint(context: Context) -> str:
    analysis = context.analysis
    return (
        endpoint_of(context.spec, analysis) if isinstance(analysis, OfEndpoint) else ""
    )


def _score(context: Context) -> str:
    return score_label(context.spec, _endpoint(context))


def _hint(context: Context) -> str:
    """Say which side is the better one."""
    if lower_is_better(context.spec, _endpoint(context)):
        return (
            "Left of zero is improvement; the higher line has more subjects improved."
        )
    return "Right of zero is a rise of the score."


def _get(context: Context, term: str, statistic: str, arm: str) -> Result | None:
    visit = getattr(context.analysis, "visit", "")
    return context.results.get(term, statistic, visit=visit, arm=arm)


def _point(context: Context, statistic: str, arm: str, level: str) -> Result | None:
    visit = getattr(context.analysis, "visit", "")
    return context.results.get("ecdf", statistic, visit=visit, arm=arm, level=level)


def _levels(context: Context, arm: str) -> list[str]:
    return context.results.levels("ecdf", arm=arm)


def _steps(context: Context, arm: str) -> Steps:
    points = []
    for level in _levels(context, arm):
        x = _point(context, "x", arm, level)
        y = _point(context, "y", arm, level)
        if x is not None and y is not None and None not in (x.value, y.value):
            points.append((float(x.value or 0.0), float(y.value or 0.0)))
    n = number(_get(context, "observed-change", "n", arm), COUNT)
    return Steps(
        name=f"{context.arm_label(arm)} (n = {n.text})",
        look=context.looks[arm],
        values=tuple(x for x, _ in points),
        percents=tuple(y for _, y in points),
    )


def _alt(context: Context) -> str:
    medians = [
        f"{arm.label} {median.text}"
        for arm in context.spec.arms
        for median in [number(_get(context, "observed-change", "median", arm.id), MEAN)]
    ]
    return (
        f"Step chart of the cumulative percentage of subjects by change from baseline"
        f" in {_score(context)} at {_visit(context)}, one line per arm."
        f" Median change: {'; '.join(medians)}. {_hint(context)}"
    )


def _numbers(context: Context) -> Grid:
    """Give the summary by arm, then every step of each line."""
    groups = []
    digits = decimals_of(context.results.having("ecdf", statistic="x"))
    for arm in context.spec.arms:
        n = number(_get(context, "observed-change", "n", arm.id), COUNT)
        mean = number(_get(context, "observed-change", "mean", arm.id), MEAN)
        sd = number(_get(context, "observed-change", "sd", arm.id), SD)
        median = number(_get(context, "observed-change", "median", arm.id), MEAN)
        missing = number(_get(context, "observed-change", "n_missing", arm.id), COUNT)
        summary = [
            Row(text("n"), (n,), 1, wide=True),
            Row(text("Missing"), (missing,), 1, wide=True),
            Row(text("Mean (SD)"), (with_brackets(mean, sd),), 1, wide=True),
            Row(text("Median"), (median,), 1, wide=True),
        ]
        rows = [row for row in summary if row.cells[0].result_ids]
        for place, level in enumerate(_levels(context, arm.id), start=1):
            cells = (
                number(_point(context, "x", arm.id, level), digits),
                number(_point(context, "y", arm.id, level), PERCENT),
            )
            rows.append(Row(text(f"Step {place}"), cells, 1))
        groups.append(RowGroup(tuple(rows), text(arm.label)))
    columns = (Column(text("Change")), Column(text("Subjects at or below, %")))
    return Grid("Arm and step", columns, tuple(group for group in groups if group.rows))


def _notes(context: Context) -> list[str]:
    method = context.methods("ecdf")
    return [
        f"Method: {method.rstrip('.')}." if method else "",
        "Subjects without a value at the visit are not in the lines.",
    ]
