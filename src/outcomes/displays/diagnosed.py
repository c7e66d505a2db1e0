"""What the displays of diagnostics ask of the ARD: visits, groups, parts left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outcomes.displays.context import Context, not_computed
from outcomes.displays.description import Cell, Column, Grid, Row, RowGroup, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import COUNT, number
from outcomes.displays.words import endpoint_of, reason
from outcomes.study.analyses import Diagnostics, OfEndpoint
from outcomes.study.displays import score_label

UNKNOWN = "Missing"
EVERYBODY = "All subjects"
STUB = "Fitted to"
Cells = Sequence[Cell]
EMPIRICAL = (
    "Empirical: standard deviations and pairwise correlations of raw residuals, of the"
    " subjects observed at the visit or at both. They differ from the fitted ones for"
    " two reasons even where the model fits: their standard deviations divide by"
    " n\u00a0\u2212\u00a01, where REML takes off as many degrees of freedom as the"
    " model has coefficients, so that they are mostly the smaller ones; and where"
    " values are missing, the model uses all visits of a subject at once."
)


def score_of(context: Context) -> str:
    """Return the name of the score that the model is of."""
    about = context.subject
    if not isinstance(about, OfEndpoint):
        return ""
    return score_label(context.spec, endpoint_of(context.spec, about))


def model_of(context: Context, term: str) -> str:
    """Return a footnote that names the model, in the words of the ARD."""
    model = context.methods(term)
    return f"Model: {model.rstrip('.')}." if model else ""


def visits_of(context: Context, term: str) -> list[str]:
    """Return the visits for which there is a term, in the order of the study."""
    there = {row.visit for row in context.results.having(term)}
    return [visit.id for visit in context.spec.visits if visit.id in there]


@dataclass(frozen=True, slots=True)
class Group:
    """A covariance of the model: of an arm, of a level of a column, or of all."""

    arm: str
    subgroup: str
    name: str


def groups_of(context: Context) -> list[Group]:
    """Return the covariances of the model; one without a name where all share it."""
    rows = context.results.having("fitted-sd")
    found = dict.fromkeys((row.arm, row.subgroup) for row in rows)
    groups = [
        Group(arm, subgroup, context.arm_label(arm) if arm else subgroup)
        for arm, subgroup in found
    ]
    arms = [arm.id for arm in context.spec.arms]
    return sorted(
        groups, key=lambda g: (arms.index(g.arm) if g.arm in arms else -1, g.subgroup)
    )


def of_group(
    context: Context, term: str, group: Group, visit: str, level: str = ""
) -> Result | None:
    """Return the estimate of a term in a group at a visit."""
    return context.results.get(
        term,
        "estimate",
        visit=visit,
        arm=group.arm,
        subgroup=group.subgroup,
        level=level,
    )


def result_term(context: Context) -> str:
    """Return what is left out from: differences, or the LS mean of one arm."""
    single = len(context.spec.arms) == 1 or context.spec.control is None
    return "lsmean" if single else "difference"


@dataclass(frozen=True, slots=True)
class Part:
    """Something left out: the column, its value, and the subjects."""

    column: str
    value: str
    subjects: Result | None

    @property
    def words(self) -> str:
        """What the model was fitted to, so that it reads as no result of the part."""
        return f"without {self.value}"


def parts_of(context: Context) -> list[tuple[str, list[Part]]]:
    """Return what was left out: label of a column, and its values.

    Columns are in the order of the study file, values in that of the results.
    """
    results = context.results
    analysis = context.analysis
    order = list(analysis.leave_out) if isinstance(analysis, Diagnostics) else []
    labels = results.having("left-out", statistic="label")
    found = []
    for label in sorted(labels, key=lambda row: _place(order, row.method_id)):
        column = label.method_id
        counts = results.having("left-out", statistic="n", method_id=column)
        parts = [Part(column, row.level, row) for row in counts if row.level != UNKNOWN]
        found.append((label.text, parts))
    return found


def _place(order: list[str], column: str) -> int:
    """Return the place of a column in the study file, last if it is not there."""
    return order.index(column) if column in order else len(order)


def grid_of(
    context: Context, columns: tuple[Column, ...], cells: Callable[[Part | None], Cells]
) -> Grid:
    """Build a grid of results: of all subjects, then without each part in turn.

    Parameters
    ----------
    context : Context
        The analysis.
    columns : tuple of Column
        The first is the number of subjects left out.
    cells : callable
        The other cells of a line; of all subjects where its argument is None.
    """
    if not arms_of(context):
        return not_computed(columns, STUB)
    groups = [RowGroup((Row(text(EVERYBODY), (Cell(), *cells(None))),))]
    for label, parts in parts_of(context):
        rows = tuple(
            Row(text(part.words), (number(part.subjects, COUNT), *cells(part)), 1)
            for part in parts
        )
        groups.append(RowGroup(rows, text(f"Left out: {label}")))
    return Grid(STUB, columns, tuple(group for group in groups if group.rows))


def arms_of(context: Context) -> list[str]:
    """Return the arms that have a result, in the order of the study."""
    rows = context.results.having(result_term(context))
    there = {row.arm for row in rows}
    return [arm.id for arm in context.spec.arms if arm.id in there]


def whole(context: Context, arm: str, statistic: str) -> Result | None:
    """Return a result of an arm with nobody left out."""
    return _result(context, result_term(context), arm, statistic)


def without(context: Context, part: Part, arm: str, statistic: str) -> Result | None:
    """Return a result of an arm with a part left out."""
    term = f"{result_term(context)}-without"
    return _result(context, term, arm, statistic, part.value, part.column)


def gone(context: Context, what: str) -> str:
    """Return a footnote on why results with a part left out are absent."""
    rows = context.results.having(f"{result_term(context)}-without")
    reasons = dict.fromkeys(reason(row) for row in rows if row.error and row.level)
    return f"{what}: {'; '.join(reasons)}." if reasons else ""


def unknown(context: Context) -> str:
    """Return a footnote on subjects without a value, who are never left out."""
    labels = {
        row.method_id: row.text
        for row in context.results.having("left-out", statistic="label")
    }
    found = [
        f"{labels[row.method_id]}: {row.value:.0f}"
        for row in context.results.having("left-out", statistic="n")
        if row.level == UNKNOWN
    ]
    if not found:
        return ""
    return f"Subjects without a value, who are in every fit: {'; '.join(found)}."


def _result(
    context: Context,
    term: str,
    arm: str,
    statistic: str,
    level: str = "",
    method_id: str = "",
) -> Result | None:
    control = context.spec.control
    compared = control is not None and result_term(context) == "difference"
    return context.results.get(
        term,
        statistic,
        visit=str(getattr(context.subject, "visit", "")),
        arm=arm,
        comparator=control.id if control is not None and compared else "",
        level=level,
        method_id=method_id,
    )
