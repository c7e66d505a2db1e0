"""Reading a model formula: column names and their products, nothing that could run.

The formula engine evaluates Python inside a formula, so a formula is checked, token by
token, before it gets there. What is left is column names, ``:``, ``*``, ``+``, ``-``,
``0``, ``1`` and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from outcomes.errors import ModelError, one_of

TOKEN: Final = re.compile(r"\s*(?:([^\W\d]\w*)|([01])(?!\w|\.\d)|([-+*:()]))")
DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Formula:
    """A checked formula.

    Attributes
    ----------
    outcome : str
        Column on the left.
    terms : str
        The right-hand side.
    variables : tuple of str
        Columns on the right, in order of appearance.
    """

    outcome: str
    terms: str
    variables: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.outcome} ~ {self.terms}"


def parse_formula(text: str, columns: Iterable[str]) -> Formula:
    """Check a formula such as ``"CHG ~ BASE*AVISIT + TRT01P*AVISIT"``.

    Parameters
    ----------
    text : str
        The formula.
    columns : iterable of str
        Columns of the data.

    Returns
    -------
    Formula
        Its parts.

    Raises
    ------
    ModelError
        If anything but column names, ``: * + - 0 1`` and parentheses is in it, a
        column does not exist, or the grammar is wrong.

    Examples
    --------
    >>> parse_formula("CHG ~ BASE + ARM*VISIT", ["CHG", "BASE", "ARM", "VISIT"]).outcome
    'CHG'
    """
    if not isinstance(text, str):
        raise ModelError(
            f"formula: a text is needed, such as 'CHG ~ BASE + TRT01P', not {text!r}."
        )
    known = [str(column) for column in columns]
    left, tilde, right = text.partition("~")
    if not tilde or "~" in right:
        raise ModelError(
            f"formula: '{text}' must have one '~', with the outcome on its left, as in"
            " 'CHG ~ BASE + TRT01P*AVISIT'."
        )
    outcome = left.strip()
    if not outcome.isidentifier():
        raise ModelError(
            f"formula: the outcome '{outcome}' must be the name of one column;"
            " transform it in the data, not in the formula."
        )
    tokens = _tokens(right, text)
    _check_grammar(tokens, text)
    variables = tuple(dict.fromkeys(t for t in tokens if t.isidentifier()))
    for name in (outcome, *variables):
        if name not in known:
            raise ModelError(one_of(name, known, name="formula"))
    if "Intercept" in (outcome, *variables):
        raise ModelError(
            "formula: 'Intercept' is the name of the constant of the model; rename the"
            " column."
        )
    if outcome in variables:
        raise ModelError(
            f"formula: the outcome '{outcome}' is also on the right of '~'."
        )
    return Formula(outcome, " ".join(tokens), variables)


def _tokens(right: str, text: str) -> list[str]:
    tokens: list[str] = []
    rest = right.rstrip()
    at = 0
    while at < len(rest):
        match = TOKEN.match(rest, at)
        if match is None:
            raise ModelError(
                f"formula: '{rest[at:].strip()[:20]}' in '{text}' is not understood."
                " Use column names joined by : * + - with 0, 1 and parentheses;"
                " rename a column whose name has other characters."
                + (" Random effects go in random={'id': '1'}." if "|" in text else "")
            )
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


def _check_grammar(tokens: list[str], text: str) -> None:
    """Operands and operators must alternate, parentheses balance."""
    depth = 0
    operand_next = True
    for place, token in enumerate(tokens):
        if token == "(":
            wrong = not operand_next
            depth += 1
        elif token == ")":
            wrong = operand_next or depth == 0
            depth -= 1
        elif token in "+-*:":
            leading = token in "+-" and (place == 0 or tokens[place - 1] == "(")
            wrong = operand_next and not leading
            operand_next = True
        else:
            wrong = not operand_next
            operand_next = False
        if wrong or depth > DEEPEST:
            raise ModelError(f"formula: '{token}' is out of place in '{text}'.")
    if depth or operand_next:
        raise ModelError(f"formula: '{text}' is not complete.")
