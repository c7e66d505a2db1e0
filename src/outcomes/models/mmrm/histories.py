"""Rows that are not those of the fit: checked, coded, and sorted by subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import code_levels, read_numbers
from outcomes.models.design import code_rows
from outcomes.models.inference import keep_estimable
from outcomes.models.mmrm.records import Records, read_records
from outcomes.models.mmrm.results import MmrmFit
from outcomes.models.options import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

OFFENDERS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Histories:
    """Records of subjects, some with an outcome and some without.

    Attributes
    ----------
    X : FloatArray, shape (N, p)
        Model row of each record over the coefficients of the fit; NaN where it has no
        mean, because a covariate is missing or the fit does not determine it.
    y : FloatArray, shape (N,)
        Outcome, NaN where missing.
    records : Records
        Subject, visit, group, weight and coordinates of each.
    table : IntArray, shape (S, K)
        Record of each subject at each visit of the fit, -1 where there is none.
    observed, wanted : BoolArray, shape (S, K)
        Records that have a mean, with and without an outcome.
    patterns : BoolArray, shape (V, K)
        The distinct rows of ``observed``, within each group.
    pattern_group : IntArray, shape (V,)
        Group of each pattern.
    pattern : IntArray, shape (S,)
        Pattern of each subject.
    kinds : tuple of IntArray
        Subjects who want something, those with the same group, observed visits and
        wanted visits together.
    messages : tuple of str
        Which rows have no mean, and why.
    """

    X: FloatArray
    y: FloatArray
    records: Records
    table: IntArray
    observed: BoolArray
    wanted: BoolArray
    patterns: BoolArray
    pattern_group: IntArray
    pattern: IntArray
    kinds: tuple[IntArray, ...]
    messages: tuple[str, ...]


def read_histories(fit: MmrmFit, data: pd.DataFrame) -> Histories:
    """Read records of subjects, those of the fit or others.

    Doing this once and passing the result on to `conditional_distribution` saves the
    coding of the rows where it is called with many parameters.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    data : pandas.DataFrame
        One row per subject and visit, with all columns the fit used. The outcome and
        what the formula has on its right may be missing, nothing else.

    Returns
    -------
    Histories
        The records by subject.

    Raises
    ------
    ModelError
        If a column, or a value beside the formula, is missing, a level is unknown, a
        visit is not one of the fit, or a subject has two records at a visit.
    """
    places = fit.coordinates if fit.problem.structure.spatial else ()
    numbers = (*places, *([fit.weights] if fit.weights else []))
    keys = (fit.subject, fit.visit, *([fit.group] if fit.group else []))
    outcome = fit.design.formula.outcome
    check_columns(data, (*fit.design.formula.variables, *keys, *numbers, outcome))
    if data.empty:
        raise ModelError("data has no rows.")
    for name in (*keys, *numbers):
        _check_present(data, name, fit.subject)
    frame = data[[fit.subject]].reset_index(drop=True)
    frame[fit.visit] = _coded(data, fit.visit, fit.visits)
    if fit.group:
        frame[fit.group] = _coded(data, fit.group, fit.groups)
    # A number may be in the column of the visit, which is a factor here.
    apart = {name: f"{name} (number)" if name in keys else name for name in numbers}
    for name in numbers:
        frame[apart[name]] = _numbers(data, name)
    # What stands beside the formula obeys the rules of the fit, so they are its own.
    records = read_records(
        frame,
        replace(fit.design, frame=frame, rows=np.arange(len(frame))),
        subject=fit.subject,
        visit=fit.visit,
        group=fit.group,
        weights=apart[fit.weights] if fit.weights else None,
        coordinates=[apart[name] for name in places],
        levels={},
    )
    if fit.group:  # the groups of the fit, of which these subjects may not have all
        code = np.array([fit.groups.index(value) for value in records.groups])
        records = replace(records, group=code[records.group], groups=fit.groups)
    X, messages = code_new_rows(fit, data)
    y = _numbers(data, outcome)
    return _sort(records, X, y, messages)


def _sort(
    records: Records, X: FloatArray, y: FloatArray, messages: tuple[str, ...]
) -> Histories:
    """Bring the records to subjects, and these to patterns."""
    n_subjects, K = records.n_subjects, len(records.visits)
    table = np.full((n_subjects, K), -1, dtype=np.intp)
    table[records.subject, records.visit] = np.arange(len(y))
    has_mean = np.isfinite(X).all(axis=1)
    present, known = table >= 0, np.isfinite(y)
    observed = present & (known & has_mean)[table]
    wanted = present & (~known & has_mean)[table]
    group = np.zeros(n_subjects, dtype=np.intp)
    group[records.subject] = records.group
    seen, pattern = np.unique(
        np.column_stack([group, observed]), axis=0, return_inverse=True
    )
    which = np.unique(
        np.column_stack([pattern.ravel(), wanted]), axis=0, return_inverse=True
    )[1].ravel()
    order = np.argsort(which, kind="stable")
    kinds = np.split(order, np.cumsum(np.bincount(which))[:-1])
    return Histories(
        X=X,
        y=y,
        records=records,
        table=table,
        observed=observed,
        wanted=wanted,
        patterns=seen[:, 1:] > 0,
        pattern_group=seen[:, 0],
        pattern=pattern.ravel(),
        kinds=tuple(who for who in kinds if wanted[who[0]].any()),
        messages=messages,
    )


def code_new_rows(
    fit: MmrmFit, data: pd.DataFrame
) -> tuple[FloatArray, tuple[str, ...]]:
    """Code rows with the coefficients of a fit.

    Parameters
    ----------
    fit : MmrmFit
        A fit.
    data : pandas.DataFrame
        Rows with the columns on the right of its formula.

    Returns
    -------
    tuple
        Rows over the coefficients, (N, p), NaN where a value is missing or the data of
        the fit do not determine the mean; and how many rows that befell, in words.

    Raises
    ------
    ModelError
        If a column is missing, a level is unknown, or a number is none.
    """
    import pandas as pd

    design = fit.design
    names = design.formula.variables
    check_columns(data, names)
    coded = pd.DataFrame(index=range(len(data)))
    messages = []
    complete = np.ones(len(data), dtype=bool)
    for name in names:
        levels = design.factors.get(name)
        coded[name] = (
            _numbers(data, name) if levels is None else _coded(data, name, levels)
        )
        absent = coded[name].isna().to_numpy()
        if absent.any():
            messages.append(f"{name} is missing in {_rows(absent)}: no prediction")
            complete &= ~absent
    X = np.full((len(data), len(fit.beta)), np.nan)
    if complete.any():
        X[complete] = keep_estimable(fit, code_rows(design, coded.loc[complete]))
    lost = complete & ~np.isfinite(X).all(axis=1)
    if lost.any():
        messages.append(
            f"the fit does not determine the mean of {_rows(lost)}, whose combination"
            " of levels has no records: no prediction"
        )
    return X, tuple(messages)


def _rows(mask: BoolArray) -> str:
    n = int(mask.sum())
    return f"{n} row{'' if n == 1 else 's'}"


def check_columns(data: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse data without one of the columns, or with two of the same name."""
    have = list(data.columns)
    absent = [name for name in dict.fromkeys(names) if name not in have]
    if absent:
        raise ModelError(
            f"data has no column {', '.join(map(repr, absent))}; it has"
            f" {', '.join(map(repr, map(str, have)))}."
        )
    for name in names:
        if have.count(name) > 1:
            raise ModelError(f"data has more than one column {name!r}.")


