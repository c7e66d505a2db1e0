"""Who, when and how heavy: what an MMRM knows of a record beside its model row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.columns import declared_order, read_numbers
from outcomes.models.design import Design
from outcomes.models.options import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

OFFENDERS_SHOWN = 3
# Weights beyond these leave no digits.
LEAST_WEIGHT, MOST_APART = 1e-30, 1e10


@dataclass(frozen=True, slots=True)
class Records:
    """Codes and numbers of each of n records; the columns are named as in the call.

    Attributes
    ----------
    subject, visit, group : IntArray, shape (n,)
        Codes from 0; one group if there are none.
    visits : tuple
        Levels of the visit that have records, in order.
    groups : tuple
        Levels of the group, or ``("",)``.
    group_name : str
        Its column, or ``""``.
    places : FloatArray, shape (K,)
        Place of each visit in the declared order.
    weights : FloatArray, shape (n,)
        Weights; ones without.
    coordinates : FloatArray, shape (n, d)
        Coordinates; d = 0 without.
    """

    subject: IntArray
    visit: IntArray
    group: IntArray
    visits: tuple[Any, ...]
    groups: tuple[Any, ...]
    group_name: str
    places: FloatArray
    weights: FloatArray
    coordinates: FloatArray

    @property
    def n_subjects(self) -> int:
        """Subjects with records."""
        return int(self.subject.max()) + 1

    def shared_coordinates(self) -> FloatArray | None:
        """Coordinates of the visits, (K, d); None unless all subjects share them."""
        K, d = len(self.visits), self.coordinates.shape[1]
        shared = np.zeros((K, d))
        shared[self.visit] = self.coordinates
        same = np.array_equal(shared[self.visit], self.coordinates)
        return shared if same else None


def read_records(
    data: pd.DataFrame,
    design: Design,
    *,
    subject: str,
    visit: str,
    group: str | None,
    weights: str | None,
    coordinates: Sequence[str],
    levels: Mapping[str, Sequence[Any]],
) -> Records:
    """Read the columns beside the formula from the rows a design uses.

    Raises
    ------
    ModelError
        If a subject has two records at a visit, two groups or two records at the same
        coordinates, or a weight is not positive.
    """
    import pandas as pd

    frame = design.frame
    own = [name for name in (group, weights, *coordinates) if name is not None]
    wanted = list(dict.fromkeys((subject, visit, *own))) if own else []
    beside = data.loc[:, wanted].iloc[design.rows].reset_index(drop=True)
    _check_duplicates(frame, subject, visit)
    who = pd.factorize(frame[subject])[0].astype(np.intp)
    visits = tuple(frame[visit].cat.categories)
    order = declared_order(data[visit], visit, levels)
    place_of = {value: place for place, value in enumerate(order)}
    groups: tuple[Any, ...] = ("",)
    of_group = np.zeros(len(frame), dtype=np.intp)
    if group is not None:
        present = set(beside[group])
        known = declared_order(data[group], group, levels)
        groups = tuple(level for level in known if level in present)
        codes = {level: code for code, level in enumerate(groups)}
        of_group = beside[group].map(codes).to_numpy(dtype=np.intp)
        _check_constant(frame, who, of_group, subject, group)
    heavy = np.ones(len(frame))
    if weights is not None:
        heavy = read_numbers(beside[weights], weights).to_numpy()
        _check_positive(frame, heavy, subject, visit, weights)
    places = np.zeros((len(frame), 0))
    if coordinates:
        columns = [read_numbers(beside[name], name) for name in coordinates]
        places = np.column_stack([column.to_numpy() for column in columns])
        _check_apart(beside, who, places, subject, visit, coordinates)
    return Records(
        subject=who,
        visit=frame[visit].cat.codes.to_numpy().astype(np.intp),
        group=of_group,
        visits=visits,
        groups=groups,
        group_name=group or "",
        places=np.array([place_of[value] for value in visits], dtype=float),
        weights=heavy,
        coordinates=places,
    )


def _list(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    rows = frame.loc[:, list(columns)].drop_duplicates().head(OFFENDERS_SHOWN)
    return ", ".join(
        " at ".join(str(value) for value in row) for row in rows.itertuples(index=False)
    )


def _check_duplicates(frame: pd.DataFrame, subject: str, visit: str) -> None:
    repeated = frame.duplicated([subject, visit], keep=False)
    if not repeated.any():
        return
    pairs = frame.loc[repeated, [subject, visit]].drop_duplicates()
    raise ModelError(
        f"{len(pairs)} pairs of {subject} and {visit} have more than one record (first:"
        f" {_list(pairs, [subject, visit])}). Keep one record per subject and visit."
    )


def _check_constant(
    frame: pd.DataFrame, who: IntArray, of_group: IntArray, subject: str, group: str
) -> None:
    first = np.full(int(who.max()) + 1, -1, dtype=np.intp)
    first[who[::-1]] = of_group[::-1]
    wrong = first[who] != of_group
    if wrong.any():
        n = len(np.unique(who[wrong]))
        raise ModelError(
            f"group: {n} subjects change their {group} between records (first:"
            f" {_list(frame.loc[wrong], [subject])}). A covariance belongs to a"
            " subject; give a column that is constant within subjects."
        )


def _check_positive(
    frame: pd.DataFrame, values: FloatArray, subject: str, visit: str, name: str
) -> None:
    smallest, largest = float(values.min()), float(values.max())
    if smallest > 0 and not (
        smallest > LEAST_WEIGHT
        and largest < 1.0 / LEAST_WEIGHT
        and largest < MOST_APART * smallest
    ):
        raise ModelError(
            f"weights: {name} goes from {smallest:g} to {largest:g}, too far from one"
            " or from each other to compute with."
        )
    wrong = ~(values > 0)
    if wrong.any():
        raise ModelError(
            f"weights: {int(wrong.sum())} records have a {name} that is not positive"
            f" (first: {_list(frame.loc[wrong], [subject, visit])}). Leave such records"
            " out, or give them a weight."
        )


def _check_apart(
    frame: pd.DataFrame,
    who: IntArray,
    places: FloatArray,
    subject: str,
    visit: str,
    coordinates: Sequence[str],
) -> None:
    import pandas as pd

    keys = pd.DataFrame(np.column_stack([who, places]))
    repeated = keys.duplicated(keep=False).to_numpy()
    if repeated.any():
        n = int(frame.loc[repeated, subject].nunique())
        raise ModelError(
            f"coordinates: {n} subjects have several records at the same"
            f" {', '.join(coordinates)} (first:"
            f" {_list(frame.loc[repeated], [subject, visit])}); their correlation would"
            " be one. Give each record its own coordinates, or keep one of them."
        )
