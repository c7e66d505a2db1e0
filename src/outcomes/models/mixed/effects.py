"""Random effects on the records of a design: levels, memberships and model columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import (
    Levels,
    as_factor,
    code_levels,
    declared_order,
    is_factor,
    read_numbers,
)
from outcomes.models.design import Design
from outcomes.models.mixed.grouping import Request
from outcomes.models.options import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

INTERCEPT = "Intercept"


@dataclass(frozen=True, slots=True)
class Term:
    """Random effects that share one covariance matrix, on n records.

    Record i has the effect ``sum_k weights[k, i] * values[i] @ b[member[k, i]]``.

    Attributes
    ----------
    grouping : str
        Name of the grouping.
    columns : tuple of str
        Columns of the data that make it.
    effects : tuple of str
        Names of the c effects of each level.
    levels : tuple
        The q levels.
    member : IntArray, shape (k, n)
        Levels a record belongs to; k = 1 but for multiple membership.
    weights : FloatArray, shape (k, n)
        Shares of each; 0 where a record has fewer members.
    values : FloatArray, shape (n, c)
        Model columns of the effects.
    spec : Any
        The formula engine's record, to code new rows alike.
    factors : dict
        Levels of each factor among the effects.
    """

    grouping: str
    columns: tuple[str, ...]
    effects: tuple[str, ...]
    levels: tuple[Any, ...]
    member: IntArray
    weights: FloatArray
    values: FloatArray
    spec: Any
    factors: dict[str, tuple[Any, ...]]

    @property
    def c(self) -> int:
        """Effects of one level."""
        return len(self.effects)

    @property
    def q(self) -> int:
        """Levels."""
        return len(self.levels)

    @property
    def single(self) -> bool:
        """Whether every record belongs to one level."""
        return len(self.member) == 1


def columns_needed(requests: Sequence[Request]) -> tuple[str, ...]:
    """Columns every record must have: groupings without choice, slopes."""
    names: list[str] = []
    for request in requests:
        names += () if request.multiple else request.columns
        names += request.terms.variables
    return tuple(dict.fromkeys(names))


def without_members(data: pd.DataFrame, requests: Sequence[Request]) -> BoolArray:
    """Find records that name no member of a multiple membership; shape (n,)."""
    lost = np.zeros(len(data), dtype=bool)
    for request in requests:
        if request.multiple:
            lost |= data.loc[:, list(request.columns)].isna().all(axis=1).to_numpy()
    return lost


def check_members(
    requests: Sequence[Request], data: pd.DataFrame, outcome: str
) -> None:
    """Refuse columns of members that are there twice or hold no single values.

    Raises
    ------
    ModelError
        Naming the column.
    """
    names = [
        name for request in requests if request.multiple for name in request.columns
    ]
    for name in (*names, outcome):
        if list(data.columns).count(name) > 1:
            raise ModelError(f"data has more than one column {name!r}.")
    for name in names:
        if any(isinstance(value, list | dict | set) for value in data[name]):
            raise ModelError(
                f"{name!r} holds lists or mappings; a cell must be one value."
            )


def read_terms(
    requests: Sequence[Request], data: pd.DataFrame, design: Design, levels: Levels
) -> tuple[Term, ...]:
    """Read the random effects of the records of a design.

    Parameters
    ----------
    requests : sequence of Request
        From `read_random`.
    data : pandas.DataFrame
        What the design was built from.
    design : Design
        Its records.
    levels : mapping
        Declared order of the levels of columns.

    Raises
    ------
    ModelError
        If a grouping has one level, no level shows a slope, an effect is constant, or
        two groupings are the same.
    """
    rows = data.iloc[design.rows].reset_index(drop=True)
    terms = tuple(_read_term(request, rows, design, levels) for request in requests)
    _check_apart(terms)
    return terms


def _read_term(
    request: Request, rows: pd.DataFrame, design: Design, levels: Levels
) -> Term:
    member, weights, names = (
        _members(request, rows, levels)
        if request.multiple
        else _combine(request, rows, levels)
    )
    if len(names) < 2:
        raise ModelError(
            f"random: {request.grouping!r} has the one level {names[0]!r} in the rows"
            " used; a variance between levels needs two. Leave the grouping out."
        )
    values, effects, spec, factors = _effects(request, rows, design, levels)
    term = Term(
        grouping=request.grouping,
        columns=request.columns,
        effects=effects,
        levels=names,
        member=member,
        weights=weights,
        values=values,
        spec=spec,
        factors=factors,
    )
    _check_slopes(term)
    return term


def _combine(
    request: Request, rows: pd.DataFrame, levels: Levels
) -> tuple[IntArray, FloatArray, tuple[Any, ...]]:
    """Levels of one column, or the combinations of several that occur."""
    codes: list[IntArray] = []
    orders: list[tuple[Any, ...]] = []
    for name in request.columns:
        order = declared_order(rows[name], name, levels)
        column, _ = as_factor(rows[name], name, order)
        codes.append(np.asarray(column.cat.codes, dtype=np.intp))
        orders.append(tuple(column.cat.categories))
    stacked = np.column_stack(codes)
    present, member = np.unique(stacked, axis=0, return_inverse=True)
    if len(orders) == 1:
        names: tuple[Any, ...] = tuple(orders[0][code] for code in present[:, 0])
    else:
        names = tuple(
            ":".join(str(order[code]) for order, code in zip(orders, key, strict=True))
            for key in present
        )
    member = np.asarray(member, dtype=np.intp).reshape(1, -1)
    return member, np.ones(member.shape), names


def _members(
    request: Request, rows: pd.DataFrame, levels: Levels
) -> tuple[IntArray, FloatArray, tuple[Any, ...]]:
    """Members named in several columns, each with an equal share of the record."""
    import pandas as pd

    named = [rows[name].astype(object) for name in request.columns]
    every = pd.concat(named, ignore_index=True)
    declared = [levels[name] for name in request.columns if name in levels]
    whose = {request.grouping: declared[0]} if declared else {}
    order = declared_order(every, request.grouping, whose)
    present = set(every.dropna())
    order = tuple(value for value in order if value in present)
    as_factor(every.dropna(), request.grouping, order)
    place = {value: k for k, value in enumerate(order)}
    member = np.array(
        [[place.get(value, -1) for value in column] for column in named], dtype=np.intp
    )
    known = member >= 0
    share = known / np.maximum(known.sum(axis=0), 1)
    return np.where(known, member, 0), share, order


def _effects(
    request: Request, rows: pd.DataFrame, design: Design, levels: Levels
) -> tuple[FloatArray, tuple[str, ...], Any, dict[str, tuple[Any, ...]]]:
    """Model columns of the effects of one level."""
    import pandas as pd
    from formulaic import model_matrix

    frame = pd.DataFrame(index=rows.index)
    for name in request.terms.variables:
        if name in design.frame and name in design.formula.variables:
            frame[name] = design.frame[name]
        elif is_factor(rows[name], name, (), levels):
            order = declared_order(rows[name], name, levels)
            frame[name], _ = as_factor(rows[name], name, order)
        else:
            frame[name] = read_numbers(rows[name], name)
    factors = {
        name: tuple(frame[name].cat.categories)
        for name in request.terms.variables
        if is_factor(frame[name], name)
    }
    if frame.empty and not len(frame.columns):
        frame["records"] = 1.0
    matrix = model_matrix(request.terms.terms, frame, na_action="raise")
    values = np.ascontiguousarray(matrix.to_numpy(dtype=float))
    names = tuple(map(str, matrix.columns))
    if not names:
        raise ModelError(
            f"random: the effects {request.terms.terms!r} of {request.grouping!r} leave"
            " nothing to vary between levels."
        )
    return values, names, matrix.model_spec, factors


def code_effects(term: Term, rows: pd.DataFrame) -> FloatArray:
    """Code the effects of new records; shape (len(rows), c)."""
    import pandas as pd

    names = list(term.spec.required_variables)
    coded = pd.DataFrame({name: rows[name] for name in names}, index=rows.index)
    for name, values in term.factors.items():
        coded[name] = code_levels(coded[name], values)
    if not names:
        coded["records"] = 1.0
    matrix = term.spec.get_model_matrix(coded, na_action="raise")
    return np.asarray(matrix.to_numpy(dtype=float))


def _check_apart(terms: Sequence[Term]) -> None:
    """Refuse an effect of two groupings that divide the records alike."""
    seen: dict[tuple[bytes, str], str] = {}
    for term in terms:
        divided = _division(term)
        for effect in term.effects:
            other = seen.setdefault((divided, effect), term.grouping)
            if other != term.grouping:
                raise ModelError(
                    f"random: {other!r} and {term.grouping!r} divide the records alike,"
                    f" so their variances of {effect} cannot be told apart. Leave one"
                    " out."
                )


def _division(term: Term) -> bytes:
    """Which records share levels, whatever the names of levels and columns."""
    order = np.lexsort((term.member, term.weights == 0.0), axis=0)
    member = np.take_along_axis(term.member, order, axis=0)
    weights = np.take_along_axis(term.weights, order, axis=0)
    _, first, codes = np.unique(member, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[codes].tobytes() + weights.tobytes()


def _check_together(term: Term) -> None:
    """Refuse correlated effects of which no level has both, arms of subjects say."""
    if term.c < 2 or not term.single:
        return
    shown = np.zeros((term.q, term.c))
    np.maximum.at(shown, term.member[0], (term.values != 0.0).astype(float))
    for i, j in np.argwhere(np.tril(shown.T @ shown == 0.0, -1)):
        raise ModelError(
            f"random: no level of {term.grouping!r} shows both {term.effects[j]!r} and"
            f" {term.effects[i]!r}, so their covariance is not determined. Give them as"
            " columns of 0 and 1, apart by '||'."
        )


def _check_slopes(term: Term) -> None:
    """Refuse effects that no level shows: all zero, or a slope on one value."""
    for j, name in enumerate(term.effects):
        x = term.values[:, j]
        if not np.any(x != x[0]) and name != INTERCEPT:
            raise ModelError(
                f"random: {name!r} is {x[0]:g} in all rows, so {term.grouping!r} cannot"
                " differ in its effect. Leave the slope out."
            )
        if name == INTERCEPT or INTERCEPT not in term.effects or not term.single:
            continue
        low = np.full(term.q, np.inf)
        high = np.full(term.q, -np.inf)
        np.minimum.at(low, term.member[0], x)
        np.maximum.at(high, term.member[0], x)
        if not np.any(high > low):
            raise ModelError(
                f"random: no level of {term.grouping!r} has two different values of"
                f" {name!r}, so a slope cannot be told from the intercept. Leave the"
                " slope out."
            )
    _check_together(term)
