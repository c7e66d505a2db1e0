"""From a formula and a data frame to a model matrix, with nothing dropped silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.formula import Formula
from outcomes.models.options import BoolArray, FloatArray, IntArray, Missing

if TYPE_CHECKING:
    import pandas as pd

Levels = Mapping[str, Sequence[Any]]
# Share of a column's length left after projection on those before it; as R's lm.
ALIAS_TOLERANCE = 1e-7
# Columns of the frames that fits are asked for.
RESULT_COLUMNS = frozenset(
    {
        *("term", "estimate", "std_error", "df", "statistic", "p_value"),
        *("conf_low", "conf_high", "reference", "observed", "fitted", "residual"),
        *("mean", "conditional_mean", "conditional_sd", "self"),
    }
)
_COMPLEX = (complex, np.complexfloating)


@dataclass(frozen=True, slots=True)
class Constraint:
    """At the first visit a factor has no effect: all its levels are the reference.

    Attributes
    ----------
    factor, reference
        The factor and its first level.
    visit, first
        The column of the visits and its first level.
    """

    factor: str
    reference: Any
    visit: str
    first: Any

    def apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the factor at its reference at the first visit."""
        here = rows[self.visit] == self.first
        return rows.assign(
            **{self.factor: rows[self.factor].mask(here, self.reference)}
        )

    def kept(self, spec: Any) -> list[str]:
        """Columns of a model matrix without those that only repeat others.

        Where ``arm:visit`` is in the model, the constraint makes ``arm`` the sum of its
        columns.
        """
        terms = {frozenset(map(str, term.factors)): term for term in spec.terms}
        repeated: set[str] = set()
        for factors, term in terms.items():
            crossed = factors | {self.visit}
            if self.factor in factors and factors != crossed and crossed in terms:
                repeated |= set(spec.column_names[spec.term_slices[term]])
        return [name for name in spec.column_names if name not in repeated]


@dataclass(frozen=True, slots=True)
class Design:
    """A model matrix and what is needed to build further rows of it.

    Attributes
    ----------
    formula : Formula
        What was fitted.
    frame : pandas.DataFrame
        The rows used, factors as ordered Categoricals without unused levels.
    rows : IntArray, shape (n,)
        Their places in the data.
    X : FloatArray, shape (n, p)
        Treatment-coded matrix, aliased columns included.
    y : FloatArray, shape (n,)
        Outcome.
    columns : tuple of str
        Names of the columns of X.
    factors : dict
        Levels of each factor on the right, the reference first.
    covariates : dict
        Mean of each numeric column on the right over the rows used.
    spec : Any
        The formula engine's record, to code new rows alike.
    constraint : Constraint or None
        Where one factor has no effect.
    excluded : dict
        Rows left out, by reason.
    messages : tuple of str
        What was noticed.
    """

    formula: Formula
    frame: pd.DataFrame
    rows: IntArray
    X: FloatArray
    y: FloatArray
    columns: tuple[str, ...]
    factors: dict[str, tuple[Any, ...]]
    covariates: dict[str, float]
    spec: Any
    constraint: Constraint | None
    excluded: dict[str, int]
    messages: tuple[str, ...]


