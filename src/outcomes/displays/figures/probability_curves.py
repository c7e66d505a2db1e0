"""Population-averaged probability of a yes over time, beside observed proportions."""

from __future__ import annotations

from outcomes.displays.charts import Course, CoursesChart, Estimate
from outcomes.displays.context import Context
from outcomes.displays.description import (
    Cell,
    Column,
    Figure,
    Grid,
    Row,
    RowGroup,
    joined,
    text,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, PERCENT, interval, number, with_brackets
from outcomes.displays.tables.probabilities import (
    MARGINAL_NOTE,
    RECORDS_LABEL,
    missing_words,
    model_words,
)
from outcomes.displays.timeline import axis_label, tick, with_limits
from outcomes.displays.words import endpoint_of, outcome_label
from outcomes.study.analyses import OfEndpoint


def build(context: Context) -> Figure:
    """Build the figure of probabilities over time."""
    visits = [v for v in context.later_visits if _has_any(context, v)]
    numbers = _numbers(context, visits)
    return Figure(
        context.heading,
        _chart(context, visits) if visits else None,
        _caption(context),
        _alt(context, visits),
        numbers,
        context.footnotes(numbers, *_notes(context)),
        context.failures(),
    )


def _has_any(context: Context, visit: str) -> bool:
    found = context.results.having("risk", statistic="estimate", visit=visit)
    return any(row.value is not None for row in found)


def _get(
    context: Context, term: str, visit: str, arm: str, statistic: str
) -> Result | None:
    return context.results.get(term, statistic, visit=visit, arm=arm)


def _chart(context: Context, visits: list[str]) -> CoursesChart:
    return CoursesChart(
        ticks=tuple(tick(context, visit) for visit in visits),
        start=None,
        courses=tuple(_course(context, visits, arm.id) for arm in context.spec.arms),
        x_label=axis_label(context),
        y_label=f"{_endpoint(context)}: probability, % ({context.confidence} CI)",
        counts_label="n",
        observed_label="In the model (open markers)",
        percent=True,
    )


def _course(context: Context, visits: list[str], arm: str) -> Course:
    observed = []
    for place, visit in enumerate(visits):
        seen = _get(context, "observed", visit, arm, "percent")
        if seen is not None and seen.value is not None:
            observed.append(Estimate(place, seen.value, None, None))
    return Course(
        name=context.arm_label(arm),
        look=context.looks[arm],
        estimates=with_limits(
            visits,
            lambda visit, statistic: _get(context, "risk", visit, arm, statistic),
        ),
        counts=tuple(_count(context, visit, arm).text for visit in visits),
        observed=tuple(observed),
    )


def _count(context: Context, visit: str, arm: str) -> Cell:
    return number(_get(context, "observed", visit, arm, "denominator"), COUNT)


def _endpoint(context: Context) -> str:
    analysis = context.analysis
    if not isinstance(analysis, OfEndpoint):
        return ""
    return outcome_label(context.spec, endpoint_of(context.spec, analysis))


def _caption(context: Context) -> str:
    return (
        f"{_endpoint(context)} by visit and arm: population-averaged probability by the"
        f" model, with {context.confidence} confidence intervals; open markers:"
        " proportions among the records of the model. Arms are set side by side at each"
        " visit. n: subjects whose record at the visit the model uses."
    )


def _alt(context: Context, visits: list[str]) -> str:
    """Describe the figure to those who cannot see it: course and last values."""
    if not visits:
        return "No figure: the results could not be computed."
    last = visits[-1]
    ends = []
    for arm in context.spec.arms:
        value = number(_get(context, "risk", last, arm.id, "estimate"), PERCENT)
        ends.append(f"{arm.label} {value.text}%")
    return (
        f"Line chart of the probability of {_endpoint(context)} with"
        f" {context.confidence} confidence intervals, one line per arm, from"
        f" {context.visit_label(visits[0])} to {context.visit_label(last)}, beside"
        " proportions among the records of the model. At"
        f" {context.visit_label(last)}: {'; '.join(ends)}."
    )


def _numbers(context: Context, visits: list[str]) -> Grid:
    groups = []
    for visit in visits:
        rows = []
        for arm in context.spec.arms:
            estimate, low, high = (
                number(_get(context, "risk", visit, arm.id, statistic), PERCENT)
                for statistic in ("estimate", "conf_low", "conf_high")
            )
            cells = (
                _observed(context, visit, arm.id),
                estimate,
                interval(low, high),
            )
            rows.append(Row(text(arm.label), cells, 1))
        groups.append(RowGroup(tuple(rows), text(context.visit_label(visit))))
    columns = (
        Column(text(RECORDS_LABEL)),
        Column(text("Probability, %")),
        Column(text(f"{context.confidence} CI")),
    )
    return Grid("Visit and arm", columns, tuple(groups))


def _observed(context: Context, visit: str, arm: str) -> Cell:
    n, of, percent = (
        _get(context, "observed", visit, arm, name)
        for name in ("n", "denominator", "percent")
    )
    if n is None:
        return number(None, COUNT)
    both = joined(number(n, COUNT), "/", number(of, COUNT))
    return with_brackets(both, number(percent, PERCENT))


def _notes(context: Context) -> list[str]:
    return [
        f"{model_words(context)} {MARGINAL_NOTE}".strip(),
        _apart_words(context),
    ]


def _apart_words(context: Context) -> str:
    """Say why curves lie off the proportions that stand beside them."""
    mixed = bool(context.results.having("random-sd"))
    effects = (
        " random effects are taken to be normal and are integrated out, and" * mixed
    )
    made = context.results.get("counted-as-no", "n")
    rescue = made is not None and made.value
    counted = (
        " Records of the model are values observed, and a no where rescue medication"
        " came before a visit without a value."
        if rescue
        else " Records of the model are values observed."
    )
    return (
        f"Curves may lie off the open markers with nothing missing too:{effects}"
        " predictions are averaged over the covariates of all subjects, whoever has a"
        f" record at the visit.{counted} {missing_words(context)}"
    )
