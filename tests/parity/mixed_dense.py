"""A linear mixed model by its definition: the whole covariance matrix, nothing clever.

The outcome is normal with covariance ``V = sum theta_k G_k``, theta the variances and
covariances of random effects and, last, the residual variance. Everything follows from
V, its inverse and the matrices G_k, all n by n.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
from formulaic import model_matrix
from numpy.linalg import inv, slogdet
from scipy import optimize, stats


@dataclass(frozen=True)
class Block:
    """Random effects of one grouping that covary; ``Z`` has a matrix per effect."""

    grouping: str
    effects: tuple[str, ...]
    levels: tuple[str, ...]
    Z: tuple[np.ndarray, ...]


def _indicator(data: pd.DataFrame, grouping: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if grouping.startswith("mm("):
        columns = [name.strip() for name in grouping[3:-1].split(",")]
        levels = sorted(set(data[columns].to_numpy().ravel()))
        parts = [data[c].to_numpy()[:, None] == np.array(levels) for c in columns]
        return np.mean(parts, axis=0), tuple(levels)
    names = data[grouping.split(":")].astype(str).agg(":".join, axis=1)
    levels = sorted(set(names))
    return (names.to_numpy()[:, None] == np.array(levels)).astype(float), tuple(levels)


def blocks_of(random: dict[str, str], data: pd.DataFrame) -> list[Block]:
    """Spell out random effects in the notation of `fit_lmm`."""
    out = []
    for key, terms in random.items():
        first, *inner = key.split("/")
        groupings = [first] + [f"{first}:{name}" for name in inner]
        for grouping in groupings:
            Z, levels = _indicator(data, grouping)
            apart = "||" in terms
            names = [t.strip() for t in terms.replace("||", "+").split("+")]
            named = {
                "(Intercept)" if t == "1" else t: (
                    Z if t == "1" else Z * data[t].to_numpy()[:, None]
                )
                for t in names
                if t != "0"
            }
            sets = [[n] for n in named] if apart else [list(named)]
            for own in sets:
                matrices = tuple(named[n] for n in own)
                out.append(Block(grouping, tuple(own), levels, matrices))
    return out


@dataclass(frozen=True)
class Dense:
    """A model and its data; ``theta`` runs over covariances block by block, then s2."""

    y: np.ndarray
    X: np.ndarray
    names: tuple[str, ...]
    blocks: list[Block]
    reml: bool

    @cached_property
    def places(self) -> list[tuple[int, int, int]]:
        """Which element of which block each theta is, lower triangle by columns."""
        return [
            (b, j, i)
            for b, block in enumerate(self.blocks)
            for i, j in combinations_with_replacement(range(len(block.effects)), 2)
        ]

    @cached_property
    def G(self) -> list[np.ndarray]:
        """Derivative of V in each theta."""
        out = []
        for b, i, j in self.places:
            Z = self.blocks[b].Z
            half = Z[i] @ Z[j].T
            out.append(half if i == j else half + half.T)
        return [*out, np.eye(len(self.y))]

    def V(self, theta: np.ndarray) -> np.ndarray:
        """Covariance of the outcome."""
        return np.asarray(sum(t * G for t, G in zip(theta, self.G, strict=True)))

    def loglik(self, theta: np.ndarray) -> float:
        """(Restricted) log likelihood, beta at its best."""
        L = np.linalg.cholesky(self.V(theta))
        both = np.linalg.solve(L, np.column_stack((self.X, self.y)))
        X, y = both[:, :-1], both[:, -1]
        beta, *_ = np.linalg.lstsq(X, y, rcond=None)
        n, p = X.shape
        out = 2 * np.log(np.diag(L)).sum() + np.sum((y - X @ beta) ** 2)
        if self.reml:
            out += slogdet(X.T @ X)[1] + (n - p) * np.log(2 * np.pi)
        else:
            out += n * np.log(2 * np.pi)
        return float(-0.5 * out)

    def theta_of(self, sd: list[np.ndarray], residual: float) -> np.ndarray:
        """Put covariance matrices of the blocks in the order of theta."""
        return np.array([sd[b][i, j] for b, i, j in self.places] + [residual**2])


def make(spec: dict[str, Any], data: pd.DataFrame) -> Dense:
    """Build the model of a case from its formula and random effects."""
    outcome, right = spec["formula"].split(" ~ ")
    X = model_matrix(right, data.assign(arm=arms(data)))
    blocks = blocks_of(spec["random"], data)
    y = data[outcome].to_numpy(dtype=float)
    reml = spec["method"] == "reml"
    return Dense(y, X.to_numpy(dtype=float), tuple(X.columns), blocks, reml)


def arms(data: pd.DataFrame) -> pd.Categorical:
    """Put the arms of the synthetic trial in their order."""
    return pd.Categorical(data["arm"], ["control", "active"])


def derivatives(m: Dense, theta: np.ndarray) -> dict[str, Any]:
    """Gradient, both information matrices, Phi and its derivatives, at theta.

    With P = V^-1 - V^-1 X Phi X' V^-1 the restricted likelihood has the gradient
    -1/2 [tr(P G_k) - y'P G_k P y] and the observed information
    1/2 [2 y'P G_k P G_l P y - tr(P G_k P G_l)]; under ML, V^-1 takes the place of P in
    the traces.
    """
    W = inv(m.V(theta))
    Phi = inv(m.X.T @ W @ m.X)
    P = W - W @ m.X @ Phi @ m.X.T @ W
    A = P if m.reml else W
    Py = P @ m.y
    GPy = np.array([G @ Py for G in m.G])
    AG = [A @ G for G in m.G]
    traces = np.array([[np.sum(a * b.T) for b in AG] for a in AG])
    gradient = -0.5 * (np.array([np.trace(a) for a in AG]) - GPy @ Py)
    WX = W @ m.X
    slopes = [Phi @ WX.T @ G @ WX @ Phi for G in m.G]
    second = [[WX.T @ Gk @ W @ Gl @ WX for Gl in m.G] for Gk in m.G]
    first = [-WX.T @ G @ WX for G in m.G]
    return {
        "gradient": gradient,
        "observed": GPy @ P @ GPy.T - 0.5 * traces,
        "expected": 0.5 * traces,
        "Phi": Phi,
        "beta": Phi @ WX.T @ m.y,
        "slopes": slopes,
        "first": first,
        "second": second,
        "W": W,
    }


def value_and_gradient(m: Dense, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """(Restricted) log likelihood and its gradient in theta."""
    L = np.linalg.cholesky(m.V(theta))
    W = inv(L @ L.T)
    WX = W @ m.X
    Phi = inv(m.X.T @ WX)
    Wy = W @ m.y
    Py = Wy - WX @ (Phi @ (WX.T @ m.y))
    n, p = m.X.shape
    value = 2 * np.log(np.diag(L)).sum() + m.y @ Py
    value += (n - p if m.reml else n) * np.log(2 * np.pi)
    value -= slogdet(Phi)[1] if m.reml else 0.0
    A = W - WX @ Phi @ WX.T if m.reml else W
    slope = [np.vdot(A, G) - Py @ G @ Py for G in m.G]
    return -0.5 * float(value), -0.5 * np.array(slope)


def polish(m: Dense, theta: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """Newton steps to a gradient that is rounding."""
    keep = np.ones(len(theta), bool) if free is None else free
    for _ in range(20):
        d = derivatives(m, theta)
        gradient = d["gradient"][keep]
        step = np.linalg.solve(d["observed"][np.ix_(keep, keep)], gradient)
        theta = theta.copy()
        theta[keep] += step
        if np.max(np.abs(step)) < 1e-12 * np.max(np.abs(theta)):
            break
    return theta


def satterthwaite(d: dict[str, Any], free: np.ndarray) -> np.ndarray:
    """Degrees of freedom of the coefficients by the observed information."""
    cov = inv(d["observed"][np.ix_(free, free)])
    jac = np.array([np.diag(s) for s, f in zip(d["slopes"], free, strict=True) if f])
    v = np.diag(d["Phi"])
    return np.asarray(2 * v**2 / np.einsum("kp,kl,lp->p", jac, cov, jac))


def kenward_roger(
    d: dict[str, Any], free: np.ndarray, information: str
) -> dict[str, Any]:
    """Adjust the covariance, and give one-row degrees of freedom."""
    at = np.flatnonzero(free)
    cov = inv(d[information][np.ix_(free, free)])
    Phi = d["Phi"]
    inside = np.zeros_like(Phi)
    for a, k in enumerate(at):
        for b, h in enumerate(at):
            Q = d["second"][k][h]
            inside += cov[a, b] * (Q - d["first"][k] @ Phi @ d["first"][h])
    adjusted = Phi + 2 * Phi @ inside @ Phi
    jac = np.array([np.diag(d["slopes"][k]) for k in at])
    v = np.diag(Phi)
    df = 2 * v**2 / np.einsum("kp,kl,lp->p", jac, cov, jac)
    return {"vcov": adjusted, "se": np.sqrt(np.diag(adjusted)), "df": df}


def predictions(m: Dense, theta: np.ndarray) -> list[dict[str, Any]]:
    """Predict effects, with SDs given beta and of the error of prediction."""
    d = derivatives(m, theta)
    W, X, Phi = d["W"], m.X, d["Phi"]
    P = W - W @ X @ Phi @ X.T @ W
    out = []
    for b, block in enumerate(m.blocks):
        c = len(block.effects)
        S = np.zeros((c, c))
        for (bb, i, j), t in zip(m.places, theta[:-1], strict=True):
            if bb == b:
                S[i, j] = S[j, i] = t
        for k, effect in enumerate(block.effects):
            cross = sum(S[k, i] * block.Z[i] for i in range(c))  # cov(y, b_k), n by q
            given, error = (
                np.sqrt(
                    np.maximum(S[k, k] - np.einsum("nq,nm,mq->q", cross, M, cross), 0)
                )
                for M in (W, P)
            )
            out.append(
                {
                    "grouping": block.grouping,
                    "term": effect,
                    "level": list(block.levels),
                    "estimate": list(cross.T @ P @ m.y),
                    "conditional_sd": list(given),
                    "prediction_error": list(error),
                }
            )
    return out


# Profiles: standard deviations, correlations and the residual standard deviation.


def to_natural(m: Dense, theta: np.ndarray) -> np.ndarray:
    """Turn theta into standard deviations and correlations, in place."""
    sd = {(b, i): np.sqrt(theta[k]) for k, (b, i, j) in enumerate(m.places) if i == j}
    out = [
        sd[b, i] if i == j else theta[k] / sd[b, i] / sd[b, j]
        for k, (b, i, j) in enumerate(m.places)
    ]
    return np.array([*out, np.sqrt(theta[-1])])


def from_natural(m: Dense, psi: np.ndarray) -> np.ndarray:
    """Variances and covariances of standard deviations and correlations."""
    sd = {(b, i): psi[k] for k, (b, i, j) in enumerate(m.places) if i == j}
    out = [
        sd[b, i] * sd[b, j] * (1.0 if i == j else psi[k])
        for k, (b, i, j) in enumerate(m.places)
    ]
    return np.array([*out, psi[-1] ** 2])


def _slope(m: Dense, psi: np.ndarray) -> tuple[float, np.ndarray]:
    theta = from_natural(m, psi)
    try:
        value, gradient = value_and_gradient(m, theta)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(psi)
    jac = np.zeros((len(theta), len(psi)))
    for k in range(len(psi)):
        move = np.zeros_like(psi)
        move[k] = 1e-5
        jac[:, k] = (from_natural(m, psi + move) - from_natural(m, psi - move)) / 2e-5
    return -value, -gradient @ jac


def _bounds(m: Dense, size: int) -> list[tuple[float, float]]:
    kinds = [(-1.0, 1.0) if i != j else (0.0, np.inf) for _, i, j in m.places]
    return [*kinds, (1e-3, np.inf)][:size]


def _best_of_rest(m: Dense, psi: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Maximise over all parameters but the k-th, from ``psi``."""
    rest = np.arange(len(psi)) != k
    bounds = [b for b, free in zip(_bounds(m, len(psi)), rest, strict=True) if free]
    low, high = np.array(bounds).T

    def f(part: np.ndarray) -> tuple[float, np.ndarray]:
        whole = psi.copy()
        whole[rest] = part
        value, slope = _slope(m, whole)
        return value, slope[rest]

    found = optimize.minimize(
        f, psi[rest], jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-14, "gtol": 1e-6, "maxls": 60},
    )  # fmt: skip
    x, value = found.x, found.fun
    for _ in range(6):  # Newton steps on what is not at a bound
        inside = (x > low + 1e-5) & (x < high - 1e-5)
        slope = f(x)[1]
        if not inside.any() or np.max(np.abs(slope[inside])) < 1e-8:
            break
        H = np.zeros((len(x), len(x)))
        for i in np.flatnonzero(inside):
            move = np.zeros_like(x)
            move[i] = 1e-5 * min(1.0, x[i] - low[i], high[i] - x[i])
            H[i] = (f(x + move)[1] - f(x - move)[1]) / (2 * move[i])
        H = ((H + H.T) / 2)[np.ix_(inside, inside)]
        new = x.copy()
        new[inside] -= np.linalg.solve(H, slope[inside])
        if np.any(new < low) or np.any(new > high) or f(new)[0] > value + 1e-10:
            break
        x, value = new, f(new)[0]
    whole = psi.copy()
    whole[rest] = x
    return -value, whole


def _profiled(
    m: Dense, starts: list[np.ndarray], k: int, fixed: float
) -> tuple[float, np.ndarray]:
    found = []
    for psi in starts:
        at = psi.copy()
        at[k] = fixed
        found.append(_best_of_rest(m, at, k))
    return max(found, key=lambda pair: pair[0])


def _limit(m: Dense, start: np.ndarray, k: int, target: float) -> float | None:
    """Newton's method on two conditions: rest at its best, value at the target.

    Parameters at a bound that they would cross stay there (Venzon and Moolgavkar 1988,
    with an active set). None if it does not get there.
    """
    low, high = np.array(_bounds(m, len(start))).T
    at = np.clip(start, low + 1e-3, high - 1e-3)
    for _ in range(40):
        value, slope = _slope(m, at)
        value, slope = -value, -slope
        held = ((at <= low) & (slope < 0)) | ((at >= high) & (slope > 0))
        held[k] = False
        free = np.flatnonzero(~held)
        H = np.zeros((len(at), len(at)))
        for i in free:
            h = 1e-5
            up, down = at.copy(), at.copy()
            up[i], down[i] = min(at[i] + h, high[i]), max(at[i] - h, low[i])
            H[i] = -(_slope(m, up)[1] - _slope(m, down)[1]) / (up[i] - down[i])
        place = int(np.flatnonzero(free == k)[0])
        gap, system = slope[free].copy(), H[np.ix_(free, free)]
        gap[place], system[place] = value - target, slope[free]
        try:
            step = -np.linalg.solve(system, gap)
        except np.linalg.LinAlgError:
            return None
        step *= min(1.0, 0.3 * np.max(np.abs(at)) / np.max(np.abs(step)))
        new = at.copy()
        new[free] += step
        if new[k] < low[k] or new[k] > high[k]:
            return None
        at, last = np.clip(new, low, high), at
        if np.max(np.abs(at - last)) < 1e-9:
            return float(at[k])
    return None


def profile_interval(
    m: Dense, theta: np.ndarray, k: int, level: float = 0.95
) -> tuple[float, float]:
    """Find where the profile falls by half a chi-square quantile; or the bound."""
    psi = to_natural(m, theta)
    target = m.loglik(theta) - stats.chi2.ppf(level, 1) / 2
    cov = inv(-_second(m, psi))
    reach = stats.norm.ppf(0.5 + level / 2) * cov[:, k] / np.sqrt(cov[k, k])
    low, high = _bounds(m, len(psi))[k]
    ends = []
    for side, bound in ((-1, low), (1, high)):
        for share in (1.0, 0.5, 0.25):
            found = _limit(m, psi + side * share * reach, k, target)
            if found is not None and np.sign(found - psi[k]) == side:
                break
        else:
            found = _by_bisection(m, psi, k, target, bound - side * 1e-7)
        ends.append(bound if found is None else found)
    return ends[0], ends[1]


def _by_bisection(
    m: Dense, psi: np.ndarray, k: int, target: float, edge: float
) -> float | None:
    """Where the profile crosses its target before the edge; None if it does not."""
    if not np.isfinite(edge):
        raise ValueError("no bound to search to")
    if _profiled(m, [psi], k, edge)[0] > target:
        return None

    def gap(value: float) -> float:
        return _profiled(m, [psi], k, value)[0] - target

    return float(optimize.brentq(gap, psi[k], edge, xtol=1e-8))


def _second(m: Dense, psi: np.ndarray) -> np.ndarray:
    H = np.zeros((len(psi), len(psi)))
    for i in range(len(psi)):
        move = np.zeros_like(psi)
        move[i] = 1e-5
        H[i] = -(_slope(m, psi + move)[1] - _slope(m, psi - move)[1]) / 2e-5
    return (H + H.T) / 2
