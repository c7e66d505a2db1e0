"""Correlation between visits: fitted by the model, beside that of the residuals."""

from __future__ import annotations

from outcomes.displays.charts import Heat, HeatCell, HeatChart
from outcomes.displays.context import Context, not_computed
from outcomes.displays.description import Column, Figure, Grid, Row, RowGroup, text
from outcomes.displays.diagnosed import (
    EMPIRICAL,
    Group,
    groups_of,
    model_of,
    of_group,
    score_of,
    visits_of,
)
from outcomes.displays.numbers import CORRELATION, SD, number

_KINDS = (("fitted", "Fitted"), ("empirical", "Empirical"))


def build(context: Context) -> Figure:
    """Build the figure of correlations."""
    visits = visits_of(context, "fitted-sd")
    groups = groups_of(context)
    numbers = _numbers(context, visits, groups)
    return Figure(
        context.heading,
        _chart(context, visits, groups) if visits else None,
        f"Correlation of {score_of(context)} between visits, as fitted by the model and"
        " as found in its residuals, pair by pair. On the diagonal: standard"
        " deviations. Structure and data agree where both halves look alike.",
        _alt(context, visits, groups),
        numbers,
        context.footnotes(numbers, model_of(context, "fitted-sd"), EMPIRICAL),
        context.failures(),
    )


def _chart(context: Context, visits: list[str], groups: list[Group]) -> HeatChart:
    pairs = []
    for group in groups:
        after = f", {group.name}" if group.name else ""
        fitted, empirical = (
            Heat(f"{name}{after}", _cells(context, kind, group, visits))
            for kind, name in _KINDS
        )
        pairs.append((fitted, empirical))
    names = tuple(context.visit_label(visit) for visit in visits)
    return HeatChart(tuple(pairs), names, "Correlation; grey: standard deviation")


def _cells(
    context: Context, kind: str, group: Group, visits: list[str]
) -> tuple[HeatCell, ...]:
    cells = []
    for row, visit in enumerate(visits):
        sd = number(of_group(context, f"{kind}-sd", group, visit), SD)
        for column, other in enumerate(visits[:row]):
            found = of_group(context, f"{kind}-correlation", group, visit, other)
            value = found.value if found else None
            shown = number(found, CORRELATION).text
            cells.append(HeatCell(row, column, value, shown))
        cells.append(HeatCell(row, row, None, sd.text))
    return tuple(cells)


def _alt(context: Context, visits: list[str], groups: list[Group]) -> str:
    if not visits:
        return "No figure: the results could not be computed."
    said = []
    for group in groups:
        for kind, name in _KINDS:
            rows = [
                found
                for place, visit in enumerate(visits)
                for other in visits[:place]
                if (
                    found := of_group(
                        context, f"{kind}-correlation", group, visit, other
                    )
                )
                and found.value is not None
            ]
            if not rows:
                continue
            low = min(rows, key=lambda row: row.value or 0.0)
            high = max(rows, key=lambda row: row.value or 0.0)
            after = f" in {group.name}" if group.name else ""
            said.append(
                f"{name} correlations{after} from {number(low, CORRELATION).text} to"
                f" {number(high, CORRELATION).text}"
            )
    return (
        f"Two heat maps side by side of the correlation of {score_of(context)} between"
        f" {len(visits)} visits, with numbers. {'; '.join(said)}."
    )


def _numbers(context: Context, visits: list[str], groups: list[Group]) -> Grid:
    columns = tuple(Column(text(name)) for _, name in _KINDS)
    stub = "Visits"
    parts = []
    for group in groups:
        rows = []
        for place, visit in enumerate(visits):
            label = context.visit_label(visit)
            for other in visits[:place]:
                cells = tuple(
                    number(
                        of_group(context, f"{kind}-correlation", group, visit, other),
                        CORRELATION,
                    )
                    for kind, _ in _KINDS
                )
                pair = f"{context.visit_label(other)} and {label}"
                rows.append(Row(text(pair), cells, 1))
            cells = tuple(
                number(of_group(context, f"{kind}-sd", group, visit), SD)
                for kind, _ in _KINDS
            )
            rows.append(Row(text(f"SD at {label}"), cells, 1))
        header = text(group.name) if group.name else None
        parts.append(RowGroup(tuple(rows), header))
    if not parts:
        return not_computed(columns, stub)
    return Grid(stub, columns, tuple(parts))
