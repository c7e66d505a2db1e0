"""Who entered the follow-up, what weights do, and what selection changes."""

from __future__ import annotations

from outcomes.displays.context import Context, arm_columns, kept, not_computed
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    PERCENT,
    RATIO,
    days,
    number,
    p_value,
    ratio,
    with_brackets,
    words,
)
from outcomes.displays.samples import (
    KM,
    Sample,
    at,
    days_of,
    definition_notes,
    few_note,
    having,
    levels_in_order,
    samples_of,
    shown,
)
from outcomes.displays.tables.event_rows import (
    PerArm,
    at_risk_cell,
    by_arm,
    heading_row,
    limited,
    survival_cell,
)
from outcomes.displays.words import ending_words, entry_words
from outcomes.study.displays import decapitalised

_STUB = "Statistic"
_COUNTS = "entry"
_WEIGHTS = "entry-weights"


def build(context: Context) -> Table:
    """Build the table of entry into the follow-up."""
    columns = tuple(arm_columns(context, {}))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        parts = (
            ("Entry and follow-up, n (%)", _denominators(context)),
            ("Weights for entry", _weights(context)),
            (
                "Balance: standardised difference before; after weighting",
                _balance(context),
            ),
            ("Model of entry", _coefficients(context)),
            (_together(context), _estimates(context)),
        )
        groups = (RowGroup(shown(rows), text(said)) for said, rows in parts)
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _get(
    context: Context,
    method: str,
    term: str,
    statistic: str,
    *,
    arm: str = "",
    level: str = "",
    visit: str = "",
) -> Result | None:
    return context.results.get(
        term, statistic, arm=arm, level=level, visit=visit, method_id=method
    )


def _counted(
    context: Context, term: str, *, level: str = "", visit: str = ""
) -> PerArm:
    def cell(arm: str) -> Cell:
        n, share = (
            _get(context, _COUNTS, term, name, arm=arm, level=level, visit=visit)
            for name in ("n", "percent")
        )
        if share is None:
            return number(n, COUNT)
        return with_brackets(number(n, COUNT), number(share, PERCENT))

    return cell


def _denominators(context: Context) -> list[Row]:
    """Count from randomised to the end of the follow-up, with all reasons."""
    done = "Enrolled" if context.single_arm else "Randomised"

    def row(label: str, term: str, indent: int, **place: str) -> Row:
        return by_arm(context, label, _counted(context, term, **place), indent)

    def reasons(term: str) -> list[Row]:
        found = context.results.having(term, method_id=_COUNTS, statistic="n")
        return [
            row(ending_words(level), term, 2, level=level)
            for level in levels_in_order(found)
        ]

    visits = dict.fromkeys(
        one.visit for one in context.results.having("assessed", method_id=_COUNTS)
    )
    order = [visit.id for visit in context.spec.visits if visit.id in visits]
    weighted = " and weighted" if _is_weighted(context) else ""
    kept_out = levels_in_order(
        context.results.having("could-not-enter", method_id=_COUNTS, statistic="n")
    )
    return [
        row(done, "randomised", 1),
        row(
            "Eligible: in the study, without event and able to enter when follow-up was"
            " due",
            "eligible",
            1,
        ),
        row(f"entered{weighted}", "eligible-entered", 2),
        row("not entered", "eligible-not-entered", 2),
        *(
            row(
                f"Could not enter: {decapitalised(ending_words(level))}",
                "could-not-enter",
                1,
                level=level,
            )
            for level in kept_out
        ),
        row("Entered follow-up", "entered", 1),
        row("after the event, or otherwise not eligible", "entered-otherwise", 2),
        *_headed(context, "Not entered", "not-entered", reasons("not-entered")),
        *(
            row(f"Assessed at {context.visit_label(visit)}", "assessed", 1, visit=visit)
            for visit in order
        ),
        *_headed(context, "Follow-up ended", "ended", reasons("ended")),
        row("Without any record of follow-up", "without-record", 1),
    ]


def _is_weighted(context: Context) -> bool:
    """Tell whether those who entered have weights."""
    return bool(context.results.having("weight", method_id=_WEIGHTS, statistic="n"))


def _headed(context: Context, label: str, term: str, rows: list[Row]) -> list[Row]:
    """Put a total, where there is one, or a mere heading over reasons."""
    whole = by_arm(context, label, _counted(context, term))
    return [whole if kept([whole]) else heading_row(label), *rows]


def _weights(context: Context) -> list[Row]:
    def value(name: str, digits: int) -> PerArm:
        return lambda arm: number(
            _get(context, _WEIGHTS, "weight", name, arm=arm), digits
        )

    def mean(arm: str) -> Cell:
        return with_brackets(value("mean", RATIO)(arm), value("sd", RATIO)(arm))

    def ends(arm: str) -> Cell:
        low, high = value("min", RATIO)(arm), value("max", RATIO)(arm)
        return joined(low, " to ", high) if low.result_ids else low

    return [
        by_arm(context, "Subjects weighted, n", value("n", COUNT)),
        by_arm(context, "Mean (SD)", mean),
        by_arm(context, "Range", ends),
        by_arm(context, "Effective number of subjects", value("effective_size", 1)),
    ]


def _placed(context: Context, term: str, level: str, cell: PerArm) -> Row:
    """Return a row by arm, or one over all arms where the model is of all."""
    label = entry_words(context.spec, level)
    found = context.results.having(term, method_id=_WEIGHTS)
    if any(row.arm for row in found if row.level == level):
        return by_arm(context, label, cell)
    return Row(text(label), (cell(""),), 1, wide=True)


