"""A smooth line through points, for the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


def local_linear(x: FloatArray, y: FloatArray, share: float = 2 / 3) -> FloatArray:
    """Return the local line at each point: nearest neighbours, tricube weights.

    Cleveland's running line without its robust steps (J Am Stat Assoc 1979;74:829-836).
    Where the nearest ``share`` of all points are at one and the same place, which
    visits on fixed days bring about, neighbours reach on to the next place.

    Parameters
    ----------
    x, y : FloatArray, shape (n,)
        The points.
    share : float
        Of all points, how many are neighbours.

    Returns
    -------
    FloatArray, shape (n,)
        At each point; the mean where all x are the same.

    Examples
    --------
    >>> import numpy as np
    >>> local_linear(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 9.0]), 1.0)
    array([3., 5., 9.])
    """
    import numpy as np

    places = np.unique(x)
    if len(places) < 2:
        return np.full(len(x), float(np.mean(y)) if len(y) else np.nan)
    k = min(len(x), max(2, int(share * len(x) + 1e-10)))
    lines = {place: _line_at(place, x, y, k) for place in places}
    return np.array([lines[place] for place in x])


def _line_at(place: float, x: FloatArray, y: FloatArray, k: int) -> float:
    """Return the weighted line through the neighbours of a place, at the place."""
    import numpy as np

    distance = np.abs(x - place)
    ordered = np.sort(distance)
    reach = ordered[k - 1]
    if reach == 0.0:
        reach = ordered[ordered > 0.0][0]
    # A little more than the farthest neighbour's distance, which thus counts too.
    scaled = np.clip(distance / (reach * 1.001), 0.0, 1.0)
    weight = (1.0 - scaled**3) ** 3
    weight /= weight.sum()
    centre = float(weight @ x)
    spread = float(weight @ (x - centre) ** 2)
    mean = float(weight @ y)
    if spread <= 1e-12 * max(1.0, centre**2):
        return mean
    slope = float(weight @ ((x - centre) * y)) / spread
    return mean + slope * (place - centre)
