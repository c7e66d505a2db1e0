"""Outcomes a family can have, and the named reasons why one cannot."""

from __future__ import annotations

from typing import Final

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.options import FloatArray

SHOWN: Final = 5
LARGEST_COUNT: Final = 1e15


def check_outcome(y: FloatArray, name: str, family: str) -> None:
    """Refuse an outcome that is not of the family.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Outcome.
    name : str
        Its column.
    family : str
        Of the model.

    Raises
    ------
    ModelError
        Naming the values, how many records have them, and what to do.
    """
    if family == "binomial":
        wrong = ~np.isin(y, (0.0, 1.0))
        if wrong.any():
            raise ModelError(
                f"{name!r} must be 0 or 1 for family='binomial'; {int(wrong.sum())} of"
                f" {len(y)} records have {_list(y[wrong])}. Recode it, or choose"
                " another family."
            )
        if np.all(y == y[0]):
            raise ModelError(
                f"{name!r} is {y[0]:g} in all {len(y)} records, so there is nothing to"
                " estimate."
            )
    if family == "poisson":
        wrong = (y < 0) | (y != np.round(y)) | (y > LARGEST_COUNT)
        if wrong.any():
            raise ModelError(
                f"{name!r} must be a count for family='poisson'; {int(wrong.sum())} of"
                f" {len(y)} records have {_list(y[wrong])}."
            )
        if not y.any():
            raise ModelError(f"{name!r} is 0 in all {len(y)} records: nothing to fit.")


def _list(values: FloatArray) -> str:
    found, counts = np.unique(values, return_counts=True)
    shown = [f"{v:g} ({n})" for v, n in zip(found, counts, strict=True)]
    more = f" and {len(shown) - SHOWN} other values" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
