"""From a design and random effects to a problem the optimiser can work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outcomes.models.design import Design
from outcomes.models.estimable import Undetermined, find_aliased
from outcomes.models.mixed.glmm.collapse import find_alike
from outcomes.models.mixed.glmm.families import Family
from outcomes.models.mixed.glmm.problem import Problem
from outcomes.models.mixed.glmm.structure import arrange, select
from outcomes.models.mixed.layout import Layout, effect_scales
from outcomes.models.options import BoolArray, FloatArray, IntArray

FamilyOf = Callable[[IntArray], Family]
"""Log density of chosen records."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A problem and the way back from its parameters to the user's.

    Attributes
    ----------
    problem : Problem
        In orthonormal columns, effects scaled by their root mean squares.
    scales : tuple of FloatArray
        Those, for each term.
    to_columns : FloatArray, shape (p, p)
        Coefficients are ``to_columns @ beta`` of the problem's.
    centre : FloatArray, shape (p,)
        Means taken off the columns, where thresholds stand for the intercept.
    aliased : BoolArray, shape (all columns,)
        Columns without a coefficient.
    undetermined : Undetermined
        Directions in which coefficients are not determined.
    order : IntArray, shape (records of the problem,)
        Places of its records in the design.
    kind : IntArray, shape (groups,)
        Group of the problem that each group of the data is alike to.
    """

    problem: Problem
    scales: tuple[FloatArray, ...]
    to_columns: FloatArray
    centre: FloatArray
    aliased: BoolArray
    undetermined: Undetermined
    order: IntArray
    kind: IntArray


def prepare(
    design: Design,
    layout: Layout,
    family_of: FamilyOf,
    values: FloatArray,
    offset: FloatArray,
    *,
    n_quad: int,
    thresholds: bool,
) -> Prepared:
    """Sort, scale, orthonormalise, and put groups that are alike together.

    Parameters
    ----------
    design : Design
        Model matrix.
    layout : Layout
        Random effects of its records.
    family_of : callable
        Log density of the records chosen.
    values : FloatArray, shape (n, v)
        What that depends on: outcome and trials.
    offset : FloatArray, shape (n,)
        Known part of the linear predictor.
    n_quad : int
        Points of the quadrature.
    thresholds : bool
        Whether thresholds stand for the intercept.
    """
    n = len(offset)
    aliased, undetermined = _aliased(design, thresholds)
    X = design.X[:, ~aliased]
    centre = X.mean(axis=0) if thresholds else np.zeros(X.shape[1])
    Q, R = np.linalg.qr(X - centre)
    root = np.sqrt(n)
    scales = effect_scales(layout)
    order = np.asarray(np.argsort(layout.group, kind="stable"), dtype=np.intp)
    structure = arrange(layout, order, scales)
    kind = np.arange(structure.G)
    times = np.ones(n)
    if structure.G and not structure.q:
        rows = np.column_stack([X, offset, values])[order]
        rows = np.column_stack([rows, structure.Z.T])
        found = find_alike(rows, structure.group, structure.G)
        if found is not None:
            kept = np.zeros(structure.G, dtype=bool)
            kept[found[0]] = True
            place = np.empty(len(found[0]), dtype=np.intp)
            place[np.argsort(found[0])] = np.arange(len(found[0]))
            kind = place[found[1]]
            count = np.bincount(kind).astype(float)
            order = order[kept[structure.group]]
            structure = select(structure, kept, count)
            times = count[structure.group]
    problem = Problem(
        family=family_of(order),
        X=np.ascontiguousarray(Q[order] * root),
        offset=offset[order],
        structure=structure,
        times=times,
        n_quad=n_quad,
    )
    return Prepared(
        problem=problem,
        scales=scales,
        to_columns=np.linalg.inv(R) * root,
        centre=centre,
        aliased=aliased,
        undetermined=undetermined,
        order=order,
        kind=kind,
    )


def _aliased(design: Design, thresholds: bool) -> tuple[BoolArray, Undetermined]:
    """Find the columns without a coefficient: the intercept too beside thresholds.

    The intercept is then nought by convention, not undetermined: rows that involve it
    are places on the latent scale, whose differences mean something.
    """
    R = np.asarray(np.linalg.qr(design.X, mode="r"))
    aliased, undetermined = find_aliased(design, R)
    if thresholds:
        aliased = aliased.copy()
        aliased[design.columns.index("Intercept")] = True
    return aliased, undetermined
