"""The two links: probabilities, the likelihood and its derivatives in the predictor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.options import BinaryLink, FloatArray

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Contributions:
    """The log likelihood and its derivatives in the linear predictor.

    Attributes
    ----------
    loglik : float
        Without the binomial coefficients.
    score : FloatArray, shape (n,)
        First derivatives.
    weight : FloatArray, shape (n,)
        Expected second derivatives, positive; for the logit the observed ones too.
    """

    loglik: float
    score: FloatArray
    weight: FloatArray


def contribute(
    link: BinaryLink, eta: FloatArray, successes: FloatArray, trials: FloatArray
) -> Contributions:
    """Evaluate the binomial likelihood; arrays of shape (n,).

    Written so that nothing cancels in the tails: a success at a probability of
    1 - 1e-30 contributes 1e-30, not 0.
    """
    from scipy.special import expit, log_expit, log_ndtr

    failures = trials - successes
    if link == "logit":
        p, q = expit(eta), expit(-eta)
        loglik = float(successes @ log_expit(eta) + failures @ log_expit(-eta))
        return Contributions(loglik, successes * q - failures * p, trials * p * q)
    log_p, log_q = log_ndtr(eta), log_ndtr(-eta)
    log_density = -0.5 * eta**2 - LOG_ROOT_2PI
    # Far out a step may be tried that has no likelihood; it is NaN and not taken.
    with np.errstate(over="ignore", invalid="ignore"):
        up, down = np.exp(log_density - log_p), np.exp(log_density - log_q)
    return Contributions(
        float(successes @ log_p + failures @ log_q),
        successes * up - failures * down,
        trials * up * down,
    )


def log_coefficients(successes: FloatArray, trials: FloatArray) -> float:
    """Sum of the logarithms of the binomial coefficients."""
    from scipy.special import gammaln

    return float(
        np.sum(
            gammaln(trials + 1.0)
            - gammaln(successes + 1.0)
            - gammaln(trials - successes + 1.0)
        )
    )
