"""Reading the outcome of each family, with everything that may be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import (
    as_factor,
    check_table,
    declared_order,
    is_factor,
    read_numbers,
)
from outcomes.models.design import Design
from outcomes.models.logistic.rules import read_successes, refuse_text
from outcomes.models.mixed.glmm.families import (
    Family,
    Logit,
    NegativeBinomial,
    Poisson,
    Probit,
)
from outcomes.models.mixed.glmm.ordinal import CumulativeLogit
from outcomes.models.mixed.glmm.prepare import FamilyOf
from outcomes.models.options import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


# Beyond these a likelihood is rounding, or no number at all.
LARGEST_COUNT = 1e12
LARGEST_OFFSET = 700.0


def code_categories(
    data: pd.DataFrame, formula: str, levels: Mapping[str, Sequence[Any]] | None
) -> tuple[pd.DataFrame, tuple[Any, ...]]:
    """Replace the ordered categories of an outcome by numbers from 0.

    Parameters
    ----------
    data : pandas.DataFrame
        As given.
    formula : str
        As given; what is wrong with it is told elsewhere.
    levels : mapping, optional
        Declared orders.

    Returns
    -------
    tuple
        Data with numbers for the outcome, and the categories.

    Raises
    ------
    ModelError
        If the order of the categories is not known.
    """
    import pandas as pd

    check_table(data, {} if levels is None else levels)
    outcome = str(formula).partition("~")[0].strip()
    if list(data.columns).count(outcome) != 1:
        return data, ()
    column = data[outcome]
    declared = dict(levels or {})
    if is_factor(column, outcome):
        ordered = getattr(column.dtype, "ordered", False)
        if outcome not in declared and not ordered:
            raise ModelError(
                f"family: the order of the categories of {outcome!r} is not known."
                f" Give levels={{{outcome!r}: [...]}} from lowest to highest, or make"
                " it an ordered Categorical or whole numbers."
            )
    else:
        numbers = read_numbers(column, outcome)
        wrong = numbers.dropna() % 1 != 0
        if wrong.any():
            value = numbers.dropna()[wrong].iloc[0]
            raise ModelError(
                f"family: 'cumulative' takes ordered categories, and {outcome!r} has"
                f" {value:g}. Give whole numbers or an ordered Categorical."
            )
    order = declared_order(column, outcome, declared)
    coded, _ = as_factor(column, outcome, order)
    kept = tuple(map(_whole, coded.cat.categories))
    codes = coded.cat.codes.to_numpy(dtype=float)
    values = pd.Series(np.where(codes < 0, np.nan, codes), index=data.index)
    return data.assign(**{outcome: values}), kept


def _whole(value: Any) -> Any:
    """Return a float that is whole as an integer, which is written as such."""
    return int(value) if isinstance(value, float) else value


def read_outcome(
    design: Design,
    family: str,
    link: str,
    trials: str | None,
    categories: tuple[Any, ...],
) -> tuple[FamilyOf, FloatArray]:
    """Check the outcome and state its log density.

    Parameters
    ----------
    design : Design
        Outcome and, in its frame, trials.
    family, link : str
        From `settle_family`.
    trials : str or None
        Column.
    categories : tuple
        From `code_categories`.

    Returns
    -------
    tuple
        The family of chosen records, and what it takes from each; (n, v).

    Raises
    ------
    ModelError
        If the outcome is none of this family, or all of it is equal.
    """
    name = design.formula.outcome
    if family == "binomial":
        counts = None
        if trials is not None:
            counts = read_numbers(design.frame[trials], trials).to_numpy()
        y, n = read_successes(
            design.y, counts, name, trials or "trials", rows=design.rows
        )
        return _binomial(y, n, link), np.column_stack([y, n])
    if family == "cumulative":
        return _cumulative(design, categories), design.y[:, None]
    _check_counts(design.y, name, family)
    return _counts(design.y, family), design.y[:, None]


def _binomial(y: FloatArray, n: FloatArray, link: str) -> FamilyOf:
    from scipy.special import gammaln

    fixed = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    kind = Logit if link == "logit" else Probit
    single = bool(np.all(n == 1.0))

    def chosen(order: IntArray) -> Family:
        return kind(y[order], n[order], fixed[order], single)

    return chosen


def _counts(y: FloatArray, family: str) -> FamilyOf:
    from scipy.special import gammaln

    fixed = -gammaln(y + 1.0)

    def chosen(order: IntArray) -> Family:
        if family == "poisson":
            return Poisson(y[order], np.ones(len(order)), fixed[order])
        return NegativeBinomial(y[order], fixed[order])

    return chosen


def _check_counts(y: FloatArray, name: str, family: str) -> None:
    wrong = (y < 0) | (y % 1 != 0)
    if wrong.any():
        raise ModelError(
            f"family: '{family}' takes counts, and {name!r} has {y[wrong][0]:g} in"
            f" {int(wrong.sum())} of {len(y)} records. Give whole numbers from 0; a"
            " time at risk goes into offset= as its logarithm."
        )
    if y.max() > LARGEST_COUNT:
        raise ModelError(
            f"the outcome {name!r} has counts up to {y.max():g}, too large for a"
            " likelihood that tells them apart. Divide by a unit, or model the"
            " logarithm by fit_lmm."
        )
    if not y.any():
        raise ModelError(
            f"the outcome {name!r} is 0 in all {len(y)} records: there is nothing to"
            " explain. Check the rows and the definition of the endpoint."
        )


def _cumulative(design: Design, categories: tuple[Any, ...]) -> FamilyOf:
    name = design.formula.outcome
    y = design.y.astype(np.intp)
    seen = np.bincount(y, minlength=len(categories))
    shown = [repr(value) for value, n in zip(categories, seen, strict=True) if n]
    if len(shown) < 3:
        raise ModelError(
            f"family: 'cumulative' needs three categories or more, and {name!r} has"
            f" {', '.join(shown)} in the rows used. Code it 0 and 1 and use"
            " family='binomial'."
        )
    empty = [value for value, n in zip(categories, seen, strict=True) if not n]
    numbers = [value for value, n in zip(categories, seen, strict=True) if n]
    if not empty and all(isinstance(value, int | float) for value in numbers):
        whole = range(int(numbers[0]), int(numbers[-1]) + 1)
        empty = [value for value in whole if value not in numbers]
    if empty:
        raise ModelError(
            f"family: no record has {name!r} {', '.join(map(repr, empty[:5]))}, so its"
            " thresholds are not determined. Put categories together, or number those"
            " that occur without gaps."
        )
    if "Intercept" not in design.columns:
        raise ModelError(
            "family: 'cumulative' has thresholds for an intercept, so the formula must"
            " not take it out with '0' or '-1'. Leave the intercept in; it gets no"
            " coefficient."
        )
    shares = seen / seen.sum()

    def chosen(order: IntArray) -> Family:
        return CumulativeLogit(y[order], len(categories), shares)

    return chosen


def check_binary_text(data: Any, formula: str) -> None:
    """Refuse a binary outcome of text, naming its values."""
    outcome = str(formula).partition("~")[0].strip()
    columns = list(getattr(data, "columns", []))
    if columns.count(outcome) == 1:
        refuse_text(data[outcome], outcome)


def read_offset(design: Design, offset: str | None) -> FloatArray:
    """Return the known part of the linear predictor of each record; zeros without.

    Raises
    ------
    ModelError
        If it is no column of numbers, or so large that no mean can be computed.
    """
    if offset is None:
        return np.zeros(len(design.y))
    known = read_numbers(design.frame[offset], offset).to_numpy(dtype=float)
    far = float(np.max(np.abs(known)))
    if far > LARGEST_OFFSET:
        raise ModelError(
            f"offset: {offset!r} has values as large as {far:g}, and is added to the"
            " linear predictor as it is. Give the logarithm of a time at risk, not the"
            " time itself."
        )
    return known