def _balance(context: Context) -> list[Row]:
    """Return standardised differences before and after weighting."""

    def cell(level: str) -> PerArm:
        def both(arm: str) -> Cell:
            before, after = (
                number(
                    _get(context, _WEIGHTS, "balance", name, arm=arm, level=level),
                    RATIO,
                )
                for name in ("before", "after")
            )
            if not before.result_ids and not after.result_ids:
                return before
            return joined(before, "; ", after)

        return both

    levels = levels_in_order(context.results.having("balance", method_id=_WEIGHTS))
    return [_placed(context, "balance", level, cell(level)) for level in levels]


def _coefficients(context: Context) -> list[Row]:
    """Return odds ratios of entry."""

    def cell(level: str) -> PerArm:
        def odds(arm: str) -> Cell:
            def get(name: str) -> Result | None:
                return _get(
                    context, _WEIGHTS, "coefficient", name, arm=arm, level=level
                )

            note = get("note")
            if note is not None:
                return words(note)
            p = get("p_value")
            whole = limited(context, get, ratio)
            if p is None or not whole.result_ids:
                return whole
            shown = p_value(p)
            sign = "" if shown.text[:1] in "<>" else "= "
            return joined(whole, f", p {sign}", shown)

        return odds

    found = context.results.having("coefficient", method_id=_WEIGHTS)
    rows = []
    for level in levels_in_order(found):
        if level.strip("()") == "Intercept":
            continue
        row = _placed(context, "coefficient", level, cell(level))
        label = f"Odds ratio of entry, {row.header.text} ({context.confidence} CI)"
        rows.append(Row(text(label), row.cells, 1, row.wide))
    return rows


def _estimates(context: Context) -> list[Row]:
    """Set the three estimates of the median and of each day below each other."""
    samples = samples_of(context)

    def medians(sample: Sample) -> PerArm:
        level = next(
            (
                one
                for one in levels_in_order(having(context, sample, KM, "quantile"))
                if float(one) == 0.5
            ),
            "0.5",
        )
        return lambda arm: limited(
            context,
            lambda name: at(
                context, sample, KM, "quantile", name, arm=arm, level=level
            ),
            days,
        )

    def shares(sample: Sample, day: float) -> PerArm:
        return lambda arm: survival_cell(context, sample, day, arm)

    def behind(sample: Sample, day: float) -> PerArm:
        return lambda arm: at_risk_cell(context, sample, day, arm)

    ci = f"({context.confidence} CI)"
    rows = _triple(context, f"Median, day {ci}", [(s, medians(s)) for s in samples])
    for day in days_of(context):
        rows += _triple(
            context,
            f"Without event at day {day:g}, % {ci}",
            [(sample, shares(sample, day)) for sample in samples],
        )
        rows += _triple(
            context,
            f"At risk at day {day:g}",
            [(sample, behind(sample, day)) for sample in samples],
        )
    return rows


def _together(context: Context) -> str:
    """Name the last part; where weights are among it, say when they are valid."""
    labels = [sample.label for sample in samples_of(context) if sample.ending]
    weighted = f". {labels[0]}" if labels else ""
    return f"Estimates beside each other{weighted}"


def _triple(
    context: Context, label: str, cells: list[tuple[Sample, PerArm]]
) -> list[Row]:
    rows = [by_arm(context, sample.short, cell, 2) for sample, cell in cells]
    return [heading_row(label), *kept(rows)] if kept(rows) else []


def _notes(context: Context) -> list[str]:
    phrases = context.method_phrases("weight", method_id=_WEIGHTS)
    notes = definition_notes(context)
    if phrases:
        notes.append(f"Weights: {'; '.join(phrases).rstrip('.')}.")
    done = "enrolled" if context.single_arm else "randomised to the arm"
    notes.append(
        f"Percentages are of the subjects {done}; those of how follow-up ended are of"
        " the subjects who entered. All subjects entered, have a reason why not, or"
        " have no record of follow-up. Entry is modelled among eligible subjects;"
        " subjects who entered after an event are not among them."
    )
    if context.results.having("could-not-enter", method_id=_COUNTS):
        notes.append(
            "Subjects who could not enter, for reasons that the study file names, are"
            " censored when the follow-up was due, are not in the entry model, and"
            " nobody represents them: such reasons are assumed to say nothing about"
            " later events."
        )
    if context.results.having("coefficient", method_id=_WEIGHTS, statistic="note"):
        notes.append(
            "Aliased: the term repeats another of the model, or is the same for all"
            " eligible subjects of the arm, and has no odds ratio of its own."
        )
    if any(sample.ending for sample in samples_of(context)):
        notes.append(
            "Weighted numbers at risk are sums of weights; the number of persons at"
            " risk stands in brackets."
        )
    if context.results.having("balance", method_id=_WEIGHTS):
        notes.append(
            "Standardised difference: mean of those who entered minus mean of all who"
            " were eligible, in standard deviations; 0 is balance. Effective number of"
            " subjects: the number of unweighted subjects that would give the same"
            " precision."
        )
    return [
        *notes,
        "NR, not reached: the curve, or its confidence limit, does not fall to one half"
        " within the time observed."
        if any(row.text == "not reached" for row in context.results.rows)
        else "",
        few_note(context, samples_of(context)),
        "CI, confidence interval; SD, standard deviation.",
    ]
