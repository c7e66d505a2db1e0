"""How much of an endpoint lies between subjects, sites and therapists."""

from __future__ import annotations

from outcomes.displays.context import Context, kept, not_computed
from outcomes.displays.description import Cell, Column, Grid, Row, RowGroup, Table, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    MEAN,
    RATIO,
    interval,
    number,
    p_value,
)
from outcomes.displays.tables.model_rows import (
    RESIDUAL,
    effect_label,
    pair_label,
    random_effects_of,
    size_row,
)

_STUB = "Random effect"
_SHARE = 3
"""Digits of a share of variance: those of therapists are small."""


def build(context: Context) -> Table:
    """Build the table of variance components."""
    columns = (
        Column(text("Levels")),
        Column(text("Estimate"), span=text("SD")),
        Column(text(f"{context.confidence} CI"), span=text("SD")),
        Column(text("Estimate"), span=text("Share of variance (ICC)")),
        Column(text(f"{context.confidence} CI"), span=text("Share of variance (ICC)")),
        Column(text("\u03c7\u00b2"), span=text("Likelihood ratio")),
        Column(text("p value"), span=text("Likelihood ratio")),
    )
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        rows = [_row(context, *pair) for pair in random_effects_of(context)]
        rows += _correlations(context, len(columns))
        groups = [
            RowGroup(kept(rows)),
            RowGroup(kept([size_row(context)]), text("Model")),
        ]
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _row(context: Context, name: str, effect: str) -> Row:
    def sd(statistic: str) -> Cell:
        found = context.results.get("random-sd", statistic, level=name, subgroup=effect)
        return number(found, MEAN)

    def share(statistic: str) -> Cell:
        if effect:
            return Cell()
        return number(context.results.get("icc", statistic, level=name), _SHARE)

    def tested(statistic: str) -> Result | None:
        return context.results.get(
            "component-test", statistic, level=name, subgroup=effect
        )

    residual = name == RESIDUAL
    levels = context.results.get("levels", "n", level=name)
    cells = (
        Cell() if residual or effect else number(levels, COUNT),
        sd("estimate"),
        interval(sd("conf_low"), sd("conf_high")),
        Cell() if residual else share("estimate"),
        Cell() if residual else interval(share("conf_low"), share("conf_high")),
        Cell() if residual else number(tested("chisq"), RATIO),
        Cell() if residual else p_value(tested("p_value")),
    )
    return Row(text(effect_label(context, name, effect)), cells)


def _correlations(context: Context, width: int) -> list[Row]:
    """Return correlations of effects of the same grouping, in the column of SDs."""
    rows = []
    order = [name for name, _ in random_effects_of(context)]
    correlations = sorted(
        context.results.having("random-correlation", statistic="estimate"),
        key=lambda row: order.index(row.level) if row.level in order else len(order),
    )
    for found in correlations:

        def get(statistic: str, at: Result = found) -> Cell:
            found = context.results.get(
                "random-correlation", statistic, level=at.level, subgroup=at.subgroup
            )
            return number(found, RATIO)

        cells = [Cell()] * width
        cells[1] = get("estimate")
        cells[2] = interval(get("conf_low"), get("conf_high"))
        label = pair_label(context, found.level, found.subgroup)
        rows.append(Row(text(label), tuple(cells)))
    return rows


def _notes(context: Context) -> list[str]:
    methods = context.methods("random-sd")
    said = [f"Model: {methods.rstrip('.')}."] if methods else []
    said.append(
        "SD, standard deviation of the effects of levels, in the unit of the outcome"
        f"{' (log odds)' if latent(context) else ''}; CI, confidence interval by the"
        " profile likelihood, which is not symmetric and may end at 0."
    )
    said.append(
        "Share of variance (ICC, intraclass correlation): the variance between levels"
        " over the sum of all variances"
        + (
            ", on the latent scale of the logistic model, where the residual variance"
            " is \u03c0\u00b2/3."
            if latent(context)
            else "; that of sites is the correlation of two subjects of one site who"
            " share nothing else. Arms, visits and covariates of the model are set"
            " apart before."
        )
    )
    if not context.results.having("icc"):
        said.append(
            "No share of variance is given: with random slopes, or effects that differ"
            " between arms, it is another one at every time and in every arm."
        )
    said.append(
        "Likelihood ratio: the model with and without the effect. A variance cannot be"
        " negative, so p is of an equal mixture of two \u03c7\u00b2 distributions. No"
        " evidence of a variance is no evidence that there is none: look at the upper"
        " limit."
    )
    return said


def latent(context: Context) -> bool:
    """Tell whether shares are of a latent scale, as those of yes/no endpoints."""
    found = context.results.having("icc", statistic="scale")
    return any(row.text == "latent" for row in found)
