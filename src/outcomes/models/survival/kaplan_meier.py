"""`kaplan_meier`: survival curves of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcomes.models.inference import check_conf_level
from outcomes.models.options import FloatArray, IntArray, check_option
from outcomes.models.survival.curves import (
    SurvivalCurve,
    counts_at,
    estimates_at,
    fit_curve,
    median_follow_up,
)
from outcomes.models.survival.quantiles import check_probs, curve_quantiles
from outcomes.models.survival.records import read_records
from outcomes.models.survival.steps import rows_of
from outcomes.models.survival.time_values import read_times

if TYPE_CHECKING:
    import pandas as pd

ConfType = Literal["log-log", "log", "plain"]


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """Survival curves by level.

    Attributes
    ----------
    curves : tuple of SurvivalCurve
        One for each level that has records, in their order.
    unused : tuple
        Declared levels without records.
    conf_type : str
        Scale of the limits.
    conf_level : float
        Their coverage.
    weighted : bool
        Counts are sums of weights, and standard errors robust.
    n_subjects, n_records : int
        Subjects and records, all levels together.
    """

    curves: tuple[SurvivalCurve, ...] = field(repr=False)
    unused: tuple[Any, ...]
    conf_type: str
    conf_level: float
    weighted: bool
    n_subjects: int
    n_records: int

    @property
    def levels(self) -> tuple[Any, ...]:
        """Levels that have records, in their order."""
        return tuple(curve.level for curve in self.curves)

    @property
    def curve(self) -> pd.DataFrame:
        """All times of all curves.

        Returns
        -------
        pandas.DataFrame
            ``level time n_risk n_event n_censor survival std_error conf_low conf_high
            count_risk count_event``: at risk just before the time, events and
            censorings at it (weighted sums if weighted), survival after it, and numbers
            of records. Survival at time 0 is 1 and has no row.
        """
        return self._frame(
            {
                "level": _repeat(curve.level, len(curve.sets.time)),
                "time": curve.sets.time,
                "n_risk": self._counted(curve.sets.n_risk),
                "n_event": self._counted(curve.sets.n_event),
                "n_censor": self._counted(curve.sets.n_censor),
                "survival": curve.survival,
                "std_error": curve.std_error,
                "conf_low": curve.conf_low,
                "conf_high": curve.conf_high,
                "count_risk": curve.sets.count_risk,
                "count_event": curve.sets.count_event,
            }
            for curve in self.curves
        )

    def at(self, times: Sequence[float] | FloatArray) -> pd.DataFrame:
        """Evaluate the curves at given times.

        Parameters
        ----------
        times : sequence of float
            Not negative.

        Returns
        -------
        pandas.DataFrame
            ``level time n_risk n_event n_censor survival std_error conf_low
            conf_high``: at risk just before the time, events through it, censorings
            before it. After the last time of a curve that has not come down to zero
            nothing is known: nobody is at risk and estimates are NaN.

        Raises
        ------
        ModelError
            If a time is negative or no number.
        """
        t = read_times(times)
        return self._frame(
            {"level": _repeat(curve.level, len(t)), "time": t}
            | {name: self._counted(n) for name, n in counts_at(curve, t).items()}
            | estimates_at(curve, t)
            for curve in self.curves
        )

    def quantiles(self, probs: Sequence[float] = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Return the times by which shares of subjects have had the event.

        Parameters
        ----------
        probs : sequence of float
            Shares with the event: 0.5 is the median.

        Returns
        -------
        pandas.DataFrame
            ``level prob estimate conf_low conf_high``; NaN where the curve, or the
            limit of it that is inverted, does not come down so far: not reached.

        Raises
        ------
        ModelError
            If a share is not between 0 and 1.
        """
        p = check_probs(probs)
        return self._frame(
            {
                "level": _repeat(curve.level, len(p)),
                "prob": p,
                "estimate": curve_quantiles(curve.sets.time, curve.survival, p),
                "conf_low": curve_quantiles(curve.sets.time, curve.conf_low, p),
                "conf_high": curve_quantiles(curve.sets.time, curve.conf_high, p),
            }
            for curve in self.curves
        )

    def follow_up(self) -> pd.DataFrame:
        """Return how long subjects were followed.

        Returns
        -------
        pandas.DataFrame
            ``level median minimum maximum``: median time to censoring had there been no
            events (reverse Kaplan-Meier; who has the event at a time is not at risk of
            being censored at it), and the smallest and largest time.

        References
        ----------
        Schemper and Smith (1996), Controlled Clinical Trials 17, 343-346,
        https://doi.org/10.1016/0197-2456(96)00075-X.
        """
        return self._frame(
            {
                "level": _repeat(curve.level, 1),
                "median": median_follow_up(curve.sets),
                "minimum": curve.sets.time[:1],
                "maximum": curve.sets.time[-1:],
            }
            for curve in self.curves
        )

    def _counted(self, values: FloatArray) -> FloatArray | IntArray:
        return values if self.weighted else values.astype(np.int64)

    def _frame(self, parts: Any) -> pd.DataFrame:
        import pandas as pd

        whole = list(parts)
        return pd.DataFrame(
            {name: np.concatenate([part[name] for part in whole]) for name in whole[0]}
        )


