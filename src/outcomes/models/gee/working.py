"""Working correlations: their parameters by moments, and what they do to records.

The equations are those of ``docs/methods/gee.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.gee.clusters import Clusters
from outcomes.models.options import FloatArray

# An eigenvalue of a correlation matrix below this is none.
SINGULAR = 1e-8
# Points between -1 and 1 among which the least squares of ar1 is searched.
GRID = 401


@dataclass(frozen=True, slots=True)
class Working:
    """A working correlation with its parameters.

    Attributes
    ----------
    clusters : Clusters
        What it is between.
    structure : str
        Its name.
    alpha : FloatArray, shape (m,)
        Parameters: none, one, or those above the diagonal by rows.
    scale : float
        Dispersion.
    """

    clusters: Clusters
    structure: str
    alpha: FloatArray
    scale: float

    def correlation(self) -> FloatArray:
        """Correlation of all visits, shape (K, K)."""
        K = len(self.clusters.places)
        if self.structure == "independence":
            return np.eye(K)
        if self.structure == "exchangeable":
            full = np.full((K, K), self.alpha[0])
        elif self.structure == "ar1":
            full = self.alpha[0] ** _distance(self.clusters)
        else:
            full = np.zeros((K, K))
            full[np.triu_indices(K, 1)] = self.alpha
            full += full.T
        np.fill_diagonal(full, 1.0)
        return full

    def solve(self, x: FloatArray) -> FloatArray:
        """Inverse correlation times records in the order of the blocks; (n, ...)."""
        if self.structure == "independence":
            return np.array(x)
        out = np.empty_like(x)
        whole = self.correlation() if self.structure != "exchangeable" else None
        for block in self.clusters.blocks:
            own = block.of(x).reshape(block.n, block.k, -1)
            if whole is None:
                a = self.alpha[0]
                share = a / (1.0 + (block.k - 1) * a)
                solved = (own - share * own.sum(axis=1, keepdims=True)) / (1.0 - a)
            else:
                codes = block.patterns
                inverse = _inverse(whole[codes[:, :, None], codes[:, None, :]])
                solved = inverse[block.which if len(codes) > 1 else 0] @ own
            out[block.start : block.start + own.shape[0] * block.k] = solved.reshape(
                -1, *x.shape[1:]
            )
        return out

    def smallest_eigenvalue(self) -> float:
        """Smallest eigenvalue of the correlation of any cluster; NaN where unknown."""
        if not (np.isfinite(self.alpha).all() and np.isfinite(self.scale)):
            return float("nan")
        if self.structure == "independence":
            return 1.0
        if self.structure == "exchangeable":
            a = float(self.alpha[0])
            return min(1.0 - a, 1.0 + (self.clusters.largest - 1) * a)
        whole = self.correlation()
        smallest = np.inf
        for block in self.clusters.blocks:
            codes = block.patterns
            parts = whole[codes[:, :, None], codes[:, None, :]]
            smallest = min(smallest, float(np.linalg.eigvalsh(parts)[:, 0].min()))
        return smallest


def estimate_working(
    clusters: Clusters, structure: str, pearson: FloatArray, p: int
) -> Working:
    """Estimate dispersion and correlation from Pearson residuals.

    Parameters
    ----------
    clusters : Clusters
        The clusters.
    structure : str
        Working correlation.
    pearson : FloatArray, shape (n,)
        Residuals over roots of the variance function, in the order of the blocks.
    p : int
        What divisors are less than counts: 0, or the number of coefficients.

    Raises
    ------
    ModelError
        If a divisor is not positive.

    References
    ----------
    Liang and Zeger (1986), Biometrika 73, 13-22; Halekoh, Hojsgaard and Yan (2006),
    J Stat Softw 15(2), for ``p = 0``.
    """
    scale = float(pearson @ pearson) / _divisor(len(pearson), p, "records")
    if structure == "independence":
        return Working(clusters, structure, np.zeros(0), scale)
    if structure == "exchangeable":
        square = clusters.sums(pearson**2)
        total = float((clusters.sums(pearson) ** 2 - square).sum()) / 2.0
        count = sum(block.n * block.k * (block.k - 1) // 2 for block in clusters.blocks)
        alpha = total / (scale * _divisor(count, p, "pairs of records"))
        return Working(clusters, structure, np.array([alpha]), scale)
    products, counts = _pair_sums(clusters, pearson)
    above = np.triu_indices(len(products), 1)
    sums, number = products[above] / scale, counts[above]
    if structure == "unstructured":
        left = _divisor(int(number.min()), p, "subjects with both of two visits")
        alpha = sums / (number - number.min() + left)
        return Working(clusters, structure, alpha, scale)
    distance = _distance(clusters)[above]
    if p:
        near = distance == 1.0
        left = _divisor(int(number[near].sum()), p, "pairs of successive visits")
        a = float(sums[near].sum()) / left
    else:
        a = _least_squares(distance, sums, number)
    return Working(clusters, structure, np.array([a]), scale)


def _divisor(count: int, p: int, what: str) -> int:
    if count - p <= 0:
        raise ModelError(
            f"moments: there are {count} {what} and {p} coefficients, so 'n-p' leaves"
            " nothing to divide by. Use moments='n', a simpler structure or fewer"
            " terms."
        )
    return count - p


def _pair_sums(
    clusters: Clusters, pearson: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sum products of residuals at two visits, and count them; (K, K) each."""
    K = len(clusters.places)
    filled = np.zeros((clusters.n_clusters, K))
    present = np.zeros_like(filled)
    done = 0
    for block in clusters.blocks:
        rows = done + np.arange(block.n)[:, None]
        columns = block.patterns[block.which]
        filled[rows, columns] = block.of(pearson)
        present[rows, columns] = 1.0
        done += block.n
    return filled.T @ filled, present.T @ present


def _distance(clusters: Clusters) -> FloatArray:
    return np.abs(clusters.places[:, None] - clusters.places[None, :])


def _least_squares(d: FloatArray, sums: FloatArray, number: FloatArray) -> float:
    """Fit products of residuals by ``a ** d``; equation (7).

    The point of a grid with the smallest sum of squares is moved to where the
    derivative changes sign next to it.
    """
    from scipy.optimize import brentq

    if not np.isfinite(sums).all():
        return float("nan")

    def loss(a: FloatArray) -> FloatArray:
        power = a[:, None] ** d
        return np.asarray((number * power**2 - 2.0 * sums * power).sum(axis=1))

    def slope(a: float) -> float:
        return float(np.sum(d * a ** (d - 1.0) * (number * a**d - sums)))

    points = np.linspace(-1.0, 1.0, GRID)
    best = int(np.argmin(loss(points)))
    low, high = points[max(best - 1, 0)], points[min(best + 1, GRID - 1)]
    if not slope(low) < 0.0 < slope(high):
        return float(points[best])
    return float(brentq(slope, low, high, xtol=1e-15, rtol=1e-14))


def _inverse(R: FloatArray) -> FloatArray:
    """Inverse of a stack of symmetric matrices, finite also on the way to one.

    A matrix without inverse may be met during the iterations; the matrices of the last
    one are judged by `Working.smallest_eigenvalue`.
    """
    if not np.isfinite(R).all():
        return np.full_like(R, np.nan)
    values, vectors = np.linalg.eigh(R)
    small = np.abs(values) < SINGULAR
    values = np.where(small, np.copysign(SINGULAR, values), values)
    return np.asarray((vectors / values[:, None, :]) @ np.swapaxes(vectors, 1, 2))
