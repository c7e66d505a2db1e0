"""Residuals of the model of a change analysis, and its covariance beside theirs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from outcomes.analyses.change_data import ChangeData
from outcomes.analyses.change_fit import covariances, day_of
from outcomes.analyses.describe import moments, numbers, quantile
from outcomes.ard.rows import ArdRows, point_level
from outcomes.models.mmrm.residuals import residuals
from outcomes.models.mmrm.results import MmrmFit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Frame = pd.DataFrame
    FloatArray = NDArray[np.float64]

QUANTILES: Final = 50
"""Quantiles of a plot that does not show every residual."""
EXTREMES: Final = 5
"""Residuals of each end that a plot shows always."""
BINS: Final = 10
FEWEST_PAIRS: Final = 3


def add_residuals(data: ChangeData, fit: MmrmFit, ard: ArdRows) -> None:
    """Add normalised residuals by visit, their quantiles, and their spread.

    Were the model true, normalised residuals would be independent and standard normal,
    also within a subject.
    """
    frame = residuals(fit, "normalised")
    for visit, rows in _by_visit(fit, frame):
        values = numbers(rows["residual"])
        here = ard.at(visit=visit, time=day_of(data, visit), n_subjects=len(values))
        ends = {"min": float(values.min()), "max": float(values.max())}
        here.add_all({**moments(values), **shape(values), **ends}, term="residuals")
        for number, point in enumerate(quantile_points(values), start=1):
            here.add_all(point, term="residual-quantile", level=point_level(number))
    for number, row in enumerate(spread(frame), start=1):
        ard.add_all(
            row,
            term="residual-spread",
            level=point_level(number),
            n_subjects=fit.n_subjects,
        )


def _by_visit(fit: MmrmFit, frame: Frame) -> list[tuple[str, Frame]]:
    return [(str(v), frame[frame[fit.visit] == v]) for v in fit.visits]


def shape(values: FloatArray) -> dict[str, float]:
    """Return ``skewness`` and excess ``kurtosis`` as SAS does; NaN where undefined.

    Joanes and Gill (1998, The Statistician 47, 183-189), G1 and G2.

    Examples
    --------
    >>> import numpy as np
    >>> shape(np.array([1.0, 2.0, 3.0]))["skewness"]
    0.0
    """
    n = len(values)
    apart = values - values.mean() if n else values
    variance = float((apart**2).mean()) if n else 0.0
    if not variance > 0:
        return {"skewness": math.nan, "kurtosis": math.nan}
    g1 = float((apart**3).mean()) / variance**1.5
    g2 = float((apart**4).mean()) / variance**2 - 3.0
    skewness = g1 * math.sqrt(n * (n - 1)) / (n - 2) if n > 2 else math.nan
    kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6) if n > 3 else math.nan
    return {"skewness": skewness, "kurtosis": kurtosis}


def quantile_points(values: FloatArray) -> list[dict[str, float]]:
    """Return points of a normal quantile plot.

    Every value where there are few, at Blom's plotting positions; else the extremes of
    both ends there, and between them quantiles at evenly spaced probabilities.

    Returns
    -------
    list of dict
        ``probability``, ``x`` (standard normal quantile) and ``y``.
    """
    import numpy as np
    from scipy.special import ndtri

    n = len(values)
    p = (np.arange(1, n + 1) - 0.375) / (n + 0.25)
    y = np.sort(values)
    if n > QUANTILES + 2 * EXTREMES:
        even = (np.arange(1, QUANTILES + 1) - 0.5) / QUANTILES
        even = even[(even * n > EXTREMES) & ((1 - even) * n > EXTREMES)]
        between = [quantile(values, one) for one in even]
        p = np.concatenate([p[:EXTREMES], even, p[-EXTREMES:]])
        y = np.concatenate([y[:EXTREMES], between, y[-EXTREMES:]])
    return [
        {"probability": float(a), "x": float(b), "y": float(c)}
        for a, b, c in zip(p, ndtri(p), y, strict=True)
    ]


def spread(frame: Frame) -> list[dict[str, float]]:
    """Return mean and SD of residuals by tenths of the fitted values.

    Equal fitted values are never parted, so that there may be fewer than ten.

    Returns
    -------
    list of dict
        ``x`` (mean fitted value), ``n``, ``mean`` and ``sd``.
    """
    import numpy as np

    fitted, values = numbers(frame["fitted"]), numbers(frame["residual"])
    edges = [quantile(fitted, k / BINS) for k in range(1, BINS)]
    bins = np.searchsorted(np.array(edges), fitted, side="left")
    return [
        {"x": float(fitted[bins == k].mean()), **moments(values[bins == k])}
        for k in np.unique(bins)
    ]


def add_correlations(data: ChangeData, fit: MmrmFit, ard: ArdRows) -> None:
    """Add fitted SDs and correlations of visits, and those of the residuals beside.

    Residuals are correlated pair by pair, over the subjects observed at both visits.
    """
    raw = residuals(fit, "raw")
    groups = _groups(data)
    for place, covariance in covariances(data, fit):
        level = next(iter(place.values()), None)
        rows = raw if level is None else raw[raw[fit.subject].map(groups) == level]
        wide = rows.pivot(index=fit.subject, columns=fit.visit, values="residual")
        here = ard.at(**place)
        _add_fitted(data, covariance, here)
        _add_empirical(data, fit, wide, here)


def _groups(data: ChangeData) -> Any:
    """Return the covariance group by subject, as text."""
    if data.group is None:
        return {}
    rows = data.modelled.drop_duplicates("USUBJID")
    return dict(zip(rows["USUBJID"], rows[data.group].astype(str), strict=True))


def _add_fitted(data: ChangeData, covariance: Frame, ard: ArdRows) -> None:
    sigma = covariance.to_numpy(dtype="float64")
    visits = [str(visit) for visit in covariance.index]
    for i, visit in enumerate(visits):
        here = ard.at(visit=visit, time=day_of(data, visit))
        here.add("estimate", math.sqrt(sigma[i, i]), term="fitted-sd")
        for j in range(i):
            r = sigma[i, j] / math.sqrt(sigma[i, i] * sigma[j, j])
            here.add("estimate", r, term="fitted-correlation", level=visits[j])


def _add_empirical(data: ChangeData, fit: MmrmFit, wide: Frame, ard: ArdRows) -> None:
    visits = [str(visit) for visit in fit.visits]
    columns = {v: _column(wide, v) for v in visits}
    for i, visit in enumerate(visits):
        here = ard.at(visit=visit, time=day_of(data, visit))
        one = columns[visit]
        own = moments(one[~_unknown(one)])
        line = here.at(term="empirical-sd", n_subjects=int(own["n"]))
        if own["n"] > 1:
            line.add("estimate", own["sd"])
        else:
            line.fail("fewer than 2 subjects have this visit.")
        for other in visits[:i]:
            _add_pair(one, columns[other], here.at(level=other))


def _column(wide: Frame, visit: str) -> FloatArray:
    import numpy as np

    if visit not in wide.columns:
        return np.full(len(wide), math.nan)
    return numbers(wide[visit])


def _unknown(values: FloatArray) -> NDArray[np.bool_]:
    import numpy as np

    return np.isnan(values)


def _add_pair(one: FloatArray, other: FloatArray, ard: ArdRows) -> None:
    import numpy as np

    both = ~(_unknown(one) | _unknown(other))
    n = int(both.sum())
    ard = ard.at(term="empirical-correlation", n_subjects=n)
    if n < FEWEST_PAIRS:
        ard.fail(f"only {n} subjects have both visits; {FEWEST_PAIRS} are needed.")
        return
    x, y = one[both], other[both]
    if not (x.std() > 0 and y.std() > 0):
        ard.fail("the residuals of one visit do not vary.")
        return
    ard.add("estimate", float(np.corrcoef(x, y)[0, 1]))