def kaplan_meier(
    data: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | None = None,
    entry: str | None = None,
    weights: str | None = None,
    subject: str | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = 0.95,
) -> KaplanMeier:
    """Estimate survival curves by the product-limit method of Kaplan and Meier.

    At one time, events happen before censorings. Without weights standard errors are
    Greenwood's; with weights they are those of the infinitesimal jackknife over
    subjects, which take the weights as known.

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject, or per record of a subject.
    time, event : str
        Columns of the time of the event or of censoring, positive, and of 0 (censored)
        or 1 (event).
    by : str, optional
        Column of the groups, in Categorical or sorted order.
    entry : str, optional
        Column of the time from which a record is at risk (left truncation,
        counting-process rows); at risk in (entry, time].
    weights : str, optional
        Column of weights, of whatever scale.
    subject : str, optional
        Column of the subjects, if they have several rows.
    conf_type : str
        Limits by normal approximation on the scale ``"log-log"``, ``"log"`` or
        ``"plain"``.
    conf_level : float
        Coverage of the limits.

    Returns
    -------
    KaplanMeier
        Frames ``.curve``, ``.at(times)``, ``.quantiles(probs)``, ``.follow_up()``.

    Raises
    ------
    ModelError
        If the input cannot be analysed; the message names rows and columns.

    Notes
    -----
    Algebra, and where programs differ: ``docs/methods/survival-curves.md``.

    References
    ----------
    Kaplan and Meier (1958), JASA 53, 457-481, https://doi.org/10.2307/2281868.

    Examples
    --------
    >>> import pandas as pd
    >>> d = pd.DataFrame({"day": [3, 5, 5, 9], "relapse": [1, 1, 0, 0]})
    >>> kaplan_meier(d, time="day", event="relapse").curve["survival"].tolist()
    [0.75, 0.5, 0.5]
    """
    check_option(conf_type, ConfType, name="conf_type")
    level = check_conf_level(conf_level)
    records = read_records(
        data,
        time=time,
        event=event,
        by=by,
        entry=entry,
        weights=weights,
        subject=subject,
    )
    curves = [
        fit_curve(
            rows_of(records, records.group == k),
            value,
            robust=records.weighted,
            conf_type=conf_type,
            conf_level=level,
        )
        for k, value in enumerate(records.levels)
    ]
    return KaplanMeier(
        curves=tuple(curves),
        unused=records.unused,
        conf_type=conf_type,
        conf_level=level,
        weighted=records.weighted,
        n_subjects=records.n_subjects,
        n_records=records.n_records,
    )


def _repeat(level: Any, n: int) -> Any:
    """Return a column of one level, as text or number as it is."""
    column = np.empty(n, dtype=object)
    column.fill(level)
    return column
