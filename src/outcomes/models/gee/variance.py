"""Variance functions of the families."""

from __future__ import annotations

import numpy as np

from outcomes.models.links import inverse_link
from outcomes.models.options import FloatArray

# Variance of a mean, below which a division would overflow.
SMALLEST_VARIANCE = 1e-300


def spread(family: str, link: str, eta: FloatArray) -> FloatArray:
    """Root of the variance function at a linear predictor; any shape."""
    mean = inverse_link(link, eta)
    match family:
        case "binomial":
            # One minus the mean loses its digits near one; its own tail does not.
            variance = mean * inverse_link(link, -np.asarray(eta))
        case "poisson":
            variance = mean
        case _:
            variance = np.ones_like(mean)
    return np.asarray(np.sqrt(np.maximum(variance, SMALLEST_VARIANCE)))
