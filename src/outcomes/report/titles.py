"""What endpoints, populations and analyses are called where the study does not say."""

from __future__ import annotations

from typing import Final

from outcomes.instruments.registry import instrument
from outcomes.study.spec import (
    AllOfEndpoint,
    AnyAnalysis,
    ChangeEndpoint,
    OfEndpoint,
    PredictsOutcome,
    Responders,
    ResponseEndpoint,
    StatusEndpoint,
    Study,
    ThresholdEndpoint,
)

QUESTIONS: Final = {
    "disposition": "disposition",
    "baseline": "baseline characteristics",
    "missingness": "missing data",
    "change": "change from baseline",
    "distribution": "distribution of change",
    "responders": "yes/no endpoints",
    "predicts-outcome": "prediction of change",
}
_POPULATIONS: Final = {
    "ALL": "All subjects",
    "RAND": "All randomised subjects",
    "ITT": "Intention-to-treat population",
    "MITT": "Modified intention-to-treat population",
    "FAS": "Full analysis set",
    "PP": "Per-protocol set",
    "PPS": "Per-protocol set",
    "SAF": "Safety population",
    "SAFETY": "Safety population",
    "COMP": "Completers",
    "DOSED": "Dosed subjects",
}


def population_name(id: str, design: str) -> str:
    """Return a population in words with its id, or its id where it has no words."""
    name = _POPULATIONS.get(id)
    if name is None:
        return id
    if design == "single-arm":
        name = name.replace("randomised", "enrolled")
    return f"{name} ({id})"


def score_name(name: str, score: str) -> str:
    """Return the label of a score, or of a derived yes/no, of an instrument."""
    definition = instrument(name)
    return (definition.scores.get(score) or definition.derived[score]).label


def endpoint_name(spec: Study, id: str) -> str:
    """Return the label of an endpoint, else a name made of its parts."""
    endpoint = spec.endpoints[id]
    if endpoint.label:
        return endpoint.label
    if isinstance(endpoint, AllOfEndpoint):
        return " and ".join(endpoint_name(spec, part) for part in endpoint.of)
    score = score_name(endpoint.instrument, endpoint.score)
    match endpoint:
        case ChangeEndpoint():
            return f"Change in {score}"
        case ResponseEndpoint():
            least = "more than" if endpoint.strict else "at least"
            size = (
                f"{endpoint.reduction}%"
                if endpoint.reduction is not None
                else f"{endpoint.points} points"
            )
            return f"Response: {score} reduced by {least} {size}"
        case ThresholdEndpoint():
            if endpoint.at_most is not None:
                return f"{score} of {endpoint.at_most:g} or less"
            return f"{score} of {endpoint.at_least:g} or more"
        case StatusEndpoint():
            return f"{score} {'met' if endpoint.equals == 'Y' else 'no longer met'}"


def _without_change(spec: Study, id: str) -> str:
    """Return the score of an unlabelled change: that it is one the question says."""
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, ChangeEndpoint) and not endpoint.label:
        return score_name(endpoint.instrument, endpoint.score)
    return endpoint_name(spec, id)


def analysis_title(spec: Study, analysis: AnyAnalysis) -> str:
    """Return the title of an analysis, else what it is of and when, and its id."""
    if analysis.title:
        return analysis.title
    question = QUESTIONS[analysis.question]
    words = question[0].upper() + question[1:]
    if isinstance(analysis, OfEndpoint):
        estimand = spec.estimand(analysis.estimand) if analysis.estimand else None
        endpoint = estimand.endpoint if estimand else analysis.endpoint or ""
        words += f": {_without_change(spec, endpoint)}"
    elif isinstance(analysis, Responders):
        names = [endpoint_name(spec, id) for id in analysis.endpoints]
        words += f": {', '.join(names)}"
    if isinstance(analysis, PredictsOutcome):
        part = analysis.predictor
        words += f", by {score_name(part.instrument, part.score)}"
    visit = getattr(analysis, "visit", None)
    if visit is not None:
        words += f", {spec.visit(visit).label}"
    return f"{words} ({analysis.id})"
