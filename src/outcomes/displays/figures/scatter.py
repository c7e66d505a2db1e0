"""An experience score against change, by arm, with the fitted line of each."""

from __future__ import annotations

from outcomes.displays.charts import Cloud, CloudsChart
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
from outcomes.displays.numbers import (
    CORRELATION,
    COUNT,
    PERCENT,
    interval,
    number,
    p_value,
)
from outcomes.displays.words import (
    covariate_words,
    endpoint_of,
    lower_is_better,
    predictor_unit,
)
from outcomes.study.analyses import PredictsOutcome
from outcomes.study.displays import score_label, score_name

_SLOPE = 3


def build(context: Context) -> Figure:
    """Build the scatter of predictor and change."""
    clouds = tuple(_cloud(context, arm.id) for arm in context.spec.arms)
    drawn = any(cloud.points for cloud in clouds)
    numbers = _numbers(context)
    x_label, y_label = _axes(context)
    return Figure(
        context.heading,
        CloudsChart(clouds, x_label, y_label) if drawn else None,
        _caption(context),
        _alt(context) if drawn else "No figure: the results could not be computed.",
        numbers,
        context.footnotes(numbers, *_notes(context)),
        context.failures(),
    )


def _analysis(context: Context) -> PredictsOutcome:
    analysis = context.analysis
    assert isinstance(analysis, PredictsOutcome)
    return analysis


def _axes(context: Context) -> tuple[str, str]:
    analysis = _analysis(context)
    part = analysis.predictor
    name = score_name(part.instrument, part.score)
    unit = predictor_unit(part.instrument, part.score)
    score = score_label(context.spec, endpoint_of(context.spec, analysis))
    visit = context.visit_label(analysis.visit)
    x = f"{name}, {part.session} dosing session ({unit})"
    return x, f"Change from baseline in {score} at {visit}"


def _get(
    context: Context, term: str, statistic: str, arm: str, level: str = ""
) -> Result | None:
    visit = _analysis(context).visit
    return context.results.get(term, statistic, visit=visit, arm=arm, level=level)


def _pairs(context: Context, term: str, arm: str) -> tuple[tuple[float, float], ...]:
    pairs = []
    for level in context.results.levels(term, arm=arm):
        x = _get(context, term, "x", arm, level)
        y = _get(context, term, "y", arm, level)
        if x is None or y is None or x.value is None or y.value is None:
            continue
        pairs.append((x.value, y.value))
    return tuple(pairs)


def _cloud(context: Context, arm: str) -> Cloud:
    n = number(_get(context, "analysed", "n", arm), COUNT)
    return Cloud(
        name=f"{context.arm_label(arm)} (n = {n.text})",
        look=context.looks[arm],
        points=_pairs(context, "points", arm),
        line=_pairs(context, "fitted-line", arm),
    )


def _caption(context: Context) -> str:
    x, y = _axes(context)
    covariates = covariate_words(_analysis(context).covariates)
    held = f"covariates at their mean: {covariates}" if covariates else "no covariates"
    return (
        f"{y}, by {x}: one point per subject, by arm. Lines: linear regression within"
        f" the arm, {held}. n: subjects analysed."
    )


def _slope_text(context: Context, arm: str) -> str:
    slope = number(_get(context, "slope", "estimate", arm), _SLOPE)
    return slope.text


def _alt(context: Context) -> str:
    x, y = _axes(context)
    slopes = "; ".join(
        f"{arm.label} {_slope_text(context, arm.id)}" for arm in context.spec.arms
    )
    return (
        f"Scatter plot. Horizontal: {x}. Vertical: {y}. One marker and one fitted line"
        f" per arm. Slopes of the lines: {slopes}."
    )


def _numbers(context: Context) -> Grid:
    """Give slope and correlation by arm, then the points."""
    groups = []
    for arm in context.spec.arms:
        rows = [*_summary(context, arm.id)]
        for place, level in enumerate(
            context.results.levels("points", arm=arm.id), start=1
        ):
            cells = tuple(
                number(
                    _get(context, "points", axis, arm.id, level),
                    PERCENT,
                )
                for axis in ("x", "y")
            )
            rows.append(Row(text(f"Point {place}"), cells, 1))
        if rows:
            groups.append(RowGroup(tuple(rows), text(arm.label)))
    columns = (Column(text("Predictor")), Column(text("Change")))
    return Grid("Arm and point", columns, tuple(groups))


def _summary(context: Context, arm: str) -> list[Row]:
    def get(term: str, statistic: str, digits: int) -> Cell:
        return number(_get(context, term, statistic, arm), digits)

    rows = [
        ("n", get("analysed", "n", COUNT)),
        ("Slope", get("slope", "estimate", _SLOPE)),
        (
            f"{context.confidence} CI of slope",
            interval(
                get("slope", "conf_low", _SLOPE), get("slope", "conf_high", _SLOPE)
            ),
        ),
        ("p value of slope", p_value(_get(context, "slope", "p_value", arm))),
        ("Partial correlation", get("partial-correlation", "estimate", CORRELATION)),
    ]
    return [
        Row(text(label), (cell,), 1, wide=True)
        for label, cell in rows
        if cell.result_ids
    ]


def _notes(context: Context) -> list[str]:
    method = context.methods("fitted-line") or context.methods("slope")
    analysis = _analysis(context)
    falling = lower_is_better(context.spec, endpoint_of(context.spec, analysis))
    return [
        f"Lines: {method.rstrip('.')}." if method else "",
        "A fall in the outcome score is an improvement." if falling else "",
        "An association of two things measured in the same subjects; not by itself a"
        " cause.",
    ]
