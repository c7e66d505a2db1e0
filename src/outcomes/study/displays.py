"""Which displays each question has, and what populations and endpoints are called.

Light tables that both the displays and the report read, so that a thing has one name
wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from outcomes.instruments.registry import instrument
from outcomes.study.analyses import (
    AnyAnalysis,
    Diagnostics,
    OfEndpoint,
    TimeToEvent,
)
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.events import (
    AdverseEvent,
    AnyEventRule,
    Criterion,
    Medication,
    TimeToEventEndpoint,
    Withdrawal,
)
from outcomes.study.spec import Study

Kind = Literal["table", "figure"]


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of display that a question has by default."""

    name: str
    kind: Kind
    number: str
    title: str
    """With ``{endpoint}``, ``{visit}``, ``{predictor}`` where there is one."""


TEMPLATES: dict[str, tuple[Template, ...]] = {
    "disposition": (Template("counts", "table", "14.1.1", "Disposition of subjects"),),
    "baseline": (
        Template(
            "characteristics",
            "table",
            "14.1.4",
            "Demographic and baseline characteristics",
        ),
    ),
    "missingness": (
        Template(
            "observed", "table", "14.1.8", "Observed and missing {endpoint} by visit"
        ),
    ),
    "change": (
        Template(
            "estimates",
            "table",
            "14.2.1",
            "Change from baseline in {endpoint}, by visit",
        ),
        Template(
            "over-time",
            "figure",
            "F14.2.1",
            "Change from baseline in {endpoint} over time",
        ),
    ),
    "diagnostics": (
        Template(
            "checks",
            "table",
            "16.1.9.1",
            "Residuals and covariance of the model of {endpoint}",
        ),
        Template(
            "residuals",
            "figure",
            "F16.1.9.1",
            "Normalised residuals of the model of {endpoint}",
        ),
        Template(
            "correlation",
            "figure",
            "F16.1.9.2",
            "Fitted and empirical correlation of {endpoint} between visits",
        ),
        Template(
            "influence",
            "figure",
            "F16.1.9.3",
            "Change in {endpoint} at {visit}, one part of the subjects left out",
        ),
        Template(
            "left-out",
            "table",
            "16.1.9.3",
            "Change in {endpoint} at {visit}, one part of the subjects left out",
        ),
    ),
    "distribution": (
        Template(
            "ecdf",
            "figure",
            "F14.2.3",
            "Cumulative distribution of change in {endpoint} at {visit}",
        ),
    ),
    "responders": (Template("rates", "table", "14.2.3", "Yes/no endpoints by visit"),),
    "longitudinal-responders": (
        Template(
            "probabilities",
            "table",
            "14.2.3",
            "{endpoint} by visit: probabilities, differences and odds ratios",
        ),
        Template(
            "probability-curves",
            "figure",
            "F14.2.8",
            "{endpoint}: population-averaged probability over time",
        ),
    ),
    "clustering": (
        Template(
            "components",
            "table",
            "14.2.1",
            "Variance of {endpoint} between sites and therapists",
        ),
        Template(
            "caterpillar",
            "figure",
            "F14.2.9",
            "Predicted effects of sites and therapists on {endpoint}",
        ),
    ),
    "time-to-event": (
        Template(
            "durability",
            "table",
            "14.2.4",
            "{endpoint}: events, Kaplan-Meier estimates and comparisons",
        ),
        Template(
            "entry",
            "table",
            "14.2.5",
            "{endpoint}: entry into the follow-up, and what selection changes",
        ),
        Template(
            "survival",
            "figure",
            "F14.2.2",
            "{endpoint}: subjects without the event over time",
        ),
        Template(
            "incidence",
            "figure",
            "F14.2.4",
            "{endpoint}: cumulative incidence of the event and of competing events",
        ),
        Template(
            "swimmer",
            "figure",
            "F14.2.5",
            "{endpoint}: course of each subject",
        ),
        Template(
            "hazards",
            "figure",
            "F14.2.7",
            "{endpoint}: hazard ratio over time (scaled Schoenfeld residuals)",
        ),
    ),
    "predicts-outcome": (
        Template(
            "scatter",
            "figure",
            "F14.2.6",
            "{predictor} and change in {endpoint} at {visit}",
        ),
        Template(
            "coefficients",
            "table",
            "14.2.8",
            "{predictor} as predictor of change in {endpoint} at {visit}",
        ),
    ),
}
"""By question; the numbers are those of a clinical study report, section 14.

No template name may be another one with something and a hyphen before it, so that
ids of different analyses cannot meet.
"""

_INFLUENCE: Final = ("influence", "left-out")


def templates_of(spec: Study, analysis: AnyAnalysis) -> tuple[Template, ...]:
    """Return the displays of an analysis: those of its question, if it has results."""
    without: set[str] = set()
    if isinstance(analysis, Diagnostics) and not analysis.leave_out:
        without |= set(_INFLUENCE)
    if isinstance(analysis, TimeToEvent):
        without |= set() if analysis.followed_up else {"entry"}
        without |= set() if _competes(spec, analysis) else {"incidence"}
        without |= set() if len(spec.arms) > 1 else {"hazards"}
    return tuple(one for one in TEMPLATES[analysis.question] if one.name not in without)


def _competes(spec: Study, analysis: OfEndpoint) -> bool:
    """Tell whether the endpoint of an analysis has competing events."""
    id = analysis.endpoint
    if analysis.estimand is not None:
        id = next((e.endpoint for e in spec.estimands if e.id == analysis.estimand), id)
    endpoint = spec.endpoints.get(id or "")
    return isinstance(endpoint, TimeToEventEndpoint) and bool(endpoint.competing)


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


