"""One bar for each subject at risk: how long, how it ended, what was seen meanwhile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from outcomes.analyses.selection import in_words, paramcd_of
from outcomes.analyses.time_to_event_data import TIME, EventData, read_endpoint
from outcomes.ard.rows import ArdRows, point_level
from outcomes.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

    Frame = pd.DataFrame


def add_swimmers(spec: Study, data: EventData, adqs: Frame, ard: ArdRows) -> None:
    """Add a bar for each subject at risk, longest first, without saying whose.

    Parameters
    ----------
    spec : Study
        The study; assessments at its visits are marked.
    data : EventData
        Times.
    adqs : DataFrame
        Assessments of the yes/no endpoint behind the event.
    ard : ArdRows
        Where results go. Subjects are numbered within their arm.
    """
    ard = ard.at(method_id="swimmer", method=in_words("one bar for each subject"))
    order = data.frame.sort_values(
        [TIME, "CNSR", "EVNTDESC", "USUBJID"], ascending=[False, True, True, True]
    )
    seen = _assessments(spec, data, adqs)
    entered = data.people.subjects.set_index("USUBJID")["FUPFL"] == "Y"
    for arm in data.arms:
        rows = order[order[data.people.arm_variable] == arm].to_dict("records")
        for number, row in enumerate(rows, start=1):
            id = str(row["USUBJID"])
            here = ard.at(arm=arm, level=point_level(number), n_subjects=1)
            bar = here.at(term="bar", text=row["EVNTDESC"])
            bar.add_all({"stop": row[TIME], "cnsr": row["CNSR"]})
            if entered[id] and math.isfinite(row["FUPDY"]):
                here.add("start", row["FUPDY"], term="follow-up")
            for day, value in seen.get(id, {}).items():
                here.add("value", value, term="assessment", time=float(day))


def _assessments(
    spec: Study, data: EventData, adqs: Frame
) -> dict[str, dict[int, float]]:
    """Return by subject the day since the origin of each assessment, and its answer.

    Assessments before the origin are none of the time at risk; of two on one day the
    later visit counts.
    """
    import pandas as pd

    found = observed_answers(spec, data, adqs)
    origin = data.frame.set_index("USUBJID")["STARTDT"]
    rows = found[found["USUBJID"].isin(origin.index) & (found["ADT"] != "")]
    if rows.empty:
        return {}
    start = pd.to_datetime(rows["USUBJID"].map(origin).str[:10])
    days = (pd.to_datetime(rows["ADT"].str[:10]) - start).dt.days + 1
    rows = rows.assign(day=days)[days >= 1].sort_values(["day", "AVISITN"])
    out: dict[str, dict[int, float]] = {}
    for row in rows.to_dict("records"):
        out.setdefault(str(row["USUBJID"]), {})[int(row["day"])] = float(row["AVAL"])
    return out


def observed_answers(spec: Study, data: EventData, adqs: Frame) -> Frame:
    """Return the observed records, at visits, of the yes/no behind an event."""
    name = read_endpoint(data.endpoint)
    if not name:
        return adqs.iloc[:0]
    rows = adqs[adqs["PARAMCD"] == paramcd_of(spec, name)]
    observed = (rows["DTYPE"] != "NRI") & (rows["SRCDOM"] != "ADSL")
    flagged = (rows["ANL01FL"] == "Y") & rows["AVAL"].notna()
    visits = rows["AVISIT"].isin([visit.id for visit in spec.visits])
    return rows[observed & flagged & visits]
