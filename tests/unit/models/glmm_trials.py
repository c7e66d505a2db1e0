"""Synthetic repeated outcomes of every family, and likelihoods written naively."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, gammaln, log_expit, log_ndtr

from outcomes.models.mixed.glmm.fit import fit_glmm
from outcomes.models.mixed.glmm.results import GlmmFit

FORMULA = "y ~ arm*t + x"
FAMILIES: dict[str, dict[str, Any]] = {
    "logit": {"family": "binomial"},
    "logit of trials": {"family": "binomial", "trials": "n"},
    "probit": {"family": "binomial", "link": "probit"},
    "probit of trials": {"family": "binomial", "link": "probit", "trials": "n"},
    "poisson": {"family": "poisson"},
    "negative binomial": {"family": "negative-binomial"},
    "cumulative": {"family": "cumulative"},
}
STRUCTURES: dict[str, dict[str, str]] = {
    "intercept": {"id": "1"},
    "slope": {"id": "1 + t"},
    "nested": {"site/id": "1"},
    "members": {"mm(therapist, second)": "1"},
    "everything": {
        "id": "1 + t",
        "site": "1 || t",
        "mm(therapist, second)": "1",
    },
}


def make_outcomes(
    kind: str, n: int = 60, visits: int = 5, seed: int = 1, sd: float = 1.0
) -> pd.DataFrame:
    """Simulate subjects in sites with one or two therapists for each session."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n), visits)
    t = np.tile(np.arange(visits), n) / 2.0
    site, therapist = subject % 6, rng.integers(0, 7, len(t))
    second = np.where(rng.random(len(t)) < 0.5, (therapist + 1) % 7, -1)
    x = rng.normal(size=n).round(2)[subject]
    eta = 0.3 * (subject % 2) * t + 0.4 * x - 0.2 * t
    eta += sd * rng.normal(size=n)[subject] + 0.4 * t * rng.normal(size=n)[subject]
    eta += 0.5 * rng.normal(size=6)[site] + 0.5 * rng.normal(size=7)[therapist]
    trials = rng.integers(1, 6, len(t)) if "trials" in kind else np.ones(len(t), int)
    if kind in ("poisson", "negative binomial"):
        shape = 2.0 if kind == "negative binomial" else 1e6
        y = rng.poisson(np.exp(0.5 + 0.5 * eta) * rng.gamma(shape, 1 / shape, len(t)))
    elif kind == "cumulative":
        y = 1 + np.digitize(eta + rng.logistic(size=len(t)), [-1.0, 0.5, 1.5])
    else:
        y = rng.binomial(trials, expit(eta))
    data = pd.DataFrame(
        {
            "id": [f"S{k:03d}" for k in subject],
            "site": [f"site {k}" for k in site],
            "therapist": [f"T{k}" for k in therapist],
            "second": [f"T{k}" if k >= 0 else None for k in second],
            "arm": np.where(subject % 2, "B", "A"),
            "visit": [f"W{k}" for k in np.tile(np.arange(visits), n)],
            "t": t,
            "x": x,
            "n": trials,
            "y": y,
        }
    )
    return data.iloc[rng.permutation(len(data))].reset_index(drop=True)


@lru_cache(maxsize=64)
def fit_kind(
    kind: str, structure: str = "intercept", n_quad: int | None = None
) -> GlmmFit:
    return fit_glmm(
        FORMULA,
        make_outcomes(kind, n=42),
        random=STRUCTURES[structure],
        n_quad=n_quad,
        missing="exclude",
        **FAMILIES[kind],
    )


def log_density(fit: GlmmFit, eta: np.ndarray) -> np.ndarray:
    """Log density of each record, the last axis of eta, from textbook formulas."""
    y, n = fit.design.y, fit.trials_values
    if fit.family == "binomial":
        choose = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
        log_p = log_expit if fit.link == "logit" else log_ndtr
        return choose + y * log_p(eta) + (n - y) * log_p(-eta)
    if fit.family == "poisson":
        return y * eta - np.exp(eta) - gammaln(y + 1)
    if fit.family == "negative-binomial":
        k, mu = fit.dispersion, np.exp(eta)
        choose = gammaln(y + k) - gammaln(k) - gammaln(y + 1)
        return choose + k * np.log(k / (k + mu)) + y * np.log(mu / (k + mu))
    cuts = np.array([-np.inf, *fit.thresholds.values(), np.inf])
    place = y.astype(int)
    return np.log(expit(cuts[place + 1] - eta) - expit(cuts[place] - eta))


def fixed_part(fit: GlmmFit) -> np.ndarray:
    return fit.design.X[:, ~fit.aliased_mask] @ fit.beta + fit.offset_values


def dense_effects(fit: GlmmFit) -> np.ndarray:
    """Z Lambda with a column for every effect of every level; shape (n, effects)."""
    blocks = []
    for term, covariance in zip(fit.terms_random, fit.covariances, strict=True):
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        shares = np.zeros((len(fit.design.y), term.q))
        for member, weight in zip(term.member, term.weights, strict=True):
            np.add.at(shares, (np.arange(len(shares)), member), weight)
        own = term.values @ root
        blocks += [shares * own[:, [j]] for j in range(term.c)]
    return np.hstack(blocks)


def laplace_loglik(fit: GlmmFit) -> float:
    """Laplace's approximation with dense matrices and differences for derivatives."""
    A, known = dense_effects(fit), fixed_part(fit)
    h = 1e-3

    def derivatives(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        far = [log_density(fit, eta + k * h) for k in (-2, -1, 0, 1, 2)]
        first = (far[0] - 8 * far[1] + 8 * far[3] - far[4]) / (12 * h)
        second = (-far[0] + 16 * far[1] - 30 * far[2] + 16 * far[3] - far[4]) / (
            12 * h * h
        )
        return first, second

    u = np.zeros(A.shape[1])
    for _ in range(60):
        first, second = derivatives(known + A @ u)
        M = A.T @ (A * -second[:, None]) + np.eye(len(u))
        step = np.linalg.solve(M, A.T @ first - u)
        u += step * 2.0 / max(2.0, np.max(np.abs(step)))
    eta = known + A @ u
    M = A.T @ (A * -derivatives(eta)[1][:, None]) + np.eye(len(u))
    log_det = np.linalg.slogdet(M)[1]
    return float(log_density(fit, eta).sum() - 0.5 * u @ u - 0.5 * log_det)


def grid_loglik(fit: GlmmFit, points: int = 2001) -> float:
    """Integral over one effect of each level by the trapezoid rule on a fixed grid."""
    term = fit.terms_random[0]
    z = np.linspace(-9, 9, points)
    sd = float(np.sqrt(fit.covariances[0][0, 0]))
    eta = fixed_part(fit) + sd * z[:, None] * term.values[:, 0]
    density = log_density(fit, eta)
    total = 0.0
    for level in range(term.q):
        own = density[:, term.member[0] == level].sum(axis=1)
        level_density = own - 0.5 * z * z - 0.5 * np.log(2 * np.pi)
        top = level_density.max()
        total += top + np.log(np.exp(level_density - top).sum() * (z[1] - z[0]))
    return total
