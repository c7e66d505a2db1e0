"""Linear mixed models written out: dense covariance matrices, one line per formula.

Parameters ``psi`` are the lower triangles (by rows) of the covariance of each set of
random effects and, last, the residual variance, in the outcome's units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import block_diag

Effects = tuple[np.ndarray, np.ndarray]
Case = tuple[dict[str, str], Callable[[pd.DataFrame], list[Effects]]]


def shares(data: pd.DataFrame, *columns: str, members: bool = False) -> np.ndarray:
    """Share of every record in every level, levels sorted; shape (n, q)."""
    if members:
        named = data[list(columns)].to_numpy(dtype=object)
        levels = sorted({v for v in named.ravel() if v is not None and v == v})
        out = np.zeros((len(data), len(levels)))
        for i, row in enumerate(named):
            there = [v for v in row if v is not None and v == v]
            for v in there:
                out[i, levels.index(v)] += 1 / len(there)
        return out
    keys = list(zip(*(data[c] for c in columns), strict=True))
    levels = sorted(set(keys))
    return np.array([[float(key == level) for level in levels] for key in keys])


def values(data: pd.DataFrame, *columns: str) -> np.ndarray:
    """Columns of effects; "1" is the intercept, "arm=B" an indicator."""
    found = []
    for name in columns:
        if "=" in name:
            column, level = name.split("=")
            found.append((data[column] == level).to_numpy(float))
        else:
            found.append(np.ones(len(data)) if name == "1" else data[name].to_numpy())
    return np.column_stack(found).astype(float)


CASES: dict[str, Case] = {
    "intercept": (
        {"id": "1"},
        lambda d: [(shares(d, "id"), values(d, "1"))],
    ),
    "nested": (
        {"site/id": "1"},
        lambda d: [
            (shares(d, "site"), values(d, "1")),
            (shares(d, "site", "id"), values(d, "1")),
        ],
    ),
    "crossed": (
        {"id": "1", "ther": "1"},
        lambda d: [(shares(d, g), values(d, "1")) for g in ("id", "ther")],
    ),
    "interaction": (
        {"site:ther": "1", "ther": "1"},
        lambda d: [
            (shares(d, "site", "ther"), values(d, "1")),
            (shares(d, "ther"), values(d, "1")),
        ],
    ),
    "correlated slope": (
        {"id": "1 + t"},
        lambda d: [(shares(d, "id"), values(d, "1", "t"))],
    ),
    "independent slope": (
        {"id": "1 || t"},
        lambda d: [(shares(d, "id"), values(d, x)) for x in ("1", "t")],
    ),
    "slope only": (
        {"id": "0 + t", "site": "1"},
        lambda d: [
            (shares(d, "id"), values(d, "t")),
            (shares(d, "site"), values(d, "1")),
        ],
    ),
    "factor slope": (
        {"site": "1 + arm", "id": "1"},
        lambda d: [
            (shares(d, "site"), values(d, "1", "arm=B")),
            (shares(d, "id"), values(d, "1")),
        ],
    ),
    "factor without constant": (
        {"site": "0 + arm"},
        lambda d: [(shares(d, "site"), values(d, "arm=A", "arm=B"))],
    ),
    "members": (
        {"mm(ther, second)": "1"},
        lambda d: [(shares(d, "ther", "second", members=True), values(d, "1"))],
    ),
    "members with slopes": (
        {"mm(ther, second)": "1 + t", "id": "1"},
        lambda d: [
            (shares(d, "ther", "second", members=True), values(d, "1", "t")),
            (shares(d, "id"), values(d, "1")),
        ],
    ),
    "three effects": (
        {"id": "1 + t + u"},
        lambda d: [(shares(d, "id"), values(d, "1", "t", "u"))],
    ),
    "everything": (
        {"site": "1 || t", "mm(ther, second)": "1", "id": "1 + t"},
        lambda d: [
            (shares(d, "site"), values(d, "1")),
            (shares(d, "site"), values(d, "t")),
            (shares(d, "ther", "second", members=True), values(d, "1")),
            (shares(d, "id"), values(d, "1", "t")),
        ],
    ),
}


def make_sessions(
    seed: int = 1, *, n: int = 18, visits: int = 5, sites: int = 4, sd: float = 1.0
) -> pd.DataFrame:
    """Simulate unbalanced sessions of subjects in sites, with one or two therapists.

    A second therapist may be missing, or be the first again.
    """
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), visits)
    t = np.tile(np.arange(visits), n) / 2.0
    keep = (rng.random(len(who)) < 0.85) | (t == 0.0)
    who, t = who[keep], t[keep]
    site = who % sites
    ther, chance = rng.integers(0, 6, len(who)), rng.random(len(who))
    second = np.where(chance < 0.6, (ther + 1 + site) % 6, ther)
    u = rng.normal(size=len(who)).round(2)
    y = 2.0 + 0.5 * (who % 2) * t - 0.3 * t
    y += sd * rng.normal(size=n)[who] + 0.7 * sd * rng.normal(size=n)[who] * t
    y += 0.6 * sd * rng.normal(size=n)[who] * u
    y += 0.9 * sd * rng.normal(size=sites)[site]
    y += 0.6 * sd * rng.normal(size=sites)[site] * (who % 2)
    for member in (ther, second):
        y += 0.6 * sd * rng.normal(size=6)[member] * (1.0 + 0.3 * t)
    y += 0.5 * rng.normal(size=len(who))
    data = pd.DataFrame(
        {
            "id": [f"S{k:02d}" for k in who],
            "site": [f"site {k}" for k in site],
            "ther": [f"T{k}" for k in ther],
            "second": [
                None if c > 0.8 else f"T{k}"
                for c, k in zip(chance, second, strict=True)
            ],
            "arm": np.where((who // sites + who) % 2, "B", "A"),
            "t": t,
            "u": u,
            "x": rng.normal(size=n).round(2)[who],
            "y": y,
        }
    )
    return data.iloc[rng.permutation(len(data))].reset_index(drop=True)


@dataclass(frozen=True)
class Dense:
    """A linear mixed model with everything of size n by n."""

    y: np.ndarray
    X: np.ndarray
    effects: list[Effects]
    reml: bool = True

    @cached_property
    def sizes(self) -> list[int]:
        return [v.shape[1] for _, v in self.effects]

    def Z(self, k: int, a: int) -> np.ndarray:
        share, value = self.effects[k]
        return share * value[:, [a]]

    @cached_property
    def G(self) -> list[np.ndarray]:
        """Derivatives of V, which is linear in psi."""
        out = []
        for k, c in enumerate(self.sizes):
            for a, b in zip(*np.tril_indices(c), strict=True):
                half = self.Z(k, a) @ self.Z(k, b).T
                out.append(half if a == b else half + half.T)
        return [*out, np.eye(len(self.y))]

    def psi(self, covariances: Sequence[np.ndarray], residual: float) -> np.ndarray:
        parts = [C[np.tril_indices(len(C))] for C in covariances]
        return np.concatenate([*parts, [residual]])

    def psi_of(self, fit: Any) -> np.ndarray:
        return self.psi(fit.covariances, fit.residual_variance)

    def matrices(self, psi: np.ndarray) -> list[np.ndarray]:
        out, at = [], 0
        for c in self.sizes:
            C = np.zeros((c, c))
            C[np.tril_indices(c)] = psi[at : at + c * (c + 1) // 2]
            out.append(C + np.tril(C, -1).T)
            at += c * (c + 1) // 2
        return out

    def V(self, psi: np.ndarray) -> np.ndarray:
        return sum(v * G for v, G in zip(psi, self.G, strict=True))

    def gls(self, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients, their covariance and V^-1."""
        inverse = np.linalg.inv(self.V(psi))
        Phi = np.linalg.inv(self.X.T @ inverse @ self.X)
        return Phi @ self.X.T @ inverse @ self.y, Phi, inverse

    def loglik(self, psi: np.ndarray) -> float:
        beta, Phi, inverse = self.gls(psi)
        r, (n, p) = self.y - self.X @ beta, self.X.shape
        deviance = np.linalg.slogdet(self.V(psi))[1] + r @ inverse @ r
        if not self.reml:
            return float(-0.5 * (n * np.log(2 * np.pi) + deviance))
        deviance -= np.linalg.slogdet(Phi)[1]
        return float(-0.5 * ((n - p) * np.log(2 * np.pi) + deviance))

    def projection(self, psi: np.ndarray) -> np.ndarray:
        _, Phi, inverse = self.gls(psi)
        return inverse - inverse @ self.X @ Phi @ self.X.T @ inverse

    def score(self, psi: np.ndarray) -> np.ndarray:
        P, inverse = self.projection(psi), np.linalg.inv(self.V(psi))
        Py = P @ self.y
        M = P if self.reml else inverse
        return np.array([0.5 * (Py @ G @ Py - np.sum(M * G)) for G in self.G])

    def information(self, psi: np.ndarray, *, observed: bool) -> np.ndarray:
        """Of the restricted likelihood, half traces of P G P G."""
        P = self.projection(psi)
        PG = [P @ G for G in self.G]
        m = len(PG)
        out = np.empty((m, m))
        for i in range(m):
            for j in range(m):
                trace = 0.5 * np.sum(PG[i] * PG[j].T)
                bent = self.y @ PG[i] @ PG[j] @ P @ self.y
                out[i, j] = bent - trace if observed else trace
        return out

    def kenward_roger(
        self, psi: np.ndarray, W: np.ndarray, kept: Sequence[int]
    ) -> np.ndarray:
        """Adjust the covariance by the sums of the paper (V linear in psi)."""
        _, Phi, inverse = self.gls(psi)
        X = self.X
        P = [-X.T @ inverse @ self.G[i] @ inverse @ X for i in kept]
        middle = np.zeros_like(Phi)
        for a, i in enumerate(kept):
            for b, j in enumerate(kept):
                Q = X.T @ inverse @ self.G[i] @ inverse @ self.G[j] @ inverse @ X
                middle += W[a, b] * (Q - P[a] @ Phi @ P[b])
        return Phi + 2 * Phi @ middle @ Phi

    def kenward_roger_test(
        self, psi: np.ndarray, W: np.ndarray, kept: Sequence[int], L: np.ndarray
    ) -> tuple[float, float]:
        """F with its scale and degrees of freedom, as Kenward and Roger print them."""
        beta, Phi, inverse = self.gls(psi)
        X, ell = self.X, len(L)
        P = [-X.T @ inverse @ self.G[i] @ inverse @ X for i in kept]
        Theta = L.T @ np.linalg.inv(L @ Phi @ L.T) @ L
        A1 = A2 = 0.0
        for a in range(len(kept)):
            for b in range(len(kept)):
                first, second = Theta @ Phi @ P[a] @ Phi, Theta @ Phi @ P[b] @ Phi
                A1 += W[a, b] * np.trace(first) * np.trace(second)
                A2 += W[a, b] * np.trace(first @ second)
        B = (A1 + 6 * A2) / (2 * ell)
        g = ((ell + 1) * A1 - (ell + 4) * A2) / ((ell + 2) * A2)
        d = 3 * ell + 2 * (1 - g)
        c1, c2, c3 = g / d, (ell - g) / d, (ell + 2 - g) / d
        E = 1 / (1 - A2 / ell)
        V = 2 / ell * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = V / (2 * E**2)
        m = 4 + (ell + 2) / (ell * rho - 1)
        scale = m / (E * (m - 2))
        adjusted = self.kenward_roger(psi, W, kept)
        F = beta @ L.T @ np.linalg.inv(L @ adjusted @ L.T) @ L @ beta / ell
        return float(scale * F), float(m)

    # Satterthwaite in factors and the logarithm of sigma^2, by differences

    def unpack(self, phi: np.ndarray) -> np.ndarray:
        """Psi from relative Cholesky factors and log sigma^2."""
        found, at = [], 0
        for c in self.sizes:
            L = np.zeros((c, c))
            L[np.tril_indices(c)] = phi[at : at + c * (c + 1) // 2]
            found.append(np.exp(phi[-1]) * L @ L.T)
            at += c * (c + 1) // 2
        return self.psi(found, float(np.exp(phi[-1])))

    def pack(self, psi: np.ndarray) -> np.ndarray:
        parts = []
        for C in self.matrices(psi):
            relative = C / psi[-1]
            try:
                L = np.linalg.cholesky(relative)
            except np.linalg.LinAlgError:
                values, vectors = np.linalg.eigh(relative)
                half = vectors * np.sqrt(np.maximum(values, 0.0))
                L = np.linalg.qr(half.T)[1].T
            parts.append(L[np.tril_indices(len(L))])
        return np.concatenate([*parts, [np.log(psi[-1])]])

    def satterthwaite(
        self, psi: np.ndarray, L: np.ndarray, *, covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """Degrees of freedom of each row by numerical derivatives at an inner optimum.

        ``covariance`` is that of psi; by default from differences of the likelihood.
        """
        if covariance is None:
            H = hessian(lambda v: -self.loglik(v), psi, scale=np.abs(psi) + psi[-1])
            covariance = np.linalg.inv(H)
        found = []
        for row in L:
            v = row @ self.gls(psi)[1] @ row
            g = gradient(
                lambda p, row=row: row @ self.gls(p)[1] @ row,
                psi,
                scale=np.abs(psi) + psi[-1],
            )
            found.append(2 * v**2 / (g @ covariance @ g))
        return np.array(found)

    def henderson(self, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Solve the mixed model equations.

        Effects, their standard errors (coefficients estimated, then known); the
        effects of a level stand together.
        """
        Z, inverses = [], []
        for k, C in enumerate(self.matrices(psi)):
            q = self.effects[k][0].shape[1]
            stacked = np.stack([self.Z(k, a) for a in range(len(C))], axis=-1)
            Z.append(stacked.reshape(len(self.y), -1))
            inverses.append(np.kron(np.eye(q), np.linalg.inv(C)))
        Zs, p = np.hstack(Z), self.X.shape[1]
        both = np.hstack([self.X, Zs])
        M = both.T @ both / psi[-1]
        M[p:, p:] += block_diag(*inverses)
        solved = np.linalg.solve(M, both.T @ self.y / psi[-1])
        estimated = np.sqrt(np.diagonal(np.linalg.inv(M))[p:])
        known = np.sqrt(np.diagonal(np.linalg.inv(M[p:, p:])))
        return solved[p:], estimated, known


def gradient(
    f: Callable[[np.ndarray], float], at: np.ndarray, *, scale: np.ndarray
) -> np.ndarray:
    """Central differences, extrapolated once."""

    def plain(step: float) -> np.ndarray:
        out = []
        for i, size in enumerate(step * scale):
            e = np.zeros(len(at))
            e[i] = size
            out.append((f(at + e) - f(at - e)) / (2 * size))
        return np.array(out)

    return (4 * plain(1e-3) - plain(2e-3)) / 3


def hessian(
    f: Callable[[np.ndarray], float], at: np.ndarray, *, scale: np.ndarray
) -> np.ndarray:
    """Second differences, extrapolated once."""
    m = len(at)

    def plain(step: float) -> np.ndarray:
        out = np.empty((m, m))
        E = np.diag(step * scale)
        for i in range(m):
            for j in range(i + 1):
                up = f(at + E[i] + E[j]) + f(at - E[i] - E[j])
                down = f(at + E[i] - E[j]) + f(at - E[i] + E[j])
                out[i, j] = out[j, i] = (up - down) / (4 * E[i, i] * E[j, j])
        return out

    return (4 * plain(2e-3) - plain(4e-3)) / 3


def dense_of(fit: Any, data: pd.DataFrame, case: str, X: np.ndarray) -> Dense:
    """Write out a fit from the data."""
    outcome = fit.formula.split("~")[0].strip()
    effects = CASES[case][1](data)
    return Dense(data[outcome].to_numpy(float), X, effects, fit.method == "reml")


def brute_profile(
    model: Dense,
    phi: np.ndarray,
    quantity: Callable[[np.ndarray], float],
    value: float,
) -> float:
    """Least deviance with a quantity of psi held, by a general optimiser."""
    from scipy.optimize import minimize

    def deviance(at: np.ndarray) -> float:
        try:
            with np.errstate(all="ignore"):
                found = -2.0 * model.loglik(model.unpack(at))
        except np.linalg.LinAlgError:
            return 1e10
        return found if np.isfinite(found) else 1e10

    found = minimize(
        deviance,
        phi,
        method="SLSQP",
        constraints={
            "type": "eq",
            "fun": lambda at: quantity(model.unpack(at)) - value,
        },
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return float(found.fun)


def chi_square_rise(conf_level: float) -> float:
    return float(stats.chi2.ppf(conf_level, 1))
