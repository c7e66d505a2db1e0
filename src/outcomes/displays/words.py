"""What the parts of a study are called in titles, captions and footnotes."""

from __future__ import annotations

from collections.abc import Iterable

from outcomes.datasets.adam import ADSL
from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.spec import (
    AllOfEndpoint,
    AnyAnalysis,
    ChangeEndpoint,
    OfEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    Study,
    ThresholdEndpoint,
)

_POPULATIONS = {
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
_COVARIANCES = {
    "us": "unstructured",
    "cs": "compound symmetry",
    "ar1": "first-order autoregressive",
}
LS_MEANS = (
    "LS means give the levels of every other factor equal weight and put covariates at"
    " their mean."
)
_SMALL = ("A", "AND", "BY", "FOR", "FROM", "IN", "OF", "OR", "THE", "TO", "WITH")


def population_words(id: str, *, enrolled: bool = False) -> str:
    """Return a population as a table names it, its id in brackets.

    ``enrolled`` says that nobody was randomised, as in a study of one arm.
    """
    name = _POPULATIONS.get(id)
    if name and enrolled:
        name = name.replace("randomised", "enrolled")
    return f"{name} ({id})" if name else id


def covariance_words(id: str) -> str:
    """Return a covariance structure in words."""
    return _COVARIANCES.get(id, id)


def endpoint_of(spec: Study, analysis: OfEndpoint) -> str:
    """Return the id of the endpoint an analysis names, itself or by its estimand."""
    if analysis.estimand is not None:
        return spec.estimand(analysis.estimand).endpoint
    return analysis.endpoint or ""


def population_of(spec: Study, analysis: AnyAnalysis) -> str:
    """Return the id of the population of an analysis, '' where it names none."""
    estimand = getattr(analysis, "estimand", None)
    if estimand is not None:
        return spec.estimand(estimand).population
    return analysis.population or ""


def endpoint_label(spec: Study, id: str) -> str:
    """Return what an endpoint is called: its label, else one made of its parts."""
    endpoint = spec.endpoints[id]
    if endpoint.label:
        return endpoint.label
    match endpoint:
        case ChangeEndpoint():
            return f"Change in {score_label(spec, id)}"
        case ResponseEndpoint():
            return f"Response: {score_label(spec, id)} {reduction_words(endpoint)}"
        case ThresholdEndpoint():
            return f"{score_label(spec, id)} {threshold_words(endpoint)}"
        case StatusEndpoint():
            state = "met" if endpoint.equals == "Y" else "no longer met"
            return f"{score_label(spec, id)} {state}"
        case AllOfEndpoint():
            return " and ".join(endpoint_label(spec, part) for part in endpoint.of)


def reduction_words(endpoint: ResponseEndpoint) -> str:
    """Say how far a score must fall: ``reduced by at least 50%``."""
    least = "more than" if endpoint.strict else "at least"
    if endpoint.reduction is not None:
        return f"reduced by {least} {endpoint.reduction}%"
    return f"reduced by {least} {endpoint.points} points"


def threshold_words(endpoint: ThresholdEndpoint) -> str:
    """Say where a score must lie: ``of 10 or less``."""
    if endpoint.at_most is not None:
        return f"of {endpoint.at_most:g} or less"
    return f"of {endpoint.at_least:g} or more"


def covariate_words(names: Iterable[str]) -> str:
    """Return covariates in words, each with its column: ``baseline value (BASE)``."""
    said = []
    for name in names:
        column = ADSL.column(name)
        label = "baseline value" if name == "BASE" else column.label if column else ""
        said.append(f"{label} ({name})" if label else name)
    return ", ".join(said)


def score_label(spec: Study, id: str) -> str:
    """Return the name of the score that an endpoint is made of.

    A label of the endpoint is not used here: it tends to say 'change' already.
    """
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, AllOfEndpoint):
        return endpoint_label(spec, id)
    definition = instrument(endpoint.instrument)
    score = definition.scores.get(endpoint.score) or definition.derived[endpoint.score]
    return _sentence_case(score.label)


def predictor_label(name: str, score: str) -> str:
    """Return what an experience score is called."""
    return _sentence_case(instrument(name).scores[score].label)


def predictor_unit(name: str, score: str) -> str:
    """Return the unit of an experience score."""
    return instrument(name).scores[score].unit


def lower_is_better(spec: Study, id: str) -> bool:
    """Tell whether a falling score means that the subject gets better."""
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, AllOfEndpoint):
        return False
    return instrument(endpoint.instrument).direction == "higher-worse"


def coded_words(term: str) -> str:
    """Write a coded term in capitals as words; what is not in capitals stays.

    Names of instruments keep their capitals: 'MADRS Criterion Not Met'.
    """
    if not term.isupper() or len(term) < 4:
        return term
    known = instrument_ids()
    out = []
    for place, word in enumerate(term.split(" ")):
        if word in known:
            out.append(word)
        elif place and word in _SMALL:
            out.append(word.lower())
        else:
            out.append("-".join(part.capitalize() for part in word.split("-")))
    return " ".join(out)


def _sentence_case(label: str) -> str:
    """Write 'MADRS Total Score' as 'MADRS total score'; abbreviations stay."""
    first, *rest = label.split(" ")
    lowered = [word.lower() if word.istitle() else word for word in rest]
    return " ".join([first, *lowered])
