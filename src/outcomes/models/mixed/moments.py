"""Sums over records that every evaluation of a linear mixed model rests on.

Columns are ``[Z2 X y]``: the second tier, the model matrix (orthonormal) and the
outcome (less its least squares fit). For each group of the first tier all that matters
is ``Z1'Z1`` and ``Z1'[Z2 X y]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from outcomes.models.mixed.layout import Layout, Slot, effect_scales
from outcomes.models.options import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Moments:
    """Cross products of a linear mixed model.

    Attributes
    ----------
    layout : Layout
        Places of the effects.
    A : FloatArray, shape (G, C, C)
        ``Z1'Z1`` of each group, effects divided by their scale.
    W : FloatArray, shape (G, C, q + p + 1)
        ``Z1'[Z2 X y]`` of each group.
    total : FloatArray, shape (q + p + 1, q + p + 1)
        ``[Z2 X y]'[Z2 X y]``.
    n, p : int
        Records and coefficients.
    scale : tuple of FloatArray
        Root mean square of the effects of each term, by which they are divided here.
    """

    layout: Layout
    A: FloatArray
    W: FloatArray
    total: FloatArray
    n: int
    p: int
    scale: tuple[FloatArray, ...]

    @property
    def q(self) -> int:
        """Columns of the second tier."""
        return self.layout.q


def gather(layout: Layout, Q: FloatArray, rest: FloatArray) -> Moments:
    """Sum the cross products.

    Parameters
    ----------
    layout : Layout
        Random effects.
    Q : FloatArray, shape (n, p)
        Model matrix with orthonormal columns.
    rest : FloatArray, shape (n,)
        Outcome less its least squares fit.

    Returns
    -------
    Moments
        The sums.
    """
    from scipy.sparse import csr_array, diags_array

    n, p = Q.shape
    scale = effect_scales(layout)
    inner, outer = np.ones(layout.C), np.ones(layout.q)
    for slot, size in zip(layout.slots, scale, strict=True):
        (inner if slot.inner else outer)[slot.places] = size
    Z1 = layout.Z1 / inner
    Z2 = csr_array(layout.Z2 @ diags_array(1.0 / outer))
    fixed = np.column_stack([Q, rest])
    G, C, q = layout.n_groups, layout.C, layout.q
    places = layout.group[:, None] * C + np.arange(C)
    blocks = csr_array(
        (Z1.ravel(), (np.repeat(np.arange(n), C), places.ravel())), shape=(n, G * C)
    )
    W = np.empty((G * C, q + p + 1))
    W[:, :q] = (blocks.T @ Z2).toarray()
    W[:, q:] = blocks.T @ fixed
    total = np.empty((q + p + 1, q + p + 1))
    total[:q, :q] = (Z2.T @ Z2).toarray()
    total[:q, q:] = Z2.T @ fixed
    total[q:, :q] = total[:q, q:].T
    total[q:, q:] = fixed.T @ fixed
    A = (
        np.stack([blocks.T @ Z1[:, c] for c in range(C)], axis=-1).reshape(G, C, C)
        if C
        else np.zeros((0, 0, 0))
    )
    return Moments(layout, A, W.reshape(G, C, q + p + 1), total, n, p, scale)


def factor_of(slot: Slot, c: int, theta: FloatArray) -> FloatArray:
    """Lower triangular factor of a term from its parameters; shape (c, c)."""
    L = np.zeros((c, c))
    L[lower_places(c)] = theta[slot.theta]
    return L


@cache
def lower_places(c: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of a lower triangle, by rows."""
    return np.tril_indices(c)
