"""Rows that compare arms: log-rank, hazard ratio, restricted means, Gray's test."""

from __future__ import annotations

from collections.abc import Callable

from outcomes.displays.context import Context
from outcomes.displays.description import Cell, Part, Row, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    RATIO,
    number,
    p_value,
    proportion,
    ratio,
)
from outcomes.displays.samples import (
    Sample,
    among_responders,
    at,
    cause_words,
    causes_of,
    days_of,
    having,
    horizon_of,
    on_day,
)
from outcomes.displays.tables.event_rows import (
    MEAN_DAYS,
    PerArm,
    by_arm,
    heading_row,
    limited,
)
from outcomes.displays.words import coefficient_words
from outcomes.study.analyses import TimeToEvent
from outcomes.study.displays import decapitalised, sentence_case

_TESTS = (("log-rank", "Log-rank test"), ("log-rank-rho", "Weighted log-rank test"))


def compared(context: Context, label: str, cell: PerArm, indent: int = 1) -> Row:
    """Return a row of comparisons; the column of the control stays empty."""
    control = context.spec.control
    against = control.id if control else ""
    return by_arm(
        context, label, lambda arm: Cell() if arm == against else cell(arm), indent
    )


def comparison_rows(context: Context, sample: Sample) -> list[Row]:
    """Return how each arm compares with the control, and the tests of all arms."""
    control = context.spec.control
    if control is None:
        return _overall_rows(context, sample)
    against = control.id
    rows = []
    for method, label in _TESTS:
        rows.append(
            compared(
                context,
                f"{label}{stratified(context)}, p value",
                lambda arm, method=method: p_value(  # type: ignore[misc]
                    log_rank_p(context, sample, method, arm, against)
                ),
            )
        )
    rows += _hazard_rows(context, sample, against)
    rows += _mean_rows(context, sample, against)
    return [*rows, *_overall_rows(context, sample)]


def adjusted(context: Context) -> str:
    """Return what hazard ratios are adjusted for, to end a label."""
    analysis = context.subject
    names = analysis.cox.covariates if isinstance(analysis, TimeToEvent) else []
    return f", adjusted for {_listed(context, names)}" if names else ""


def stratified(context: Context) -> str:
    """Return what tests and ratios are stratified by, to end a label."""
    analysis = context.subject
    names = analysis.strata if isinstance(analysis, TimeToEvent) else []
    return f", stratified by {_listed(context, names)}" if names else ""


def _listed(context: Context, names: list[str]) -> str:
    labels = [
        decapitalised(sentence_case(covariate_label(context, name))) for name in names
    ]
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if labels[1:] else labels)


def model_notes(context: Context, sample: Sample) -> list[str]:
    """Say which results adjustment, strata and robust errors are of, and which not."""
    analysis = context.subject
    if not isinstance(analysis, TimeToEvent):
        return []
    if not having(context, sample, "cox", "hazard-ratio"):
        return []
    tests = "log-rank and Gray's tests" if causes_of(context) else "log-rank tests"
    notes = []
    if analysis.cox.covariates:
        names = _listed(context, analysis.cox.covariates)
        notes.append(
            f"Hazard ratios are adjusted for {names}; Kaplan-Meier estimates, {tests}"
            " and means are not."
        )
    if analysis.strata:
        notes.append(
            f"Hazard ratios and {tests} are stratified by"
            f" {_listed(context, analysis.strata)}; Kaplan-Meier estimates and means"
            " are not."
        )
    if analysis.cox.cluster:
        name = _listed(context, [analysis.cox.cluster])
        model = f"the {'unweighted ' * bool(analysis.entry_weights)}Cox model"
        notes.append(
            f"Standard errors that are robust to dependence within {name} are those of"
            f" {model} only."
        )
    return notes


def log_rank_p(
    context: Context, sample: Sample, method: str, arm: str, against: str
) -> Result | None:
    """Return the p value of a comparison, whatever its term is called."""
    found = [
        row
        for row in context.results.rows
        if row.method_id == sample.method(method)
        and row.population == sample.population
        and (row.arm, row.comparator, row.statistic) == (arm, against, "p_value")
    ]
    return found[0] if found else None


def hazard_ratio(
    context: Context, sample: Sample, arm: str, against: str, statistic: str
) -> Result | None:
    """Return a statistic of the hazard ratio of an arm."""
    return at(
        context,
        sample,
        "cox",
        "hazard-ratio",
        statistic,
        arm=arm,
        comparator=against,
    )


def _hazard_rows(context: Context, sample: Sample, against: str) -> list[Row]:
    ci = f"({context.confidence} CI)"
    rows = [
        compared(
            context,
            f"Hazard ratio{adjusted(context)}{stratified(context)} {ci}",
            lambda arm: limited(
                context,
                lambda name: hazard_ratio(context, sample, arm, against, name),
                ratio,
            ),
        ),
        compared(
            context,
            "p value of the hazard ratio",
            lambda arm: p_value(hazard_ratio(context, sample, arm, against, "p_value")),
            2,
        ),
        compared(
            context,
            "proportional hazards, p value",
            lambda arm: p_value(schoenfeld_p(context, sample, arm)),
            2,
        ),
    ]
    return [*rows, *_covariate_rows(context, sample, ci)]


def schoenfeld_p(context: Context, sample: Sample, arm: str) -> Result | None:
    """Return the p value of proportional hazards of the coefficient of an arm."""
    found = [
        row
        for row in context.results.rows
        if row.method_id == sample.method("schoenfeld")
        and row.population == sample.population
        and row.statistic == "p_value"
        and row.term not in ("GLOBAL", "residual")
        and (row.arm == arm or f"[T.{arm}]" in row.term or row.term == arm)
    ]
    return found[0] if found else None


