"""Type II and type III tests of the terms of a formula.

The equations are those of ``docs/methods/anova.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.comparisons import joint_test
from outcomes.models.design import Design
from outcomes.models.inference import LinearFit
from outcomes.models.options import FloatArray
from outcomes.models.term_parts import Term, cell_contrasts, take_apart

if TYPE_CHECKING:
    import pandas as pd

TYPES: Final = (2, 3)
NUMBERS: Final = ("statistic", "num_df", "den_df", "p_value")
# Rows of the model matrix decomposed at once: bounds the memory of a large trial.
CHUNK: Final = 65_536
# Singular values below this are none, when the contrasts that are lost are counted.
RANK: Final = 1e-7
NAMED: Final = 3


def anova(fit: LinearFit, type: int = 3) -> pd.DataFrame:
    """Test each term of the formula.

    Type III is the hypothesis of SAS: the effect, averaged with equal weights over the
    levels of the factors it interacts with, is zero. Type II adjusts a term for all
    terms that do not contain it, and averages by the records there are. A term contains
    another if it has all its factors, further ones, and the same covariates:
    ``ARM:VISIT`` contains ``ARM``, and ``BASE:ARM`` contains ``BASE`` but not ``ARM``,
    whose test is then one at ``BASE`` equal to zero. Centre a covariate that interacts.

    Parameters
    ----------
    fit : MmrmFit
        A fit; its degrees of freedom and covariance are used.
    type : int
        2 or 3.

    Returns
    -------
    pandas.DataFrame
        ``term statistic num_df den_df p_value``, one row per term of the formula
        except the intercept. Where a hypothesis is not estimable (a combination of
        levels without records, a term that repeats others) its numbers are NaN, and
        ``attrs["reasons"]`` says why, by term; so too where the F test does not exist.

    Raises
    ------
    ModelError
        If the type is neither 2 nor 3, or the fit has a constrained factor and the type
        is 2 or the hypotheses are not those of terms.

    References
    ----------
    Goodnight (1978), Tests of Hypotheses in Fixed Effects Linear Models, SAS Technical
    Report R-101; SAS/STAT User's Guide, The Four Types of Estimable Functions.

    Examples
    --------
    >>> anova(fit, type=3)  # doctest: +SKIP
    """
    import pandas as pd

    if hasattr(type, "design"):
        raise ModelError(
            "anova: tests the terms of one fit. To compare two, look at glance of each,"
            " or at component_tests for random effects."
        )
    if type not in TYPES:
        raise ModelError(f"anova: type: {type!r} is not known. Choose 2 or 3.")
    if not hasattr(fit, "aliased_mask"):
        what = fit.__class__.__name__
        raise ModelError(f"anova: {what} is not a fit it knows.")
    rows: list[tuple[Any, ...]] = []
    reasons: dict[str, str] = {}
    hypotheses = term_rows(fit, type)
    for term, L in hypotheses:
        found: tuple[Any, ...] = (np.nan,) * len(NUMBERS)
        reason = _obstacle(fit, [t for t, _ in hypotheses], term, L)
        if not reason:
            test = joint_test(fit, L[:, ~fit.aliased_mask])
            found = tuple(test.loc[0, list(NUMBERS)])
            reason = test.attrs["reason"]
        if reason:
            reasons[term.name] = reason
        rows.append((term.name, *found))
    table = pd.DataFrame(rows, columns=["term", *NUMBERS])
    table = table.astype(dict.fromkeys(NUMBERS, float))
    table.attrs["reasons"] = reasons
    return table


def term_rows(fit: LinearFit, type: int) -> list[tuple[Term, FloatArray]]:
    """Rows of the hypothesis of each term over all columns; equations (3) to (5).

    Parameters
    ----------
    fit : LinearFit
        Any fit on a design.
    type : int
        2 or 3.

    Returns
    -------
    list of tuple
        Each term but the intercept, with its rows, shape (r, all columns); they may not
        be estimable.
    """
    design = fit.design
    if type == 2 and design.constraint:
        raise ModelError(
            f"anova: type II adjusts a term for others, and {design.constraint.factor}"
            " is constrained at the first visit, which ties them together. Use type=3."
        )
    whole = take_apart(design)
    XA = _triangle(design.X) @ np.linalg.inv(whole.D) if type == 2 else None
    out = []
    for term in whole.terms:
        if not term.factors and not term.numeric:  # the intercept
            continue
        apart = {
            part
            for other in whole.terms
            if other is not term and not other.contains(term)
            for part in other.parts()
        }
        owned = [p for p in whole.parts if p in term.parts() and p not in apart]
        own = whole.rows_of(owned)
        rows = whole.D[own]
        if XA is not None:
            before = whole.rows_of(apart)
            after = np.delete(whole.D, [*before, *own], axis=0)
            rows = rows + _carried_along(XA, before, own) @ after
        if len(owned) > 1:
            rows = cell_contrasts(term, owned, design) @ rows
        out.append((term, rows))
    return out


def _carried_along(XA: FloatArray, before: list[int], own: list[int]) -> FloatArray:
    """Regress the columns that contain a term on its own, given all others; (5)."""
    length = np.linalg.norm(XA, axis=0)
    scaled = XA / np.where(length > 0.0, length, 1.0)
    left = [*before, *own]
    after = np.delete(np.arange(XA.shape[1]), left)
    slopes = np.linalg.lstsq(scaled[:, left], scaled[:, after], rcond=None)[0]
    return np.asarray(slopes[len(before) :] * length[after] / length[own][:, None])


def _triangle(X: FloatArray) -> FloatArray:
    """Triangular factor of a tall matrix, a chunk of rows at a time."""
    R = np.zeros((0, X.shape[1]))
    for start in range(0, len(X), CHUNK):
        stack = np.vstack([R, X[start : start + CHUNK]])
        R = np.asarray(np.linalg.qr(stack, mode="r"))
    return R


def _obstacle(
    fit: LinearFit, terms: Sequence[Term], term: Term, rows: FloatArray
) -> str:
    """Say why rows cannot be tested; empty if they can."""
    design = fit.design
    if not len(rows):
        single = next(f for f in sorted(term.factors) if len(design.factors[f]) == 1)
        return (
            f"{single} has the one level {design.factors[single][0]!r} in the rows"
            " used, so there is nothing to compare"
        )
    if design.constraint and not rows.any():
        return "the constraint makes all of it zero"
    if not fit.undetermined.touched_by(rows).any():
        return ""
    scaled = rows @ fit.undetermined.rescale
    scaled = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    lost = np.linalg.matrix_rank(scaled @ fit.undetermined.directions, tol=RANK)
    why = _empty_cells(design, [t for t in terms if t is term or t.contains(term)])
    if not why:
        dropped = [design.columns[j] for j in np.flatnonzero(fit.aliased_mask)]
        why = "columns of the model repeat others: " + _some(dropped)
    return f"{lost} of {len(rows)} degrees of freedom not estimable: {why}"


def _empty_cells(design: Design, terms: Iterable[Term]) -> str:
    """Name the combinations of levels of a term's factors that no record has."""
    for term in terms:
        names = [name for name in design.factors if name in term.factors]
        if not names:
            continue
        present = set(design.frame[names].itertuples(index=False, name=None))
        grid = product(*(design.factors[name] for name in names))
        empty = [
            " and ".join(f"{n} {v!r}" for n, v in zip(names, cell, strict=True))
            for cell in grid
            if cell not in present
        ]
        if empty:
            return "no record has " + _some(empty)
    return ""


def _some(items: Sequence[str]) -> str:
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more} more" if more > 0 else "")
