"""Normalised residuals: normal quantiles by visit, spread by fitted value."""

from __future__ import annotations

from outcomes.displays.charts import Bin, Quantiles, ResidualsChart
from outcomes.displays.context import Context, not_computed
from outcomes.displays.description import (
    Column,
    Figure,
    Grid,
    Row,
    RowGroup,
    joined,
    text,
)
from outcomes.displays.diagnosed import model_of, score_of, visits_of
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, MEAN, SD, number

_PROBABILITY = 3


def build(context: Context) -> Figure:
    """Build the figure of residuals."""
    visits = visits_of(context, "residual-quantile")
    numbers = _numbers(context, visits)
    chart = _chart(context, visits)
    return Figure(
        context.heading,
        chart if chart.panels else None,
        _caption(context),
        _alt(context, visits),
        numbers,
        context.footnotes(numbers, model_of(context, "residuals"), _note()),
        context.failures(),
    )


def _point(context: Context, visit: str, level: str, statistic: str) -> Result | None:
    return context.results.get("residual-quantile", statistic, visit=visit, level=level)


def _levels(context: Context, visit: str) -> list[str]:
    return context.results.levels("residual-quantile", visit=visit)


def _spread(context: Context, level: str, statistic: str) -> Result | None:
    return context.results.get("residual-spread", statistic, level=level)


def _chart(context: Context, visits: list[str]) -> ResidualsChart:
    panels = tuple(
        Quantiles(context.visit_label(visit), _points(context, visit))
        for visit in visits
    )
    bins = []
    for level in context.results.levels("residual-spread"):
        at, mean, sd = (_spread(context, level, name) for name in ("x", "mean", "sd"))
        if at is None or mean is None or None in (at.value, mean.value):
            continue
        bins.append(Bin(at.value or 0.0, mean.value or 0.0, sd.value if sd else None))
    return ResidualsChart(
        panels=panels,
        bins=tuple(bins),
        x_label="Standard normal quantile",
        y_label="Normalised residual",
        fitted_label=f"Fitted {_outcome(context)}, mean of each tenth of the records",
    )


def _points(context: Context, visit: str) -> tuple[tuple[float, float], ...]:
    points = []
    for level in _levels(context, visit):
        x, y = (_point(context, visit, level, name) for name in ("x", "y"))
        if x is not None and y is not None and None not in (x.value, y.value):
            points.append((x.value or 0.0, y.value or 0.0))
    return tuple(points)


def _outcome(context: Context) -> str:
    model = getattr(context.subject, "model", None)
    score = score_of(context)
    return score if getattr(model, "constrained", False) else f"change in {score}"


def _caption(context: Context) -> str:
    return (
        f"Normalised residuals of the model of {_outcome(context)}. Above: their"
        " quantiles against those of the standard normal distribution, by visit; on"
        " the line, residuals are normal with standard deviation 1. Below: mean and"
        " standard deviation of residuals of records with like fitted values; dashed"
        " lines: \u00b11, the standard deviation expected if the model fits."
    )


def _alt(context: Context, visits: list[str]) -> str:
    if not visits:
        return "No figure: the results could not be computed."
    said = []
    for visit in visits:
        skewness, kurtosis = (
            number(context.results.get("residuals", name, visit=visit), MEAN).text
            for name in ("skewness", "kurtosis")
        )
        label = context.visit_label(visit)
        said.append(f"{label} skewness {skewness}, excess kurtosis {kurtosis}")
    return (
        "Normal quantile plots of normalised residuals, one panel per visit, and the"
        f" spread of residuals against fitted values. {'; '.join(said)}."
    )


def _numbers(context: Context, visits: list[str]) -> Grid:
    stub = "Visit and probability"
    columns = (Column(text("Normal quantile")), Column(text("Residual quantile")))
    groups = []
    for visit in visits:
        rows = []
        for level in _levels(context, visit):
            p, x, y = (
                _point(context, visit, level, name)
                for name in ("probability", "x", "y")
            )
            cells = (number(x, MEAN), number(y, MEAN))
            rows.append(Row(number(p, _PROBABILITY), cells, 1))
        groups.append(RowGroup(tuple(rows), text(context.visit_label(visit))))
    bins = tuple(
        _bin(context, level) for level in context.results.levels("residual-spread")
    )
    if bins:
        groups.append(RowGroup(bins, text("Residuals by fitted value")))
    if not groups:
        return not_computed(columns, stub)
    return Grid(stub, columns, tuple(groups))


def _bin(context: Context, level: str) -> Row:
    cell = joined(
        "mean ",
        number(_spread(context, level, "mean"), MEAN),
        ", SD ",
        number(_spread(context, level, "sd"), SD),
        ", n = ",
        number(_spread(context, level, "n"), COUNT),
    )
    header = joined("Fitted ", number(_spread(context, level, "x"), MEAN))
    return Row(header, (cell,), 1, wide=True)


def _note() -> str:
    return (
        "Normalised residuals are residuals divided by the Cholesky factor of their"
        " fitted covariance: in a model that fits they are independent, also within a"
        " subject, with mean 0 and standard deviation 1. Visits with up to 60 records"
        " show every residual, at Blom's positions; others the five most extreme of"
        " each end, and quantiles between them."
    )
