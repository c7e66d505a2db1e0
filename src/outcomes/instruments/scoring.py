"""Score administrations of a questionnaire, from whole numbers only.

Sums and thresholds are integers, so that no score depends on how a binary fraction
falls. What is missing is never filled in: a score has enough items or is missing, a
yes/no is decided by what was answered or stays undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcomes.errors import DataError
from outcomes.instruments.definition import (
    CountCriterion,
    Criterion,
    Derived,
    Instrument,
    Score,
)

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.study.spec import InstrumentRules

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

PRORATED = "PRORATED"
"""DTYPE of a score with fewer than all items, the rest at the person's mean."""

YES, NO, UNDECIDED = 1, 0, -1


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers as whole numbers, with what may stand where there is none.

    Columns are the items of the definition in its order. ``value`` has reversed items
    turned and holds 0 where ``given`` is false; ``never`` marks items that do not
    apply.
    """

    value: IntArray
    given: BoolArray
    never: BoolArray
    low: IntArray
    high: IntArray
    numbers: tuple[int, ...]

    def columns(self, items: Sequence[int]) -> list[int]:
        """Return the columns of items."""
        return [self.numbers.index(number) for number in items]


def score_administrations(
    definition: Instrument,
    items: ArrayLike,
    groups: Sequence[str],
    rules: InstrumentRules | None = None,
    *,
    not_applicable: ArrayLike | None = None,
) -> pd.DataFrame:
    """Score every administration with every score and yes/no of an instrument.

    Parameters
    ----------
    definition : Instrument
        The questionnaire.
    items : array_like, shape (n_administrations, n_items)
        Answers as given (not reversed), columns in the order of ``definition.items``;
        NaN where there is none.
    groups : sequence of str, length n_administrations
        What to call the administrations.
    rules : InstrumentRules, optional
        What the study file settles: ``n_min`` by score, ``criteria`` by yes/no.
    not_applicable : array_like of bool, shape as ``items``, optional
        Items without an answer because they do not apply to the person. They leave a
        number as any unanswered item does, but can never meet a criterion: a skipped
        item may leave a yes/no undecided, one that does not apply may not.

    Returns
    -------
    DataFrame
        A row per administration and score, administrations in the given order, scores
        in that of the definition: ``group``, ``score``, ``paramcd``, ``label``,
        ``aval`` (NaN where missing or undecided; 1 and 0 for yes and no), ``avalc``
        (Y, N or ''; '' for a number), ``n_items`` (items answered), ``dtype``
        (PRORATED or '').

    Raises
    ------
    DataError
        If an answer is not a whole number or out of range.

    Notes
    -----
    A missing item is prorated at the person's mean of the items answered; sources and
    defaults stand in ``docs/instruments.md``.

    Examples
    --------
    >>> from outcomes.instruments.registry import instrument
    >>> scored = score_administrations(instrument("MADRS"), [[3] * 10], ["one"])
    >>> scored[["paramcd", "aval", "n_items"]].to_dict("records")
    [{'paramcd': 'MADRSTOT', 'aval': 30.0, 'n_items': 10}]
    """
    import pandas as pd

    answers = whole_answers(definition, items, groups, not_applicable)
    n_min = rules.n_min if rules else {}
    criteria = rules.criteria if rules else {}
    parts: list[tuple[str, Score | Derived, FloatArray, IntArray, Any]] = []
    for name, score in definition.scores.items():
        value, answered, prorated = number(answers, score, n_min.get(name))
        parts.append((name, score, value, answered, np.where(prorated, PRORATED, "")))
    for name, state in decide(definition, answers, criteria).items():
        columns = answers.columns(definition.items_of(name, criteria))
        answered = answers.given[:, columns].sum(axis=1)
        value = np.where(state == UNDECIDED, np.nan, state)
        parts.append(
            (name, definition.derived[name], value, answered, np.full(len(groups), ""))
        )
    frames = [
        pd.DataFrame(
            {
                "group": list(groups),
                "score": name,
                "paramcd": what.paramcd,
                "label": what.label,
                "aval": value.astype(np.float64),
                "avalc": _letters(value) if name in definition.derived else "",
                "n_items": answered.astype(np.int64),
                "dtype": dtype,
            }
        )
        for name, what, value, answered, dtype in parts
    ]
    order = (
        np.arange(len(parts) * len(groups)).reshape(len(parts), len(groups)).T.ravel()
    )
    return pd.concat(frames, ignore_index=True).iloc[order].reset_index(drop=True)


def _letters(value: FloatArray) -> NDArray[np.str_]:
    return np.select([value == YES, value == NO], ["Y", "N"], "")


def whole_answers(
    definition: Instrument,
    items: ArrayLike,
    groups: Sequence[str],
    not_applicable: ArrayLike | None = None,
) -> Answers:
    """Return answers as whole numbers, reversed items turned.

    Raises
    ------
    DataError
        If the shape is not that of the instrument, or an answer is not a whole number
        or out of range; the first five are named.
    """
    given_values = np.asarray(items, dtype=np.float64)
    numbers = tuple(definition.items)
    if given_values.shape != (len(groups), len(numbers)):
        raise DataError(
            f"{definition.id} has {len(numbers)} items; answers of {len(groups)} "
            f"administrations cannot have the shape {given_values.shape}."
        )
    low = np.array([item.min for item in definition.items.values()], dtype=np.int64)
    high = np.array([item.max for item in definition.items.values()], dtype=np.int64)
    turned = np.array([item.reverse for item in definition.items.values()])
    given = ~np.isnan(given_values)
    legal = (given_values >= low) & (given_values <= high)
    legal &= given_values == np.floor(given_values)
    bad = np.argwhere(given & ~legal)
    if len(bad):
        named = "; ".join(
            f"{groups[row]}: item {numbers[column]} is {given_values[row, column]:g}, "
            f"not a whole number from {low[column]} to {high[column]}"
            for row, column in bad[:5]
        )
        raise DataError(f"{definition.id}: {len(bad)} answers are illegal: {named}.")
    value = np.where(given, given_values, 0.0).astype(np.int64)
    value = np.where(given & turned, low + high - value, value)
    never = np.zeros(given.shape, dtype=np.bool_)
    if not_applicable is not None:
        never = np.asarray(not_applicable, dtype=np.bool_)
        if never.shape != given.shape or (never & given).any():
            raise DataError(
                f"{definition.id}: not_applicable must have the shape of items, and be "
                "false where there is an answer."
            )
    return Answers(value, given, never, low, high, numbers)


def number(
    answers: Answers, score: Score, n_min: int | None = None
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Compute a numeric score.

    Parameters
    ----------
    answers : Answers
        Of n administrations.
    score : Score
        What to compute.
    n_min : int, optional
        Answered items needed; that of the score, else all, by default.

    Returns
    -------
    value : FloatArray, shape (n,)
        NaN where too few items are answered.
    answered : IntArray, shape (n,)
        Items answered.
    prorated : BoolArray, shape (n,)
        Whether the score rests on fewer than all items; never for a maximum, which is
        not extrapolated.
    """
    columns = answers.columns(score.items)
    value, given = answers.value[:, columns], answers.given[:, columns]
    n = len(columns)
    needed = n_min or score.n_min or n
    answered = given.sum(axis=1)
    total = value.sum(axis=1)  # 0 where not given
    # One division of whole numbers: the nearest double to the exact quotient.
    divisor = np.maximum(answered, 1)
    match score.method:
        case "sum":
            result = total * n / divisor
        case "mean":
            result = total / divisor
        case "percent":
            result = 100 * n * total / (divisor * answers.high[columns].sum())
        case "max":
            lowest = np.iinfo(np.int64).min
            result = np.where(given, value, lowest).max(axis=1).astype(np.float64)
    enough = answered >= needed
    prorated = enough & (answered < n) & (score.method != "max")
    return np.where(enough, result, np.nan), answered, prorated


