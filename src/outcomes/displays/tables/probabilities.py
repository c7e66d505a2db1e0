"""A yes/no endpoint over visits by one model: probabilities and how arms compare.

Odds ratios of two kinds stand in rows of their own, each saying which it is.
"""

from __future__ import annotations

from collections.abc import Callable

from outcomes.displays.context import Context, arm_columns, kept, not_computed
from outcomes.displays.description import Cell, Grid, Row, RowGroup, Table, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    PERCENT,
    RATIO,
    interval,
    number,
    p_value,
    ratio,
    with_brackets,
)
from outcomes.displays.tables.model_rows import (
    effect_label,
    joint_row,
    random_effects_of,
    random_rows,
    size_row,
)
from outcomes.displays.tables.responders import rule_of
from outcomes.displays.words import endpoint_of
from outcomes.study.analyses import OfEndpoint
from outcomes.study.displays import endpoint_label
from outcomes.study.model import GeeModel, LogisticModel

_PerArm = Callable[[str], Cell]
_Written = Callable[[Result | None], Cell]

_STUB = "Visit and statistic"
RECORDS_LABEL = "In the model, n/N (%)"
MARGINAL_NOTE = (
    "Probabilities, differences, risk ratios and marginal odds ratios are"
    " population-averaged: what the model predicts if all subjects were in the arm,"
    " averaged over them."
)
CONDITIONAL_NOTE = (
    "A conditional odds ratio compares two treatments of one subject, or of subjects"
    " alike in all that the model conditions on; a marginal one compares averages of"
    " groups. Odds ratios do not average: the conditional one is the farther from 1,"
    " the more subjects differ, and neither is wrong."
)
GIVEN_NOTE = (
    "The odds ratio given covariates is the exponential of a coefficient of the"
    " estimating equations: it is averaged over subjects who are alike in covariates."
    " The marginal odds ratio is averaged over covariates too. Odds ratios do not"
    " average: the one given covariates is the farther from 1, the more they tell."
)


def build(context: Context) -> Table:
    """Build the table of probabilities and comparisons."""
    columns = tuple(arm_columns(context, {}))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = [_visit(context, visit) for visit in context.later_visits]
        groups.append(RowGroup(_model(context), text("Model")))
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *notes(context)),
        context.failures(),
    )


def _visit(context: Context, visit: str) -> RowGroup:
    control = context.spec.control
    against = control.id if control else ""

    def get(term: str, arm: str, statistic: str, comparator: str = "") -> Result | None:
        return context.results.get(
            term, statistic, visit=visit, arm=arm, comparator=comparator
        )

    def limits(term: str, arm: str, as_text: _Written, comparator: str = "") -> Cell:
        return interval(
            as_text(get(term, arm, "conf_low", comparator)),
            as_text(get(term, arm, "conf_high", comparator)),
        )

    def observed(arm: str) -> Cell:
        n, of, percent = (
            get("observed", arm, name) for name in ("n", "denominator", "percent")
        )
        if n is None:
            return number(None, COUNT)
        both = joined(number(n, COUNT), "/", number(of, COUNT))
        return with_brackets(both, number(percent, PERCENT))

    def risk(arm: str) -> Cell:
        value = _percent(get("risk", arm, "estimate"))
        return with_brackets(value, limits("risk", arm, _percent))

    def compared(term: str, as_text: _Written) -> _PerArm:
        def cell(arm: str) -> Cell:
            value = as_text(get(term, arm, "estimate", against))
            return with_brackets(value, limits(term, arm, as_text, against))

        return cell

    def tested(term: str) -> _PerArm:
        return lambda arm: p_value(get(term, arm, "p_value", against))

    ci = f"({context.confidence} CI)"
    given = given_label(context)
    rows = [
        _row(context, RECORDS_LABEL, observed),
        _row(context, f"Probability, % {ci}", risk),
    ]
    if control is not None:
        rows += [
            _against(context, label, cell, against)
            for label, cell in (
                (
                    f"Difference from {control.label}, points {ci}",
                    compared("risk-difference", _percent),
                ),
                ("p value of the difference", tested("risk-difference")),
                (f"Risk ratio {ci}", compared("risk-ratio", ratio)),
                (f"Marginal odds ratio {ci}", compared("odds-ratio-marginal", ratio)),
                (
                    f"{given} {ci}",
                    compared("odds-ratio-conditional", ratio),
                ),
                (
                    f"p value of the {given[0].lower()}{given[1:]}",
                    tested("odds-ratio-conditional"),
                ),
            )
        ]
    return RowGroup(kept(rows), text(context.visit_label(visit)))


def _percent(result: Result | None) -> Cell:
    return number(result, PERCENT)


def given_label(context: Context) -> str:
    """Return what the odds ratio of the model's own coefficients is called.

    That of estimating equations is averaged over subjects, so that many call it
    marginal; of what it is conditional, covariates, its name says.
    """
    phrases = context.method_phrases("odds-ratio-conditional")
    if _estimating(context):
        return "Odds ratio given covariates"
    if any("random effects" in phrase for phrase in phrases):
        return "Conditional odds ratio, given covariates and random effects"
    return "Conditional odds ratio, given covariates"


