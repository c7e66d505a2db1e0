"""Covariances of the coefficients: model-based, Liang-Zeger and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from outcomes.models.gee.clusters import Clusters
from outcomes.models.options import BoolArray, FloatArray

# One minus the leverage of a cluster, below which it settles a coefficient alone.
ZERO: Final = 1e-10
# Share of the largest information below which a direction has run off: its variance is
# large, and not asked for.
LEAST: Final = 1e-13
POWER: Final = {"robust": 0.0, "kauermann-carroll": -0.5, "mancl-derouen": -1.0}


@dataclass(frozen=True, slots=True)
class Pieces:
    """What each cluster gives to bread and meat, dispersion left out.

    Attributes
    ----------
    bread : FloatArray, shape (p, p)
        Sum of the ``D'V^-1 D`` of the clusters.
    parts : tuple of FloatArray, each of shape (n, p, p)
        ``D'V^-1 D`` of the clusters, by block.
    scores : FloatArray, shape (N, p)
        ``D'V^-1 (y - mu)`` of each cluster.
    """

    bread: FloatArray
    parts: tuple[FloatArray, ...]
    scores: FloatArray


@dataclass(frozen=True, slots=True)
class Covariances:
    """Covariances of the coefficients.

    Attributes
    ----------
    model : FloatArray, shape (p, p)
        The inverse of the bread times the dispersion.
    used : FloatArray, shape (p, p)
        The one asked for.
    settling : BoolArray, shape (N,)
        Clusters that settle a coefficient alone.
    """

    model: FloatArray
    used: FloatArray
    settling: BoolArray


def make_pieces(
    clusters: Clusters, D: FloatArray, solved: FloatArray, residual: FloatArray
) -> Pieces:
    """Collect the products of each cluster.

    Parameters
    ----------
    clusters : Clusters
        The clusters.
    D : FloatArray, shape (n, p)
        Derivative of the means over the roots of their variances.
    solved : FloatArray, shape (n, p)
        Inverse working correlation times ``D``.
    residual : FloatArray, shape (n,)
        Pearson residuals.
    """
    parts = tuple(clusters.products(D, solved))
    bread = sum(part.sum(axis=0) for part in parts)
    return Pieces(np.asarray(bread), parts, clusters.sums(solved * residual[:, None]))


def make_covariances(kind: str, pieces: Pieces, scale: float) -> Covariances:
    """Compute the covariance of the coefficients, equations (8) to (11).

    Parameters
    ----------
    kind : str
        ``"robust"``, ``"mancl-derouen"``, ``"kauermann-carroll"`` or ``"model"``.
    pieces : Pieces
        Of the clusters.
    scale : float
        Dispersion.

    Notes
    -----
    With ``C C'`` the inverse of the bread, ``G_i = C' D_i' V_i^-1 D_i C`` has the
    non-zero eigenvalues of the leverage of cluster i, so that powers of a p x p matrix
    do what powers of one as large as the cluster would.

    References
    ----------
    Liang and Zeger (1986), Biometrika 73, 13-22; Mancl and DeRouen (2001), Biometrics
    57, 126-134; Kauermann and Carroll (2001), J Am Stat Assoc 96, 1387-1396.
    """
    none = np.zeros(len(pieces.scores), dtype=bool)
    unknown = np.full_like(pieces.bread, np.nan)
    if not np.isfinite(pieces.bread).all():
        return Covariances(unknown, unknown, none)
    values, vectors = np.linalg.eigh((pieces.bread + pieces.bread.T) / 2.0)
    if not values[-1] > 0.0:  # all means are at their edge
        return Covariances(unknown, unknown, none)
    C = vectors / np.sqrt(np.maximum(values, LEAST * values[-1]))
    model = scale * (C @ C.T)
    if kind == "model":
        return Covariances(model, model, none)
    scores = pieces.scores @ C
    if kind == "robust":
        return Covariances(model, _congruent(C, scores), none)
    settling = []
    done = 0
    for part in pieces.parts:
        own = slice(done, done + len(part))
        leverage, basis = np.linalg.eigh(C.T @ part @ C)
        left = 1.0 - leverage
        zero = left < ZERO
        power = np.where(zero, 0.0, np.where(zero, 1.0, left) ** POWER[kind])
        turned = np.einsum("npq,np->nq", basis, scores[own]) * power
        scores[own] = np.einsum("npq,nq->np", basis, turned)
        settling.append(zero.any(axis=1))
        done += len(part)
    return Covariances(model, _congruent(C, scores), np.concatenate(settling))


def _congruent(C: FloatArray, scores: FloatArray) -> FloatArray:
    half = C @ scores.T
    return np.asarray(half @ half.T)
