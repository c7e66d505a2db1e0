"""Records of a survival analysis: columns read and checked in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, declared_order
from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.histories import is_continued, tell_histories
from outcomes.models.survival.time_values import same_times

if TYPE_CHECKING:
    import pandas as pd

SHOWN: Final = 5
# Numbers beyond this, or below its inverse, have no squares to compute with.
REACH: Final = 1e100
# Codes of events are whole numbers up to this.
MOST_CODES: Final = 2**31 - 1
BEYOND: Final = "are beyond 1e100, or nearer to 0 than 1e-100; take another unit"


@dataclass(frozen=True, slots=True)
class Records:
    """Checked records, in the order of the rows of the data.

    Attributes
    ----------
    time : FloatArray, shape (n,)
        Time of the event or of censoring, positive.
    event : IntArray, shape (n,)
        0 censored, 1 event, 2, 3, ... competing events.
    entry : FloatArray, shape (n,)
        Each record is at risk in (entry, time]; minus infinity where it is 0 or no
        column was given: observed from the start.
    has_entry : bool
        An entry column was given.
    weights : FloatArray, shape (n,)
        Ones where none were given.
    weighted : bool
        A weight column was given.
    subject : IntArray, shape (n,)
        0 to ``n_subjects`` - 1; the row number where no column was given.
    n_subjects : int
        Number of subjects.
    continued : BoolArray, shape (n,)
        Another record of the subject begins where this one ends without an event:
        its end is no censoring.
    group : IntArray, shape (n,)
        Place in ``levels``; zeros without groups.
    levels : tuple
        Levels of the groups that have records, in Categorical or sorted order;
        ``("",)`` without groups.
    unused : tuple
        Declared levels without records.
    stratum : IntArray, shape (n,)
        Place in ``strata``; zeros without strata.
    strata : tuple
        Strata that have records: values, or tuples of them if several columns.
    """

    time: FloatArray
    event: IntArray
    entry: FloatArray
    has_entry: bool
    weights: FloatArray
    weighted: bool
    subject: IntArray
    n_subjects: int
    continued: BoolArray
    group: IntArray
    levels: tuple[Any, ...]
    unused: tuple[Any, ...]
    stratum: IntArray
    strata: tuple[Any, ...]

    @property
    def n_records(self) -> int:
        """Number of records."""
        return len(self.time)


def read_records(
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | None = None,
    strata: str | Sequence[str] | None = None,
    entry: str | None = None,
    weights: str | None = None,
    subject: str | None = None,
    codes: Sequence[int] | None = (0, 1),
) -> Records:
    """Read the columns of a survival analysis, or say all that is wrong with them.

    No row is left out: a missing value is an error. Times that differ by rounding
    alone are made one, as R survival does.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per record.
    time, event : str
        Columns of the time, positive, and of the kind of its end.
    by : str, optional
        Column of the groups to compare.
    strata : str or sequence of str, optional
        Columns whose combinations are strata.
    entry : str, optional
        Column of the time from which a record is at risk (left truncation).
    weights : str, optional
        Column of weights, not negative.
    subject : str, optional
        Column of the subjects, if they may have several rows: one group, no two at
        risk at one time, nothing after an event.
    codes : sequence of int or None
        Values ``event`` may have (Booleans count as 0 and 1); None allows 0, 1, 2, ...

    Returns
    -------
    Records

    Raises
    ------
    ModelError
        Naming every column and its first rows (by their index) that cannot be used.
    """
    names = list_strata(strata)
    check_table(data, {})
    _check_columns(
        data,
        {"time": time, "event": event, "by": by, "entry": entry}
        | {"weights": weights, "subject": subject}
        | {f"strata[{k}]": name for k, name in enumerate(names)},
    )
    problems: list[str] = []
    t = _numbers(data, time, problems)
    _tell(problems, data, time, t <= 0.0, "are not after 0")
    codes_read = _events(data, event, codes, problems)
    start = np.full(len(t), -np.inf)
    if entry is not None:
        start = _numbers(data, entry, problems)
        _tell(problems, data, entry, start < 0.0, "are before 0")
    w = np.ones(len(t)) if weights is None else _numbers(data, weights, problems)
    if weights is not None:
        _tell(problems, data, weights, w < 0.0, "are negative")
    start, t = same_times(start, t)
    if entry is not None:
        _tell(problems, data, entry, start >= t, f"are not before {time!r}")
        start = np.where(start == 0.0, -np.inf, start)
    group, levels, unused = _groups(data, by, problems)
    stratum, strata_levels = _strata(data, names, problems)
    who, n_subjects = _subjects(data, subject, problems)
    if weights is not None and not problems:
        total = np.bincount(group, w, len(levels))
        problems += [
            f"{weights!r}: all weights of level {level!r} are 0."
            for level in np.array(levels, dtype=object)[total <= 0.0]
        ]
    continued = np.zeros(len(t), dtype=bool)
    if subject is not None and not problems:
        problems += tell_histories(data.index, subject, who, start, t, codes_read)
        if by is not None:
            problems += _tell_two_levels(data, subject, who, group)
        continued = is_continued(who, start, t)
    if problems:
        raise ModelError(" ".join(problems))
    return Records(
        time=t,
        event=codes_read,
        entry=start,
        has_entry=entry is not None,
        weights=w,
        weighted=weights is not None,
        subject=who,
        n_subjects=n_subjects,
        continued=continued & (codes_read == 0),
        group=group,
        levels=levels,
        unused=unused,
        stratum=stratum,
        strata=strata_levels,
    )


def list_strata(strata: str | Sequence[str] | None) -> list[str]:
    """Return the columns of strata, given as one, several or none.

    Raises
    ------
    ModelError
        If that is not what was given.
    """
    if strata is None or isinstance(strata, str):
        return [] if strata is None else [strata]
    try:
        return list(strata)
    except TypeError as error:
        raise ModelError(
            f"strata: give the name of a column or several, not {strata!r}."
        ) from error


def name_rows(index: pd.Index, wrong: BoolArray) -> str:
    """Name the first rows that are wrong, by their index."""
    places = np.flatnonzero(wrong)
    shown = ", ".join(str(label) for label in index[places[:SHOWN]])
    return shown + (", ..." if len(places) > SHOWN else "")


def _check_columns(data: pd.DataFrame, roles: dict[str, str | None]) -> None:
    """Refuse names of columns that are not there, or there twice."""
    columns = list(data.columns)
    problems = []
    for role, name in roles.items():
        if name is None:
            continue
        if not isinstance(name, str):
            problems.append(f"{role}: give the name of a column, not {name!r}.")
        elif name not in columns:
            shown = ", ".join(map(repr, map(str, columns)))
            problems.append(f"data has no column {name!r} for {role}; it has {shown}.")
        elif columns.count(name) > 1:
            problems.append(f"data has more than one column {name!r}.")
    if problems:
        raise ModelError(" ".join(problems))


def _tell(
    problems: list[str], data: pd.DataFrame, name: str, wrong: BoolArray, what: str
) -> None:
    """Note the rows of a column that are wrong, if any."""
    if wrong.any():
        problems.append(
            f"{name!r}: {int(wrong.sum())} of {len(wrong)} rows {what} (row"
            f" {name_rows(data.index, wrong)})."
        )


def _tell_missing(
    problems: list[str], data: pd.DataFrame, name: str, missing: BoolArray
) -> None:
    _tell(problems, data, name, missing, "are missing; complete or leave out the rows")


def _numbers(data: pd.DataFrame, name: str, problems: list[str]) -> FloatArray:
    """Return a column of finite numbers; NaN, and a note, where it has none."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype

    column = data[name]
    empty = np.full(len(column), np.nan)
    if is_bool_dtype(column.dtype) or not may_be_numbers(column):
        problems.append(f"{name!r} is no column of numbers, but {column.dtype}.")
        return empty
    missing = column.isna().to_numpy(dtype=bool)
    column = pd.to_numeric(column, errors="coerce")
    if is_complex_dtype(column.dtype):
        problems.append(f"{name!r} has complex numbers; times and weights are real.")
        return empty
    values = column.to_numpy(float, na_value=np.nan)
    _tell_missing(problems, data, name, missing)
    _tell(problems, data, name, np.isnan(values) & ~missing, "are no numbers")
    _tell(problems, data, name, np.isinf(values), "are infinite")
    _tell(problems, data, name, out_of_reach(values), BEYOND)
    return np.where(out_of_reach(values), np.nan, values)