def build_design(
    formula: Formula,
    data: pd.DataFrame,
    *,
    keys: Sequence[str],
    factors: Sequence[str] = (),
    levels: Levels | None = None,
    constrained: tuple[str, str, Any] | None = None,
    missing: Missing = "error",
) -> Design:
    """Build the model matrix of the rows that are complete.

    Parameters
    ----------
    formula : Formula
        Checked formula.
    data : pandas.DataFrame
        One row per record.
    keys : sequence of str
        Further columns a row must have, the subject first.
    factors : sequence of str
        Columns that are factors whatever their type.
    levels : mapping, optional
        Order of the levels of columns; makes a numeric column a factor.
    constrained : tuple, optional
        A factor, the visit and its first level, where the factor has no effect.
    missing : str
        What to do with a row that has an outcome and misses something else:
        ``"error"``, or ``"exclude"`` it and count it.

    Returns
    -------
    Design
        The matrix, with rows that miss something left out and counted.

    Raises
    ------
    ModelError
        If a column or level is unknown, a number is infinite, or no row is complete.
    """
    from formulaic import model_matrix

    levels = dict(levels or {})
    needed = tuple(
        dict.fromkeys((formula.outcome, *formula.variables, *keys, *factors))
    )
    absent = [name for name in (*needed, *levels) if name not in data.columns]
    if absent:
        raise ModelError(
            f"data has no column {', '.join(map(repr, absent))}; it has"
            f" {', '.join(map(repr, map(str, data.columns)))}."
        )
    repeated = [name for name in needed if list(data.columns).count(name) > 1]
    if repeated:
        raise ModelError(f"data has more than one column {repeated[0]!r}.")
    _check_names(formula, keys, data)
    keep, excluded = _complete_rows(data.loc[:, list(needed)], needed)
    frame = data.loc[keep, list(needed)].reset_index(drop=True)
    if missing == "error":
        _check_complete(data, formula.outcome, needed, keys[0])
    messages: list[str] = []
    for name in needed:
        if name == formula.outcome or not _is_factor(
            frame[name], name, factors, levels
        ):
            if name == formula.outcome or name in formula.variables:
                frame[name] = read_numbers(frame[name], name)
        elif name in formula.variables or name in factors:
            order = declared_order(data[name], name, levels)
            frame[name], note = _as_factor(frame[name], name, order)
            messages += note
    used = {
        name: tuple(frame[name].cat.categories)
        for name in formula.variables
        if _is_categorical(frame[name])
    }
    single = [name for name, values in used.items() if len(values) == 1]
    for name in single:
        messages.append(f"{name} has the one level {used[name][0]!r} in the rows used")
    right = list(formula.variables)
    constraint = None
    if constrained is not None:
        constraint = _constraint(formula, used, constrained)
    rows = frame[right]
    try:
        matrix = model_matrix(
            formula.terms,
            constraint.apply(rows) if constraint else rows,
            na_action="raise",
        )
    except Exception as error:
        raise ModelError(f"formula: '{formula}' could not be coded: {error}") from error
    spec = matrix.model_spec
    if constraint:
        matrix = matrix[constraint.kept(spec)]
    X = np.ascontiguousarray(matrix.to_numpy(dtype=float))
    if X.shape[1] == 0:
        raise ModelError(f"formula: '{formula}' leaves no column to estimate.")
    return Design(
        formula=formula,
        frame=frame,
        rows=np.flatnonzero(keep),
        X=X,
        y=frame[formula.outcome].to_numpy(dtype=float),
        columns=tuple(map(str, matrix.columns)),
        factors=used,
        covariates={
            name: float(frame[name].mean()) for name in right if name not in used
        },
        spec=spec,
        constraint=constraint,
        excluded=excluded,
        messages=tuple(messages),
    )


def code_rows(design: Design, rows: pd.DataFrame) -> FloatArray:
    """Code new rows with the columns of a design; shape (len(rows), p)."""
    coded = rows.loc[:, list(design.formula.variables)].copy()
    for name, values in design.factors.items():
        coded[name] = code_levels(coded[name], values)
    if design.constraint:
        coded = design.constraint.apply(coded)
    matrix = design.spec.get_model_matrix(coded, na_action="raise")
    matrix = matrix[list(design.columns)]
    return np.asarray(matrix.to_numpy(dtype=float))


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
    if _is_categorical(column):
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


