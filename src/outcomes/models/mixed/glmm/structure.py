"""Where random effects stand: blocks of independent groups, and the rest.

Records are sorted by their group, so sums over groups are sums over runs. Effects that
reach over groups (sites, therapists) are few columns of each record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.layout import Layout
from outcomes.models.options import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class InnerTerm:
    """Effects of the groups that share a covariance.

    Attributes
    ----------
    c : int
        Effects of one level.
    theta : slice
        Parameters: lower triangle of the Cholesky factor, by rows.
    rows : slice
        Their rows among the C effects of a group.
    """

    c: int
    theta: slice
    rows: slice


@dataclass(frozen=True, slots=True, eq=False)
class OuterTerm:
    """Effects over groups that share a covariance.

    Attributes
    ----------
    c : int
        Effects of one level.
    theta : slice
        Parameters: lower triangle of the Cholesky factor, by rows.
    rows : slice
        Their rows among the m columns of a record, by member, then effect.
    weights : FloatArray, shape (k, n)
        Shares of the members.
    values : FloatArray, shape (c, n)
        Model columns.
    """

    c: int
    theta: slice
    rows: slice
    weights: FloatArray
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Random effects of n records, sorted by group.

    Attributes
    ----------
    inner, outer : tuple
        Terms of the groups, and over groups.
    group : IntArray, shape (n,)
        Group of each record, ascending.
    starts : IntArray, shape (G,)
        First record of each group.
    Z : FloatArray, shape (C, n)
        Model columns of the effects of a record's own group.
    cols : IntArray, shape (m, n)
        Which of the q effects over groups a record has.
    q, n_theta : int
        Effects over groups; parameters.
    pairs : Pairs
        Which groups have which effects over groups.
    count : FloatArray, shape (G,)
        Groups of the data each of these stands for.
    size : int
        Records of each group where all have as many, else 0.
    """

    inner: tuple[InnerTerm, ...]
    outer: tuple[OuterTerm, ...]
    group: IntArray
    starts: IntArray
    Z: FloatArray
    cols: IntArray
    q: int
    n_theta: int
    pairs: Pairs
    count: FloatArray
    size: int

    @property
    def C(self) -> int:
        """Effects of one group."""
        return len(self.Z)

    @property
    def G(self) -> int:
        """Groups."""
        return len(self.starts)

    @property
    def terms(self) -> tuple[InnerTerm | OuterTerm, ...]:
        """All terms, in order of their parameters."""
        return tuple(
            sorted((*self.inner, *self.outer), key=lambda term: term.theta.start)
        )

    @property
    def scalar(self) -> bool:
        """Whether each group has one effect and there are no others."""
        return self.C == 1 and self.q == 0

    def by_group(self, values: FloatArray) -> FloatArray:
        """Sum over the records of each group; shape (..., n) to (..., G)."""
        if self.size:  # a product with ones is a sum, several times faster
            return values.reshape(*values.shape[:-1], self.G, self.size) @ np.ones(
                self.size
            )
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The K combinations of a group and an effect over groups that occur.

    Attributes
    ----------
    group, col : IntArray, shape (K,)
        The two.
    record : IntArray, shape (m, n)
        Pair of each entry of ``Structure.cols``.
    left, right : IntArray, shape (sum of squares of pairs of a group,)
        All couples of pairs of the same group.
    """

    group: IntArray
    col: IntArray
    record: IntArray
    left: IntArray
    right: IntArray


def lower(theta: FloatArray, c: int) -> FloatArray:
    """Cholesky factor of parameters by rows; shape (c, c)."""
    L = np.zeros((c, c))
    L[np.tril_indices(c)] = theta
    return L


def diagonal_places(c: int) -> IntArray:
    """Places of the diagonal among the parameters of a term."""
    k = np.arange(c)
    return np.asarray(k * (k + 3) // 2)


def arrange(
    layout: Layout, order: IntArray, scales: tuple[FloatArray, ...]
) -> Structure:
    """Sort a layout by group and scale its columns.

    Parameters
    ----------
    layout : Layout
        Random effects.
    order : IntArray, shape (n,)
        Records in order of ``layout.group``.
    scales : tuple of FloatArray
        What the columns of each term are divided by.
    """
    group = layout.group[order]
    inner: list[InnerTerm] = []
    outer: list[OuterTerm] = []
    Z: list[FloatArray] = []
    cols: list[IntArray] = []
    C = m = 0
    for slot in layout.slots:
        term = layout.terms[slot.term]
        values = np.ascontiguousarray((term.values[order] / scales[slot.term]).T)
        if slot.inner:
            inner.append(InnerTerm(term.c, slot.theta, slice(C, C + term.c)))
            Z.append(values)
            C += term.c
            continue
        weights = np.ascontiguousarray(term.weights[:, order])
        member = term.member[:, order]
        # An absent member stands at a present one, so that it adds no pair.
        known = np.take_along_axis(member, weights.argmax(axis=0)[None, :], axis=0)
        member = np.where(weights > 0, member, known)
        first = int(slot.places[0, 0])
        for own in member:
            cols += [first + own * term.c + j for j in range(term.c)]
        rows = slice(m, m + len(member) * term.c)
        outer.append(OuterTerm(term.c, slot.theta, rows, weights, values))
        m = rows.stop
    n = len(order)
    every = np.array(cols, dtype=np.intp).reshape(m, n)
    starts = np.flatnonzero(np.diff(group, prepend=-1)) if C else np.zeros(0, np.intp)
    return Structure(
        inner=tuple(inner),
        outer=tuple(outer),
        group=np.asarray(group, dtype=np.intp),
        starts=np.asarray(starts, dtype=np.intp),
        Z=np.concatenate(Z) if Z else np.zeros((0, n)),
        cols=every,
        q=layout.q,
        n_theta=layout.n_theta,
        pairs=_find_pairs(group, every, layout.q, C > 0),
        count=np.ones(layout.n_groups if C else 0),
        size=_common_size(starts, n),
    )


def _find_pairs(group: IntArray, cols: IntArray, q: int, grouped: bool) -> Pairs:
    none = np.zeros(0, dtype=np.intp)
    if not (grouped and q):
        return Pairs(none, none, np.zeros((0, len(group)), dtype=np.intp), none, none)
    keys, record = np.unique((group * q + cols).ravel(), return_inverse=True)
    owner = keys // q
    size = np.bincount(owner)
    first = np.cumsum(size) - size
    left = np.repeat(np.arange(len(keys)), size[owner])
    start = np.cumsum(size[owner]) - size[owner]
    right = np.arange(len(left)) - np.repeat(start - first[owner], size[owner])
    return Pairs(
        group=np.asarray(owner, dtype=np.intp),
        col=np.asarray(keys % q, dtype=np.intp),
        record=np.asarray(record, dtype=np.intp).reshape(cols.shape),
        left=np.asarray(left, dtype=np.intp),
        right=np.asarray(right, dtype=np.intp),
    )


def select(structure: Structure, kept: BoolArray, count: FloatArray) -> Structure:
    """Keep some groups, each standing for several; without effects over groups.

    Parameters
    ----------
    structure : Structure
        Of all records.
    kept : BoolArray, shape (G,)
        Groups to keep.
    count : FloatArray, shape (number kept,)
        Groups each of them stands for.
    """
    records = kept[structure.group]
    group = (np.cumsum(kept) - 1)[structure.group[records]]
    empty = np.zeros((0, len(group)), dtype=np.intp)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return Structure(
        inner=structure.inner,
        outer=(),
        group=np.asarray(group, dtype=np.intp),
        starts=np.asarray(starts, dtype=np.intp),
        Z=np.ascontiguousarray(structure.Z[:, records]),
        cols=empty,
        q=0,
        n_theta=structure.n_theta,
        pairs=_find_pairs(group, empty, 0, True),
        count=count,
        size=_common_size(starts, len(group)),
    )


def _common_size(starts: IntArray, n: int) -> int:
    """Count the records of a group where all have as many, else 0."""
    sizes = np.diff(starts, append=n)
    return int(sizes[0]) if len(sizes) and np.all(sizes == sizes[0]) else 0