def _estimating(context: Context) -> bool:
    return isinstance(getattr(context.analysis, "model", None), GeeModel)


def _row(context: Context, label: str, cell: _PerArm) -> Row:
    return Row(text(label), tuple(cell(arm.id) for arm in context.spec.arms), 1)


def _against(context: Context, label: str, cell: _PerArm, control: str) -> Row:
    """Make a row of comparisons; the column of the control stays empty."""
    return _row(context, label, lambda arm: Cell() if arm == control else cell(arm))


def _model(context: Context) -> tuple[Row, ...]:
    rows = [
        joint_row(context, "Arm by visit (log odds)", "arm-by-visit"),
        joint_row(context, "Arm, all visits jointly (log odds)", "arm-at-all-visits"),
        size_row(context),
        *random_rows(context),
        *_shares(context),
        *_working(context),
    ]
    return kept(rows)


def _shares(context: Context) -> list[Row]:
    """Return the intraclass correlation of each grouping, on the latent scale."""
    rows = []
    for name, effect in random_effects_of(context):
        if effect:
            continue

        def get(statistic: str, name: str = name) -> Cell:
            return number(context.results.get("icc", statistic, level=name), RATIO)

        limits = interval(get("conf_low"), get("conf_high"))
        label = f"Intraclass correlation, {effect_label(context, name, '')}"
        label += f" ({context.confidence} CI)"
        cell = with_brackets(get("estimate"), limits)
        rows.append(Row(text(label), (cell,), 1, wide=True))
    return rows


def _working(context: Context) -> list[Row]:
    """Return the working correlations of estimating equations."""
    found = context.results.having("working-correlation", statistic="estimate")
    order = context.later_visits

    def visits(row: Result) -> list[str]:
        return [part.strip() for part in row.level.split(",")]

    def place(row: Result) -> list[int]:
        return [order.index(id) if id in order else len(order) for id in visits(row)]

    def label(row: Result) -> str:
        pair = " and ".join(context.visit_label(id) for id in visits(row))
        return f"Working correlation{f', {pair}' if len(found) > 1 else ''}"

    return [
        Row(text(label(row)), (number(row, RATIO),), 1, wide=True)
        for row in sorted(found, key=place)
    ]


def notes(context: Context) -> list[str]:
    """Return what table and figure say of the model and of what they use."""
    analysis = context.analysis
    said = []
    if isinstance(analysis, OfEndpoint):
        id = endpoint_of(context.spec, analysis)
        rule = rule_of(context.spec, id)
        if rule:
            said.append(f"{endpoint_label(context.spec, id)}: {rule}.")
    said.append(f"{model_words(context)} {MARGINAL_NOTE}".strip())
    if context.results.having("odds-ratio-conditional"):
        conditional = [
            phrase
            for phrase in context.method_phrases("odds-ratio-conditional")
            if phrase.startswith("conditional")
        ]
        given = f" Here it is {conditional[0]}." if conditional else ""
        gee = _estimating(context)
        said.append(GIVEN_NOTE if gee else f"{CONDITIONAL_NOTE}{given}")
    said.append(_records_words(context))
    if context.results.having("icc"):
        said.append(
            "SDs are of random effects on the scale of log odds, with profile"
            " likelihood limits. Intraclass correlation: their share of the variance of"
            " a latent measurement, whose own is \u03c0\u00b2/3."
        )
    control = context.spec.control
    if control is not None:
        said.append(
            f"Differences are arm minus {control.label}, ratios arm over"
            f" {control.label}. p values and intervals are not adjusted for multiple"
            " comparisons."
        )
    sd = "; SD, standard deviation" if context.results.having("random-sd") else ""
    said.append(f"CI, confidence interval{sd}.")
    return said


def model_words(context: Context) -> str:
    """Say what was fitted, without what is special to one kind of number."""
    phrases = context.method_phrases("risk")
    words = "; ".join(p for p in phrases if not p.startswith("marginal"))
    return f"Model: {words.rstrip('.')}." if words else ""


def missing_words(context: Context) -> str:
    """Say what the model supposes of the records that it lacks."""
    model = getattr(context.analysis, "model", None)
    match model:
        case GeeModel():
            return (
                "Estimating equations take what is missing to be missing completely at"
                " random given the covariates."
            )
        case LogisticModel():
            return "What is missing is taken to be missing at random given covariates."
    return (
        "What is missing is taken to be missing at random given covariates and what was"
        " observed of the subject."
    )


def _records_words(context: Context) -> str:
    """Say which records the model has."""
    made = context.results.get("counted-as-no", "n")
    who = "In the model: N, subjects with a value and all covariates at the visit"
    if made is not None and made.value:
        words = (
            f"{who}, or with no value there but rescue medication before it, from which"
            " on the answer is no by the strategy of the estimand (visits without a"
            f" value that count so: {number(made, COUNT).text}); n, those with a yes."
            " For any other missing value none is made up."
        )
    else:
        words = f"{who}; n, those with a yes. For a missing value none is made up."
    return f"{words} {missing_words(context)}"
