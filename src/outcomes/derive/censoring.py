"""How long somebody without an event is known to be free of it, and why no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.derive.days import ordinals
from outcomes.derive.notes import Note, first, plural

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.events import TimeToEventEndpoint

COMPLETED_STUDY = "COMPLETED STUDY"
NOT_ENTERED = "NOT ENTERED FOLLOW-UP"
LAST_ASSESSMENT = "LAST ASSESSMENT"
NO_ASSESSMENT = "NO ASSESSMENT AFTER ORIGIN"
"""Values of EVNTDESC of censored rows; ``DISCONTINUED: <reason>`` is another."""
ORIGIN = "ORIGIN"
END_OF_STUDY = "END OF STUDY"
END_OF_FOLLOW_UP = "END OF FOLLOW-UP"
"""Values of CNSDTDSC, as is `LAST_ASSESSMENT`."""


def ends_of(people: Frame, adqs: Frame) -> Frame:
    """Return when and how the observation of each subject ended.

    Parameters
    ----------
    people : DataFrame
        ADSL of the randomised, by USUBJID.
    adqs : DataFrame
        ADQS.

    Returns
    -------
    DataFrame
        By USUBJID. ``ended``: the end of the follow-up of who entered it, else that of
        the main study, NaN where there is none; ``of``: which; ``reason``: EVNTDESC of
        who is censored; ``contact`` and ``sequence``: the last dated value of any
        questionnaire; ``limit``: the later of the two, ``inf`` without an end. Days
        since 1970.
    """
    import pandas as pd

    entered = people["FUPFL"] == "Y"
    status = people["FUPSTT"].where(entered, people["EOSSTT"])
    why = people["FUPDREAS"].where(entered, people["DCSREAS"])
    reason = np.select(
        [
            status == "DISCONTINUED",
            people["FUPFL"] == "N",
            status == "COMPLETED",
        ],
        ["DISCONTINUED: " + why, NOT_ENTERED, COMPLETED_STUDY],
        LAST_ASSESSMENT,
    )
    own = adqs[(adqs["SRCDOM"] == "QS") & adqs["AVAL"].notna() & (adqs["ADT"] != "")]
    last = own.sort_values(["USUBJID", "ADT", "ASEQ"]).drop_duplicates(
        "USUBJID", keep="last"
    )
    last = last.set_index("USUBJID").reindex(people.index)
    ended = ordinals(people["FUPEDT"].where(entered, people["EOSDT"]))
    contact = ordinals(last["ADT"].fillna(""))
    limit = np.where(np.isnan(ended), np.inf, np.fmax(ended, contact))
    return pd.DataFrame(
        {
            "ended": ended,
            "of": np.where(entered, END_OF_FOLLOW_UP, END_OF_STUDY),
            "reason": reason,
            "contact": contact,
            "sequence": last["ASEQ"],
            "limit": limit,
        },
        index=people.index,
    )


def censored(
    endpoint: TimeToEventEndpoint,
    origin: pd.Series[float],
    last: Frame,
    ends: Frame,
) -> tuple[Frame, list[Note]]:
    """Return at which day each subject would be censored, and why.

    Parameters
    ----------
    endpoint : TimeToEventEndpoint
        The endpoint.
    origin : Series of float
        Of the subjects at risk, by USUBJID.
    last : DataFrame
        ``day`` and ``ASEQ`` of the last assessment that can show the event, by
        USUBJID.
    ends : DataFrame
        From `ends_of`.

    Returns
    -------
    frame : DataFrame
        ``day EVNTDESC CNSDTDSC SRCDOM SRCSEQ`` by USUBJID. With ``last-assessment``
        the last one after the origin; with ``end-of-study`` the end, of who has none
        the last questionnaire. Without any it is the origin.
    notes : list of Note
        Whose end is before the origin.
    """
    import pandas as pd

    own = ends.reindex(origin.index)
    seen = last.reindex(origin.index)
    if endpoint.settled_censor == "end-of-study":
        later = own["contact"].where(own["contact"] >= origin)
        seen = pd.DataFrame({"day": later, "ASEQ": own["sequence"]})
        end = own["ended"]
    else:
        end = pd.Series(np.nan, origin.index)
    before = end < origin
    at_end, at_last = end.notna() & ~before, end.isna() & seen["day"].notna()
    frame = pd.DataFrame(index=origin.index)
    frame["day"] = end.where(at_end, seen["day"].where(at_last, origin))
    frame["EVNTDESC"] = own["reason"].where(at_end | at_last | before, NO_ASSESSMENT)
    frame["CNSDTDSC"] = own["of"].where(at_end, ORIGIN)
    frame["CNSDTDSC"] = frame["CNSDTDSC"].where(~at_last, LAST_ASSESSMENT)
    frame["SRCDOM"] = np.where(at_last, "ADQS", "ADSL")
    frame["SRCSEQ"] = seen["ASEQ"].where(at_last)
    early = (own["ended"] < origin) & ~at_end & ~at_last
    return frame, _early(endpoint.paramcd, origin.index[early])


def _early(code: str, who: pd.Index[str]) -> list[Note]:
    if not len(who):
        return []
    return [
        Note(
            "end-before-origin",
            f"{code}: {plural(len(who), 'subject')} whose end of the study is before "
            f"the origin {first(who)}.",
            remedy="censored at the origin; correct one of the dates",
            severity="warning",
            file="adtte",
            column="ADT",
            value=code,
        )
    ]