def alias_columns(R: FloatArray) -> BoolArray:
    """Find the columns that repeat earlier ones, by QR with pivoting in column order.

    Parameters
    ----------
    R : FloatArray, shape (r, p)
        Triangular factor of a model matrix, or the matrix itself.

    Returns
    -------
    BoolArray, shape (p,)
        True where a column is aliased with those before it.
    """
    aliased = np.zeros(R.shape[1], dtype=bool)
    basis: list[FloatArray] = []
    for j, column in enumerate(R.T):
        length = float(np.linalg.norm(column))
        rest = column.copy()
        for _ in range(2):  # the second pass removes what rounding left
            for direction in basis:
                rest = rest - direction * (direction @ rest)
        left = float(np.linalg.norm(rest))
        if left <= ALIAS_TOLERANCE * length:
            aliased[j] = True
        else:
            basis.append(rest / left)
    return aliased


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


def _check_names(formula: Formula, keys: Sequence[str], data: pd.DataFrame) -> None:
    """Refuse names that frames of results use, and values that cannot be told apart."""
    for name in (*formula.variables, *keys):
        if name in RESULT_COLUMNS and (name in keys or _is_factor(data[name], name)):
            raise ModelError(
                f"{name!r} is the name of a column of the results; rename the column."
            )
        if _is_object(data[name]) and any(
            isinstance(value, list | dict | set) for value in data[name]
        ):
            raise ModelError(
                f"{name!r} holds lists or mappings; a cell must be one value."
            )


def _complete_rows(
    frame: pd.DataFrame, needed: Sequence[str]
) -> tuple[BoolArray, dict[str, int]]:
    keep = np.ones(len(frame), dtype=bool)
    excluded: dict[str, int] = {}
    for name in needed:
        absent = frame[name].isna().to_numpy() & keep
        if absent.any():
            excluded[f"{name} is missing"] = int(absent.sum())
            keep &= ~absent
    if not keep.any():
        reasons = "; ".join(f"{why}: {n}" for why, n in excluded.items())
        raise ModelError(
            f"no row of data is complete ({len(frame)} rows"
            + (f"; {reasons}" if reasons else "")
            + "). Check the columns of the formula."
        )
    return keep, excluded


def _check_complete(
    data: pd.DataFrame, outcome: str, needed: Sequence[str], subject: str
) -> None:
    """Refuse rows that have an outcome and miss something else, naming all of it."""
    present = data.loc[data[outcome].notna(), list(needed)]
    found = []
    for name in needed:
        absent = present[name].isna()
        if absent.any():
            whose = ", ".join(map(str, present.loc[absent, subject].unique()[:3]))
            found.append(f"{name} in {int(absent.sum())} (first of {subject} {whose})")
    if found:
        raise ModelError(
            f"rows with an outcome miss {'; '.join(found)}. Complete them, or give"
            " missing='exclude' to leave such rows out and have them counted."
        )


def _constraint(
    formula: Formula,
    factors: Mapping[str, tuple[Any, ...]],
    constrained: tuple[str, str, Any],
) -> Constraint:
    factor, visit, first = constrained
    for name in (factor, visit):
        if name not in factors:
            raise ModelError(
                f"constrained: {name!r} must be a factor of the formula '{formula}'."
            )
    if factors[visit][0] != first:
        raise ModelError(
            f"constrained: {first!r} is not the first {visit} of the rows used, which"
            f" is {factors[visit][0]!r}. The levels of {factor} can share their mean at"
            " the first visit only; is its outcome (the baseline value) in the data?"
        )
    return Constraint(factor, factors[factor][0], visit, first)


def _is_categorical(column: pd.Series) -> bool:
    import pandas as pd

    return isinstance(column.dtype, pd.CategoricalDtype)


def _is_factor(
    column: pd.Series,
    name: str,
    factors: Sequence[str] = (),
    levels: Levels | None = None,
) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if name in factors or name in (levels or {}) or _is_categorical(column):
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


def _as_factor(
    column: pd.Series, name: str, order: Sequence[Any]
) -> tuple[pd.Series, list[str]]:
    import pandas as pd

    present = set(column.unique())
    shown = [str(value) for value in order if value in present]
    twice = sorted({text for text in shown if shown.count(text) > 1})
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
