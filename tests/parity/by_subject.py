"""The likelihood and Kenward-Roger summed over subjects, as the papers write them.

Slow and plain, and independent of the arithmetic of the package but for Sigma and its
derivatives: it says what a fit would be at other covariance parameters than the best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outcomes.models.mmrm.covariance import STRUCTURES
from outcomes.models.mmrm.results import MmrmFit


@dataclass(frozen=True)
class Subject:
    """Rows of one subject; V with its derivatives in the parameters ``own``."""

    X: np.ndarray
    y: np.ndarray
    V: np.ndarray
    first: np.ndarray
    second: np.ndarray
    own: np.ndarray


def _subjects(
    fit: MmrmFit, theta: np.ndarray, *, weigh_derivatives: bool = True
) -> list[Subject]:
    frame = fit.design.frame.reset_index(drop=True)
    visits = frame[fit.visit].cat.codes.to_numpy()
    X = fit.design.X[:, ~fit.aliased_mask]
    K = len(fit.visits)
    places = np.arange(K * 1.0)
    distance = np.abs(places[:, None] - places)
    structure = STRUCTURES[fit.structure]
    m = len(theta) // len(fit.sigma)
    parts = []
    for own in np.split(theta, len(fit.sigma)):
        functions = (structure.sigma, structure.first, structure.second)
        parts.append([function(own, distance) for function in functions])
    weights = np.ones(len(frame))
    if fit.weights:
        weights = frame[fit.weights].to_numpy(dtype=float)
    out = []
    for rows in frame.groupby(fit.subject, sort=False).indices.values():
        g = fit.groups.index(frame[fit.group].iloc[rows[0]]) if fit.group else 0
        cell = (..., visits[rows][:, None], visits[rows])
        sigma, first, second = (part[cell] for part in parts[g])
        root = np.sqrt(np.outer(weights[rows], weights[rows]))
        sigma = sigma / root
        if weigh_derivatives:
            first, second = first / root, second / root
        own = np.arange(g * m, (g + 1) * m)
        out.append(Subject(X[rows], fit.design.y[rows], sigma, first, second, own))
    return out


def at_theta(fit: MmrmFit, theta: np.ndarray) -> MmrmFit:
    """Everything a fit says, at other covariance parameters.

    For the structures that depend on places only, and Kenward-Roger in the natural
    parameters.
    """
    subjects = _subjects(fit, theta)
    p, m = len(fit.beta), len(theta)
    A, b = np.zeros((p, p)), np.zeros(p)
    for s in subjects:
        W = np.linalg.inv(s.V)
        A += s.X.T @ W @ s.X
        b += s.X.T @ W @ s.y
    Phi = np.linalg.inv(A)
    beta = Phi @ b
    deviance = 0.0
    P, Q, R = np.zeros((m, p, p)), np.zeros((m, m, p, p)), np.zeros((m, m, p, p))
    pull, hessian = np.zeros((m, p)), np.zeros((m, m))
    for s in subjects:
        W = np.linalg.inv(s.V)
        r = s.y - s.X @ beta
        WD = W @ s.first
        WDW = WD @ W
        WDWDW = WDW[:, None] @ s.first[None] @ W
        WSW = W @ s.second @ W
        at = np.ix_(s.own, s.own)
        P[s.own] -= s.X.T @ WDW @ s.X
        Q[at] += s.X.T @ WDWDW @ s.X
        R[at] += s.X.T @ WSW @ s.X
        pull[s.own] += WDW @ r @ s.X
        hessian[at] += np.einsum("hkaa->hk", W @ s.second)
        hessian[at] -= np.einsum("hab,kba->hk", WD, WD)
        hessian[at] += np.einsum("a,hkab,b->hk", r, 2.0 * WDWDW - WSW, r)
        deviance += np.linalg.slogdet(s.V)[1] + r @ W @ r
    hessian -= 2.0 * pull @ Phi @ pull.T
    n = len(fit.design.y)
    if fit.method == "reml":
        hessian += np.einsum("ab,hkba->hk", Phi, Q + Q.swapaxes(0, 1) - R)
        hessian -= np.einsum("ab,hbc,cd,kda->hk", Phi, P, Phi, P)
        deviance += np.linalg.slogdet(A)[1]
        n -= p
    cov_theta = np.linalg.inv(0.25 * (hessian + hessian.T))
    used = Phi
    if fit.vcov_method in ("kenward-roger", "kenward-roger-linear"):
        inner = Q - np.einsum("hab,bc,kcd->hkad", P, Phi, P)
        if fit.vcov_method == "kenward-roger":
            inner -= 0.25 * R
        used = Phi + 2.0 * Phi @ np.einsum("hk,hkab->ab", cov_theta, inner) @ Phi
    return replace(
        fit,
        theta=theta,
        beta=beta,
        cov_model=Phi,
        cov_inference=used,
        jacobian=-(Phi @ P @ Phi),
        cov_theta=cov_theta,
        loglik=-0.5 * (deviance + n * np.log(2.0 * np.pi)),
    )


def unweighted_jacobian(fit: MmrmFit) -> np.ndarray:
    """Differentiate the covariance of the coefficients as SAS does with weights.

    The covariance of a subject has its weights, the derivatives of Sigma in it do not.
    """
    P = np.zeros((len(fit.theta), len(fit.beta), len(fit.beta)))
    for s in _subjects(fit, fit.theta, weigh_derivatives=False):
        W = np.linalg.inv(s.V)
        P[s.own] -= s.X.T @ W @ s.first @ W @ s.X
    return np.asarray(-(fit.cov_model @ P @ fit.cov_model))
