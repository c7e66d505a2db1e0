"""Separation in the words of the data: which level, which side of which covariate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from outcomes.models.design import Design
from outcomes.models.logistic.separation import Separation, combination
from outcomes.models.options import BoolArray

CELLS_SHOWN = 6


def describe_separation(separation: Separation, design: Design) -> str:
    """Say which records separate an outcome, and which coefficients run off.

    Levels of factors, and cells of those that interact, are named where all records of
    one are separated with the same outcome; what they leave is told by the covariate,
    or by the combination of columns.

    Parameters
    ----------
    separation : Separation
        From the model matrix of the design (its columns without a coefficient may be
        left out, as long as the rows are the same).
    design : Design
        Factors, covariates and rows.

    Returns
    -------
    str
        The sentence; empty without separation.
    """
    if not separation:
        return ""
    told = np.zeros(len(separation.sides), dtype=bool)
    parts = []
    for words, here, side in _cells(separation, design):
        told |= here
        parts.append(
            f"every record with {words} ({int(here.sum())}) has {_value(design, side)}"
        )
    more = len(parts) - CELLS_SHOWN
    if more > 0:
        parts = [*parts[:CELLS_SHOWN], f"{more} more such cells"]
    if np.any((separation.sides != 0) & ~told):
        parts.append(_along(separation, design))
    columns = ", ".join(separation.columns[:CELLS_SHOWN])
    more = len(separation.columns) - CELLS_SHOWN
    return (
        f"{separation.kind} separation: {'; '.join(parts)}. The coefficients of"
        f" {columns}{f' and {more} more' if more > 0 else ''} have no finite maximum"
        " likelihood estimate"
    )


def _value(design: Design, side: int) -> str:
    outcome = design.formula.outcome
    if np.all((design.y == 0.0) | (design.y == 1.0)):
        return f"{outcome} {1 if side > 0 else 0}"
    return f"in {outcome} {'only successes' if side > 0 else 'no success'}"


def _cells(
    separation: Separation, design: Design
) -> Iterator[tuple[str, BoolArray, int]]:
    """Find the levels and cells, the largest first, that are separated as a whole."""
    sides = separation.sides
    seen = np.zeros(len(sides), dtype=bool)
    for names in _factor_sets(design):
        groups = design.frame.groupby(list(names), observed=True, sort=True)
        codes = np.asarray(groups.ngroup())
        for code in range(int(codes.max()) + 1):
            here = np.asarray(codes == code)
            side = int(sides[here][0])
            if side == 0 or np.any(sides[here] != side) or np.all(seen[here]):
                continue
            seen |= here
            first = design.frame.loc[int(np.flatnonzero(here)[0]), list(names)]
            yield _words(names, first), here, side


def _factor_sets(design: Design) -> list[tuple[str, ...]]:
    """List the factors of each term, single ones first."""
    found: dict[tuple[str, ...], None] = {}
    for name in design.factors:
        found[(name,)] = None
    for term in design.spec.terms:
        names = tuple(str(f) for f in term.factors if str(f) in design.factors)
        if len(names) > 1:
            found[names] = None
    return sorted(found, key=len)


def _words(names: tuple[str, ...], values: Any) -> str:
    return " and ".join(f"{name} {values[name]!r}" for name in names)


def _along(separation: Separation, design: Design) -> str:
    """Tell the records apart by one covariate, or by the combination of columns."""
    used = [name for name in separation.columns if name != "Intercept"]
    if len(used) == 1 and used[0] in design.covariates:
        return _by_covariate(separation, design, used[0])
    written = combination(separation.direction, design.columns)
    return "; ".join(
        f"every record where {written} is {'above' if side > 0 else 'below'} zero"
        f" ({int(np.sum(separation.sides == side))}) has {_value(design, side)}"
        for side in (1, -1)
        if np.any(separation.sides == side)
    )


def _by_covariate(separation: Separation, design: Design, name: str) -> str:
    values = design.frame[name].to_numpy(dtype=float)
    rising = separation.direction[list(design.columns).index(name)] > 0
    parts = []
    for side in (1, -1):
        own = values[separation.sides == side]
        if len(own):
            above = (side > 0) == rising
            parts.append(
                f"every record with {name} {own.min() if above else own.max():g} or"
                f" {'more' if above else 'less'} ({len(own)}) has"
                f" {_value(design, side)}"
            )
    return "; ".join(parts)
