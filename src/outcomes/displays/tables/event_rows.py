"""Rows about times in one sample: counts, quantiles, days, restricted means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from outcomes.displays.context import Context
from outcomes.displays.description import Cell, Row, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    ABSENT,
    COUNT,
    PERCENT,
    days,
    interval,
    number,
    proportion,
    with_brackets,
)
from outcomes.displays.samples import (
    KM,
    Sample,
    at,
    days_of,
    having,
    horizon_of,
    levels_in_order,
    on_day,
    persons_at_risk,
)
from outcomes.displays.words import ending_words
from outcomes.study.displays import decapitalised

PerArm = Callable[[str], Cell]
MEAN_DAYS: Final = 1
"""Digits of a mean time."""
_COUNTS: Final = (
    ("event", "With event, n (%)"),
    ("competing", "With competing event, n (%)"),
    ("censored", "Censored, n (%)"),
)
_QUANTILES: Final = {
    0.25: "First quartile (25% with event), day",
    0.5: "Median, day",
    0.75: "Third quartile (75% with event), day",
}


def by_arm(context: Context, label: str, cell: PerArm, indent: int = 1) -> Row:
    """Return a row with one cell per arm."""
    return Row(text(label), tuple(cell(arm.id) for arm in context.spec.arms), indent)


def heading_row(label: str, indent: int = 1) -> Row:
    """Return a row that is only the heading of those below it."""
    return Row(text(label), (Cell(),), indent, wide=True)


def limited(
    context: Context,
    get: Callable[[str], Result | None],
    written: Callable[[Result | None], Cell],
) -> Cell:
    """Return an estimate with its limits in brackets."""
    estimate, low, high = (
        written(get(name)) for name in ("estimate", "conf_low", "conf_high")
    )
    known = get("estimate")
    if not low.result_ids and not high.result_ids and known and known.value is None:
        return estimate
    return with_brackets(estimate, interval(low, high))


def count_rows(context: Context, sample: Sample) -> list[Row]:
    """Count subjects of the arm, those at risk, and how their time ended."""
    if sample.ending:
        return []

    def counted(term: str, level: str = "") -> PerArm:
        def cell(arm: str) -> Cell:
            n, share = (
                at(context, sample, "counts", term, name, arm=arm, level=level)
                for name in ("n", "percent")
            )
            # Among the levels of an arm, those nobody has are not written down.
            if n is None and level:
                return text(ABSENT)
            return with_brackets(number(n, COUNT), number(share, PERCENT))

        return cell

    def size(arm: str) -> Cell:
        return number(at(context, sample, "counts", "population", "n", arm=arm), COUNT)

    rows = [
        by_arm(context, "Subjects, N", size),
        by_arm(context, "At risk, n (%)", counted("at-risk")),
    ]
    gone = levels_in_order(having(context, sample, "counts", "not-at-risk"))
    rows += [
        by_arm(
            context,
            f"Not at risk: {decapitalised(ending_words(level))}",
            counted("not-at-risk", level),
        )
        for level in gone
    ]
    for term, label in _COUNTS:
        found = having(context, sample, "counts", term, statistic="n")
        if not found:
            continue
        whole = {row.level for row in found} & {"", "any"}
        level = "any" if "any" in whole else ""
        rows.append(
            by_arm(context, label, counted(term, level))
            if whole
            else by_arm(context, label, lambda arm: Cell())
        )
        rows += [
            by_arm(context, ending_words(kind), counted(term, kind), 2)
            for kind in levels_in_order(found)
        ]
    return rows


def quantile_rows(context: Context, sample: Sample, indent: int) -> list[Row]:
    """Return quantiles of time with their limits, the median first."""
    found = levels_in_order(having(context, sample, KM, "quantile"))

    def cell(level: str) -> PerArm:
        return lambda arm: limited(
            context,
            lambda name: at(
                context, sample, KM, "quantile", name, arm=arm, level=level
            ),
            days,
        )

    order = sorted(found, key=lambda level: (float(level) != 0.5, float(level)))
    rows = [
        by_arm(
            context,
            f"{_quantile_label(level)} ({context.confidence} CI)",
            cell(level),
            indent,
        )
        for level in order
    ]
    follow = [
        by_arm(
            context, "Follow-up, median (maximum), days", _follow_up(context, sample)
        )
    ]
    return [*rows, *follow]


def _quantile_label(level: str) -> str:
    known = _QUANTILES.get(float(level))
    return known or f"{100 * float(level):g}% with event, day"


def _follow_up(context: Context, sample: Sample) -> PerArm:
    def cell(arm: str) -> Cell:
        middle, most = (
            days(at(context, sample, KM, "follow-up", name, arm=arm))
            for name in ("median", "max")
        )
        return with_brackets(middle, most)

    return cell


def survival_cell(context: Context, sample: Sample, day: float, arm: str) -> Cell:
    """Return the per cent without the event at a day, with limits."""
    return limited(
        context, lambda name: on_day(context, sample, day, name, arm), proportion
    )


def day_rows(context: Context, sample: Sample, indent: int) -> list[Row]:
    """Return survival at the declared days, with the number at risk below each."""
    rows = []
    for day in days_of(context):

        def share(arm: str, day: float = day) -> Cell:
            return survival_cell(context, sample, day, arm)

        def behind(arm: str, day: float = day) -> Cell:
            risk = at_risk_cell(context, sample, day, arm)
            events = sized(on_day(context, sample, day, "n_event", arm))
            if not risk.result_ids and not events.result_ids:
                return risk
            return joined(risk, "; ", events)

        label = f"Without event at day {day:g}, % ({context.confidence} CI)"
        rows += [
            by_arm(context, label, share, indent),
            by_arm(context, "at risk; events so far", behind, indent + 1),
        ]
    return rows


def at_risk_cell(
    context: Context,
    sample: Sample,
    day: float,
    arm: str,
    *,
    method: str = KM,
    subgroup: str = "",
) -> Cell:
    """Return how many are at risk; beside a sum of weights, how many persons."""
    risk = on_day(context, sample, day, "n_risk", arm, method=method, subgroup=subgroup)
    persons = persons_at_risk(
        context, sample, day, arm, method=method, subgroup=subgroup
    )
    if persons is None or persons.statistic == "n_risk":
        return sized(risk)
    word = "person" if persons.value == 1 else "persons"
    return joined(sized(risk), " (", number(persons, COUNT), f" {word})")


def sized(result: Result | None) -> Cell:
    """Return a count; a sum of weights has a digit after the point."""
    weighted = result is not None and result.method_id.endswith("-weighted")
    return number(result, 1 if weighted else COUNT)


def mean_row(context: Context, sample: Sample, indent: int) -> Row:
    """Return the restricted mean time without the event."""
    tau = horizon_of(context, sample)

    def cell(arm: str) -> Cell:
        return limited(
            context,
            lambda name: on_day(
                context, sample, tau, name, arm, method="rmst", term="mean"
            ),
            lambda result: number(result, MEAN_DAYS),
        )

    label = f"Mean days without event to day {tau:g} ({context.confidence} CI)"
    return by_arm(context, label, cell, indent)


def interval_rows(context: Context, sample: Sample) -> list[Row]:
    """Return quantiles and days by Turnbull's estimator, as bounds."""
    method = "turnbull"

    def bounds(low: Cell, high: Cell) -> Cell:
        if not low.result_ids and not high.result_ids:
            return low
        return joined(low, " to ", high)

    def quantile(level: str) -> PerArm:
        return lambda arm: bounds(
            *(
                days(
                    at(context, sample, method, "quantile", name, arm=arm, level=level)
                )
                for name in ("low", "high")
            )
        )

    def share(day: float) -> PerArm:
        return lambda arm: bounds(
            *(
                proportion(on_day(context, sample, day, name, arm, method=method))
                for name in ("low", "high")
            )
        )

    levels = levels_in_order(having(context, sample, method, "quantile"))
    order = sorted(levels, key=lambda level: (float(level) != 0.5, float(level)))
    return [
        *(
            by_arm(context, f"{_quantile_label(level)}, low to high", quantile(level))
            for level in order
        ),
        *(
            by_arm(context, f"Without event at day {day:g}, %, low to high", share(day))
            for day in days_of(context)
        ),
    ]
