"""Residuals by visit, and the covariance of the model beside that of its residuals."""

from __future__ import annotations

from outcomes.displays.context import Context, kept, not_computed
from outcomes.displays.description import Cell, Column, Grid, Row, RowGroup, Table, text
from outcomes.displays.diagnosed import (
    EMPIRICAL,
    Group,
    groups_of,
    model_of,
    of_group,
    visits_of,
)
from outcomes.displays.numbers import CORRELATION, COUNT, MEAN, SD, number

_STUB = "Statistic"
_SHAPE = (
    ("n", "n", COUNT),
    ("Mean", "mean", MEAN),
    ("SD", "sd", SD),
    ("Minimum", "min", MEAN),
    ("Maximum", "max", MEAN),
    ("Skewness", "skewness", MEAN),
    ("Excess kurtosis", "kurtosis", MEAN),
)


def build(context: Context) -> Table:
    """Build the table of model checks, one column per visit."""
    visits = visits_of(context, "residuals")
    columns = tuple(Column(text(context.visit_label(visit))) for visit in visits)
    groups = [_residuals(context, visits)] if visits else []
    for group in groups_of(context):
        groups += _covariance(context, group, visits)
    grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    if not grid.groups:
        grid = not_computed((Column(text("All visits")),), _STUB)
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _residuals(context: Context, visits: list[str]) -> RowGroup:
    rows = [
        Row(
            text(label),
            tuple(
                number(context.results.get("residuals", name, visit=visit), digits)
                for visit in visits
            ),
            1,
        )
        for label, name, digits in _SHAPE
    ]
    return RowGroup(kept(rows), text("Normalised residuals"))


def _covariance(context: Context, group: Group, visits: list[str]) -> list[RowGroup]:
    after = f", {group.name}" if group.name else ""
    spread = [
        Row(
            text(label),
            tuple(
                number(of_group(context, f"{kind}-sd", group, visit), SD)
                for visit in visits
            ),
            1,
        )
        for kind, label in (("fitted", "Fitted"), ("empirical", "Empirical"))
    ]
    return [
        RowGroup(kept(spread), text(f"Standard deviation{after}")),
        _correlations(context, "fitted", f"Fitted correlation{after}", group, visits),
        _correlations(
            context, "empirical", f"Empirical correlation{after}", group, visits
        ),
    ]


def _correlations(
    context: Context, kind: str, label: str, group: Group, visits: list[str]
) -> RowGroup:
    """Rows of a lower triangle: each visit with those before it."""
    rows = []
    for place, visit in enumerate(visits):
        cells = [
            number(
                of_group(context, f"{kind}-correlation", group, visit, other),
                CORRELATION,
            )
            for other in visits[:place]
        ]
        blank = [Cell()] * (len(visits) - place)
        rows.append(Row(text(context.visit_label(visit)), (*cells, *blank), 1))
    return RowGroup(kept(rows), text(label))


def _notes(context: Context) -> list[str]:
    return [
        model_of(context, "residuals"),
        "Normalised residuals have mean 0, SD 1, skewness 0 and excess kurtosis 0 where"
        " the model fits. Skewness and kurtosis are corrected for the number of"
        " records, as SAS does.",
        EMPIRICAL,
        "SD, standard deviation.",
    ]
