"""Survival from events that are known to lie between two days (Turnbull)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import check_table, code_levels, declared_order
from outcomes.models.inference import check_conf_level
from outcomes.models.options import BoolArray, FloatArray, IntArray
from outcomes.models.survival.interval_npmle import (
    GAP,
    Intersections,
    Masses,
    find_intersections,
    maximise,
    on_support,
    solve_information,
)
from outcomes.models.survival.limits import survival_limits
from outcomes.models.survival.records import (
    BEYOND,
    may_be_numbers,
    name_rows,
    out_of_reach,
)
from outcomes.models.survival.time_values import (
    meet_times,
    read_list,
    read_times,
    same_times,
)

if TYPE_CHECKING:
    import pandas as pd

# Difference of probabilities that is rounding.
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class IntervalCurve:
    """The estimate of one group.

    Attributes
    ----------
    level : Any
        The group.
    n_subjects : int
        Its subjects.
    cells : Intersections
        Intervals that can hold mass.
    masses : Masses
        Their probabilities, log likelihood and how far that can be from its maximum.
    """

    level: Any
    n_subjects: int
    cells: Intersections
    masses: Masses

    @property
    def support(self) -> IntArray:
        """Intervals that have mass."""
        return np.flatnonzero(self.masses.mass > 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Turnbull:
    """Nonparametric estimate of survival from intervals.

    Attributes
    ----------
    intervals : pandas.DataFrame
        ``level left right mass``: the intervals (left, right] that have mass. Where in
        the interval it lies is not determined. ``right`` is infinite for what lies
        after the last time seen, and equal to ``left`` for a time known exactly.
    curves : tuple of IntervalCurve
        One for each group.
    unused : tuple
        Declared groups without rows.
    conf_level : float
        Of the limits.
    converged : bool
        The likelihood is proved to be at its maximum in each group.
    iterations : int
        Steps, of the group that took most.
    """

    intervals: pd.DataFrame
    curves: tuple[IntervalCurve, ...]
    unused: tuple[Any, ...]
    conf_level: float
    converged: bool
    iterations: int

    def __repr__(self) -> str:
        n = sum(curve.n_subjects for curve in self.curves)
        how = "converged" if self.converged else "DID NOT CONVERGE"
        return f"<Turnbull: {len(self.curves)} groups, {n} subjects; {how}>"

    @property
    def levels(self) -> tuple[Any, ...]:
        """Groups, in their order."""
        return tuple(curve.level for curve in self.curves)

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """State survival at given times.

        Parameters
        ----------
        times : sequence of float
            Not negative.

        Returns
        -------
        pandas.DataFrame
            ``level time survival_low survival_high conf_low conf_high``. The two
            survivals differ at a time inside an interval that has mass: anything
            between them has the same likelihood. Limits are complementary log-log,
            ``conf_low`` of the lower and ``conf_high`` of the upper survival, from the
            information (6).

        Raises
        ------
        ModelError
            If a time is negative or no number.
        """
        import pandas as pd

        t = read_times(times)
        parts = [_state(curve, t, self.conf_level) for curve in self.curves]
        return pd.concat(parts, ignore_index=True)

    def quantiles(self, probs: Sequence[float] = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Bound the times by which given shares have had the event.

        Parameters
        ----------
        probs : sequence of float
            Shares between 0 and 1: 0.5 is the median.

        Returns
        -------
        pandas.DataFrame
            ``level prob low high``: the first time at which survival is 1 - prob or
            less is in (low, high]. ``high`` is NaN where that time was not reached in
            what was seen.

        Raises
        ------
        ModelError
            If a share is not between 0 and 1.
        """
        import pandas as pd

        p = read_list(probs)
        if not np.all((p > 0.0) & (p < 1.0)):
            raise ModelError(f"probs: {probs!r} must be between 0 and 1, as 0.5 is.")
        parts = []
        for curve in self.curves:
            total = np.cumsum(curve.masses.mass[curve.support])
            place = np.searchsorted(total, p - ROUNDING)
            where = curve.support[np.minimum(place, len(total) - 1)]
            high = curve.cells.right[where]
            parts.append(
                pd.DataFrame(
                    {
                        "level": [curve.level] * len(p),
                        "prob": p,
                        "low": curve.cells.left[where],
                        "high": np.where(np.isfinite(high), high, np.nan),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


def turnbull(
    data: pd.DataFrame,
    *,
    left: str,
    right: str,
    by: str | None = None,
    conf_level: float = 0.95,
) -> Turnbull:
    """Estimate survival from interval-censored times, without a model.

    An event seen at a visit happened after the visit before it. Taking it to have
    happened at the visit, as Kaplan-Meier does, makes curves late by the time between
    visits; here nothing is taken.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject.
    left, right : str
        Columns of the last time without and the first with the event: it is in (left,
        right]. ``right`` missing or infinite: no event seen through ``left``. Equal:
        the time is known. ``left`` 0 or missing: no time without the event is known.
    by : str, optional
        Column of the groups.
    conf_level : float
        Of the limits in ``at``.

    Returns
    -------
    Turnbull

    Raises
    ------
    ModelError
        Naming the rows that cannot be used, all problems at once.

    Notes
    -----
    Equations: ``docs/methods/interval-censoring.md``.

    References
    ----------
    Turnbull (1976), JRSS B 38, 290-295,
    https://doi.org/10.1111/j.2517-6161.1976.tb01597.x.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.DataFrame({"LEFT": [0, 7, 7, 28], "RIGHT": [7, 28, 28, None]})
    >>> turnbull(days, left="LEFT", right="RIGHT").intervals["mass"].round(6).tolist()
    [0.25, 0.5, 0.25]
    """
    import pandas as pd

    conf_level = check_conf_level(conf_level)
    low, high, group, levels, unused = _read(data, left, right, by)
    curves = []
    for k, level in enumerate(levels):
        here = group == k
        cells = find_intersections(low[here], high[here])
        curves.append(IntervalCurve(level, int(here.sum()), cells, maximise(cells)))
    intervals = pd.concat(
        [
            pd.DataFrame(
                {
                    "level": [curve.level] * len(curve.support),
                    "left": curve.cells.left[curve.support],
                    "right": curve.cells.right[curve.support],
                    "mass": curve.masses.mass[curve.support],
                }
            )
            for curve in curves
        ],
        ignore_index=True,
    )
    return Turnbull(
        intervals=intervals,
        curves=tuple(curves),
        unused=unused,
        conf_level=conf_level,
        converged=all(c.masses.gap <= 2.0 * GAP * c.n_subjects for c in curves),
        iterations=max(curve.masses.iterations for curve in curves),
    )


def _state(curve: IntervalCurve, t: FloatArray, conf_level: float) -> pd.DataFrame:
    """Bounds of survival of one group, and their limits."""
    import pandas as pd

    support = curve.support
    left, right = curve.cells.left[support], curve.cells.right[support]
    ends = np.unique(np.concatenate([left, right[np.isfinite(right)]]))
    given, t = t, meet_times(t, ends)
    # Number of masses that are before the time for certain, and that may be.
    certain = np.searchsorted(right, t, side="right")
    possible = np.maximum(certain, np.searchsorted(left, t, side="left"))
    total = np.concatenate([[0.0], np.cumsum(curve.masses.mass[support])])
    total[-1] = 1.0
    errors = _errors(curve, support, np.union1d(certain, possible))
    frame = {"level": [curve.level] * len(t), "time": given}
    limits = []
    for side, count in (("low", possible), ("high", certain)):
        survival = 1.0 - total[count]
        frame[f"survival_{side}"] = survival
        std_error = np.array([errors[int(c)] for c in count])
        limits.append(
            survival_limits(
                survival, std_error, conf_type="log-log", conf_level=conf_level
            )
        )
    return pd.DataFrame(frame | {"conf_low": limits[0][0], "conf_high": limits[1][1]})


def _errors(
    curve: IntervalCurve, support: IntArray, wanted: IntArray
) -> dict[int, float]:
    """Return standard errors of the cumulative masses after some of the intervals."""
    k = len(support)
    inner = wanted[(wanted > 0) & (wanted < k)]
    errors = dict.fromkeys((0, k), 0.0)
    if len(inner):
        first, stop, P = on_support(curve.cells, curve.masses.mass, support)
        units = np.zeros((k - 1, len(inner)))
        units[inner - 1, np.arange(len(inner))] = 1.0
        found = solve_information(first, stop, curve.cells.count / P**2, k, units)
        variances = found[inner - 1, np.arange(len(inner))]
        errors |= dict(zip(inner.tolist(), np.sqrt(variances).tolist(), strict=True))
    return errors


def _read(
    data: pd.DataFrame, left: str, right: str, by: str | None
) -> tuple[FloatArray, FloatArray, IntArray, tuple[Any, ...], tuple[Any, ...]]:
    """Read the ends of intervals and the groups, or say all that is wrong."""
    check_table(data, {})
    names = [left, right] if by is None else [left, right, by]
    problems = [
        f"data has no column {name!r}; it has"
        f" {', '.join(map(repr, map(str, data.columns)))}."
        if name not in data.columns
        else f"data has more than one column {name!r}."
        for name in names
        if list(data.columns).count(name) != 1
    ]
    if problems:
        raise ModelError(" ".join(problems))
    low, high = (_ends(data, name, problems) for name in (left, right))

    def tell(wrong: BoolArray, name: str, what: str) -> None:
        if wrong.any():
            rows = f"row {name_rows(data.index, wrong)}"
            problems.append(
                f"{name!r}: {int(wrong.sum())} of {len(wrong)} rows {what} ({rows})."
            )

    tell(np.isnan(low) & np.isnan(high), left, f"miss both it and {right!r}")
    low = np.where(np.isnan(low) & ~np.isnan(high), 0.0, low)
    high = np.where(np.isnan(high), np.inf, high)
    tell(np.isinf(low), left, "are infinite")
    tell(low < 0.0, left, "are before 0")
    for name, values in ((left, low), (right, high)):
        tell(out_of_reach(values), name, BEYOND)
        values[out_of_reach(values)] = 1.0
    low, high = same_times(low, high)
    tell(high < low, right, f"are before {left!r}")
    tell((high == 0.0) & (low == 0.0), right, "are an event at 0; times are positive")
    group = np.zeros(len(data), dtype=np.intp)
    levels: tuple[Any, ...] = ("",)
    unused: tuple[Any, ...] = ()
    if by is not None:
        tell(data[by].isna().to_numpy(dtype=bool), by, "are missing")
        order = declared_order(data[by], by, {})
        codes = np.asarray(code_levels(data[by], order).codes, dtype=np.intp)
        used = [k for k in range(len(order)) if np.any(codes == k)]
        levels = tuple(order[k] for k in used)
        unused = tuple(order[k] for k in range(len(order)) if k not in used)
        group = np.searchsorted(np.array(used, dtype=np.intp), codes).astype(np.intp)
    if problems:
        raise ModelError(" ".join(problems))
    return low, high, group, levels, unused


def _ends(data: pd.DataFrame, name: str, problems: list[str]) -> FloatArray:
    """Return a column of numbers, missing and infinite ones allowed."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype

    column = data[name]
    if is_bool_dtype(column.dtype) or not may_be_numbers(column):
        problems.append(f"{name!r} is no column of numbers, but {column.dtype}.")
        return np.zeros(len(column))
    numbers = pd.to_numeric(column, errors="coerce")
    if is_complex_dtype(numbers.dtype):
        problems.append(f"{name!r} has complex numbers; times are real.")
        return np.zeros(len(column))
    values = numbers.to_numpy(float, na_value=np.nan)
    text = np.isnan(values) & ~column.isna().to_numpy(dtype=bool)
    if text.any():
        problems.append(
            f"{name!r}: {int(text.sum())} of {len(text)} rows are no numbers (row"
            f" {name_rows(data.index, text)})."
        )
    return np.array(values, dtype=np.float64)
