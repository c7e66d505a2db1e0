"""R mmrm's own covariance parameters, from its documentation.

They serve to bring its covariance of the parameters to a form that does not depend on
them: the covariance of the elements of Sigma.
"""

from __future__ import annotations

import numpy as np

STEP = 1e-30  # of a complex-step derivative, which has no truncation to speak of


def sigma_of(theta: np.ndarray, structure: str, K: int) -> np.ndarray:
    """Sigma at R's parameters; also for complex ones, so nothing is conjugated."""
    if structure == "us":
        D = np.diag(np.exp(theta[:K]))
        U = np.eye(K, dtype=theta.dtype)
        U[np.tril_indices(K, -1)] = theta[K:]
        return D @ U @ U.T @ D
    heterogeneous = structure in ("ar1h", "csh", "toeph", "adh")
    n_sd = K if heterogeneous else 1
    sd = np.exp(theta[:n_sd]) * np.ones(K)
    return sd[:, None] * _correlation(theta[n_sd:], structure, K) * sd[None, :]


def _correlation(theta: np.ndarray, structure: str, K: int) -> np.ndarray:
    lag = np.abs(np.arange(K)[:, None] - np.arange(K)[None, :])
    if structure in ("cs", "csh"):
        a = 1.0 / (K - 1)
        rho = (1.0 + a) / (1.0 + np.exp(-theta[0])) - a
        return np.where(lag == 0, 1.0, rho)
    rho = theta / np.sqrt(1.0 + theta**2)
    if structure in ("ar1", "ar1h"):
        return rho[0] ** lag
    if structure in ("toep", "toeph"):
        return np.append(1.0, rho)[lag]
    out = np.ones((K, K), dtype=theta.dtype)  # ad, adh
    for i in range(K):
        for j in range(i + 1, K):
            out[i, j] = out[j, i] = np.prod(rho[i:j])
    return out


def spatial_covariance(theta: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """sp_exp: variance and correlation at unit distance, on log and logit scales."""
    rho = 1.0 / (1.0 + np.exp(-theta[1]))
    return np.exp(theta[0]) * rho**distance


def covariance_of_sigma(
    theta: np.ndarray, theta_vcov: np.ndarray, structure: str, K: int, n_groups: int
) -> np.ndarray:
    """Covariance of the elements of Sigma, one group after the other."""
    m = len(theta) // n_groups
    lower = np.tril_indices(K)
    blocks = np.zeros((n_groups * len(lower[0]), len(theta)))
    for g in range(n_groups):
        for k in range(m):
            moved = theta[g * m : (g + 1) * m].astype(complex)
            moved[k] += 1j * STEP
            column = sigma_of(moved, structure, K).imag[lower] / STEP
            blocks[g * len(column) : (g + 1) * len(column), g * m + k] = column
    return np.asarray(blocks @ theta_vcov @ blocks.T)
