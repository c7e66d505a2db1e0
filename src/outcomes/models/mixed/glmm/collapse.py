"""Groups that are alike, record for record, are worked on once."""

from __future__ import annotations

import numpy as np

from outcomes.models.options import FloatArray, IntArray

# More distinct records or groups than this share of all do not pay for the search.
WORTHWHILE = 0.7


def find_alike(
    rows: FloatArray, group: IntArray, n_groups: int
) -> tuple[IntArray, IntArray] | None:
    """Find groups with the same records, in whatever order.

    Parameters
    ----------
    rows : FloatArray, shape (n, v)
        Everything the likelihood takes from a record.
    group : IntArray, shape (n,)
        Group of each, ascending.
    n_groups : int
        Their number.

    Returns
    -------
    tuple of IntArray, optional
        The first group of each kind, and the kind of every group; nothing where too
        few are alike.
    """
    n = len(rows)
    record = _label(rows)
    if record is None or record.max() + 1 > WORTHWHILE * n:
        return None
    record = record[np.lexsort((record, group))]
    size = np.bincount(group, minlength=n_groups)
    start = np.cumsum(size) - size
    kind = np.empty(n_groups, dtype=np.intp)
    first: list[IntArray] = []
    known = 0
    for length in np.unique(size):
        own = np.flatnonzero(size == length)
        keys = record[start[own][:, None] + np.arange(length)]
        _, at, label = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        kind[own] = known + label.reshape(-1)
        first.append(own[at])
        known += len(at)
    if known > WORTHWHILE * n_groups:
        return None
    return np.concatenate(first), kind


def _label(rows: FloatArray) -> IntArray | None:
    """Label rows by content; nothing in the rare case that a mixture misleads."""
    mixture = rows @ np.sqrt(np.arange(2.0, rows.shape[1] + 2.0) + 1.0 / np.pi)
    _, first, label = np.unique(mixture, return_index=True, return_inverse=True)
    same = np.array_equal(rows, rows[first[label]])
    return np.asarray(label, dtype=np.intp) if same else None