def may_be_numbers(column: pd.Series) -> bool:
    """Tell whether the type of a column can hold real numbers; a date cannot."""
    from pandas.api.types import is_complex_dtype, is_numeric_dtype, is_object_dtype

    kind = column.dtype
    return not is_complex_dtype(kind) and (
        is_numeric_dtype(kind) or is_object_dtype(kind)
    )


def out_of_reach(values: FloatArray) -> BoolArray:
    """Tell which finite numbers are too large or small to be computed with."""
    size = np.abs(values)
    far = (size > REACH) & np.isfinite(size)
    return np.asarray(far | ((size > 0.0) & (size < 1.0 / REACH)))


def _events(
    data: pd.DataFrame, name: str, codes: Sequence[int] | None, problems: list[str]
) -> IntArray:
    """Return the codes of how records end; zeros where they cannot be read."""
    from pandas.api.types import is_bool_dtype

    column = data[name]
    if is_bool_dtype(column.dtype):
        column = column.astype("boolean").astype("Int64")
    values = _numbers(column.to_frame(name), name, problems)
    known = np.isfinite(values)
    if codes is None:
        fits = (values >= 0.0) & (values == np.floor(values)) & (values <= MOST_CODES)
        shown = "0, 1, 2, ..."
    else:
        fits, shown = np.isin(values, codes), ", ".join(map(str, codes))
    what = f"are none of {shown} (0 is censored)"
    _tell(problems, data, name, known & ~fits, what)
    return np.where(known & fits, values, 0.0).astype(np.intp)


