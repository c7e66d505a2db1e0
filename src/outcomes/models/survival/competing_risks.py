"""Cumulative incidence in the presence of competing events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.inference import check_conf_level
from outcomes.models.options import FloatArray, check_option
from outcomes.models.survival.aalen_johansen import (
    Incidence,
    Rows,
    Variance,
    aalen_johansen,
    at_risk,
)
from outcomes.models.survival.limits import survival_limits
from outcomes.models.survival.records import Records, read_records
from outcomes.models.survival.time_values import meet_times, read_times

if TYPE_CHECKING:
    import pandas as pd

ConfType = Literal["log-log", "log", "plain"]


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeIncidence:
    """Cumulative incidence of each cause in each group.

    Attributes
    ----------
    curve : pandas.DataFrame
        ``level cause time n_risk n_event n_censor estimate std_error conf_low conf_high
        count_risk count_event``, a row for each distinct time of the level. ``n_risk``
        is just before the time; the ``n_`` columns are sums of weights, the ``count_``
        columns numbers of rows.
    levels, unused : tuple
        Groups that have records, and declared levels without.
    causes : tuple of int
        Codes of the causes.
    conf_type : str
        Scale of the limits.
    conf_level : float
        Of the limits.
    variance : str
        ``"delta"``, ``"aalen"`` or ``"infinitesimal-jackknife"``.
    paths : tuple of Incidence
        The estimates of each group as arrays.
    rows : tuple of Rows
        Its records.
    """

    curve: pd.DataFrame
    levels: tuple[Any, ...]
    unused: tuple[Any, ...]
    causes: tuple[int, ...]
    conf_type: ConfType
    conf_level: float
    variance: str
    paths: tuple[Incidence, ...]
    rows: tuple[Rows, ...]

    def __repr__(self) -> str:
        n = sum(len(np.unique(rows.subject)) for rows in self.rows)
        return (
            f"<Cumulative incidence: {len(self.levels)} groups, causes"
            f" {', '.join(map(str, self.causes))}, {n} subjects>"
        )

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """State the cumulative incidence at given times.

        Parameters
        ----------
        times : sequence of float
            Not negative.

        Returns
        -------
        pandas.DataFrame
            ``level cause time n_risk n_event n_censor estimate std_error conf_low
            conf_high``: at risk just before the time, events through it and censored
            before it. After the last observed time of a level the estimate is NaN,
            unless everybody had an event by then.

        Raises
        ------
        ModelError
            If a time is negative or no number.
        """
        import pandas as pd

        wanted = read_times(times)
        parts = [
            _state(self, level, j, cause, path, rows, wanted)
            for level, path, rows in zip(
                self.levels, self.paths, self.rows, strict=True
            )
            for j, cause in enumerate(self.causes)
        ]
        return pd.concat(parts, ignore_index=True)


def cumulative_incidence(
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
    variance: Variance = "delta",
) -> CumulativeIncidence:
    """Estimate the cumulative incidence of competing events (Aalen-Johansen).

    Parameters
    ----------
    data : pandas.DataFrame
        One row per subject, or several with ``subject`` and ``entry``.
    time : str
        Column of the time of the first event or of censoring, positive.
    event : str
        Column of 0 (censored) or the cause: 1, 2, ...
    by : str, optional
        Column of the groups.
    entry : str, optional
        Column of the time from which a row is at risk.
    weights : str, optional
        Column of weights, not negative.
    subject : str, optional
        Column that says whose a row is.
    conf_type : str
        ``"log-log"`` (complementary: the limits stay in [0, 1]), ``"log"`` or
        ``"plain"``. On the first two there are no limits while the estimate is 0.
    conf_level : float
        Of the limits.
    variance : str
        ``"delta"``: the delta method from multinomial counts at each time (Greenwood's
        for one cause); ``"aalen"``: Aalen's, as R cmprsk. With ``weights`` it is the
        infinitesimal jackknife over subjects, which without weights and ``entry`` is
        the same number as ``"delta"``.

    Returns
    -------
    CumulativeIncidence

    Raises
    ------
    ModelError
        Naming the rows that cannot be used, all problems at once.

    Notes
    -----
    Equations: ``docs/methods/competing-risks.md``.

    References
    ----------
    Aalen and Johansen (1978), Scand J Stat 5, 141-150. Aalen (1978), Ann Stat 6,
    534-545, https://doi.org/10.1214/aos/1176344198. Allignol, Schumacher and Beyersmann
    (2010), Biom J 52, 126-137, https://doi.org/10.1002/bimj.200900039.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"AVAL": [1.0, 2, 3, 4], "CAUSE": [1, 2, 0, 1]})
    >>> fit = cumulative_incidence(data, time="AVAL", event="CAUSE")
    >>> fit.at([2])["estimate"].tolist()
    [0.25, 0.25]
    """
    check_option(conf_type, ConfType, name="conf_type")
    check_option(variance, Variance, name="variance")
    conf_level = check_conf_level(conf_level)
    robust = weights is not None
    if robust and variance == "aalen":
        raise ModelError(
            "variance: 'aalen' has no form for weights, with which the infinitesimal"
            " jackknife is used. Leave variance out."
        )
    records = read_records(
        data,
        time=time,
        event=event,
        by=by,
        entry=entry,
        weights=weights,
        subject=subject,
        codes=None,
    )
    causes = tuple(int(code) for code in np.unique(records.event) if code) or (1,)
    rows = tuple(rows_of(records, k) for k in range(len(records.levels)))
    paths = tuple(
        aalen_johansen(part, causes, robust=robust, variance=variance) for part in rows
    )
    return CumulativeIncidence(
        curve=_curve(records.levels, causes, paths, conf_type, conf_level, robust),
        levels=records.levels,
        unused=records.unused,
        causes=causes,
        conf_type=conf_type,
        conf_level=conf_level,
        variance="infinitesimal-jackknife" if robust else variance,
        paths=paths,
        rows=rows,
    )


def rows_of(records: Records, level: int) -> Rows:
    """Take the records of one level."""
    here = records.group == level
    return Rows(
        time=records.time[here],
        entry=records.entry[here],
        weights=records.weights[here],
        event=records.event[here],
        subject=records.subject[here],
        continued=records.continued[here],
    )


def _curve(
    levels: tuple[Any, ...],
    causes: tuple[int, ...],
    paths: tuple[Incidence, ...],
    conf_type: ConfType,
    conf_level: float,
    weighted: bool,
) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for level, path in zip(levels, paths, strict=True):
        for j, cause in enumerate(causes):
            low, high = survival_limits(
                path.estimate[:, j],
                path.std_error[:, j],
                conf_type=conf_type,
                conf_level=conf_level,
            )
            parts.append(
                pd.DataFrame(
                    {
                        "level": [level] * len(path.time),
                        "cause": cause,
                        "time": path.time,
                        "n_risk": _counted(path.n_risk, weighted),
                        "n_event": _counted(path.n_event[:, j], weighted),
                        "n_censor": _counted(path.n_censor, weighted),
                        "estimate": path.estimate[:, j],
                        "std_error": path.std_error[:, j],
                        "conf_low": low,
                        "conf_high": high,
                        "count_risk": path.count_risk,
                        "count_event": path.count_event[:, j],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _state(
    found: CumulativeIncidence,
    level: Any,
    j: int,
    cause: int,
    path: Incidence,
    rows: Rows,
    wanted: FloatArray,
) -> pd.DataFrame:
    """One level and cause at the wanted times."""
    import pandas as pd

    given, wanted = wanted, meet_times(wanted, path.time)
    through = np.searchsorted(path.time, wanted, side="right")
    before = np.searchsorted(path.time, wanted, side="left")
    over = (wanted > rows.time.max()) & (path.survival[-1] > 0.0)

    weighted = found.variance == "infinitesimal-jackknife"
    risk = np.where(wanted > rows.time.max(), 0.0, at_risk(rows, wanted, rows.weights))
    # On a time of the curve, the very number the curve has.
    on = before < through
    risk[on] = path.n_risk[before[on]]

    def step(values: FloatArray, places: Any) -> FloatArray:
        return np.asarray(np.concatenate([[0.0], values])[places], dtype=float)

    estimate = np.where(over, np.nan, step(path.estimate[:, j], through))
    std_error = np.where(over, np.nan, step(path.std_error[:, j], through))
    low, high = survival_limits(
        estimate,
        std_error,
        conf_type=found.conf_type,
        conf_level=found.conf_level,
    )
    return pd.DataFrame(
        {
            "level": [level] * len(wanted),
            "cause": cause,
            "time": given,
            "n_risk": _counted(risk, weighted),
            "n_event": _counted(step(np.cumsum(path.n_event[:, j]), through), weighted),
            "n_censor": _counted(step(np.cumsum(path.n_censor), before), weighted),
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": low,
            "conf_high": high,
        }
    )


def _counted(values: FloatArray, weighted: bool) -> Any:
    """Numbers of subjects are whole, sums of weights are not."""
    return np.maximum(values, 0.0) if weighted else np.rint(values).astype(np.int64)
