"""Reading what the random effects of a model are: which effects, of which groups.

A specification is a mapping of groupings to terms, ``{"USUBJID": "1 + WEEK",
"SITEID:THERAPIST": "1", "mm(THER1, THER2)": "1"}``. Terms go through the same check as
a formula, so nothing in them is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outcomes.errors import ModelError, one_of
from outcomes.models.formula import Formula, parse_formula

MEMBERSHIP: Final = re.compile(r"\s*mm\s*\(([^()]*)\)\s*")
# An effect independent of the others.
APART: Final = re.compile(r"\s*[^\W\d]\w*(\s*:\s*[^\W\d]\w*)*\s*")


@dataclass(frozen=True, slots=True)
class Request:
    """Random effects that share one covariance matrix, as asked for.

    Attributes
    ----------
    grouping : str
        The name results have it under.
    columns : tuple of str
        Columns whose combinations are the levels, or whose values are the members.
    multiple : bool
        Whether a record belongs to all of ``columns`` in equal shares.
    terms : Formula
        Effects of each level, on the right-hand side.
    """

    grouping: str
    columns: tuple[str, ...]
    multiple: bool
    terms: Formula


def read_random(
    random: Any, *, outcome: str, columns: Sequence[str]
) -> tuple[Request, ...]:
    """Check a specification of random effects.

    Parameters
    ----------
    random : mapping of str to str
        Groupings and their terms. A grouping is a column, ``"A:B"`` for each
        combination of two, ``"A/B"`` for A and, within it, B, or ``"mm(A, B)"`` where
        a record belongs in equal shares to the levels named in A and B. Terms are
        ``"1"``, ``"1 + X"`` (correlated), ``"1 || X"`` (independent) or ``"0 + X"``.
    outcome : str
        Column on the left of the formula.
    columns : sequence of str
        Columns of the data.

    Returns
    -------
    tuple of Request
        One for each covariance matrix, in the order given.

    Raises
    ------
    ModelError
        Naming the grouping and what is wrong with it.
    """
    if not isinstance(random, Mapping) or not random:
        raise ModelError(
            "random: give groupings and their effects, as in {'USUBJID': '1 + WEEK'}."
        )
    found: list[Request] = []
    for grouping, terms in random.items():
        if not isinstance(grouping, str) or not isinstance(terms, str):
            raise ModelError(
                f"random: {grouping!r}: {terms!r} must be texts, as in"
                " {'USUBJID': '1 + WEEK'}."
            )
        for name, parts, multiple in _levels_of(grouping, columns):
            if outcome in parts:
                raise ModelError(
                    f"random: {grouping!r}: the outcome {outcome!r} cannot be a"
                    " grouping."
                )
            for formula in _blocks(name, terms, outcome, columns):
                found.append(Request(name, parts, multiple, formula))
    shown = [(request.grouping, request.terms.terms) for request in found]
    twice = sorted({name for name, terms in shown if shown.count((name, terms)) > 1})
    if twice:
        raise ModelError(f"random: the effects of {twice[0]!r} are given twice.")
    return tuple(found)


def _levels_of(
    grouping: str, columns: Sequence[str]
) -> list[tuple[str, tuple[str, ...], bool]]:
    """Name, columns and kind of each grouping that one text stands for."""
    inside = MEMBERSHIP.fullmatch(grouping)
    if inside:
        parts = _names(inside.group(1).split(","), grouping, columns)
        if len(parts) < 2:
            raise ModelError(
                f"random: {grouping!r} names one column; give each column that holds a"
                " member, as in 'mm(THER1, THER2)'."
            )
        return [(f"mm({', '.join(parts)})", parts, True)]
    if "/" in grouping:
        parts = _names(grouping.split("/"), grouping, columns)
        heads = [parts[: k + 1] for k in range(len(parts))]
        return [(":".join(head), head, False) for head in heads]
    parts = _names(grouping.split(":"), grouping, columns)
    return [(":".join(parts), parts, False)]


def _names(
    texts: Sequence[str], grouping: str, columns: Sequence[str]
) -> tuple[str, ...]:
    names = tuple(text.strip() for text in texts)
    for name in names:
        if name not in columns:
            raise ModelError(one_of(name, columns, name=f"random: {grouping!r}"))
    if len(set(names)) != len(names):
        raise ModelError(f"random: {grouping!r} names a column twice.")
    return names


def _blocks(
    grouping: str, terms: str, outcome: str, columns: Sequence[str]
) -> list[Formula]:
    """Formulas of the covariance matrices: one, or one for each effect after ``||``."""
    left, independent, right = terms.partition("||")
    texts = [left]
    if independent:
        parts = right.split("+")
        wrong = [part.strip() for part in parts if not APART.fullmatch(part)]
        if wrong:
            raise ModelError(
                f"random: {terms!r} of {grouping!r}: after '||' stand columns or their"
                f" products A:B, joined by '+', and not {wrong[0]!r}."
            )
        texts += [f"0 + {part}" for part in parts]
    found = []
    for text in texts:
        try:
            found.append(parse_formula(f"{outcome} ~ {text}", columns))
        except ModelError as error:
            raise ModelError(
                f"random: the effects {terms!r} of {grouping!r} are not understood:"
                f" {error}"
            ) from error
    return found
