"""What the parts of a study are called in titles, captions and footnotes."""

from __future__ import annotations

from collections.abc import Iterable

from outcomes.datasets.adam import ADSL
from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.spec import AllOfEndpoint, AnyAnalysis, OfEndpoint, Study

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


def covariate_words(names: Iterable[str]) -> str:
    """Return covariates in words, each with its column: ``baseline value (BASE)``."""
    said = []
    for name in names:
        column = ADSL.column(name)
        label = "baseline value" if name == "BASE" else column.label if column else ""
        said.append(f"{label} ({name})" if label else name)
    return ", ".join(said)


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
