"""Predicted effects of sites and therapists, sorted, with intervals."""

from __future__ import annotations

from outcomes.displays.charts import Effect, EffectsChart, EffectsPanel, Interval
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
from outcomes.displays.tables.components import latent
from outcomes.displays.tables.model_rows import effect_label
from outcomes.displays.words import endpoint_of, lower_is_better, outcome_label
from outcomes.study.analyses import OfEndpoint
from outcomes.study.endpoints import ChangeEndpoint

_NOTHING = 1e-6
"""Size of predicted effects below which all of a grouping are rounding of zero."""
_LIMITS = ("estimate", "conf_low", "conf_high")
_ZERO = "Variance estimated as zero: every predicted effect is zero."
_Kind = tuple[str, str]
"""Grouping and effect."""


def build(context: Context) -> Figure:
    """Build the caterpillar plot."""
    found = [(kind, _panel(context, kind)) for kind in _kinds(context)]
    panels = {kind: panel for kind, panel in found if panel is not None}
    numbers = _numbers(context)
    chart = EffectsChart(tuple(panels.values()), _axis(context)) if panels else None
    return Figure(
        context.heading,
        chart,
        _caption(context),
        _alt(context, panels),
        numbers,
        context.footnotes(numbers, *_notes(context)),
        context.failures(),
    )


def _kinds(context: Context) -> list[_Kind]:
    """Return groupings and effects in the order of the study file."""
    found = {
        (row.method_id, row.subgroup): None
        for row in context.results.having("random-effect", statistic="estimate")
        if row.value is not None
    }
    named = getattr(getattr(context.analysis, "model", None), "groupings", [])
    order = [one.name.replace(" ", "") for one in named]

    def place(kind: _Kind) -> tuple[int, _Kind]:
        plain = kind[0].replace(" ", "")
        near = [n for n, name in enumerate(order) if plain in (name, _nested(name))]
        return (near[0] if near else len(order), kind)

    return sorted(found, key=place)


def _nested(name: str) -> str:
    return name.replace("/", ":")


def _rows(context: Context, kind: _Kind) -> list[Result]:
    """Return the estimates of a grouping, sorted by size."""
    name, effect = kind
    found = [
        row
        for row in context.results.having("random-effect", statistic="estimate")
        if (row.method_id, row.subgroup) == (name, effect) and row.value is not None
    ]
    return sorted(found, key=lambda row: (row.value or 0.0, row.level))


def _limit(context: Context, row: Result, statistic: str) -> Result | None:
    return context.results.get(
        "random-effect",
        statistic,
        level=row.level,
        subgroup=row.subgroup,
        method_id=row.method_id,
    )


def _members(context: Context, row: Result) -> Result | None:
    return context.results.get("members", "n", level=row.level, method_id=row.method_id)


def _panel(context: Context, kind: _Kind) -> EffectsPanel | None:
    name = effect_label(context, *kind)
    if _all_zero(context, kind):
        return EffectsPanel(name, (), _ZERO)
    effects = []
    for row in _rows(context, kind):
        low, high = (_limit(context, row, name) for name in _LIMITS[1:])
        if low is None or high is None or low.value is None or high.value is None:
            continue
        n = _members(context, row)
        count = int(n.value or 0) if n is not None else 0
        value = row.value or 0.0
        effects.append(Effect(row.level, count, Interval(value, low.value, high.value)))
    if not effects:
        return None
    return EffectsPanel(name, tuple(effects))


def _all_zero(context: Context, kind: _Kind) -> bool:
    """Tell whether all predictions are zero, as those of a variance of zero are."""
    return all(abs(row.value or 0.0) <= _NOTHING for row in _rows(context, kind))


def _endpoint(context: Context) -> str:
    analysis = context.analysis
    if not isinstance(analysis, OfEndpoint):
        return ""
    return outcome_label(context.spec, endpoint_of(context.spec, analysis))


def _axis(context: Context) -> str:
    unit = "log odds" if latent(context) else "points"
    return f"Predicted effect on {_endpoint(context)}, {unit} ({context.confidence} PI)"


def _caption(context: Context) -> str:
    return (
        f"Predicted effects (BLUPs) on {_endpoint(context)} of each level, sorted, with"
        f" {context.confidence} prediction intervals (PI); 0 is the average level. In"
        " brackets, and by the area of the marker: subjects. Predictions are shrunken"
        " towards 0, the more so the fewer subjects a level has; where levels are too"
        " many to be named here, the table of numbers names them."
    )


def _alt(context: Context, panels: dict[_Kind, EffectsPanel]) -> str:
    if not panels:
        return "No figure: the results could not be computed."
    said = []
    for kind, panel in panels.items():
        if panel.note:
            said.append(f"{panel.name}: all {len(_rows(context, kind))} are zero")
            continue
        rows = _rows(context, kind)
        low, high = (number(row, MEAN).text for row in (rows[0], rows[-1]))
        said.append(
            f"{panel.name}: {len(rows)} levels, from {low} ({rows[0].level}) to"
            f" {high} ({rows[-1].level})"
        )
    return (
        f"Caterpillar plot of predicted effects on {_endpoint(context)}."
        f" {'; '.join(said)}."
    )


def _numbers(context: Context) -> Grid:
    groups = []
    for kind in _kinds(context):
        rows = []
        heading = text(effect_label(context, *kind))
        if _all_zero(context, kind):
            levels = f"All {len(_rows(context, kind))} levels"
            rows.append(Row(text(levels), (text(_ZERO),), 1, wide=True))
            groups.append(RowGroup(tuple(rows), heading))
            continue
        for row in _rows(context, kind):
            value, low, high = (
                number(_limit(context, row, name), MEAN) for name in _LIMITS
            )
            n = number(_members(context, row), COUNT)
            cells: tuple[Cell, ...] = (n, value, interval(low, high))
            rows.append(Row(text(row.level), cells, 1))
        groups.append(RowGroup(tuple(rows), heading))
    columns = (
        Column(text("Subjects")),
        Column(text("Predicted effect")),
        Column(text(f"{context.confidence} PI")),
    )
    return Grid("Level", columns, tuple(groups))


def _notes(context: Context) -> list[str]:
    methods = context.methods("random-effect")
    said = [f"Model: {methods.rstrip('.')}."] if methods else []
    analysis = context.analysis
    if isinstance(analysis, OfEndpoint):
        id = endpoint_of(context.spec, analysis)
        if isinstance(context.spec.endpoints[id], ChangeEndpoint):
            falling = lower_is_better(context.spec, id)
            side = "below" if falling else "above"
            said.append(f"Effects {side} 0 are those of levels that did better.")
        else:
            said.append("Effects above 0 are those of levels with more yes.")
    said.append(
        "PI, prediction interval: of one level each, given the variances. They are no"
        " ranking, and of many some will exclude 0 by chance. Where a variance is"
        " estimated as zero there is no prediction; how large it may yet be, the limits"
        " of its SD tell."
    )
    return said
