"""What the parts of a study are called in titles, captions and footnotes."""

from __future__ import annotations

from collections.abc import Iterable

from outcomes.datasets.adam import ADSL
from outcomes.displays.lookup import Result
from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.analyses import AnyAnalysis, Change, Diagnostics, OfEndpoint
from outcomes.study.displays import (
    decapitalised,
    endpoint_label,
    score_label,
    sentence_case,
)
from outcomes.study.endpoints import AllOfEndpoint, ChangeEndpoint, SustainedEndpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.model import COVARIANCE_WORDS
from outcomes.study.spec import Study

_LS_MEANS = {
    "equal": (
        "LS means give the levels of every other factor equal weight and put covariates"
        " at their mean."
    ),
    "proportional": (
        "LS means give the levels of every other factor the weight of their records and"
        " put covariates at their mean."
    ),
    "counterfactual": (
        "LS means are averages of predictions for all records used, as if all were of"
        " the arm and visit."
    ),
}
_EVENT_METHODS = {
    "kaplan-meier": "Kaplan-Meier estimates",
    "log-rank": "log-rank test",
    "log-rank-rho": "weighted log-rank test",
    "cox": "Cox model",
    "schoenfeld": "test of proportional hazards",
    "rmst": "restricted means",
    "aalen-johansen": "cumulative incidence",
    "gray": "Gray's test",
    "turnbull": "Turnbull's estimate",
    "swimmer": "course of each subject",
    "entry": "entry into the follow-up",
    "entry-weights": "weights for entry",
}
EVENT_METHODS = {
    **_EVENT_METHODS,
    **{f"{id}-weighted": f"{said}, weighted" for id, said in _EVENT_METHODS.items()},
}
"""What methods of a time-to-event analysis are called, by ``method_id``."""
_ENDINGS = {"COMPLETED STUDY": "Followed to the end of the study"}
"""Ends of time at risk that their code would say wrongly."""
_SMALL = ("A", "AND", "BY", "FOR", "FROM", "IN", "OF", "OR", "THE", "TO", "WITH")


def covariance_words(id: str) -> str:
    """Return a covariance structure in words."""
    return COVARIANCE_WORDS.get(id, id)


def ls_means_words(analysis: AnyAnalysis) -> str:
    """Say how LS means treat what they are not about."""
    means = analysis.model.means if isinstance(analysis, Change) else "equal"
    return _LS_MEANS[means]


def subject_of(spec: Study, analysis: AnyAnalysis) -> AnyAnalysis:
    """Return the analysis that diagnostics are of; any other is its own subject."""
    if isinstance(analysis, Diagnostics):
        return spec.analysis(analysis.of)
    return analysis


def endpoint_of(spec: Study, analysis: OfEndpoint) -> str:
    """Return the id of the endpoint an analysis names, itself or by its estimand."""
    if analysis.estimand is not None:
        return spec.estimand(analysis.estimand).endpoint
    return analysis.endpoint or ""


def outcome_label(spec: Study, id: str) -> str:
    """Return the score that a change is of, or what a yes/no endpoint is called."""
    if isinstance(spec.endpoints[id], ChangeEndpoint):
        return score_label(spec, id)
    return endpoint_label(spec, id)


def population_of(spec: Study, analysis: AnyAnalysis) -> str:
    """Return the id of the population of an analysis, '' where it names none."""
    analysis = subject_of(spec, analysis)
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


def term_words(term: str) -> str:
    """Return a term of a model in words: ``Arm by visit`` for ``TRT01P:AVISIT``.

    Where it is tested stays: ``Visit, at BASE = 0`` for ``AVISIT, at BASE = 0``.
    """
    known = {"TRT01P": "arm", "TRT01A": "arm", "AVISIT": "visit"}
    term, comma, place = term.partition(",")
    parts = [
        known.get(name.strip()) or covariate_words([name.strip()])
        for name in term.split(":")
    ]
    said = " by ".join(parts)
    return said[:1].upper() + said[1:] + comma + place


def coefficient_words(spec: Study, term: str) -> str:
    """Return what a coefficient is of: the column, and its level where it has one."""
    name, bracket, level = term.partition("[")
    declared = spec.sources.dm.covariates.get(name)
    words = declared.label if declared is not None else term_words(name)
    level = coded_words(level.removeprefix("T.").rstrip("]"))
    return f"{words}, {level}" if bracket else words


def entry_words(spec: Study, term: str) -> str:
    """Return what entry may depend on: an endpoint's last value, or a column."""
    if term in spec.endpoints:
        return f"{score_label(spec, term)}, last value"
    return coefficient_words(spec, term)


def result_words(term: str) -> str:
    """Return what a term of the ARD is called: ``LS mean``, ``risk difference``."""
    return term.replace("lsmean", "LS mean").replace("-", " ")


def reason(row: Result) -> str:
    """Return why a result is absent, to stand within a sentence."""
    return row.error.removeprefix("not estimable: ").rstrip(".")


def predictor_unit(name: str, score: str) -> str:
    """Return the unit of an experience score."""
    return instrument(name).scores[score].unit


def ending_words(text: str) -> str:
    """Write how a time ended as words: ``Not entered follow-up``, codes or not.

    What is not in capitals was written for people and stays.
    """
    if text in _ENDINGS:
        return _ENDINGS[text]
    parts = [
        sentence_case(coded_words(part)) if part.isupper() else part
        for part in text.split(": ")
    ]
    return ": ".join([parts[0], *(decapitalised(part) for part in parts[1:])])


def lower_is_better(spec: Study, id: str) -> bool:
    """Tell whether a falling score means that the subject gets better."""
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, AllOfEndpoint | SustainedEndpoint | TimeToEventEndpoint):
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
