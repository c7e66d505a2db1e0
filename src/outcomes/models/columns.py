"""Reading the columns of a data frame: factors in order, numbers that are such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.formula import Formula

if TYPE_CHECKING:
    import pandas as pd

Levels = Mapping[str, Sequence[Any]]
# Columns of the frames that fits are asked for.
RESULT_COLUMNS = frozenset(
    {
        *("term", "estimate", "std_error", "df", "statistic", "p_value"),
        *("conf_low", "conf_high", "reference", "observed", "fitted", "residual"),
        *("mean", "conditional_mean", "conditional_sd"),
    }
)
_COMPLEX = (complex, np.complexfloating)


def check_table(data: Any, levels: Any) -> None:
    """Refuse what is no table with one name for each column, or no levels.

    Raises
    ------
    ModelError
        Naming what was given.
    """
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        raise ModelError(f"data: a DataFrame is needed, not a {type(data).__name__}.")
    if data.columns.nlevels > 1:
        raise ModelError("data: the columns have several levels; give each one name.")
    if data.empty:
        raise ModelError("data has no rows.")
    if not isinstance(levels, Mapping):
        raise ModelError(f"levels: a mapping of columns is needed, not {levels!r}.")
    for name, order in levels.items():
        if isinstance(order, str) or not isinstance(order, Iterable):
            raise ModelError(f"levels: give {name!r} a list of levels, not {order!r}.")


def check_visit(
    data: pd.DataFrame, visit: str, levels: Mapping[str, Sequence[Any]]
) -> None:
    """Refuse visits whose order is not known.

    Raises
    ------
    ModelError
        If the column is missing or is text without an order.
    """
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if visit not in data.columns:
        raise ModelError(
            f"data has no column {visit!r} for visit; it has"
            f" {', '.join(map(repr, map(str, data.columns)))}."
        )
    if list(data.columns).count(visit) > 1:
        raise ModelError(f"data has more than one column {visit!r}.")
    dtype = data[visit].dtype
    ordered = isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)
    numeric = is_numeric_dtype(dtype) and not is_bool_dtype(dtype)
    if not (visit in levels or ordered or numeric):
        raise ModelError(
            f"visit: the order of {visit!r} is not known, and sorting text puts WEEK12"
            f" before WEEK3. Give levels={{{visit!r}: [...]}} in order, or make it"
            " numeric or an ordered Categorical."
        )


def check_names(formula: Formula, keys: Sequence[str], data: pd.DataFrame) -> None:
    """Refuse names that frames of results use, and values that cannot be told apart."""
    for name in (*formula.variables, *keys):
        shown = name in keys or is_factor(data[name], name)
        if name == "self" or (shown and name in RESULT_COLUMNS):
            raise ModelError(
                f"{name!r} is the name of a column of the results; rename the column."
            )
        if _is_object(data[name]) and any(
            isinstance(value, list | dict | set) for value in data[name]
        ):
            raise ModelError(
                f"{name!r} holds lists or mappings; a cell must be one value."
            )


def declared_order(column: pd.Series, name: str, levels: Levels) -> tuple[Any, ...]:
    """Order of a factor's levels: declared, else Categorical, else sorted."""
    present = column.dropna().unique()
    if name in levels:
        order = tuple(levels[name])
        if len(set(order)) != len(order):
            raise ModelError(f"levels: {name!r} lists a level twice: {list(order)}.")
        unknown = sorted({str(value) for value in present if value not in set(order)})
        if unknown:
            raise ModelError(
                f"levels: {name!r} has values that are not among its declared levels"
                f" {list(order)}: {', '.join(unknown[:5])}. Declare or remove them."
            )
        return order
    if is_categorical(column):
        return tuple(column.cat.categories)
    try:
        return tuple(_plain(value) for value in sorted(present))
    except TypeError as error:
        raise ModelError(
            f"{name!r} mixes types, so its levels have no order: {error}. Make it text,"
            " or give levels."
        ) from error


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python, which prints as such."""
    return value.item() if isinstance(value, np.number | np.bool_) else value


def is_categorical(column: pd.Series) -> bool:
    """Tell whether a column is a Categorical."""
    import pandas as pd

    return isinstance(column.dtype, pd.CategoricalDtype)


def is_factor(
    column: pd.Series,
    name: str,
    factors: Sequence[str] = (),
    levels: Levels | None = None,
) -> bool:
    """Tell whether a column is a factor: declared as one, or not of numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if name in factors or name in (levels or {}) or is_categorical(column):
        return True
    if _is_object(column) and all(_is_number(value) for value in column):
        return False
    return bool(is_bool_dtype(column.dtype) or not is_numeric_dtype(column.dtype))


