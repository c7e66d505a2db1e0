"""From a formula and a data frame to a model matrix, with nothing dropped silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import (
    Levels,
    as_factor,
    check_names,
    code_levels,
    declared_order,
    is_categorical,
    is_factor,
    read_numbers,
)
from outcomes.models.formula import Formula
from outcomes.models.options import BoolArray, FloatArray, IntArray, Missing

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3
"""How many rows or subjects a message names."""


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
    subject: str | None = None,
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
        Further columns a row must have.
    subject : str, optional
        The one of them by which messages name rows, else by their place.
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
    check_names(formula, keys, data)
    keep, excluded = _complete_rows(data.loc[:, list(needed)], needed)
    frame = data.loc[keep, list(needed)].reset_index(drop=True)
    if missing == "error":
        _check_complete(data, formula.outcome, needed, subject)
    messages: list[str] = []
    for name in needed:
        if name == formula.outcome or not is_factor(frame[name], name, factors, levels):
            if name == formula.outcome or name in formula.variables:
                frame[name] = read_numbers(frame[name], name)
        elif name in formula.variables or name in factors:
            order = declared_order(data[name], name, levels)
            frame[name], note = as_factor(frame[name], name, order)
            messages += note
    used = {
        name: tuple(frame[name].cat.categories)
        for name in formula.variables
        if is_categorical(frame[name])
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
    data: pd.DataFrame, outcome: str, needed: Sequence[str], subject: str | None
) -> None:
    """Refuse rows that have an outcome and miss something else, naming all of it."""
    found = []
    for name in needed:
        absent = np.flatnonzero(data[outcome].notna() & data[name].isna())
        if len(absent):
            places = ", ".join(str(i + 1) for i in absent[:_NAMED])
            first = f" (first: row {places})"
            if subject is not None:
                whose = data[subject].iloc[absent].dropna().unique()[:_NAMED]
                names = ", ".join(map(str, whose))
                first = f" (first of {subject} {names})" if names else ""
            found.append(f"{name} in {len(absent)}{first}")
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
