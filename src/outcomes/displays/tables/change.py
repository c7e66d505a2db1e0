"""Change from baseline by a mixed model for repeated measures, visit by visit."""

from __future__ import annotations

import re
from collections.abc import Callable

from outcomes.displays.context import (
    Context,
    arm_columns,
    kept,
    not_computed,
)
from outcomes.displays.description import (
    Cell,
    Grid,
    Part,
    Row,
    RowGroup,
    Table,
    joined,
    text,
)
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    DF,
    EFFECT,
    LIKELIHOOD,
    MEAN,
    RATIO,
    SD,
    interval,
    number,
    p_value,
    with_brackets,
    words,
)
from outcomes.displays.tables.model_rows import joint_row, random_rows, size_row
from outcomes.displays.words import (
    covariance_words,
    endpoint_of,
    lower_is_better,
    ls_means_words,
    term_words,
)
from outcomes.study.analyses import Change

_PerArm = Callable[[str], Cell]
_Get = Callable[..., Result | None]
"""A result of a term, statistic and arm at one place: a visit, or an average."""

_STUB = "Visit and statistic"


def build(context: Context) -> Table:
    """Build the table of the primary model."""
    columns = tuple(arm_columns(context, {}))
    if context.failed:
        grid = not_computed(columns, _STUB)
    else:
        groups = [_baseline(context)]
        groups += [_visit(context, visit) for visit in context.later_visits]
        groups += _averages(context)
        groups.append(RowGroup(_model(context), text("Model")))
        groups += [_tests(context, kind) for kind in ("2", "3")]
        grid = Grid(_STUB, columns, tuple(group for group in groups if group.rows))
    return Table(
        context.heading,
        grid,
        context.footnotes(grid, *_notes(context)),
        context.failures(),
    )


def _per_arm(context: Context, label: str, cell: _PerArm) -> Row:
    return Row(text(label), tuple(cell(arm.id) for arm in context.spec.arms), 1)


def _baseline(context: Context) -> RowGroup:
    visit = context.spec.baseline_visit
    rows = _observed(context, visit.id, "observed-value", "Observed value")

    def without(arm: str) -> Cell:
        return number(context.results.get("no-post-baseline", "n", arm=arm), COUNT)

    rows.append(_per_arm(context, "Without a change at any later visit", without))
    return RowGroup(kept(rows), text(visit.label))


def _observed(context: Context, visit: str, term: str, label: str) -> list[Row]:
    def get(arm: str, statistic: str) -> Result | None:
        return context.results.get(term, statistic, visit=visit, arm=arm)

    return [
        _per_arm(context, "n", lambda arm: number(get(arm, "n"), COUNT)),
        _per_arm(
            context,
            f"{label}, mean (SD)",
            lambda arm: with_brackets(
                number(get(arm, "mean"), MEAN), number(get(arm, "sd"), SD)
            ),
        ),
    ]


def _visit(context: Context, visit: str) -> RowGroup:
    value, change = (
        _observed(context, visit, "observed-value", "Observed value"),
        _observed(context, visit, "observed-change", "Observed change"),
    )
    rows = [change[0], value[1], change[1]]
    rows += _modelled(context, _getter(context, "", visit=visit))
    rows += _effect_sizes(context, _getter(context, "", visit=visit))
    header = context.visit_label(visit)
    if getattr(context.analysis, "visit", None) == visit:
        header += " (visit of the analysis)"
    return RowGroup(kept(rows), text(header))


def _averages(context: Context) -> list[RowGroup]:
    """One group for each average over visits that the study file names."""
    analysis = context.analysis
    named = analysis.model.averages if isinstance(analysis, Change) else {}
    groups = []
    for name, visits in named.items():
        labels = ", ".join(context.visit_label(visit) for visit in visits)
        rows = _modelled(context, _getter(context, "-average", level=name))
        groups.append(RowGroup(kept(rows), text(f"Average of {labels} ({name})")))
    return groups


def _getter(context: Context, suffix: str, *, visit: str = "", level: str = "") -> _Get:
    def get(term: str, statistic: str, arm: str, comparator: str = "") -> Result | None:
        return context.results.get(
            term + suffix,
            statistic,
            visit=visit,
            level=level,
            arm=arm,
            comparator=comparator,
        )

    return get


def _modelled(context: Context, get: _Get) -> list[Row]:
    """Rows of LS means and of comparisons with the control, whose column is empty."""

    def mean(arm: str, statistic: str) -> Cell:
        return number(get("lsmean", statistic, arm), MEAN)

    rows = [
        _per_arm(
            context,
            "LS mean change (SE)",
            lambda arm: with_brackets(mean(arm, "estimate"), mean(arm, "std_error")),
        ),
        _per_arm(
            context,
            f"{context.confidence} CI",
            lambda arm: interval(mean(arm, "conf_low"), mean(arm, "conf_high")),
        ),
    ]
    control = context.spec.control
    if control is None:
        return rows

    def compared(arm: str, statistic: str) -> Result | None:
        return get("difference", statistic, arm, control.id)

    def estimate(arm: str, statistic: str) -> Cell:
        return number(compared(arm, statistic), MEAN)

    return [
        *rows,
        _against(
            context,
            f"Difference from {control.label} (SE)",
            lambda arm: with_brackets(
                estimate(arm, "estimate"), estimate(arm, "std_error")
            ),
        ),
        _against(
            context,
            f"{context.confidence} CI of difference",
            lambda arm: interval(estimate(arm, "conf_low"), estimate(arm, "conf_high")),
        ),
        _against(
            context,
            "t (df)",
            lambda arm: with_brackets(
                number(compared(arm, "t"), RATIO), number(compared(arm, "df"), DF)
            ),
        ),
        _against(context, "p value", lambda arm: p_value(compared(arm, "p_value"))),
    ]


