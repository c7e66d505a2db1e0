"""Subjects with several records: what follows what, and what cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from outcomes.models.options import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

SHOWN: Final = 5


def is_continued(who: IntArray, entry: FloatArray, time: FloatArray) -> BoolArray:
    """Tell which records are taken up where they end by one of the same subject.

    Parameters
    ----------
    who : IntArray, shape (n,)
        Subject of each record.
    entry, time : FloatArray, shape (n,)
        Its ends; records of one subject do not overlap.

    Returns
    -------
    BoolArray, shape (n,)
    """
    order = np.lexsort((time, who))
    continued = np.zeros(len(who), dtype=bool)
    same = who[order][1:] == who[order][:-1]
    continued[order[:-1]] = same & (entry[order][1:] == time[order][:-1])
    return continued


def tell_histories(
    index: pd.Index,
    subject: str,
    who: IntArray,
    entry: FloatArray,
    time: FloatArray,
    event: IntArray,
) -> list[str]:
    """Say which records of subjects overlap, or come after an event.

    Parameters
    ----------
    index : pandas.Index
        Names of the rows.
    subject : str
        Column of the subjects.
    who : IntArray, shape (n,)
        Subject of each record.
    entry, time : FloatArray, shape (n,)
        Its ends.
    event : IntArray, shape (n,)
        How it ended.

    Returns
    -------
    list of str
        Sentences, none if all is well.
    """
    order = np.lexsort((time, who))
    same = who[order][1:] == who[order][:-1]
    after = order[1:]
    overlap = same & (entry[order][1:] < time[order][:-1])
    second = same & ~overlap & (event[order][:-1] != 0)
    problems = []
    for found, what in (
        (overlap, "rows overlap an earlier row of their subject"),
        (second, "rows come after an event of their subject"),
    ):
        rows = np.sort(after[found])
        if len(rows):
            shown = ", ".join(str(label) for label in index[rows[:SHOWN]])
            more = ", ..." if len(rows) > SHOWN else ""
            problems.append(f"{subject!r}: {len(rows)} {what} (row {shown}{more}).")
    if any("overlap" in text for text in problems) and not np.isfinite(entry).any():
        problems.append("Give entry, the column in which the rows of a subject begin.")
    return problems