def _check_present(data: pd.DataFrame, name: str, subject: str) -> None:
    absent = data[name].isna().to_numpy()
    if not absent.any():
        return
    whose = ""
    if name != subject:
        first = data.loc[absent, subject].unique()[:OFFENDERS_SHOWN]
        whose = f" (first of {subject} {', '.join(map(str, first))})"
    raise ModelError(
        f"data: {name!r} is missing in {_rows(absent)}{whose}; only the outcome and the"
        " right of the formula may be. Complete such rows, or leave them out."
    )


def _coded(data: pd.DataFrame, name: str, levels: Sequence[Any]) -> pd.Categorical:
    """Code a column with the levels of the fit."""
    column = data[name]
    coded = code_levels(column, levels)
    unknown = (coded.codes < 0) & column.notna().to_numpy()
    if unknown.any():
        shown = [repr(value) for value in column[unknown].unique().tolist()]
        raise ModelError(
            f"data: {name!r} has {', '.join(shown[:OFFENDERS_SHOWN])} in"
            f" {_rows(unknown)}, which no record of the fit has; it has"
            f" {', '.join(map(repr, levels))}. Leave such rows out."
        )
    return coded


def _numbers(data: pd.DataFrame, name: str) -> FloatArray:
    """Read a column of numbers, NaN where missing."""
    from pandas.api.types import is_numeric_dtype

    known = data[name].notna().to_numpy()
    given = data[name][known]
    # Text that looks like numbers was a factor in the fit.
    if not is_numeric_dtype(given.dtype):
        wrong = [repr(value) for value in given if not _is_number(value)]
        if wrong:
            raise ModelError(
                f"data: {name!r} must be a column of numbers, as it was in the fit; it"
                f" has {', '.join(wrong[:OFFENDERS_SHOWN])}."
            )
    values = np.full(len(known), np.nan)
    values[known] = read_numbers(given, name).to_numpy()
    return values


def _is_number(value: Any) -> bool:
    """Tell real numbers from text, Booleans and the rest; a Decimal is no `Real`."""
    from decimal import Decimal

    return isinstance(value, Real | Decimal) and not isinstance(value, bool)
