"""What a time-to-event endpoint says, in words: events, origin, what ends the time."""

from __future__ import annotations

from typing import Final

from outcomes.study.displays import decapitalised, endpoint_label
from outcomes.study.events import (
    AdverseEvent,
    AnyEventRule,
    Criterion,
    Medication,
    TimeToEventEndpoint,
    Withdrawal,
)
from outcomes.study.spec import Study

_CENSOR: Final = {
    "last-assessment": "the last assessment that could have shown one",
    "end-of-study": "the end of their participation",
}
_NOT_ENTERED: Final = {
    "last-assessment": "the last such assessment before it was due",
    "end-of-study": "the end of the main study",
}
"""Where subjects are censored who did not enter the follow-up."""


def events_words(spec: Study, endpoint: TimeToEventEndpoint) -> tuple[str, ...]:
    """Say what counts as the event, from when, and what ends the time at risk.

    Parameters
    ----------
    spec : Study
        The study.
    endpoint : TimeToEventEndpoint
        One of its endpoints.

    Returns
    -------
    tuple of str
        Sentences, for the footnotes of a display: events, origin, competing events
        where there are any, censoring.
    """
    return tuple(
        sentence
        for sentence in (
            _events(spec, endpoint),
            _origin(spec, endpoint),
            _competing(spec, endpoint),
            _censoring(spec, endpoint),
        )
        if sentence
    )


def origin_words(spec: Study, endpoint: TimeToEventEndpoint) -> str:
    """Return what day 1 is: ``randomisation``, ``first dose``, ``first response``."""
    if endpoint.origin == "randomisation" and spec.study.design == "single-arm":
        return "enrolment"
    return endpoint.origin.replace("-", " ")


def _events(spec: Study, endpoint: TimeToEventEndpoint) -> str:
    rules = _listed(spec, endpoint.rules)
    whole = "first of: " if len(endpoint.rules) > 1 else ""
    preset = f" (rules of {endpoint.preset.name})" if endpoint.preset else ""
    return f"Event{preset}: {whole}{rules}."


def _origin(spec: Study, endpoint: TimeToEventEndpoint) -> str:
    origin = origin_words(spec, endpoint)
    said = (
        f"Time is in days; the day of the {origin} is day 1, so that the days elapsed"
        " since it are one fewer."
    )
    if endpoint.origin == "first-response" and endpoint.response is not None:
        response = endpoint_label(spec, endpoint.response)
        said += (
            f" First response: the first assessment with {response}; subjects without"
            " one are not at risk."
        )
    return said


def _competing(spec: Study, endpoint: TimeToEventEndpoint) -> str:
    if not endpoint.competing:
        return ""
    return (
        "Competing events, each an outcome of its own that ends the time at risk: "
        f"{_listed(spec, endpoint.competing)}."
    )


def _censoring(spec: Study, endpoint: TimeToEventEndpoint) -> str:
    said = (
        f"Subjects without an event are censored at {_CENSOR[endpoint.settled_censor]}"
    )
    if spec.follow_up is not None:
        late = _NOT_ENTERED[endpoint.settled_censor]
        said += f" (those who did not enter the follow-up: {late})"
    if endpoint.censoring:
        said += f", or at the first of: {_listed(spec, endpoint.censoring)}"
    return f"{said}."


def _listed(spec: Study, rules: list[AnyEventRule]) -> str:
    return "; ".join(_rule(spec, rule) for rule in rules)


def _rule(spec: Study, rule: AnyEventRule) -> str:
    """Say one rule: its label, with what it asks for in brackets."""
    asked = _asked(spec, rule)
    said = rule.label is not None and not asked.startswith(rule.label)
    return f"{rule.label} ({asked})" if said else asked


def _asked(spec: Study, rule: AnyEventRule) -> str:
    match rule:
        case Criterion():
            return _criterion(spec, rule)
        case AdverseEvent():
            serious = "serious " if rule.serious else ""
            return f"a {serious}adverse event of: {', '.join(rule.terms)}"
        case Medication():
            return f"start of a medication of category {', '.join(rule.categories)}"
        case Withdrawal():
            reasons = ", ".join(decapitalised(reason) for reason in rule.reasons)
            return f"withdrawal for: {reasons}" if reasons else "withdrawal, any reason"


def _criterion(spec: Study, rule: Criterion) -> str:
    label = endpoint_label(spec, rule.endpoint)
    said = f"{label}{'' if rule.equals == 'Y' else ' not met'}"
    if rule.assessments == 1:
        return f"{said} at an assessment"
    said += f" at {rule.assessments} consecutive assessments"
    if rule.apart is not None:
        said += f" {rule.apart[0]} to {rule.apart[1]} days apart"
    return f"{said}, dated by the {rule.dated} one"
