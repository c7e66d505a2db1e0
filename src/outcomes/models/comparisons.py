"""Contrasts of estimates, contrasts of contrasts, and joint tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from outcomes.errors import ModelError, one_of
from outcomes.models.estimates import Estimates, make_estimates
from outcomes.models.inference import evaluate_jointly, independent_rows, keep_estimable
from outcomes.models.options import FloatArray

if TYPE_CHECKING:
    import pandas as pd


# Of a sum of products, relative to that of their sizes.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class _Plan:
    """One contrast: its name, level and reference as shown, weights over levels."""

    name: str
    level: Any
    reference: Any
    weights: FloatArray


def contrasts(
    estimates: Estimates,
    *,
    reference: Any = None,
    pairwise: bool = False,
    weights: Mapping[str, Sequence[float]] | None = None,
    over: str | None = None,
    conf_level: float | None = None,
) -> Estimates:
    """Compare estimates along one factor, within all the others.

    Exactly one of ``reference``, ``pairwise`` and ``weights`` says how. The result can
    be contrasted again: ``contrasts(contrasts(emm, reference="PBO"),
    reference="WEEK3", over="AVISIT")`` is a difference in differences.

    Parameters
    ----------
    estimates : Estimates
        From `emmeans`, or contrasts of those.
    reference : level, optional
        Each other level minus this one.
    pairwise : bool
        Each level minus each one before it.
    weights : mapping, optional
        ``{name: weights}``, one weight per level in the order of the frame.
    over : str, optional
        Factor column to compare along; by default the one ``emmeans`` was asked for.
    conf_level : float, optional
        By default that of ``estimates``.

    Returns
    -------
    Estimates
        One row per contrast and level of the other factors: the factor column has the
        level (or the name of the weights), ``reference`` what is subtracted, so that
        ``estimate`` is level minus reference.

    Raises
    ------
    ModelError
        If the level or column does not exist, the weights do not fit, or there is
        only one level.

    Examples
    --------
    >>> contrasts(emmeans(fit, "ARM", by="VISIT"), reference="PBO")  # doctest: +SKIP
    """
    import pandas as pd

    along = _along(estimates, over)
    rest = tuple(n for n in (*estimates.factors, *estimates.by) if n not in along)
    columns = {name: list(estimates.frame[name]) for name in estimates.frame.columns}
    labels: list[dict[str, Any]] = []
    rows: list[FloatArray] = []
    # Pairwise contrasts have several references; those of one stay together.
    apart = (*rest, *(name for name in ("reference",) if name in columns))
    for members in _groups(columns, apart):
        levels = _levels(columns, members, along)
        kept = _one_reference(columns, members) if weights is not None else None
        suffix = "".join(
            f", {columns[name][members[0]]}"
            + (f" - {kept}" if kept is not None and name in estimates.factors else "")
            for name in rest
        )
        for plan in _plans(levels, reference, pairwise, weights, ", ".join(along)):
            shown = plan.level if isinstance(plan.level, tuple) else (plan.level,)
            if len(shown) != len(along):  # a name of weights stands for all of them
                shown = (plan.level,) * len(along)
            labels.append(
                {"term": _term([columns["term"][i] for i in members], plan, suffix)}
                | dict(zip(along, shown, strict=True))
                | {name: columns[name][members[0]] for name in rest}
                | {"reference": _shown(plan.reference) if kept is None else kept}
            )
            rows.append(_combine(plan.weights, estimates.L[members]))
    if not rows:
        only = ", ".join(str(columns[name][0]) for name in along)
        raise ModelError(
            f"contrasts: {', '.join(along)} has the one level {only!r} in the rows"
            " used, so there is nothing to compare it with."
        )
    return make_estimates(
        pd.DataFrame(labels),
        np.array(rows),
        estimates.fit,
        factors=along,
        by=rest,
        conf_level=estimates.conf_level if conf_level is None else conf_level,
    )


def joint_test(what: Any, L: ArrayLike | None = None) -> pd.DataFrame:
    """Test several linear combinations of coefficients at once.

    Parameters
    ----------
    what : fit or Estimates
        ``joint_test(fit, L)`` tests the rows of L, over all columns of the model matrix
        or over those with a coefficient; ``joint_test(estimates)`` tests that all its
        estimates are zero.
    L : array, shape (r, p), optional
        Rows, with a fit only. Rows that follow from the others are left out.

    Returns
    -------
    pandas.DataFrame
        One row ``statistic num_df den_df p_value``: the scaled F of Kenward and Roger,
        or F with Fai-Cornelius degrees of freedom, as the fit was asked for. Where the
        test does not exist its numbers are NaN and ``attrs["reason"]`` says why; the
        reason is empty otherwise.

    Raises
    ------
    ModelError
        If the rows do not fit the model or are not estimable.

    Examples
    --------
    >>> joint_test(contrasts(emm, reference="PBO"))  # doctest: +SKIP
    """
    import pandas as pd
    from scipy.special import chdtrc, fdtrc

    if isinstance(what, Estimates):
        if L is not None:
            raise ModelError("joint_test: estimates bring their own rows; leave L out.")
        fit, rows = what.fit, what.L
    else:
        fit, rows = what, _given_rows(what, L)
    if not np.all(np.isfinite(rows)):
        raise ModelError(
            "joint_test: not all rows are estimable, because some combination of factor"
            " levels has no records; test the others only."
        )
    rows = independent_rows(rows, fit.cov_model)
    if not len(rows):
        raise ModelError("joint_test: there is no row to test.")
    found = evaluate_jointly(fit, rows)
    if np.isinf(found.den_df):
        p_value = float(chdtrc(found.num_df, found.statistic * found.num_df))
    else:
        p_value = float(fdtrc(found.num_df, found.den_df, found.statistic))
    table = pd.DataFrame(
        [
            {
                "statistic": found.statistic,
                "num_df": found.num_df,
                "den_df": found.den_df,
                "p_value": p_value,
            }
        ]
    )
    table.attrs["reason"] = found.reason
    return table


def _given_rows(fit: Any, L: ArrayLike | None) -> FloatArray:
    if not hasattr(fit, "aliased_mask"):
        raise ModelError(f"joint_test: {type(fit).__name__} is not a fit it knows.")
    if L is None:
        raise ModelError("joint_test: give the rows to test, joint_test(fit, L).")
    rows = np.atleast_2d(np.asarray(L, dtype=float))
    n_all = len(fit.aliased_mask)
    n_kept = int((~fit.aliased_mask).sum())
    if rows.shape[1] == n_all:
        return keep_estimable(fit, rows)
    if rows.shape[1] != n_kept:
        raise ModelError(
            f"joint_test: L has {rows.shape[1]} columns; the model has {n_all}"
            + (f", {n_kept} of them with a coefficient" if n_kept != n_all else "")
            + "."
        )
    return rows


def _along(estimates: Estimates, over: str | None) -> tuple[str, ...]:
    names = (*estimates.factors, *estimates.by)
    if over is None:
        return estimates.factors
    if over not in names:
        raise ModelError(one_of(over, names, name="over"))
    return (over,)


def _groups(columns: Mapping[str, list[Any]], names: Sequence[str]) -> list[list[int]]:
    """Row numbers with equal values in the named columns, in order of appearance."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i in range(len(columns["term"])):
        groups.setdefault(tuple(columns[name][i] for name in names), []).append(i)
    return list(groups.values())


