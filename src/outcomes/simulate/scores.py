"""Bounded totals, and the item scores that add up to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def soft_floor(x: FloatArray, scale: float) -> FloatArray:
    """Bend a latent score smoothly above zero: ``scale * log(1 + exp(x / scale))``.

    Far above zero it changes nothing; below, scores crowd near zero as clinical
    scales do at remission, instead of piling up on it.
    """
    return np.asarray(scale * np.logaddexp(0.0, x / scale), dtype=np.float64)


def to_total(latent: FloatArray, scale: float, top: int) -> IntArray:
    """Return whole scores between 0 and ``top``, halves rounded up."""
    bounded = np.minimum(soft_floor(latent, scale), float(top))
    return np.floor(bounded + 0.5).astype(np.int64)


def to_percent(latent: FloatArray, scale: float) -> FloatArray:
    """Bend a latent percentage smoothly into 0 to 100, at both ends."""
    low = soft_floor(latent, scale)
    return np.clip(100.0 - soft_floor(100.0 - low, scale), 0.0, 100.0)


def spread(total: IntArray, propensity: FloatArray, highest: int) -> IntArray:
    """Split totals into item scores from 0 to ``highest``.

    Item ``j`` scores the number of levels ``k`` with ``k - 1/2 <= t + propensity_j``.
    The level ``t`` of a person is the one at which the items add up to the total;
    because propensities are continuous there is exactly one such split.

    Parameters
    ----------
    total : IntArray, shape (n,)
        Between 0 and ``J * highest``.
    propensity : FloatArray, shape (n, J)
        What makes an item score higher than the others in this person.
    highest : int
        Highest score of an item.

    Returns
    -------
    IntArray, shape (n, J)
        Rows add up to ``total``.
    """
    n, n_items = propensity.shape
    levels = np.arange(1, highest + 1) - 0.5
    crossing = levels[None, None, :] - propensity[:, :, None]
    ordered = np.sort(crossing.reshape(n, n_items * highest), axis=1)
    last = np.take_along_axis(ordered, np.maximum(total - 1, 0)[:, None], axis=1)[:, 0]
    level = np.where(total > 0, last, -np.inf)
    return np.asarray((crossing <= level[:, None, None]).sum(axis=2), dtype=np.int64)


CLUSTERS = ((0, 5, 1), (5, 7, 1), (7, 14, 2), (14, 20, 2))
"""CAPS-5 criteria B to E: first item, one past the last (from 0), symptoms needed."""

MEQ_FACTORS = (
    (4, 5, 6, 9, 14, 15, 16, 18, 20, 21, 23, 24, 25, 26, 28),
    (2, 8, 12, 17, 27, 30),
    (1, 7, 11, 13, 19, 22),
    (3, 10, 29),
)
"""MEQ30 items of mystical, positive mood, transcendence, ineffability (standalone)."""


def meets_symptoms(items: IntArray) -> NDArray[np.bool_]:
    """Say who meets CAPS-5 criteria B to E: enough symptoms rated 2 or more.

    Parameters
    ----------
    items : IntArray, shape (n, 20)
        Items 1 to 20.
    """
    present = items >= 2
    met = [present[:, a:b].sum(axis=1) >= need for a, b, need in CLUSTERS]
    return np.asarray(np.logical_and.reduce(met))


def complete_experience(items: IntArray) -> NDArray[np.bool_]:
    """Say who had a complete mystical experience: 60 % of each factor's maximum."""
    reached = []
    for factor in MEQ_FACTORS:
        columns = np.array(factor) - 1
        reached.append(items[:, columns].sum(axis=1) >= 3 * len(factor))
    return np.asarray(np.logical_and.reduce(reached))


def experience_items(
    percent: FloatArray,
    factor_sd: float,
    item_sd: float,
    rng: np.random.Generator,
) -> IntArray:
    """Draw the 30 items of an MEQ30 of given percent total.

    Items of one factor share a propensity, so factors are distinguishable.

    Parameters
    ----------
    percent : FloatArray, shape (n,)
        Total in percent of 150.

    Returns
    -------
    IntArray, shape (n, 30)
        Items 0 to 5 in the standalone order.
    """
    n = len(percent)
    total = np.floor(percent * 1.5 + 0.5).astype(np.int64)
    propensity = item_sd * rng.standard_normal((n, 30))
    for factor in MEQ_FACTORS:
        shared = factor_sd * rng.standard_normal(n)
        propensity[:, np.array(factor) - 1] += shared[:, None]
    return spread(total, propensity, 5)
