"""Cumulative distribution of change at a visit, observed cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcomes.analyses.describe import QUANTILES, numbers, summary
from outcomes.analyses.selection import (
    after_rescue,
    analysed,
    at_parameter,
    cohort,
    fail_empty_arms,
    fail_visit,
    in_words,
    target,
)
from outcomes.ard.rows import ArdRows, point_level
from outcomes.study.analyses import Distribution
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Frame = pd.DataFrame
    FloatArray = NDArray[np.float64]


def analyse(
    spec: Study, analysis: Distribution, adsl: Frame, adqs: Frame, ard: ArdRows
) -> None:
    """Add, for each arm, the per cent of subjects at or below each change.

    Parameters
    ----------
    spec : Study
        The study.
    analysis : Distribution
        The analysis.
    adsl, adqs : DataFrame
        The datasets.
    ard : ArdRows
        Where results go.
    """
    what = target(spec, analysis)
    people = cohort(spec, what.population, adsl)
    visit = spec.visit(analysis.visit)
    records = analysed(at_parameter(adqs, what.paramcd), [visit])
    records = records[~after_rescue(records, what.strategy)]
    change = records.set_index("USUBJID")["CHG"]
    ard = ard.at(
        endpoint=what.endpoint,
        population=what.population,
        estimand=what.estimand,
        visit=visit.id,
        time=visit.time,
        method=in_words("observed cases", QUANTILES, what.handling),
    )
    fail_empty_arms(people, ard)
    nobody = bool(change.reindex(people.subjects["USUBJID"]).isna().all())
    if nobody:
        fail_visit(visit, ard)
    for arm, subjects in people.by_arm(total=False):
        own = change.reindex(subjects["USUBJID"])
        x, y = ecdf(numbers(own.dropna()))
        n = int(own.notna().sum())
        if not n and not nobody and len(subjects):
            ard.fail(
                "no subject of this arm has a change.",
                arm=arm,
                term="ecdf",
                n_subjects=0,
            )
        ard.add_all(summary(own), arm=arm, term="observed-change", n_subjects=n)
        for number, (value, percent) in enumerate(zip(x, y, strict=True), start=1):
            point = ard.at(arm=arm, term="ecdf", level=point_level(number))
            point.add_all({"x": value, "y": percent}, n_subjects=n)


def ecdf(values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the distinct values in order, and the per cent at or below each.

    Examples
    --------
    >>> x, y = ecdf([3, -1, 3, 5])
    >>> x.tolist(), y.tolist()
    ([-1.0, 3.0, 5.0], [25.0, 75.0, 100.0])
    """
    import numpy as np

    x, counts = np.unique(np.asarray(values, dtype="float64"), return_counts=True)
    return x, 100.0 * np.cumsum(counts) / max(int(counts.sum()), 1)
