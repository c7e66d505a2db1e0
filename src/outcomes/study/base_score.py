"""Whose baseline value ``BASE`` is, where an endpoint is yes/no."""

from __future__ import annotations

from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.endpoints import ChangeEndpoint, ResponseEndpoint, ThresholdEndpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.spec import Study

OfOneScore = ChangeEndpoint | ResponseEndpoint | ThresholdEndpoint
"""Endpoints made of one score, which has a baseline value."""


def base_score(spec: Study, endpoint: str, baseline: str | None) -> tuple[str, str]:
    """Return instrument and score of the baseline value that goes with an endpoint.

    Parameters
    ----------
    spec : Study
        A study; ``endpoints`` is read.
    endpoint : str
        Id of the endpoint analysed.
    baseline : str or None
        Id of a change endpoint that the analysis names for it.

    Returns
    -------
    tuple of str
        ``("", "")`` where the endpoint is made of no score (a diagnosis, several
        endpoints at once) and the analysis names none. A time to an event has the
        score of the first yes/no endpoint, among those that its rules and its origin
        read, that is made of one.
    """
    found = spec.endpoints.get(baseline or endpoint)
    if isinstance(found, TimeToEventEndpoint):
        of_parts = (base_score(spec, part, None) for part in found.parts)
        return next((score for score in of_parts if score != ("", "")), ("", ""))
    if isinstance(found, OfOneScore):
        known = found.instrument in instrument_ids()
        if known and found.score in instrument(found.instrument).scores:
            return found.instrument, found.score
    return "", ""