def display_files(spec: Study) -> list[tuple[str, str, Kind]]:
    """List the displays of a study: id, analysis and kind, without those it omits."""
    omitted = {display.id for display in spec.displays if display.omit}
    found = [
        (f"{analysis.id}-{template.name}", analysis.id, template.kind)
        for analysis in spec.analyses
        for template in templates_of(spec, analysis)
    ]
    return [display for display in found if display[0] not in omitted]


def not_of(
    study: str, analysis: str, studies: Iterable[str], analyses: Iterable[str]
) -> str:
    """Say why results are not those of an analysis of a study; '' if they are.

    Parameters
    ----------
    study, analysis : str
        Ids of what is wanted.
    studies, analyses : iterable of str
        Those that the rows of the file name, as often as they like.
    """
    for name, wanted, there in (
        ("study", study, set(studies)),
        ("analysis", analysis, set(analyses)),
    ):
        if not there:
            return "it has no row; do the analysis again"
        if there != {wanted}:
            listed = ", ".join(sorted(there))
            return (
                f"its {name} is {listed}, not {wanted}; give the results of this study "
                "file, or do the analysis again"
            )
    return ""


def population_words(id: str, *, enrolled: bool = False) -> str:
    """Return a population as a table names it, its id in brackets.

    ``enrolled`` says that nobody was randomised, as in a study of one arm.
    """
    name = _POPULATIONS.get(id)
    if name and enrolled:
        name = name.replace("randomised", "enrolled")
    return f"{name} ({id})" if name else id


def status_words(endpoint: StatusEndpoint) -> str:
    """Say what a yes/no of an instrument must be."""
    return "met" if endpoint.equals == "Y" else "no longer met"


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
            return f"{score_label(spec, id)} {status_words(endpoint)}"
        case AllOfEndpoint():
            return " and ".join(endpoint_label(spec, part) for part in endpoint.of)
        case SustainedEndpoint():
            of = endpoint_label(spec, endpoint.of)
            return f"{of}, sustained {range_words(spec, endpoint)}"
        case TimeToEventEndpoint():
            labels = dict.fromkeys(rule_label(spec, one) for one in endpoint.rules)
            named = " or ".join(decapitalised(label) for label in labels)
            return f"Time to {named}"


def rule_label(spec: Study, rule: AnyEventRule) -> str:
    """Return what an event is called: its label, else one made of its rule."""
    if rule.label:
        return rule.label
    match rule:
        case Criterion():
            label = endpoint_label(spec, rule.endpoint)
            return label if rule.equals == "Y" else f"No longer {decapitalised(label)}"
        case AdverseEvent():
            kind = "Serious adverse event" if rule.serious else "Adverse event"
            return f"{kind}: {', '.join(rule.terms)}"
        case Medication():
            return f"Medication started: {', '.join(rule.categories)}"
        case Withdrawal():
            reasons = ", ".join(rule.reasons)
            return f"Withdrawal: {reasons}" if reasons else "Withdrawal"


def decapitalised(label: str) -> str:
    """Return a label to stand within a sentence; abbreviations keep their capitals."""
    first = label.split(" ")[0]
    return label[:1].lower() + label[1:] if first.istitle() else label


def range_words(spec: Study, endpoint: SustainedEndpoint) -> str:
    """Say at which visits an endpoint must hold: ``from Week 3 through Week 12``."""
    labels = [visit.label for visit in spec.visits_of(endpoint)]
    if endpoint.visits:
        return f"at {', '.join(labels[:-1])} and {labels[-1]}"
    return f"from {labels[0]} through {labels[-1]}"


def sustained_words(spec: Study, endpoint: SustainedEndpoint) -> str:
    """Say when a sustained endpoint is reached, with its rules."""
    rules = [_MISSED[endpoint.missed], _RESCUE[endpoint.rescue]]
    if endpoint.minimum is not None:
        total = len(spec.visits_of(endpoint))
        rules.insert(1, f"at least {endpoint.minimum} of {total} visits assessed")
    where = "" if endpoint.visits else "at every visit "
    return (
        f"{endpoint_label(spec, endpoint.of)} {where}{range_words(spec, endpoint)} "
        f"(at an earlier visit: through that visit; {'; '.join(rules)})"
    )


_MISSED: Final = {
    "failure": "a missed visit counts as no",
    "single": "a single missed visit between two visits with a yes counts as yes, any "
    "other missed visit as no",
    "ignore": "missed visits after the first are passed over",
    "missing": "undecided where a visit was missed and none has a no",
}
_RESCUE: Final = {
    "failure": "no from rescue medication on",
    "ignore": "whatever rescue medication was taken",
    "missing": "assessments from rescue medication on count as missed",
}


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


def score_label(spec: Study, id: str) -> str:
    """Return the name of the score that an endpoint is made of.

    A label of the endpoint is not used here: it tends to say 'change' already.
    """
    endpoint = spec.endpoints[id]
    if isinstance(endpoint, AllOfEndpoint | SustainedEndpoint | TimeToEventEndpoint):
        return endpoint_label(spec, id)
    return score_name(endpoint.instrument, endpoint.score)


def score_name(name: str, score: str) -> str:
    """Return what a score, or a derived yes/no, of an instrument is called."""
    definition = instrument(name)
    found = definition.scores.get(score) or definition.derived[score]
    return sentence_case(found.label)


def sentence_case(label: str) -> str:
    """Write 'MADRS Total Score' as 'MADRS total score'; abbreviations stay."""
    first, *rest = label.split(" ")
    lowered = [word.lower() if word.istitle() else word for word in rest]
    return " ".join([first, *lowered])
