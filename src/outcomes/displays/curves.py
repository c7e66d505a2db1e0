"""From ARD rows to curves over time, the counts below them, and their numbers."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from outcomes.displays.charts import CountLines, Curve
from outcomes.displays.context import Context
from outcomes.displays.description import Column, Grid, Row, RowGroup, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import interval, proportion
from outcomes.displays.samples import Sample, days_of, having, on_day
from outcomes.displays.tables.event_rows import at_risk_cell, sized

CURVE_STYLES: Final = ("solid", "dashed", "dotted")
"""All, selected, weighted."""

Points = dict[str, dict[str, float]]


def curve_of(
    context: Context,
    sample: Sample,
    arm: str,
    method: str,
    place: int = 0,
    subgroup: str = "",
) -> Curve:
    """Return the curve of an arm; ``place`` above 0 is one beside the main one."""
    points = _points(context, sample, arm, method, subgroup)
    rows = sorted(
        (row for row in points.values() if "estimate" in row),
        key=lambda row: row["time"],
    )
    last = rows[-1]["time"] if rows else 0.0
    marked = []
    for day in (day for day in days_of(context) if day <= last):
        found = on_day(
            context, sample, day, "estimate", arm, method=method, subgroup=subgroup
        )
        if found is not None and found.value is not None:
            marked.append((day, found.value))
    return Curve(
        name=context.arm_label(arm),
        look=context.looks[arm],
        times=tuple(row["time"] for row in rows),
        values=tuple(row["estimate"] for row in rows),
        limits=tuple(
            (row["conf_low"], row["conf_high"])
            if "conf_low" in row and "conf_high" in row
            else None
            for row in rows
        ),
        marked=() if place else tuple(marked),
        lost=()
        if place or subgroup
        else tuple(
            (row["time"], row["estimate"]) for row in rows if row.get("n_censor")
        ),
        dash=CURVE_STYLES[min(place, 2)],
        band=place == 0,
    )


def _points(
    context: Context, sample: Sample, arm: str, method: str, subgroup: str
) -> Points:
    """Collect the statistics of each point of a curve, by its level."""
    found: Points = defaultdict(dict)
    for row in having(context, sample, method, "curve"):
        own = row.arm == arm and row.subgroup == subgroup
        if own and row.value is not None and row.time is not None:
            found[row.level][row.statistic] = row.value
            found[row.level]["time"] = row.time
    return found


def _start(
    context: Context, sample: Sample, arm: str, method: str, subgroup: str
) -> dict[str, Result]:
    """Return the statistics of time 0."""
    return {
        row.statistic: row
        for row in having(context, sample, method, "curve")
        if row.arm == arm and row.subgroup == subgroup and row.time == 0.0
    }


def block_of(
    context: Context,
    sample: Sample,
    arm: str,
    method: str,
    lines: tuple[tuple[str, str], ...],
    subgroup: str = "",
) -> CountLines:
    """Return the counts of an arm at time 0 and at every declared day."""
    start = _start(context, sample, arm, method, subgroup)

    def cells(statistic: str) -> tuple[str, ...]:
        at_days = (
            on_day(
                context, sample, day, statistic, arm, method=method, subgroup=subgroup
            )
            for day in days_of(context)
        )
        return tuple(sized(one).text for one in (start.get(statistic), *at_days))

    return CountLines(
        context.arm_label(arm),
        context.looks[arm],
        tuple((label, cells(statistic)) for label, statistic in lines),
    )


def numbers_of(
    context: Context,
    samples: list[Sample],
    method: str,
    label: str,
    subgroups: tuple[tuple[str, str], ...] = (("", ""),),
) -> Grid:
    """Give counts, estimate and limits at every declared day, by sample and arm.

    ``subgroups`` are pairs of subgroup and its name.
    """
    groups = []
    for sample in samples:
        for subgroup, name in subgroups:
            for arm in context.spec.arms:
                parts = [sample.label if len(samples) > 1 else "", name, arm.label]
                header = ", ".join(part for part in parts if part)
                rows = _day_rows(context, sample, arm.id, method, subgroup)
                groups.append(RowGroup(tuple(rows), text(header)))
    columns = (
        Column(text("At risk")),
        Column(text("Events")),
        Column(text("Censored")),
        Column(text(label)),
        Column(text(f"{context.confidence} CI")),
    )
    return Grid("Arm and day", columns, tuple(group for group in groups if group.rows))


def _day_rows(
    context: Context, sample: Sample, arm: str, method: str, subgroup: str
) -> list[Row]:
    rows = []
    for day in days_of(context):

        def get(name: str, day: float = day) -> Result | None:
            return on_day(
                context, sample, day, name, arm, method=method, subgroup=subgroup
            )

        estimate, low, high = (
            proportion(get(name)) for name in ("estimate", "conf_low", "conf_high")
        )
        risk = at_risk_cell(context, sample, day, arm, method=method, subgroup=subgroup)
        counts = [sized(get(name)) for name in ("n_event", "n_censor")]
        cells = (risk, *counts, estimate, interval(low, high))
        if any(cell.result_ids for cell in cells):
            rows.append(Row(text(f"Day {day:g}"), cells, 1))
    return rows
