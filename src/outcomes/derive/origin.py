"""The day from which a time to an event is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcomes.derive.days import ordinals
from outcomes.derive.notes import Note, first, plural

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.datasets.store import Frame
    from outcomes.study.events import TimeToEventEndpoint

_ABSENT = {
    "randomisation": "date of randomisation",
    "first-dose": "first dose",
    "first-response": "response",
}


def origins_of(
    endpoint: TimeToEventEndpoint, people: Frame, response: Frame | None
) -> tuple[pd.Series[float], list[Note]]:
    """Return the origin of each subject, NaN of who has none and is not at risk.

    Parameters
    ----------
    endpoint : TimeToEventEndpoint
        The endpoint.
    people : DataFrame
        ADSL of the randomised, by USUBJID.
    response : DataFrame or None
        The endpoint's ``response``, decided (`outcomes.derive.assessed.decided`).

    Returns
    -------
    origin : Series of float
        Days since 1970, by USUBJID. The first response is the first assessment with a
        yes on or after the first dose (of who had none: randomisation).
    notes : list of Note
        Who is not at risk, and whose first dose is before randomisation.
    """
    import pandas as pd

    dose, randomised = ordinals(people["TRTSDT"]), ordinals(people["RANDDT"])
    if endpoint.origin == "first-response":
        since = pd.Series(np.where(np.isnan(dose), randomised, dose), people.index)
        origin = _first_yes(response, since).reindex(people.index).astype("float64")
    else:
        values = dose if endpoint.origin == "first-dose" else randomised
        origin = pd.Series(values, people.index, dtype="float64")
    notes = []
    none = people.index[origin.isna()]
    if len(none):
        notes.append(
            Note(
                "time-not-at-risk",
                f"{endpoint.paramcd}: {plural(len(none), 'randomised subject')} "
                f"without {_ABSENT[endpoint.origin]} {first(none)}.",
                remedy="not at risk, so no row",
                file="adtte",
                column="STARTDT",
                value=endpoint.paramcd,
            )
        )
    early = people.index[origin.to_numpy() < randomised]
    if len(early):
        notes.append(
            Note(
                "origin-before-randomisation",
                f"{endpoint.paramcd}: {plural(len(early), 'subject')} with the origin "
                f"({endpoint.origin}) before the date of randomisation "
                f"{first(early)}.",
                remedy="kept; correct one of the dates",
                severity="warning",
                file="adtte",
                column="STARTDT",
                value=endpoint.paramcd,
            )
        )
    return origin, notes


def _first_yes(response: Frame | None, since: pd.Series[float]) -> pd.Series[float]:
    import pandas as pd

    if response is None:
        return pd.Series(np.nan, since.index)
    start = response["USUBJID"].map(since).astype("float64")
    yes = response[(response["value"] == 1.0) & ~(response["day"] < start)]
    return yes.groupby("USUBJID")["day"].min()