def _effect_sizes(context: Context, get: _Get) -> list[Row]:
    control = context.spec.control
    if control is None:
        return []

    def effect(term: str) -> _PerArm:
        return lambda arm: number(get(term, "estimate", arm, control.id), EFFECT)

    return [
        _against(context, "Effect size d, baseline SD", effect("d-baseline-sd")),
        _against(
            context, "Effect size d, SD of change", effect("d-completer-change-sd")
        ),
    ]


def _against(context: Context, label: str, cell: _PerArm) -> Row:
    """Make a row of comparisons with the control; its own column stays empty."""
    control = context.spec.control

    def shown(arm: str) -> Cell:
        return Cell() if control is not None and arm == control.id else cell(arm)

    return _per_arm(context, label, shown)


def _tests(context: Context, kind: str) -> RowGroup:
    """F tests of all terms of the model, where the study file asks for them."""
    term = f"type-{kind}-test"
    # Main effects first, as the formula has them.
    names = sorted(context.results.levels(term), key=lambda name: name.count(":"))
    rows = [
        joint_row(context, _term_label(context, name), term, name) for name in names
    ]
    header = f"Tests of fixed effects, type {'I' * int(kind)}"
    return RowGroup(kept(rows), text(header))


def _test_levels(context: Context) -> list[str]:
    return [
        name for kind in "23" for name in context.results.levels(f"type-{kind}-test")
    ]


def _term_label(context: Context, name: str) -> str:
    """Name a term; a constrained model has another test called arm by visit."""
    label = term_words(name)
    by_visit = label.split(",")[0] == "Arm by visit"
    return f"{label}, from baseline" if _constrained(context) and by_visit else label


def _constrained(context: Context) -> bool:
    analysis = context.analysis
    return isinstance(analysis, Change) and analysis.model.constrained


def _model(context: Context) -> tuple[Row, ...]:
    get = context.results.get

    covariance = get("fit", "covariance")
    used = words(covariance)
    if covariance is not None and covariance.text:
        name = covariance_words(covariance.text)
        used = Cell((Part(name, covariance.result_id),))
    rows = [
        joint_row(context, "Arm by visit", "arm-by-visit"),
        joint_row(context, "Arm, all visits jointly", "arm-at-all-visits"),
        size_row(context),
        Row(text("Covariance"), (used,), 1, wide=True),
        *random_rows(context),
        _likelihood(context),
    ]
    return kept(rows)


def _likelihood(context: Context) -> Row:
    """Return minus twice the log likelihood, and criteria where the ARD has them."""
    get = context.results.get
    deviance = number(get("fit", "minus_2_loglik"), LIKELIHOOD)
    row = get("fit", "minus_2_loglik")
    restricted = row is not None and re.search(r"\bREML\b", row.method) is not None
    label = f"\u22122 {'restricted ' if restricted else ''}log likelihood"
    if get("fit", "aic") is None:
        return Row(text(label), (deviance,), 1, wide=True)
    criteria = joined(
        deviance,
        ", ",
        number(get("fit", "aic"), LIKELIHOOD),
        ", ",
        number(get("fit", "bic"), LIKELIHOOD),
    )
    return Row(text(f"{label}, AIC, BIC"), (criteria,), 1, wide=True)


def _notes(context: Context) -> list[str]:
    analysis = context.analysis
    control = context.spec.control
    notes = [
        "At baseline: n, mean and SD are of all subjects of the population with a"
        " value, also of those without a later one. At later visits: n, subjects"
        " analysed, who have a value and a change. Observed values and changes are"
        " without a model.",
    ]
    if _constrained(context):
        notes.append(
            "The model is of the values, baseline included, so that it also uses"
            " subjects who have a baseline value alone, or later values alone; changes"
            " in it are LS means less that at baseline. Observed values are of all"
            " subjects with a value at the visit, also those without a baseline value,"
            " whom n does not count."
        )
        if any(_test_levels(context)):
            notes.append(
                "Tests of fixed effects are of the values at all visits, baseline"
                " included."
            )
    if any(" = 0" in name for name in _test_levels(context)):
        notes.append(
            "A test marked \u2018at\u2019 a covariate = 0 is of a term that interacts"
            " with it, and of the effect where the covariate is zero, which may lie"
            " outside the data. That is what types II and III test, also in SAS."
        )
    model = context.methods("lsmean")
    if model:
        notes.append(
            f"Least-squares (LS) means: {model.rstrip('.')}. {ls_means_words(analysis)}"
        )
    if context.results.having("random-sd"):
        notes.append(
            "SDs are those of random effects, with profile likelihood limits; records"
            " of a subject are correlated through its effect, alike at all visits."
        )
    ladder = context.results.levels("ladder")
    if len(ladder) > 1:
        notes.append(
            "Covariance structures were tried in the order planned;"
            " the first that converged is used."
        )
    if isinstance(analysis, Change):
        falling = lower_is_better(context.spec, endpoint_of(context.spec, analysis))
        better = "A fall in the score is an improvement." if falling else ""
        if control is not None:
            better += (
                f" Differences are arm minus {control.label}:"
                f" {'negative' if falling else 'positive'} values favour the arm."
            )
        notes.append(better.strip())
    if control is not None:
        notes.append(
            "Effect size d: the difference divided by the pooled SD at baseline;"
            " and the difference of observed mean changes divided by the pooled SD of"
            " change of subjects observed at the visit."
        )
    notes.append(
        "SD, standard deviation; SE, standard error; CI, confidence interval;"
        " df, degrees of freedom. p values and intervals are not adjusted for"
        " multiple comparisons."
    )
    return notes
