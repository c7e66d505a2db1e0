"""What a binary outcome must be, for every model of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

VALUES_SHOWN = 5
ROWS_SHOWN = 3


def read_successes(
    y: FloatArray,
    trials: FloatArray | None = None,
    outcome_name: str = "outcome",
    trials_name: str = "trials",
    *,
    rows: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Check a binary outcome and return its counts.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        0 or 1, or with ``trials`` the number of successes; nothing missing.
    trials : FloatArray, shape (n,), optional
        Number of trials of each record.
    outcome_name, trials_name : str
        Columns, for messages.
    rows : IntArray, shape (n,), optional
        Places of the records in the data, from 0, for messages; else 0 to n - 1.

    Returns
    -------
    tuple of FloatArray, each of shape (n,)
        Successes and trials.

    Raises
    ------
    ModelError
        If the outcome is not 0 or 1, a count is negative, not whole or zero trials,
        successes exceed trials, or all outcomes are equal.

    Examples
    --------
    >>> read_successes(np.array([0.0, 1.0, 1.0]))[1]
    array([1., 1., 1.])
    """
    y = np.asarray(y, dtype=float)
    places = np.arange(len(y)) if rows is None else np.asarray(rows)
    if trials is None:
        wrong = ~((y == 0.0) | (y == 1.0))
        if wrong.any():
            raise ModelError(
                f"the outcome {outcome_name!r} must be 0 or 1;"
                f" {_tell(y, wrong, places)}. Code the event as 1 and its absence as 0,"
                " or give trials= if it counts successes."
            )
        n = np.ones(len(y))
    else:
        n = np.asarray(trials, dtype=float)
        _check_counts(y, n, outcome_name, trials_name, places)
    if not y.any() or np.array_equal(y, n):
        value = "0" if not y.any() else "1" if trials is None else "all of its trials"
        raise ModelError(
            f"the outcome {outcome_name!r} is {value} in all {len(y)} records: there is"
            " nothing to explain. Check the rows and the definition of the endpoint."
        )
    return y, n


def refuse_text(column: pd.Series, name: str) -> None:
    """Refuse an outcome of text, naming its values.

    Raises
    ------
    ModelError
        If any value is text.
    """
    texts = [value for value in column.dropna().unique() if isinstance(value, str)]
    if texts:
        shown = ", ".join(repr(text) for text in sorted(texts)[:VALUES_SHOWN])
        raise ModelError(
            f"the outcome {name!r} must be 0 or 1; it has the text {shown}. Code the"
            " event as 1 and its absence as 0."
        )


def _check_counts(
    y: FloatArray, n: FloatArray, outcome: str, trials: str, places: IntArray
) -> None:
    for name, values in ((outcome, y), (trials, n)):
        wrong = (values < 0) | (values != np.floor(values))
        if wrong.any():
            raise ModelError(
                f"{name!r} must hold counts, whole and not negative;"
                f" {_tell(values, wrong, places)}. Give counts, not shares."
            )
    empty = n == 0
    if empty.any():
        raise ModelError(
            f"{int(empty.sum())} records have no trials in {trials!r} (first:"
            f" {_rows(empty, places)}). Leave such records out."
        )
    above = y > n
    if above.any():
        i = int(np.flatnonzero(above)[0])
        raise ModelError(
            f"{int(above.sum())} records have more successes in {outcome!r} than trials"
            f" in {trials!r} (first: {_rows(above, places)}, where it is {y[i]:g} of"
            f" {n[i]:g}). Correct them; is {trials!r} the number of failures?"
        )


def _tell(values: FloatArray, wrong: BoolArray, places: IntArray) -> str:
    """Say which values are wrong, how often and where."""
    found, counts = np.unique(values[wrong], return_counts=True)
    shown = ", ".join(
        f"{value:g} ({count})"
        for value, count in zip(found[:VALUES_SHOWN], counts, strict=False)
    )
    more = f" and {len(found) - VALUES_SHOWN} more" if len(found) > VALUES_SHOWN else ""
    return (
        f"{int(wrong.sum())} of {len(values)} records have other values: {shown}{more}"
        f" (first: {_rows(wrong, places)})"
    )


def _rows(wrong: BoolArray, places: IntArray) -> str:
    """Name the first rows, counted from 1."""
    found = [str(int(place) + 1) for place in places[wrong][:ROWS_SHOWN]]
    return ("row " if len(found) == 1 else "rows ") + ", ".join(found)
