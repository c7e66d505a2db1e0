"""Standardised effect sizes, in the two definitions that publications use.

Published d values of one trial differ by which of the two was meant; both are given,
under different names. Signs are those of arm minus comparator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from outcomes.analyses.change_data import ChangeData
from outcomes.analyses.describe import pooled_sd
from outcomes.analyses.selection import in_words
from outcomes.ard.rows import ArdRows

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

BY_BASELINE = "d-baseline-sd"
BY_COMPLETERS = "d-completer-change-sd"


def add_effect_sizes(
    data: ChangeData,
    differences: pd.DataFrame,
    reference: str,
    observed: ArdRows,
    modelled: ArdRows,
) -> None:
    """Add both effect sizes, by visit and active arm.

    Parameters
    ----------
    data : ChangeData
        The records.
    differences : DataFrame
        Model-based differences with columns ``AVISIT``, the arm and ``estimate``.
    reference : str
        The control arm.
    observed, modelled : ArdRows
        Where results of observed cases and of the model go.
    """
    arm_variable = data.people.arm_variable
    baseline = [
        data.baseline.reindex(subjects["USUBJID"]).dropna()
        for _, subjects in data.people.by_arm(total=False)
    ]
    spread = pooled_sd(baseline)
    # the method of the model names the version already
    words = (
        "model-based difference / pooled SD of baseline over all arms; "
        f"{modelled.default('method')}"
    )
    days = {visit.id: visit.time for visit in data.visits}
    for row in differences.to_dict("records"):
        visit, arm = row["AVISIT"], str(row[arm_variable])
        place = {"visit": visit, "time": days[visit], "arm": arm}
        here = modelled.at(
            **place, comparator=reference, n_subjects=sum(map(len, baseline))
        )
        _add(here.at(term=BY_BASELINE, method=words), row["estimate"], spread)
        changes = [data.changes(visit, who) for who in (arm, reference)]
        here = observed.at(
            **place,
            comparator=reference,
            term=BY_COMPLETERS,
            n_subjects=sum(map(len, changes)),
            method=in_words(
                "difference of observed mean changes / pooled SD of change",
                data.what.handling,
            ),
        )
        _add(here, mean_difference(changes), pooled_sd(changes))


def mean_difference(groups: Sequence[ArrayLike]) -> float:
    """Return the first mean minus the second, NaN if a group is empty."""
    import numpy as np

    first, second = (np.asarray(group, dtype="float64") for group in groups)
    if not (first.size and second.size):
        return float("nan")
    return float(first.mean() - second.mean())


def _add(ard: ArdRows, difference: float, spread: float) -> None:
    # NaN compares false, so that this covers an unknown spread too.
    if not (spread > 0 and difference == difference):
        ard.fail("no difference or no spread to divide it by; too few subjects.")
        return
    ard.add_all({"estimate": difference / spread, "sd": spread})