def decide(
    definition: Instrument,
    answers: Answers,
    criteria: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, IntArray]:
    """Decide every yes/no of an instrument in three values.

    ``YES`` if the answers given already settle it, ``NO`` if no answer to the missing
    items could bring it about, else ``UNDECIDED``.

    Parameters
    ----------
    definition : Instrument
        The questionnaire.
    answers : Answers
        Of n administrations.
    criteria : mapping of str to sequence of str, optional
        Names of the criteria that apply, by yes/no; all by default.

    Returns
    -------
    dict of IntArray, shape (n,)
        Of each yes/no, in the order of the definition.
    """
    states: dict[str, IntArray] = {}
    for name, derived in definition.derived.items():
        chosen = (criteria or {}).get(name, list(derived.criteria))
        parts = [criterion(answers, derived.criteria[part]) for part in chosen]
        parts += [states[other] for other in derived.requires]
        states[name] = _all(parts, len(answers.value))
    return states


def criterion(answers: Answers, rule: Criterion) -> IntArray:
    """Decide one criterion, from the least and the most it can still come to."""
    columns = answers.columns(rule.items)
    value, given = answers.value[:, columns], answers.given[:, columns]
    least = np.where(given, value, answers.low[columns])
    open_end = np.where(answers.never[:, columns], least, answers.high[columns])
    most = np.where(given, value, open_end)
    if isinstance(rule, CountCriterion):
        at_least = rule.at_least
        needed = rule.n
        surely = (least >= at_least).sum(axis=1)
        possibly = (most >= at_least).sum(axis=1)
    else:
        needed = rule.at_least
        surely, possibly = least.sum(axis=1), most.sum(axis=1)
    return np.select([surely >= needed, possibly < needed], [YES, NO], UNDECIDED)


def _all(parts: list[IntArray], n: int) -> IntArray:
    """Combine: no if any is no, yes if all are yes, else undecided."""
    if not parts:
        return np.full(n, UNDECIDED, dtype=np.int64)
    table = np.stack(parts)
    no, yes = (table == NO).any(axis=0), (table == YES).all(axis=0)
    return np.select([no, yes], [NO, YES], UNDECIDED).astype(np.int64)
