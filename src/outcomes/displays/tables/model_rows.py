"""Rows about a model that several tables have: tests, sizes, random effects."""

from __future__ import annotations

from outcomes.displays.context import Context
from outcomes.displays.description import Cell, Part, Row, joined, text
from outcomes.displays.lookup import Result
from outcomes.displays.numbers import (
    COUNT,
    DF,
    MEAN,
    RATIO,
    interval,
    number,
    p_value,
    with_brackets,
)

RESIDUAL = "Residual"
SUBJECT = "USUBJID"
INTERCEPT = "Intercept"


def joint_row(context: Context, label: str, term: str, level: str = "") -> Row:
    """Return a joint test on one line: F with its degrees of freedom, or chi-squared.

    Parameters
    ----------
    context : Context
        Of the display.
    label : str
        What is tested.
    term, level : str
        Where the test stands in the ARD.
    """

    def get(statistic: str) -> Result | None:
        return context.results.get(term, statistic, level=level)

    if get("chisq") is not None:
        cell = joined("\u03c7\u00b2(", number(get("df"), 0), ") = ")
        cell = joined(cell, number(get("chisq"), RATIO))
    else:
        cell = joined(
            "F(",
            number(get("num_df"), 0),
            ", ",
            number(get("den_df"), DF),
            ") = ",
            number(get("f"), RATIO),
        )
    whole = joined(cell, ", p = ", p_value(get("p_value")))
    return Row(text(label), (_without_equals(whole),), 1, wide=True)


def _without_equals(cell: Cell) -> Cell:
    """Write 'p < 0.001', not 'p = <0.001'."""
    last = cell.parts[-1]
    if not last.text.startswith(("<", ">")):
        return cell
    sign = last.text[0]
    before = cell.parts[-2]
    parts = (
        *cell.parts[:-2],
        Part(before.text.replace("= ", f"{sign} ")),
        Part(last.text[1:], last.result_id),
    )
    return Cell(parts)


def size_row(context: Context) -> Row:
    """Return how many subjects and records the model has."""
    get = context.results.get
    sizes = joined(
        number(get("fit", "n_subjects"), COUNT),
        " subjects, ",
        number(get("fit", "n_records"), COUNT),
        " records",
    )
    return Row(text("Analysed"), (sizes,), 1, wide=True)


def random_rows(context: Context) -> list[Row]:
    """Return the standard deviations of random effects, one on a line."""
    rows = []
    for name, effect in random_effects_of(context):
        found = {
            statistic: number(_sd(context, name, effect, statistic), MEAN)
            for statistic in ("estimate", "conf_low", "conf_high")
        }
        limits = interval(found["conf_low"], found["conf_high"])
        cell = with_brackets(found["estimate"], limits)
        label = f"SD, {effect_label(context, name, effect)} ({context.confidence} CI)"
        rows.append(Row(text(label), (cell,), 1, wide=True))
    return rows


def _sd(context: Context, name: str, effect: str, statistic: str) -> Result | None:
    return context.results.get("random-sd", statistic, level=name, subgroup=effect)


def random_effects_of(context: Context) -> list[tuple[str, str]]:
    """Return grouping and effect of every variance: subject first, residual last."""
    found = {
        (row.level, row.subgroup): None
        for row in context.results.having("random-sd", statistic="estimate")
        if row.level
    }
    order = [SUBJECT, *context.results.levels("levels"), RESIDUAL]

    def place(pair: tuple[str, str]) -> tuple[int, str]:
        return (order.index(pair[0]) if pair[0] in order else len(order), pair[1])

    return sorted(found, key=place)


def grouping_label(context: Context, name: str) -> str:
    """Return what a grouping is called, by the ARD."""
    if name == RESIDUAL:
        return "Residual"
    found = context.results.get("levels", "label", level=name)
    return found.text if found is not None and found.text else name


def effect_label(context: Context, name: str, effect: str) -> str:
    """Return what a random effect is called: ``Study site, in Psilocybin 1 mg``."""
    label = grouping_label(context, name)
    if not effect and not reference_of(context, name):
        return label
    return f"{label}, {_effect_words(context, name, effect)}"


def _effect_words(context: Context, name: str, effect: str) -> str:
    """Return what an effect is called where its grouping is known."""
    reference = reference_of(context, name)
    if effect in ("", INTERCEPT):
        return f"in {reference}" if reference else "intercept"
    if effect == "WEEK":
        return "change per week"
    arm = next((a for a in context.spec.arms if f"[T.{a.id}]" in effect), None)
    if arm is not None:
        return f"effect of {arm.label} against {reference}"
    arm = next((a for a in context.spec.arms if f"[{a.id}]" in effect), None)
    return f"in {arm.label}" if arm is not None else effect


def reference_of(context: Context, name: str) -> str:
    """Return the arm that random effects of arms are against; '' without them."""
    effects = [
        row.subgroup
        for row in context.results.having("random-sd", statistic="estimate")
        if row.level == name
    ]
    if not any("[T." in effect for effect in effects):
        return ""
    ordered = sorted(context.spec.arms, key=lambda arm: not arm.control)
    without = [
        arm.label
        for arm in ordered
        if not any(f"[T.{arm.id}]" in effect for effect in effects)
    ]
    return without[0] if without else ""


def pair_label(context: Context, name: str, pair: str) -> str:
    """Return what the correlation of two effects of a grouping is called."""
    both = " and ".join(
        _effect_words(context, name, part.strip(" ()")) for part in pair.split(",")
    )
    return f"{grouping_label(context, name)}, correlation: {both}"
