"""Times as numbers: which of them are one time, and those a curve is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import FloatArray

# Times nearer than this, as a share of them or of their mean, are one time.
SAME_TIME: Final = float(np.sqrt(np.finfo(np.float64).eps))


def same_times(entry: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make times that differ by rounding alone the same time.

    Parameters
    ----------
    entry, time : FloatArray, shape (n,)
        Times; infinite and NaN ones stay as they are.

    Returns
    -------
    tuple of FloatArray
        Both, each value replaced by the smallest one it cannot be told from.
    """
    both = np.concatenate([entry, time])
    finite = np.isfinite(both)
    found = np.unique(both[finite])
    if len(found) < 2:
        return entry, time
    # R survival takes the mean alone, and 1 where that is less: one time far out, or
    # a unit in which times are small, would make one time of all.
    size = np.minimum(np.abs(found), np.abs(found).mean())[1:]
    near = np.diff(found) <= SAME_TIME * size
    if not near.any():
        return entry, time
    cuts = found[np.concatenate([[True], ~near])]
    both[finite] = cuts[np.searchsorted(cuts, both[finite], side="right") - 1]
    return both[: len(entry)], both[len(entry) :]


def meet_times(wanted: FloatArray, times: FloatArray) -> FloatArray:
    """Take times asked for that differ from one there is by rounding alone as that.

    Parameters
    ----------
    wanted : FloatArray, shape (k,)
        Times asked for, finite.
    times : FloatArray, shape (m,)
        Times there are, increasing; at least one.

    Returns
    -------
    FloatArray, shape (k,)
    """
    above = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    below = np.maximum(above - 1, 0)
    nearer = wanted - times[below] < times[above] - wanted
    nearest = times[np.where(nearer, below, above)]
    met = np.abs(wanted - nearest) <= SAME_TIME * np.abs(nearest)
    return np.asarray(np.where(met, nearest, wanted))


def read_times(times: Any) -> FloatArray:
    """Return the times a curve is asked for as an array of its own.

    Raises
    ------
    ModelError
        If one is negative or no number.
    """
    t = read_list(times)
    if not np.all((t >= 0.0) & np.isfinite(t)):
        raise ModelError(
            f"times: {times!r} must be finite numbers of 0 or more, as [28, 84] is."
        )
    return t


def read_list(values: Any) -> FloatArray:
    """Return a number, or several, as an array; one NaN if they are no such thing."""
    one = isinstance(values, str) or getattr(values, "ndim", 1) == 0
    try:
        several = [values] if one or not isinstance(values, Iterable) else list(values)
        found = np.array(several, dtype=np.float64)
    except (TypeError, ValueError):
        return np.full(1, np.nan)
    return found if found.ndim == 1 else np.full(1, np.nan)
