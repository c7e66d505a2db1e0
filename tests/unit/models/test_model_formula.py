"""A formula is column names and products: nothing in it can run."""

from __future__ import annotations

from typing import Any

import pytest

from outcomes.errors import ModelError
from outcomes.models.formula import parse_formula

COLUMNS = ["CHG", "BASE", "TRT01P", "AVISIT", "C", "_x1", "alter_größe"]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("CHG ~ BASE*AVISIT + TRT01P*AVISIT", ("BASE", "AVISIT", "TRT01P")),
        ("CHG~1", ()),
        ("CHG ~ 0 + AVISIT", ("AVISIT",)),
        ("CHG ~ -1 + AVISIT:(BASE + TRT01P)", ("AVISIT", "BASE", "TRT01P")),
        ("CHG ~ TRT01P*AVISIT - TRT01P", ("TRT01P", "AVISIT")),
        ("CHG ~ C + _x1 + alter_größe", ("C", "_x1", "alter_größe")),
    ],
)
def test_formulas_of_names_are_read(text: str, variables: tuple[str, ...]) -> None:
    formula = parse_formula(text, COLUMNS)
    assert formula.outcome == "CHG"
    assert formula.variables == variables


@pytest.mark.parametrize(
    "text",
    [
        "CHG ~ __import__('os').system('true')",
        "CHG ~ I(BASE)",
        "CHG ~ C(TRT01P)",
        "CHG ~ C (TRT01P)",
        "CHG ~ BASE**2",
        "CHG ~ BASE^2",
        "CHG ~ {BASE}",
        "CHG ~ `BASE`",
        "CHG ~ BASE.real",
        "CHG ~ BASE[0]",
        "CHG ~ 'BASE'",
        "CHG ~ BASE | AVISIT",
        "CHG ~ BASE / AVISIT",
        "CHG ~ BASE % AVISIT",
        "CHG ~ 2*BASE",
        "CHG ~ 1.5",
        "CHG ~ 10",
        "CHG ~ .",
        "log(CHG) ~ BASE",
        "CHG + BASE ~ AVISIT",
        "CHG",
        "",
        "~ BASE",
        "CHG ~",
        "CHG ~ BASE ~ AVISIT",
        "CHG ~ BASE +",
        "CHG ~ BASE AVISIT",
        "CHG ~ (BASE",
        "CHG ~ BASE)",
        "CHG ~ ()",
        "CHG ~ BASE ++ AVISIT",
        "CHG ~ * BASE",
        "CHG ~ BASE + CHG",
        "CHG ~ " + "(" * 50 + "BASE" + ")" * 50,
        "CHG ~ BASE\n; import os",
        "CHG ~ BASE # AVISIT",
        "CHG ~ lambda: 0",
        "CHG ~ BASE := 1",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="formula"):
        parse_formula(text, COLUMNS)


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"'AVISTI' is not known.*mean 'AVISIT'"):
        parse_formula("CHG ~ AVISTI", COLUMNS)


@pytest.mark.parametrize("text", ["y ~ Intercept + x", "Intercept ~ x"])
def test_a_column_named_as_the_constant_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="'Intercept' is the name of the constant"):
        parse_formula(text, ["y", "x", "Intercept"])


@pytest.mark.parametrize("text", [None, 3, ["y ~ x"]])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(ModelError, match="formula: a text is needed"):
        parse_formula(text, ["y", "x"])
