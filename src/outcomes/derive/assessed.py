"""Yes/no endpoints decided at every dated assessment, not only at analysis visits.

A time to an event looks at whatever was seen: an unscheduled assessment counts, and one
that another was preferred to. Rows made by rule (NRI) were never seen, and do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.derive.days import ordinals
from outcomes.derive.endpoints import decide, source_of
from outcomes.errors import SpecError
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    ThresholdEndpoint,
)

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study

_COLUMNS = ["USUBJID", "AVISIT", "AVISITN", "analysed", "day", "value", "ASEQ"]


def assessments(spec: Study, adsl: Frame, adqs: Frame) -> Frame:
    """Return the records of scores that can decide a time: dated, after baseline.

    After baseline is, as for a change: at a later visit; without a visit (unscheduled)
    on or after the first dose, of who had none the randomisation. Records of a dosing
    session and no visit are not.

    Returns
    -------
    DataFrame
        Rows of ADQS with ``day`` (days since 1970) and ``analysed``.
    """
    places = [visit.id for visit in spec.visits]
    later = places[places.index(spec.baseline_visit.id) + 1 :]
    rows = adqs[(adqs["SRCDOM"] == "QS") & adqs["AVAL"].notna() & (adqs["ADT"] != "")]
    by = adsl.set_index("USUBJID")
    since = by["TRTSDT"].where(by["TRTSDT"] != "", by["RANDDT"])
    since = rows["USUBJID"].map(since).fillna("")
    session_only = (rows["VISIT"] == "") & rows["SESSION"].notna()
    stray = (rows["AVISIT"] == "") & ~session_only
    after = rows["AVISIT"].isin(later) | (stray & (rows["ADT"] >= since))
    rows = rows[
        after & rows["USUBJID"].isin(adsl.loc[adsl["RANDFL"] == "Y", "USUBJID"])
    ]
    return rows.assign(
        day=ordinals(rows["ADT"]),
        analysed=(rows["ANL01FL"] == "Y") & (rows["AVISIT"] != ""),
    )


def decided(spec: Study, key: str, seen: Frame) -> Frame:
    """Decide a yes/no endpoint at each assessment.

    Of several on one day the analysed one counts; of several analysed ones (of two
    visits on one day) that of the later visit. One that cannot be decided is left out.

    Parameters
    ----------
    spec : Study
        The study.
    key : str
        Id of a yes/no endpoint that one assessment decides.
    seen : DataFrame
        From `assessments`.

    Returns
    -------
    DataFrame
        ``USUBJID day value ASEQ``: value 1 or 0, one row per subject and day, in order.
    """
    rows = _decide(spec, key, seen)
    rows = rows[rows["value"].notna()]
    place = rows["AVISITN"].astype("float64").fillna(-1.0)
    ordered = rows.assign(place=place).sort_values(
        ["USUBJID", "day", "analysed", "place", "ASEQ"], kind="stable"
    )
    last = ordered.drop_duplicates(["USUBJID", "day"], keep="last")
    return last[["USUBJID", "day", "value", "ASEQ"]].reset_index(drop=True)


def _decide(spec: Study, key: str, seen: Frame) -> Frame:
    endpoint = spec.endpoints[key]
    if isinstance(endpoint, AllOfEndpoint):
        return _all_of([_decide(spec, part, seen) for part in endpoint.of])
    if not isinstance(endpoint, ResponseEndpoint | ThresholdEndpoint | StatusEndpoint):
        raise SpecError(
            f"endpoints.{key}: a {endpoint.kind} is no yes/no of one assessment."
        )
    own = source_of(endpoint, seen)
    # scores repeat, and an exact decision is slow
    asked = own[["AVAL", "AVALC", "BASE"]].drop_duplicates()
    asked = asked.assign(value=decide(endpoint, asked))
    return own.merge(asked, on=["AVAL", "AVALC", "BASE"], how="left")[_COLUMNS]


def _all_of(parts: list[Frame]) -> Frame:
    """Combine decisions at one analysed visit, else on one day: all, or not.

    No if any is no, yes if all are yes, else undecided. It is dated by the latest.
    """
    import pandas as pd

    rows = pd.concat(parts, ignore_index=True)
    day = rows["day"].astype("int64").astype("str")
    rows["at"] = rows["AVISIT"].where(rows["analysed"], day)
    rows = rows[rows["value"].notna()].sort_values(["USUBJID", "at", "day", "ASEQ"])
    same: Any = rows.groupby(["USUBJID", "at"])["value"]
    lowest, count = same.transform("min"), same.transform("count")
    rows["value"] = np.where((lowest == 0.0) | (count == len(parts)), lowest, np.nan)
    return rows.drop_duplicates(["USUBJID", "at"], keep="last")[_COLUMNS]