def _is_object(column: pd.Series) -> bool:
    from pandas.api.types import is_object_dtype

    return bool(is_object_dtype(column.dtype))


def _is_number(value: Any) -> bool:
    """Tell numbers from text, Booleans and the rest; a Decimal is no `Real`."""
    return isinstance(value, Number) and not isinstance(value, bool)


def as_factor(
    column: pd.Series, name: str, order: Sequence[Any]
) -> tuple[pd.Series, list[str]]:
    """Make a column a factor of the levels it has; also say which it has not.

    Raises
    ------
    ModelError
        If columns of the model matrix could not be told apart by its levels.
    """
    import pandas as pd

    present = set(column.unique())
    shown = [str(value) for value in order if value in present]
    twice = sorted(text for text, n in Counter(shown).items() if n > 1)
    if twice:
        raise ModelError(
            f"{name!r} has different levels that are written alike: {', '.join(twice)}"
            " (a number and a text, for example). Make them one, or write them apart."
        )
    colliding = [text for text in shown if "]:" in text]
    if colliding:
        raise ModelError(
            f"{name!r}: ']:' stands between factors in the names of columns, so it"
            f" cannot be in the level {colliding[0]!r}; rename it."
        )
    unused = [value for value in order if value not in present]
    note = [f"{name}: no row used has level {value!r}" for value in unused]
    kept = [value for value in order if value in present]
    return pd.Series(code_levels(column, kept), index=column.index, name=name), note


def code_levels(column: pd.Series, levels: Sequence[Any]) -> pd.Categorical:
    """Code values by their place among levels; others are missing."""
    import pandas as pd

    known = pd.Index(list(levels))
    codes, present = pd.factorize(column)
    place = known.get_indexer(pd.Index(np.asarray(present, dtype=object)))
    codes = np.where(codes < 0, -1, place[codes]) if len(place) else codes
    return pd.Categorical.from_codes(codes, categories=known, ordered=True)


def read_numbers(column: pd.Series, name: str) -> pd.Series:
    """Return a column as floats.

    Raises
    ------
    ModelError
        If it is not one of finite numbers.
    """
    import pandas as pd
    from pandas.api.types import (
        is_complex_dtype,
        is_datetime64_any_dtype,
        is_string_dtype,
        is_timedelta64_dtype,
    )

    if is_complex_dtype(column.dtype) or (
        _is_object(column) and any(isinstance(v, _COMPLEX) for v in column)
    ):
        raise ModelError(f"{name!r} has complex numbers; a model takes real ones only.")
    if is_datetime64_any_dtype(column.dtype) or is_timedelta64_dtype(column.dtype):
        raise ModelError(
            f"{name!r} is a date or a duration; give a number, of days for example."
        )
    if is_string_dtype(column.dtype) and any(isinstance(v, str) for v in column):
        raise ModelError(f"{name!r} must be a column of numbers; it has text.")
    try:
        values = column.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name!r} must be a column of numbers: {error}.") from error
    if not np.isfinite(values).all():
        n = int((~np.isfinite(values)).sum())
        raise ModelError(f"{name!r} has {n} infinite values; make them missing.")
    return pd.Series(values, index=column.index, name=name)