def _covariate_rows(context: Context, sample: Sample, ci: str) -> list[Row]:
    """Return the hazard ratios of what the model is adjusted for."""
    known = ("hazard-ratio", "model")
    terms = dict.fromkeys(
        row.term
        for row in context.results.rows
        if row.method_id == sample.method("cox")
        and row.population == sample.population
        and row.term not in known
        and not row.arm
        and row.statistic == "estimate"
        and row.value is not None
    )

    def get(term: str) -> Callable[[str], Result | None]:
        return lambda name: at(context, sample, "cox", term, name)

    return [
        Row(
            text(f"Hazard ratio of {covariate_label(context, term)} {ci}"),
            (limited(context, get(term), ratio),),
            1,
            wide=True,
        )
        for term in terms
    ]


def covariate_label(context: Context, term: str) -> str:
    """Return what a coefficient is of: the column, and its level where it has one."""
    return coefficient_words(context.spec, term)


def _mean_rows(context: Context, sample: Sample, against: str) -> list[Row]:
    tau = horizon_of(context, sample)

    def get(term: str, arm: str, name: str) -> Result | None:
        return on_day(
            *(context, sample, tau, name, arm),
            method="rmst",
            term=term,
            comparator=against,
        )

    def difference(result: Result | None) -> Cell:
        return number(result, MEAN_DAYS)

    ci = f"({context.confidence} CI)"
    rows = []
    for term, label, written in (
        ("difference", f"Difference of means to day {tau:g}, days {ci}", difference),
        ("ratio", f"Ratio of means to day {tau:g} {ci}", ratio),
    ):
        rows += [
            compared(
                context,
                label,
                lambda arm, term=term, written=written: limited(  # type: ignore[misc]
                    context, lambda name: get(term, arm, name), written
                ),
            ),
            compared(
                context,
                f"p value of the {term}",
                lambda arm, term=term: p_value(get(term, arm, "p_value")),  # type: ignore[misc]
                2,
            ),
        ]
    return rows


def _overall_rows(context: Context, sample: Sample) -> list[Row]:
    rows = [
        _chi_squared(
            f"{label}{stratified(context)}, all arms",
            lambda name, method=method: at(context, sample, method, "overall", name),  # type: ignore[misc]
        )
        for method, label in _TESTS
    ]
    rows += [
        _chi_squared(
            f"Proportional hazards, {label}",
            lambda name, term=term: at(context, sample, "schoenfeld", term, name),  # type: ignore[misc]
        )
        for term, label in _proportional(context, sample)
    ]
    return rows


def _proportional(context: Context, sample: Sample) -> list[tuple[str, str]]:
    """Return the terms that are tested for no single arm, the whole model last."""
    found = dict.fromkeys(
        row.term
        for row in context.results.rows
        if row.method_id == sample.method("schoenfeld")
        and row.population == sample.population
        and (row.arm, row.statistic) == ("", "p_value")
        and row.term != "GLOBAL"
    )
    named = [(term, decapitalised(covariate_label(context, term))) for term in found]
    return [*named, ("GLOBAL", "all terms")]


def whole_arm_p(context: Context, sample: Sample) -> Result | None:
    """Return the p value of proportional hazards of all arms together."""
    for term, label in _proportional(context, sample):
        if label == "arm":
            return at(context, sample, "schoenfeld", term, "p_value")
    return None


def _chi_squared(label: str, get: Callable[[str], Result | None]) -> Row:
    """Return a test on one line; no number where it was not done."""
    if get("p_value") is None:
        return Row(text(label), (Cell(),), 1, wide=True)
    p = p_value(get("p_value"))
    sign = ", p = "
    if p.text[:1] in "<>":
        sign = f", p {p.text[0]} "
        p = Cell((Part(p.text[1:], p.result_ids[0]),))
    chi = joined("\u03c7\u00b2(", number(get("df"), 0), ") = ")
    return Row(
        text(label), (joined(chi, number(get("chisq"), RATIO), sign, p),), 1, wide=True
    )


def incidence_rows(context: Context, sample: Sample) -> list[Row]:
    """Return cumulative incidence of each cause at the declared days, Gray's test."""
    if sample.ending or not having(context, sample, "aalen-johansen", "day"):
        return []
    control = context.spec.control
    rows: list[Row] = []
    for cause in causes_of(context):
        part = [
            by_arm(
                context,
                f"By day {day:g}, % ({context.confidence} CI)",
                _incidence(context, sample, cause, day),
                2,
            )
            for day in days_of(context)
        ]
        if control is not None:
            part.append(
                compared(
                    context,
                    f"Gray's test{stratified(context)}{among_responders(context)},"
                    " p value",
                    _gray(context, sample, cause, control.id),
                    2,
                )
            )
        shown = [row for row in part if any(cell.result_ids for cell in row.cells)]
        if shown:
            rows += [heading_row(cause_words(cause)), *shown]
    return rows


def _incidence(context: Context, sample: Sample, cause: str, day: float) -> PerArm:
    return lambda arm: limited(
        context,
        lambda name: on_day(
            *(context, sample, day, name, arm),
            method="aalen-johansen",
            subgroup=cause,
        ),
        proportion,
    )


def _gray(context: Context, sample: Sample, cause: str, against: str) -> PerArm:
    def cell(arm: str) -> Cell:
        found = [
            row
            for row in context.results.rows
            if row.method_id == "gray"
            and row.population == sample.population
            and row.subgroup == cause
            and (row.arm, row.comparator, row.statistic) == (arm, against, "p_value")
        ]
        return p_value(found[0] if found else None)

    return cell
