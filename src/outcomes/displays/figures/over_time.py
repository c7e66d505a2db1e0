"""LS means of change over time by arm, with the number of subjects at every visit."""

from __future__ import annotations

from outcomes.displays.charts import Course, CoursesChart
from outcomes.displays.context import Context
from outcomes.displays.description import (
    Cell,
    Column,
    Figure,
    Grid,
    Row,
    RowGroup,
    text,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, MEAN, interval, number
from outcomes.displays.timeline import axis_label, tick, with_limits
from outcomes.displays.words import endpoint_of, lower_is_better, ls_means_words
from outcomes.study.analyses import OfEndpoint
from outcomes.study.displays import score_label


def build(context: Context) -> Figure:
    """Build the figure of change over time."""
    visits = [v for v in context.later_visits if _has_any(context, v)]
    numbers = _numbers(context, visits)
    chart = _chart(context, visits) if visits else None
    return Figure(
        context.heading,
        chart,
        _caption(context),
        _alt(context, visits),
        numbers,
        context.footnotes(numbers, *_notes(context)),
        context.failures(),
    )


def _has_any(context: Context, visit: str) -> bool:
    found = context.results.having("lsmean", statistic="estimate", visit=visit)
    return any(row.value is not None for row in found)


def _lsmean(context: Context, visit: str, arm: str, statistic: str) -> Result | None:
    return context.results.get("lsmean", statistic, visit=visit, arm=arm)


def _count(context: Context, visit: str, arm: str) -> Cell:
    found = context.results.get("observed-change", "n", visit=visit, arm=arm)
    return number(found, COUNT)


def _chart(context: Context, visits: list[str]) -> CoursesChart:
    spec = context.spec
    return CoursesChart(
        ticks=tuple(tick(context, visit) for visit in visits),
        start=tick(context, spec.baseline_visit.id),
        courses=tuple(_course(context, visits, arm.id) for arm in spec.arms),
        x_label=axis_label(context),
        y_label=f"LS mean change from baseline in {_score(context)}"
        f" ({context.confidence} CI)",
        counts_label="n",
    )


def _course(context: Context, visits: list[str], arm: str) -> Course:
    return Course(
        name=context.arm_label(arm),
        look=context.looks[arm],
        estimates=with_limits(
            visits, lambda visit, statistic: _lsmean(context, visit, arm, statistic)
        ),
        counts=tuple(_count(context, visit, arm).text for visit in visits),
    )


def _score(context: Context) -> str:
    analysis = context.analysis
    if not isinstance(analysis, OfEndpoint):
        return ""
    return score_label(context.spec, endpoint_of(context.spec, analysis))


def _caption(context: Context) -> str:
    return (
        f"Least-squares (LS) mean change from baseline in {_score(context)} by visit"
        f" and arm. Bars: {context.confidence} confidence intervals; arms are set side"
        " by side at each visit so that bars do not cover each other."
        " n: subjects with a change at the visit."
        " At baseline change is zero by definition."
    )


def _alt(context: Context, visits: list[str]) -> str:
    """Describe the figure to those who cannot see it: course and last values."""
    if not visits:
        return "No figure: the results could not be computed."
    last = visits[-1]
    ends = []
    for arm in context.spec.arms:
        estimate = number(_lsmean(context, last, arm.id, "estimate"), MEAN)
        ends.append(f"{arm.label} {estimate.text}")
    return (
        f"Line chart of LS mean change from baseline in {_score(context)} with"
        f" {context.confidence} confidence intervals, one line per arm, from"
        f" {context.visit_label(visits[0])} to {context.visit_label(last)}."
        f" At {context.visit_label(last)}: {'; '.join(ends)}."
    )


def _numbers(context: Context, visits: list[str]) -> Grid:
    groups = []
    for visit in visits:
        rows = []
        for arm in context.spec.arms:
            estimate, low, high = (
                number(_lsmean(context, visit, arm.id, statistic), MEAN)
                for statistic in ("estimate", "conf_low", "conf_high")
            )
            cells = (_count(context, visit, arm.id), estimate, interval(low, high))
            rows.append(Row(text(arm.label), cells, 1))
        groups.append(RowGroup(tuple(rows), text(context.visit_label(visit))))
    columns = (
        Column(text("n")),
        Column(text("LS mean change")),
        Column(text(f"{context.confidence} CI")),
    )
    return Grid("Visit and arm", columns, tuple(groups))


def _notes(context: Context) -> list[str]:
    analysis = context.analysis
    notes = []
    model = context.methods("lsmean")
    if model:
        notes.append(f"Model: {model.rstrip('.')}. {ls_means_words(analysis)}")
    if isinstance(analysis, OfEndpoint) and lower_is_better(
        context.spec, endpoint_of(context.spec, analysis)
    ):
        notes.append("A fall in the score is an improvement.")
    return notes
