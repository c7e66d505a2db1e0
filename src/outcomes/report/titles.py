"""What analyses are called where the study does not say."""

from __future__ import annotations

from typing import Final

from outcomes.study.analyses import (
    AnyAnalysis,
    Diagnostics,
    OfEndpoint,
    PredictsOutcome,
    Responders,
    TimeToEvent,
)
from outcomes.study.displays import endpoint_label, score_label, score_name
from outcomes.study.endpoints import ChangeEndpoint
from outcomes.study.spec import Study

QUESTIONS: Final = {
    "disposition": "disposition",
    "baseline": "baseline characteristics",
    "missingness": "missing data",
    "change": "change from baseline",
    "diagnostics": "diagnostics of the model",
    "distribution": "distribution of change",
    "responders": "yes/no endpoints",
    "longitudinal-responders": "yes/no endpoint over visits",
    "clustering": "sites and therapists",
    "time-to-event": "time to an event",
    "predicts-outcome": "prediction of change",
}


def _without_change(spec: Study, id: str) -> str:
    """Return the score of an unlabelled change: that it is one the question says."""
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, ChangeEndpoint) and not endpoint.label:
        return score_label(spec, id)
    return endpoint_label(spec, id)


def _endpoint_of(spec: Study, analysis: OfEndpoint) -> str:
    if analysis.estimand:
        return spec.estimand(analysis.estimand).endpoint
    return analysis.endpoint or ""


def analysis_title(spec: Study, analysis: AnyAnalysis) -> str:
    """Return the title of an analysis, else what it is of and when, and its id."""
    if analysis.title:
        return analysis.title
    question = QUESTIONS[analysis.question]
    if isinstance(analysis, Diagnostics):
        of = analysis_title(spec, spec.analysis(analysis.of))
        return f"Diagnostics of the model: {of} ({analysis.id})"
    if isinstance(analysis, TimeToEvent):
        # what is timed says already that it is a time
        return f"{endpoint_label(spec, _endpoint_of(spec, analysis))} ({analysis.id})"
    words = question[0].upper() + question[1:]
    if isinstance(analysis, OfEndpoint):
        words += f": {_without_change(spec, _endpoint_of(spec, analysis))}"
    elif isinstance(analysis, Responders):
        names = [endpoint_label(spec, id) for id in analysis.endpoints]
        words += f": {', '.join(names)}"
    if isinstance(analysis, PredictsOutcome):
        part = analysis.predictor
        words += f", by {score_name(part.instrument, part.score)}"
    visit = getattr(analysis, "visit", None)
    if visit is not None:
        words += f", {spec.visit(visit).label}"
    return f"{words} ({analysis.id})"
