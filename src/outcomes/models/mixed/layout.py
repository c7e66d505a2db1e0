"""Two tiers of random effects: many small independent groups, and the rest.

The grouping with most levels, the subject as a rule, makes the first tier. Its effects
fall into blocks that do not touch each other, so they are eliminated for all groups at
once. What is left, sites and therapists, is small and dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.effects import Term
from outcomes.models.options import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the effects of one term stand.

    Attributes
    ----------
    term : int
        Number of the term.
    inner : bool
        Whether it belongs to the first tier.
    places : IntArray, shape (copies, c)
        Columns of its effects: among the C columns of a group in the first tier (one
        copy), among the q columns in the second (a copy for each level).
    theta : slice
        Its parameters: the lower triangle of its relative Cholesky factor, by rows.
    """

    term: int
    inner: bool
    places: IntArray
    theta: slice


@dataclass(frozen=True, slots=True)
class Layout:
    """Random effects of n records in two tiers.

    Attributes
    ----------
    terms : tuple of Term
        All terms.
    slots : tuple of Slot
        One for each term.
    group : IntArray, shape (n,)
        Group of the first tier of each record; zeros where there is no first tier.
    n_groups : int
        Groups of the first tier.
    Z1 : FloatArray, shape (n, C)
        Columns of the first tier of each record's own group.
    Z2 : scipy.sparse.csr_array, shape (n, q)
        Columns of the second tier.
    n_theta : int
        Parameters.
    """

    terms: tuple[Term, ...]
    slots: tuple[Slot, ...]
    group: IntArray
    n_groups: int
    Z1: FloatArray
    Z2: object
    n_theta: int

    @property
    def C(self) -> int:
        """Columns of one group of the first tier."""
        return int(self.Z1.shape[1])

    @property
    def q(self) -> int:
        """Columns of the second tier."""
        return int(self.Z2.shape[1])  # type: ignore[attr-defined]


def lay_out(terms: Sequence[Term]) -> Layout:
    """Divide terms into the two tiers.

    Parameters
    ----------
    terms : sequence of Term
        On the same records.

    Returns
    -------
    Layout
        Their places.
    """
    from scipy.sparse import csr_array, hstack

    n = terms[0].values.shape[0]
    single = [k for k, term in enumerate(terms) if term.single]
    first = max(single, key=lambda k: terms[k].q, default=None)
    group = np.zeros(n, dtype=np.intp) if first is None else terms[first].member[0]
    n_groups = 0 if first is None else terms[first].q
    slots: list[Slot] = []
    inner: list[FloatArray] = []
    outer = [csr_array((n, 0))]
    C = q = start = 0
    for k, term in enumerate(terms):
        theta = slice(start, start + term.c * (term.c + 1) // 2)
        start = theta.stop
        same = first is not None and _same_groups(term, group, n_groups)
        if same:
            places = C + np.arange(term.c)[None, :]
            inner.append(term.values)
            C += term.c
        else:
            places = q + np.arange(term.q * term.c).reshape(term.q, term.c)
            outer.append(spread(term))
            q += term.q * term.c
        slots.append(Slot(k, same, places.astype(np.intp), theta))
    return Layout(
        terms=tuple(terms),
        slots=tuple(slots),
        group=np.asarray(group, dtype=np.intp),
        n_groups=n_groups,
        Z1=np.hstack(inner) if inner else np.zeros((n, 0)),
        Z2=csr_array(hstack(outer, format="csr")),
        n_theta=start,
    )


def _same_groups(term: Term, group: IntArray, n_groups: int) -> bool:
    return term.single and term.q == n_groups and np.array_equal(term.member[0], group)


def spread(term: Term) -> object:
    """Model matrix of a term over all its levels; sparse, shape (n, q * c)."""
    from scipy.sparse import csr_array

    n = term.values.shape[0]
    k = len(term.member)
    rows = np.repeat(np.arange(n), k * term.c)
    places = term.member.T[:, :, None] * term.c + np.arange(term.c)
    entries = term.weights.T[:, :, None] * term.values[:, None, :]
    matrix = csr_array(
        (entries.ravel(), (rows, places.ravel())), shape=(n, term.q * term.c)
    )
    matrix.sum_duplicates()
    return matrix


def effect_scales(layout: Layout) -> tuple[FloatArray, ...]:
    """Root mean square of the effects of each term."""
    return tuple(
        np.sqrt(np.mean(np.square(term.values), axis=0)) for term in layout.terms
    )


def semidefinite_root(sigma: FloatArray) -> FloatArray:
    """Cholesky factor of a matrix that may be singular: a column of zeros instead."""
    c = len(sigma)
    L = np.zeros((c, c))
    for k in range(c):
        left = sigma[k, k] - L[k, :k] @ L[k, :k]
        if left <= 1e-12 * sigma[k, k] or sigma[k, k] == 0.0:
            continue
        L[k, k] = np.sqrt(left)
        L[k + 1 :, k] = (sigma[k + 1 :, k] - L[k + 1 :, :k] @ L[k, :k]) / L[k, k]
    return L