def _levels(
    columns: Mapping[str, list[Any]], members: list[int], along: Sequence[str]
) -> list[Any]:
    """Return what is compared, one value per row; a tuple of several columns."""
    values = [tuple(columns[name][i] for name in along) for i in members]
    if len(set(values)) != len(values):
        raise ModelError(
            f"contrasts: {', '.join(along)} does not tell the estimates apart"
            " (they are pairwise already?); name another column with 'over', or build"
            " the contrast in one step with weights."
        )
    return [value[0] for value in values] if len(along) == 1 else list(values)


def _combine(weights: FloatArray, L: FloatArray) -> FloatArray:
    """Weighted sum of rows; a row with weight zero may be one that is not estimable."""
    used = weights != 0
    row = weights[used] @ L[used]
    # What cancels is zero: a row of rounding would have an estimate and a p-value.
    size = np.abs(weights[used]) @ np.abs(L[used])
    return np.asarray(np.where(np.abs(row) <= ROUNDING * size, 0.0, row))


def _shown(level: Any) -> Any:
    return ", ".join(map(str, level)) if isinstance(level, tuple) else level


def _plans(
    levels: list[Any],
    reference: Any,
    pairwise: bool,
    weights: Mapping[str, Sequence[float]] | None,
    along: str,
) -> list[_Plan]:
    """Turn the options into weights over the levels of one group."""
    if (reference is not None) + bool(pairwise) + (weights is not None) != 1:
        raise ModelError("contrasts: give one of reference=, pairwise=True, weights=.")
    eye = np.eye(len(levels))
    if weights is not None:
        return [_weighted(name, values, levels) for name, values in weights.items()]
    if pairwise:
        pairs = [(i, j) for j in range(len(levels)) for i in range(j + 1, len(levels))]
    else:
        if reference not in levels:
            raise ModelError(
                one_of(reference, [str(_shown(v)) for v in levels], name=along)
            )
        j = levels.index(reference)
        pairs = [(i, j) for i in range(len(levels)) if i != j]
    return [_Plan("", levels[i], levels[j], eye[i] - eye[j]) for i, j in pairs]


def _weighted(name: str, values: Sequence[float], levels: list[Any]) -> _Plan:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != (len(levels),) or not np.isfinite(array).all():
        raise ModelError(
            f"contrasts: weights {name!r} must be {len(levels)} numbers, one for each"
            f" of {', '.join(str(_shown(v)) for v in levels)}."
        )
    return _Plan(name, name, None, array)


def _one_reference(columns: Mapping[str, list[Any]], members: list[int]) -> Any:
    """Return what all of some contrasts are contrasts with; None if they are none."""
    shared = {columns["reference"][i] for i in members if "reference" in columns}
    return shared.pop() if len(shared) == 1 else None


def _term(terms: list[Any], plan: _Plan, suffix: str) -> str:
    """Name a contrast by the terms it is made of, what they share coming last."""
    if plan.name:
        return plan.name + suffix
    if not all(term.endswith(suffix) for term in terms):
        suffix = ""
    plus = terms[int(np.argmax(plan.weights))].removesuffix(suffix)
    minus = terms[int(np.argmin(plan.weights))].removesuffix(suffix)
    if " - " in plus or " - " in minus:
        return f"({plus}) - ({minus}){suffix}"
    return f"{plus} - {minus}{suffix}"
