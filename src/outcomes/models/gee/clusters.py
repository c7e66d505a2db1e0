"""Records put in the order of their clusters, clusters of one size side by side.

All sums over clusters are then sums over a few arrays, one for each size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.mmrm.records import read_records
from outcomes.models.options import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Block:
    """The clusters of one size.

    Attributes
    ----------
    start : int
        First of their records, in the order of `Clusters`.
    n, k : int
        Number of clusters, and of records of each.
    patterns : IntArray, shape (m, k)
        Different sets of visits, as codes.
    which : IntArray, shape (n,)
        The pattern of each cluster.
    """

    start: int
    n: int
    k: int
    patterns: IntArray
    which: IntArray

    def of(self, values: FloatArray) -> FloatArray:
        """Return the records of the block, shape (n, k, ...)."""
        rows = values[self.start : self.start + self.n * self.k]
        return rows.reshape(self.n, self.k, *values.shape[1:])


@dataclass(frozen=True, slots=True)
class Clusters:
    """How n records fall into clusters.

    Attributes
    ----------
    order : IntArray, shape (n,)
        Takes the rows of the design to the order of the blocks, visits in order
        within a cluster.
    first : IntArray, shape (N,)
        A row of the design for each cluster, in the order of the blocks.
    blocks : tuple of Block
        The clusters by size.
    places : FloatArray, shape (K,)
        Place of each visit in the declared order; without visits, of each record.
    visits : tuple
        The visits with records, in order; without visits, numbers from 1.
    """

    order: IntArray
    first: IntArray
    blocks: tuple[Block, ...]
    places: FloatArray
    visits: tuple[Any, ...]

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.first)

    @property
    def largest(self) -> int:
        """Records of the largest cluster."""
        return self.blocks[-1].k

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum over the records of each cluster, shape (N, ...)."""
        return np.concatenate([block.of(values).sum(axis=1) for block in self.blocks])

    def products(self, a: FloatArray, b: FloatArray) -> Iterator[FloatArray]:
        """Products ``a' b`` of each cluster, a block at a time; (n_block, p, q)."""
        for block in self.blocks:
            yield np.swapaxes(block.of(a), 1, 2) @ block.of(b)


def read_clusters(
    data: pd.DataFrame,
    design: Design,
    *,
    subject: str,
    visit: str | None,
    levels: Mapping[str, Sequence[Any]],
    by_visit: bool,
) -> Clusters:
    """Find the clusters of the rows a design uses.

    Parameters
    ----------
    data : pandas.DataFrame
        As given.
    design : Design
        The rows used.
    subject, visit : str
        Columns.
    levels : mapping
        Declared orders.
    by_visit : bool
        Whether it matters which visits a cluster has, or their number alone.

    Raises
    ------
    ModelError
        If a subject has two records at a visit.
    """
    import pandas as pd

    if visit is None:
        who = pd.factorize(design.frame[subject])[0].astype(np.intp)
        order = np.argsort(who, kind="stable")
    else:
        records = read_records(
            data,
            design,
            subject=subject,
            visit=visit,
            group=None,
            weights=None,
            coordinates=(),
            levels=levels,
        )
        who = records.subject
        order = np.lexsort((records.visit, who))
    size = np.bincount(who)
    starts = np.cumsum(size) - size
    code = np.zeros(len(who), dtype=np.intp)
    if by_visit and visit is not None:
        code = records.visit
        places, visits = records.places, records.visits
    else:
        code[order] = np.arange(len(who)) - np.repeat(starts, size)
        places = np.arange(size.max(), dtype=float)
        visits = tuple(range(1, int(size.max()) + 1))
    blocks: list[Block] = []
    rows: list[IntArray] = []
    first: list[IntArray] = []
    start = 0
    for k in np.unique(size):
        members = np.flatnonzero(size == k)
        own = order[starts[members][:, None] + np.arange(k)]
        patterns, which = np.unique(code[own], axis=0, return_inverse=True)
        blocks.append(Block(start, len(members), int(k), patterns, which.ravel()))
        rows.append(own.ravel())
        first.append(own[:, 0])
        start += own.size
    return Clusters(
        np.concatenate(rows), np.concatenate(first), tuple(blocks), places, visits
    )


def check_pairs(clusters: Clusters, structure: str, subject: str) -> None:
    """Refuse a correlation that no two records of a subject tell of.

    Raises
    ------
    ModelError
        Naming what there is only one of, or the visits no subject has both of.
    """
    if structure == "independence":
        return
    if clusters.largest == 1:
        raise ModelError(
            f"structure: '{structure}' is a correlation between records of one"
            f" {subject}, and every {subject} has one record. Use"
            " structure='independence', or check that subject is the right column."
        )
    if structure != "unstructured":
        return
    together = pair_counts(clusters)
    lonely = np.argwhere(np.triu(together == 0, 1))
    if len(lonely):
        names = [f"{clusters.visits[a]} and {clusters.visits[b]}" for a, b in lonely]
        raise ModelError(
            f"structure: 'unstructured' has a correlation for each pair of visits, and"
            f" no {subject} has records at both {'; '.join(names[:3])}"
            + (f" ({len(names)} pairs)" if len(names) > 3 else "")
            + ". Use 'exchangeable' or 'ar1', or leave such visits out."
        )


def pair_counts(clusters: Clusters) -> IntArray:
    """Clusters with records at both of two visits, shape (K, K)."""
    K = len(clusters.places)
    counts = np.zeros((K, K), dtype=np.intp)
    for block in clusters.blocks:
        here = np.bincount(block.which, minlength=len(block.patterns))
        for codes, n in zip(block.patterns, here, strict=True):
            counts[np.ix_(codes, codes)] += n
    return counts
