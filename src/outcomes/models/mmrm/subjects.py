"""The subjects of a fit one by one, in blocks of the same shape.

The likelihood works on compressed sums; what belongs to a subject (a sandwich, a
residual, a prediction) goes back to the records, a pattern at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.patterns import euclidean
from outcomes.models.mmrm.records import Records
from outcomes.models.options import FloatArray, IntArray

if TYPE_CHECKING:
    from outcomes.models.mmrm.results import MmrmFit


@dataclass(frozen=True, slots=True)
class Block:
    """Subjects of one group with the same visits.

    Attributes
    ----------
    rows : IntArray, shape (n, k)
        Row of each record in the frame of the design, in visit order.
    visits : IntArray, shape (k,)
        Codes of the visits.
    group : int
        Code of the group.
    sigma : FloatArray, shape (n, k, k) or (1, k, k)
        Residual covariance of the records, weights included; one for all subjects where
        it is the same.
    """

    rows: IntArray
    visits: IntArray
    group: int
    sigma: FloatArray


def subject_blocks(fit: MmrmFit) -> tuple[Block, ...]:
    """Return the subjects of a fit in blocks of the same group and visits."""
    return tuple(blocks_of(fit.records, fit.problem, fit.theta))


def blocks_of(records: Records, problem: Problem, theta: FloatArray) -> Iterator[Block]:
    """Yield the subjects in blocks, with the covariance at ``theta``."""
    order = np.lexsort((records.visit, records.subject))
    starts = np.searchsorted(
        records.subject[order], np.arange(records.n_subjects), side="left"
    )
    seen = np.zeros((records.n_subjects, len(records.visits) + 1), dtype=np.intp)
    seen[records.subject, records.visit] = 1
    seen[records.subject, -1] = records.group
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    weighted = not np.all(records.weights == 1.0)
    thetas = problem.by_part(theta)
    for v, kind in enumerate(kinds):
        group, visits = int(kind[-1]), np.flatnonzero(kind[:-1])
        members = np.flatnonzero(which.ravel() == v)
        rows = order[starts[members][:, None] + np.arange(len(visits))]
        part = problem.parts[group]
        if part.individual:
            distance = euclidean(records.coordinates[rows])
            sigma = problem.structure.sigma(thetas[group], distance)
        else:
            whole = problem.structure.sigma(thetas[group], part.distance)
            sigma = whole[np.ix_(visits, visits)][None]
        if weighted:
            root = np.sqrt(records.weights[rows])
            sigma = sigma / root[:, :, None] / root[:, None, :]
        yield Block(rows, visits, group, sigma)
