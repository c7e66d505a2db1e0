"""What a mean is, and how it moves, with the linear predictor."""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray


def inverse_link(link: str, eta: FloatArray) -> FloatArray:
    """Mean at a linear predictor; any shape."""
    from scipy.special import expit, ndtr

    match link:
        case "logit":
            mean = expit(eta)
        case "probit":
            mean = ndtr(eta)
        case "log":
            mean = np.exp(eta)
        case _:
            mean = np.array(eta, dtype=float)
    return np.asarray(mean)


def inverse_link_slope(link: str, eta: FloatArray) -> FloatArray:
    """Slope of the mean in the linear predictor; any shape."""
    from scipy.special import expit

    match link:
        case "logit":
            slope = expit(eta) * expit(-np.asarray(eta))
        case "probit":
            slope = np.exp(-0.5 * np.square(eta)) / np.sqrt(2.0 * np.pi)
        case "log":
            slope = np.exp(eta)
        case _:
            slope = np.ones_like(eta, dtype=float)
    return np.asarray(slope)
