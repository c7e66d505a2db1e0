"""An experience score as predictor of change, within each arm."""

from __future__ import annotations

from outcomes.displays.context import Context, arm_columns, kept, not_computed
from outcomes.displays.description import Cell, Column, Grid, Row, RowGroup, Table, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    CORRELATION,
    COUNT,
    DF,
    RATIO,
    interval,
    number,
    p_value,
    with_brackets,
)
from outcomes.displays.words import predictor_unit
from outcomes.study.analyses import PredictsOutcome
from outcomes.study.displays import score_name

_STUB = "Statistic"
_ADJUSTED = "arm-adjusted"
_SLOPE = 3
_COUNTS = (
    ("subjects", "Subjects of the population"),
    ("missing-predictor", "Without the predictor"),
    ("missing-outcome", "Without the outcome"),
    ("missing-covariate", "Without a covariate"),
    ("analysed", "Analysed"),
)


def build(context: Context) -> Table:
    """Build the table of coefficients."""
    columns = tuple(arm_columns(context, {}))
    several = len(context.spec.arms) > 1
    if several:
        columns = (*columns, Column(text("All arms, adjusted for arm")))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = (
            RowGroup(_counts(context, several), text("Subjects")),
            RowGroup(_slope(context, several), text("Slope")),
            RowGroup(_correlation(context, several), text("Partial correlation")),
        )
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context, several)),
        context.failures(),
    )


def _places(context: Context, several: bool) -> list[tuple[str, str]]:
    """Return arm and method of each column."""
    places = [(arm.id, "") for arm in context.spec.arms]
    return [*places, ("", _ADJUSTED)] if several else places


def _counts(context: Context, several: bool) -> tuple[Row, ...]:
    return kept(
        [
            Row(
                text(label),
                tuple(
                    number(_get(context, term, "n", place), COUNT)
                    for place in _places(context, several)
                ),
                1,
            )
            for term, label in _COUNTS
        ]
    )


def _get(
    context: Context, term: str, statistic: str, place: tuple[str, str]
) -> Result | None:
    arm, method = place
    visit = getattr(context.analysis, "visit", "")
    return context.results.get(term, statistic, visit=visit, arm=arm, method_id=method)


def _slope(context: Context, several: bool) -> tuple[Row, ...]:
    places = _places(context, several)

    def cell(statistic: str, place: tuple[str, str], digits: int) -> Cell:
        return number(_get(context, "slope", statistic, place), digits)

    return kept(
        [
            Row(
                text("Slope (SE)"),
                tuple(
                    with_brackets(
                        cell("estimate", place, _SLOPE),
                        cell("std_error", place, _SLOPE),
                    )
                    for place in places
                ),
                1,
            ),
            Row(
                text(f"{context.confidence} CI"),
                tuple(
                    interval(
                        cell("conf_low", place, _SLOPE),
                        cell("conf_high", place, _SLOPE),
                    )
                    for place in places
                ),
                1,
            ),
            Row(
                text("t (df)"),
                tuple(
                    with_brackets(cell("t", place, RATIO), cell("df", place, DF))
                    for place in places
                ),
                1,
            ),
            Row(
                text("p value"),
                tuple(
                    p_value(_get(context, "slope", "p_value", place))
                    for place in places
                ),
                1,
            ),
            Row(
                text("R\u00b2 of the model"),
                tuple(
                    number(_get(context, "r-squared", "estimate", place), CORRELATION)
                    for place in places
                ),
                1,
            ),
        ]
    )


def _correlation(context: Context, several: bool) -> tuple[Row, ...]:
    places = _places(context, several)

    def cell(statistic: str, place: tuple[str, str]) -> Cell:
        found = _get(context, "partial-correlation", statistic, place)
        return number(found, CORRELATION)

    return kept(
        [
            Row(
                text("r"),
                tuple(cell("estimate", place) for place in places),
                1,
            ),
            Row(
                text(f"{context.confidence} CI"),
                tuple(
                    interval(cell("conf_low", place), cell("conf_high", place))
                    for place in places
                ),
                1,
            ),
            Row(
                text("p value"),
                tuple(
                    p_value(_get(context, "partial-correlation", "p_value", place))
                    for place in places
                ),
                1,
            ),
        ]
    )


def _notes(context: Context, several: bool) -> list[str]:
    analysis = context.analysis
    notes = []
    if isinstance(analysis, PredictsOutcome):
        part = analysis.predictor
        name = score_name(part.instrument, part.score)
        unit = predictor_unit(part.instrument, part.score)
        notes.append(
            f"Predictor: {name} of the {part.session} dosing session. Slope: change in"
            f" the outcome for one more of the predictor (unit: {unit})."
        )
    for term in ("slope", "partial-correlation"):
        method = context.methods(term)
        if method:
            notes.append(
                f"{term.replace('-', ' ').capitalize()}: {method.rstrip('.')}."
            )
    if several:
        notes.append(
            "The experience follows treatment, so only results within an arm are read;"
            " the last column, with arm in the model, is secondary."
        )
    notes.append(
        "An association of two things measured in the same subjects; not by itself a"
        " cause. SE, standard error; CI, confidence interval; df, degrees of freedom."
    )
    return notes
