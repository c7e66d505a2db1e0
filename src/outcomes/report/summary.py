"""The study in words: what was asked, of whom, when, and how."""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.instruments.registry import instrument
from outcomes.report.collect import Display
from outcomes.report.titles import QUESTIONS, analysis_title
from outcomes.study.analyses import AnyAnalysis
from outcomes.study.displays import (
    endpoint_label,
    population_words,
    score_name,
    sustained_words,
)
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    Endpoint,
    ResponseEndpoint,
    StatusEndpoint,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.event_words import events_words
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.spec import Estimand, Study, Visit

_DESIGN = {
    "parallel": "parallel-group, randomised",
    "single-arm": "single-arm",
}
_STRATEGY = {
    "treatment-policy": "values after it are used as observed",
    "hypothetical": "values after it are set aside, as if it had not happened",
    "composite": "counts as not having reached the endpoint",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A term and what it means."""

    term: str
    words: str


@dataclass(frozen=True, slots=True)
class VisitLine:
    """One visit of the schedule."""

    label: str
    day: str
    window: str


@dataclass(frozen=True, slots=True)
class AnalysisLine:
    """One analysis, its label and its displays."""

    title: str
    question: str
    label: str
    displays: tuple[Display, ...]


@dataclass(frozen=True, slots=True)
class PopulationLine:
    """One population: its name in words, and its rule as the study file has it."""

    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the first section of the report says."""

    facts: tuple[Entry, ...]
    arms: tuple[Entry, ...]
    visits: tuple[VisitLine, ...]
    day_one: str
    follow_up: str
    populations: tuple[PopulationLine, ...]
    endpoints: tuple[Entry, ...]
    estimands: tuple[Entry, ...]
    analyses: tuple[AnalysisLine, ...]


def summary_of(spec: Study, displays: list[Display]) -> Summary:
    """Put a study into words.

    Parameters
    ----------
    spec : Study
        The study.
    displays : list of Display
        What there is to link to.
    """
    info = spec.study
    return Summary(
        facts=(
            Entry("Study", info.id),
            Entry("Compound", info.compound),
            Entry("Indication", info.indication),
            Entry("Design", f"{_DESIGN[info.design]}, {_arms(len(spec.arms))}"),
        ),
        arms=tuple(
            Entry(arm.label, _role(arm.active, arm.control)) for arm in spec.arms
        ),
        visits=tuple(
            VisitLine(
                visit.label,
                _day_and_hour(visit),
                f"{_day(visit.window[0])} to {_day(visit.window[1])}"
                if visit.window
                else "",
            )
            for visit in spec.visits
        ),
        day_one=_day_one(spec),
        follow_up=_follow_up(spec),
        populations=tuple(
            PopulationLine(_population(spec, id), rule)
            for id, rule in spec.populations.items()
        ),
        endpoints=tuple(
            Entry(endpoint_label(spec, id), _endpoint(spec, endpoint))
            for id, endpoint in spec.endpoints.items()
        ),
        estimands=tuple(
            Entry(estimand.label or estimand.id, _estimand(spec, estimand))
            for estimand in spec.estimands
        ),
        analyses=tuple(
            _analysis(spec, analysis, displays) for analysis in spec.analyses
        ),
    )


def _arms(count: int) -> str:
    return "one arm" if count == 1 else f"{count} arms"


def _day_one(spec: Study) -> str:
    if spec.origin == "first-dose":
        return "first dose"
    return "enrolment" if spec.study.design == "single-arm" else "randomisation"


def _role(active: bool, control: bool) -> str:
    if control:
        return "control"
    return "active" if active else ""


def _day(day: int) -> str:
    return str(day).replace("-", "\u2212")


def _day_and_hour(visit: Visit) -> str:
    """Return the planned day, with the hour where there is one: ``1, 4 h``."""
    hour = "" if visit.hour is None else f", {visit.hour:g}\u00a0h"
    return f"{_day(visit.day)}{hour}"


def _follow_up(spec: Study) -> str:
    """Say with which visit the follow-up begins, and that not all enter it."""
    if spec.follow_up is None or not spec.follow_up_visits:
        return ""
    first = spec.visit(spec.follow_up.start).label
    return (
        f"{spec.follow_up.label} begins with {first}; not everybody enters it, and only"
        " analyses that say so use its visits."
    )


def _population(spec: Study, id: str) -> str:
    return population_words(id, enrolled=spec.study.design == "single-arm")


def _score(endpoint: Endpoint) -> str:
    if isinstance(endpoint, AllOfEndpoint | SustainedEndpoint | TimeToEventEndpoint):
        return ""
    label = score_name(endpoint.instrument, endpoint.score)
    return f"{label} ({instrument(endpoint.instrument).title})"


def _endpoint(spec: Study, endpoint: Endpoint) -> str:
    match endpoint:
        case ChangeEndpoint():
            return f"change from baseline in the {_score(endpoint)}"
        case ResponseEndpoint():
            least = "more than" if endpoint.strict else "at least"
            size = (
                f"{endpoint.reduction}%"
                if endpoint.reduction is not None
                else f"{endpoint.points} points"
            )
            return f"reduction by {least} {size} of the {_score(endpoint)}"
        case ThresholdEndpoint():
            if endpoint.at_most is not None:
                return f"{endpoint.at_most:g} or less on the {_score(endpoint)}"
            return f"{endpoint.at_least:g} or more on the {_score(endpoint)}"
        case StatusEndpoint():
            state = "met" if endpoint.equals == "Y" else "not met"
            return f"{_score(endpoint)}: {state}"
        case AllOfEndpoint():
            return (
                f"all of: {', '.join(endpoint_label(spec, id) for id in endpoint.of)}"
            )
        case SustainedEndpoint():
            return sustained_words(spec, endpoint)
        case TimeToEventEndpoint():
            return " ".join(events_words(spec, endpoint))


def _estimand(spec: Study, estimand: Estimand) -> str:
    people = _population(spec, estimand.population)
    words = f"{endpoint_label(spec, estimand.endpoint)}, in {people}"
    events = [
        f"rescue medication by the {event.strategy} strategy"
        f" ({_STRATEGY[event.strategy]})"
        for event in estimand.intercurrent_events
    ]
    return "; ".join([words, *events])


def _analysis(
    spec: Study, analysis: AnyAnalysis, displays: list[Display]
) -> AnalysisLine:
    own = tuple(display for display in displays if display.analysis == analysis.id)
    planned = (
        all(display.label == "PRE-SPECIFIED" for display in own)
        if own
        else analysis.prespecified
    )
    return AnalysisLine(
        title=analysis_title(spec, analysis),
        question=QUESTIONS[analysis.question],
        label="PRE-SPECIFIED" if planned else "EXPLORATORY",
        displays=own,
    )
