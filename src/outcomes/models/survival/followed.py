"""Rows of subjects whose weight changes when their follow-up was due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table
from outcomes.models.options import BoolArray, FloatArray
from outcomes.models.survival.records import (
    BEYOND,
    MOST_CODES,
    may_be_numbers,
    name_rows,
    out_of_reach,
)
from outcomes.models.survival.time_values import same_times

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = ("subject", "start", "stop", "event", "weight")


def followed_rows(
    data: pd.DataFrame,
    *,
    subject: str,
    time: str,
    event: str,
    due: str,
    entered: str,
    weight: str,
) -> pd.DataFrame:
    """Split subjects at the day their follow-up was due, and weigh who entered.

    Through that day everybody counts once. After it those who entered stand for all who
    were event-free then, with their weight; who did not enter is censored there.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject.
    subject : str
        Column of the subjects.
    time, event : str
        Columns of the time of the event or of censoring, positive, and of how it ended:
        0 is censored; other codes are kept.
    due : str
        Column of the day the follow-up was due, positive.
    entered : str
        Column of 1 for who entered, 0 for who did not.
    weight : str
        Column of the weights, positive; read for those who entered and had their time
        after ``due`` only.

    Returns
    -------
    pandas.DataFrame
        ``subject start stop event weight``, one or two rows per subject in the order of
        the data, at risk in (start, stop]; then the other columns of the data as they
        are.

    Raises
    ------
    ModelError
        Naming the subjects that cannot be used, all problems at once.

    Examples
    --------
    >>> import pandas as pd
    >>> one = {"ID": ["01"], "AVAL": [120.0], "EVENT": [1], "DUE": [85.0]}
    >>> data = pd.DataFrame(one | {"IN": [1], "W": [1.25]})
    >>> rows = followed_rows(
    ...     data, subject="ID", time="AVAL", event="EVENT", due="DUE", entered="IN",
    ...     weight="W"
    ... )
    >>> rows[["start", "stop", "event", "weight"]].to_numpy().tolist()
    [[0.0, 85.0, 0.0, 1.0], [85.0, 120.0, 1.0, 1.25]]
    """
    import pandas as pd

    check_table(data, {})
    used = (subject, time, event, due, entered, weight)
    _check_columns(data, used)
    t, code, day, came, w = _read(data, used)
    later = t > day
    first = pd.DataFrame(
        {
            "row": np.arange(len(data)),
            "start": 0.0,
            "stop": np.where(later, day, t),
            "event": np.where(later, 0, code),
            "weight": 1.0,
        }
    )
    goes_on = later & came
    second = pd.DataFrame(
        {
            "row": np.flatnonzero(goes_on),
            "start": day[goes_on],
            "stop": t[goes_on],
            "event": code[goes_on],
            "weight": w[goes_on],
        }
    )
    rows = pd.concat([first, second]).sort_values(["row", "start"], kind="stable")
    place = rows.pop("row").to_numpy()
    rows = rows.reset_index(drop=True)
    rows.insert(0, "subject", data[subject].iloc[place].array)
    others = ~data.columns.isin(used)
    rest = data.loc[:, others].iloc[place].reset_index(drop=True)
    return pd.concat([rows, rest], axis=1)


def _check_columns(data: pd.DataFrame, used: tuple[str, ...]) -> None:
    columns = list(data.columns)
    shown = ", ".join(map(repr, map(str, columns)))
    problems = [
        f"data has no column {name!r}; it has {shown}."
        if name not in columns
        else f"data has more than one column {name!r}."
        for name in used
        if columns.count(name) != 1
    ]
    taken = [name for name in columns if name in COLUMNS and name not in used]
    problems += [
        f"{name!r} is the name of a column of the result; rename the column."
        for name in taken
    ]
    if problems:
        raise ModelError(" ".join(problems))


def _read(
    data: pd.DataFrame, used: tuple[str, ...]
) -> tuple[FloatArray, Any, FloatArray, BoolArray, FloatArray]:
    """Read times, events, due days, who entered and weights; tell all problems."""
    subject, time, event, due, entered, weight = used
    problems: list[str] = []

    def tell(name: str, wrong: BoolArray, what: str) -> None:
        if wrong.any():
            whose = name_rows(data.set_index(subject).index, wrong)
            problems.append(
                f"{name!r}: {int(wrong.sum())} of {len(wrong)} subjects {what}"
                f" ({subject} {whose})."
            )

    def numbers(name: str) -> FloatArray:
        import pandas as pd
        from pandas.api.types import is_complex_dtype

        # Dates and lengths of time would be read as nanoseconds.
        values = pd.to_numeric(data[name], errors="coerce")
        if not may_be_numbers(data[name]) or is_complex_dtype(values.dtype):
            problems.append(
                f"{name!r} is no column of numbers, but {data[name].dtype}."
            )
            return np.ones(len(data))
        return np.array(values.to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)

    t, code, day, came, w = map(numbers, (time, event, due, entered, weight))
    tell(subject, data[subject].isna().to_numpy(dtype=bool), "are missing")
    tell(subject, data[subject].duplicated().to_numpy(), "have a row already")
    for name, values in ((time, t), (due, day)):
        tell(name, ~np.isfinite(values), "have no finite number")
        tell(name, values <= 0.0, "are not after 0")
        tell(name, out_of_reach(values), BEYOND)
    # Through the day on which follow-up was due, though that may be reckoned otherwise.
    day, t = same_times(day, t)
    whole = (code >= 0.0) & (code == np.floor(code)) & (code <= MOST_CODES)
    tell(event, ~whole, "are none of 0, 1, 2, ...")
    tell(entered, ~np.isin(came, (0.0, 1.0)), "are neither 0 nor 1")
    needed = (came == 1.0) & (t > day)
    tell(
        weight,
        needed & ~(np.isfinite(w) & (w > 0.0) & ~out_of_reach(w)),
        "entered and have no positive weight",
    )
    if problems:
        raise ModelError(" ".join(problems))
    return t, code.astype(np.int64), day, came == 1.0, w