def _groups(
    data: pd.DataFrame, name: str | None, problems: list[str]
) -> tuple[IntArray, tuple[Any, ...], tuple[Any, ...]]:
    """Return the place of each row's level, the levels with rows, those without."""
    from outcomes.models.columns import code_levels

    if name is None:
        return np.zeros(len(data), dtype=np.intp), ("",), ()
    column = data[name]
    missing = column.isna().to_numpy(dtype=bool)
    _tell_missing(problems, data, name, missing)
    order = declared_order(column, name, {})
    codes = np.asarray(code_levels(column, order).codes, dtype=np.intp)
    rows = np.bincount(codes[~missing], minlength=len(order))
    place = np.cumsum(rows > 0) - 1
    used = tuple(level for level, n in zip(order, rows, strict=True) if n)
    unused = tuple(level for level, n in zip(order, rows, strict=True) if not n)
    group = np.where(missing, 0, place[codes] if len(order) else 0)
    return group.astype(np.intp), used, unused


def _strata(
    data: pd.DataFrame, names: Sequence[str], problems: list[str]
) -> tuple[IntArray, tuple[Any, ...]]:
    """Return the place of each row's stratum and the strata, in order."""
    code = np.zeros(len(data), dtype=np.intp)
    parts: list[tuple[Any, ...]] = [()]
    for name in names:
        group, levels, _ = _groups(data, name, problems)
        if not levels:
            continue
        code = code * len(levels) + group
        parts = [(*part, level) for part in parts for level in levels]
        # Combinations without rows go at once, lest their number explode.
        present, code = np.unique(code, return_inverse=True)
        parts = [parts[k] for k in present]
    single = len(names) == 1
    found = tuple(part[0] if single and part else part for part in parts)
    return code.astype(np.intp), found


def _subjects(
    data: pd.DataFrame, name: str | None, problems: list[str]
) -> tuple[IntArray, int]:
    """Return a number for the subject of each row, and how many there are."""
    import pandas as pd

    if name is None:
        return np.arange(len(data), dtype=np.intp), len(data)
    _tell_missing(problems, data, name, data[name].isna().to_numpy(dtype=bool))
    codes, found = pd.factorize(data[name])
    return codes.astype(np.intp), len(found)


def _tell_two_levels(
    data: pd.DataFrame, subject: str, who: IntArray, group: IntArray
) -> list[str]:
    """Note subjects that are in more than one group."""
    first = np.empty(int(who.max()) + 1, dtype=np.intp)
    first[who[::-1]] = group[::-1]
    problems: list[str] = []
    _tell(
        problems,
        data,
        subject,
        first[who] != group,
        "are of a subject that is in another group too",
    )
    return problems
