"""What endpoints that are times, a follow-up, and their analyses must say."""

from __future__ import annotations

from itertools import pairwise

from outcomes.study.analyses import AnyAnalysis, OfEndpoint, Responders, TimeToEvent
from outcomes.study.base_score import base_score
from outcomes.study.check_event_rules import (
    SECTIONS,
    known_later,
    rules_together,
    terms_of_entry,
)
from outcomes.study.check_model import (
    ARM_LIKE,
    IDENTIFIERS,
    Found,
    adsl_columns,
    endpoint_of,
    groups,
)
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    Strategy,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.events import (
    MEDICATION_CATEGORY,
    AnyEventRule,
    Criterion,
    Medication,
    TimeToEventEndpoint,
)
from outcomes.study.explain import entry_of, unknown
from outcomes.study.needs import lacking
from outcomes.study.spec import Estimand, IntercurrentEvent, Study

YesNo = ResponseEndpoint | ThresholdEndpoint | StatusEndpoint | AllOfEndpoint
"""Endpoints that one assessment decides."""


def follow_up(spec: Study) -> Found:
    """Yield what is wrong with the follow-up of a study."""
    own = spec.follow_up
    if own is None:
        return
    ids = [visit.id for visit in spec.visits]
    later = ids[ids.index(spec.baseline_visit.id) + 1 :]
    if own.start not in ids:
        yield "follow_up.start", unknown(own.start, later, "a visit after baseline")
    elif own.start not in later:
        yield (
            "follow_up.start",
            f"{own.start} is no visit after baseline; a follow-up begins after the "
            "main study.",
        )
    elif own.start == later[0]:
        yield (
            "follow_up.start",
            f"{own.start} is the first visit after baseline, so that the main study "
            "has none; begin later, or remove follow_up.",
        )
    if own.entered.strip().casefold() == own.not_entered.strip().casefold():
        yield (
            "follow_up.not_entered",
            f"'{own.not_entered}' is also what entered says; the two must differ.",
        )
    yield from terms_of_entry(own)


def times(spec: Study) -> Found:
    """Yield what is wrong with the endpoints of a study that are times."""
    for id, endpoint in spec.endpoints.items():
        if not isinstance(endpoint, TimeToEventEndpoint):
            continue
        where = f"endpoints.{id}"
        if not endpoint.events and endpoint.preset is None:
            yield where, "has no event; give a preset, or at least one rule in events."
        yield from _origin(spec, endpoint, where)
        yield from _preset(spec, endpoint, where)
        yield from rules_together(endpoint, where)
        for section in SECTIONS:
            for place, rule in enumerate(getattr(endpoint, section)):
                entry = entry_of(f"{where}.{section}", place)
                yield from _rule(spec, rule, entry)


def _origin(spec: Study, endpoint: TimeToEventEndpoint, where: str) -> Found:
    wanted = endpoint.origin == "first-response"
    if wanted and endpoint.response is None:
        yield (
            f"{where}.response",
            "is missing: origin: first-response needs the yes/no endpoint that is the "
            "response.",
        )
    elif not wanted and endpoint.response is not None:
        yield (
            f"{where}.response",
            f"is for origin: first-response only, and origin is {endpoint.origin}; "
            "remove one.",
        )
    if endpoint.response is not None:
        yield from _yes_no(spec, endpoint.response, f"{where}.response")


def _preset(spec: Study, endpoint: TimeToEventEndpoint, where: str) -> Found:
    preset = endpoint.preset
    if preset is None:
        return
    yield from _yes_no(spec, preset.endpoint, f"{where}.preset.endpoint")
    if preset.terms is not None and not preset.terms:
        yield f"{where}.preset.terms", "is empty; name terms, or remove the key."
    settled = next(rule for rule in endpoint.rules if isinstance(rule, Criterion))
    yield from _apart(preset.apart, settled.assessments, f"{where}.preset.apart")


def _rule(spec: Study, rule: AnyEventRule, where: str) -> Found:
    if isinstance(rule, Criterion):
        yield from _yes_no(spec, rule.endpoint, f"{where}, endpoint")
        yield from _apart(rule.apart, rule.assessments, f"{where}, apart")
        if rule.dated == "confirming" and rule.assessments == 1:
            yield (
                f"{where}, dated",
                "confirming needs assessments: 2 or more; one confirms nothing.",
            )


def _apart(apart: tuple[int, int] | None, assessments: int, where: str) -> Found:
    if apart is None:
        return
    low, high = apart
    if assessments < 2:
        yield where, "is about days between two assessments; say assessments: 2."
    elif low > high:
        yield where, f"[{low}, {high}] ends before it begins."
    elif low < 1:
        yield where, f"{low}: two assessments are at least 1 day apart."


def _yes_no(spec: Study, name: str, where: str) -> Found:
    endpoint = spec.endpoints.get(name)
    known = [id for id, other in spec.endpoints.items() if isinstance(other, YesNo)]
    match endpoint:
        case None:
            yield where, unknown(name, known, "a yes/no endpoint")
        case ChangeEndpoint():
            yield where, f"'{name}' is a change; an event is a yes/no endpoint."
        case SustainedEndpoint(of=of):
            yield (
                where,
                f"'{name}' looks back over visits, and no one assessment decides it; "
                f"name what it is of, '{of}', with assessments.",
            )
        case TimeToEventEndpoint():
            yield where, f"'{name}' is itself a time; name a yes/no endpoint."


def time_strategy(endpoint: TimeToEventEndpoint) -> Strategy:
    """Return how an endpoint meets rescue medication, as an estimand calls it.

    A rescue that is an event is composite; one that competes or censors leaves what
    would be without it, hypothetical; one that no rule reads is treatment policy.
    """
    if _rescues(endpoint.rules):
        return "composite"
    if _rescues([*endpoint.competing, *endpoint.censoring]):
        return "hypothetical"
    return "treatment-policy"


def _rescues(rules: list[AnyEventRule]) -> bool:
    return any(
        isinstance(rule, Medication)
        and MEDICATION_CATEGORY in [name.strip().upper() for name in rule.categories]
        for rule in rules
    )


def strategy_problem(
    estimand: Estimand,
    event: IntercurrentEvent,
    endpoint: TimeToEventEndpoint,
    where: str,
) -> Found:
    """Yield where an estimand meets rescue in another way than its endpoint does."""
    own = time_strategy(endpoint)
    if event.strategy != own:
        yield (
            where,
            f"the strategy for rescue is {event.strategy}, but '{estimand.endpoint}' "
            f"{_MEETS[own]}, which is {own}; make them agree.",
        )


_MEETS: dict[Strategy, str] = {
    "composite": "counts it as an event",
    "hypothetical": "has it compete or censor",
    "treatment-policy": "does not read it",
}


def of_follow_up(spec: Study, analysis: AnyAnalysis, where: str) -> Found:
    """Yield where an analysis and the follow-up do not go together.

    An analysis that does not say ``follow_up: true`` sees the study without the visits
    of the follow-up, so that it may name none.
    """
    late = spec.follow_up_visits
    if analysis.follow_up:
        if spec.follow_up is None:
            yield (
                f"{where}.follow_up",
                "the study has no follow-up; add the section follow_up, or remove the "
                "key.",
            )
        return
    named = [getattr(analysis, "visit", None), *getattr(analysis, "visits", [])]
    model = getattr(analysis, "model", None)
    for visits in getattr(model, "averages", {}).values():
        named += visits
    beyond = [name for name in dict.fromkeys(named) if name in late]
    if beyond:
        yield (
            where,
            f"{', '.join(beyond)}: visits of the follow-up; say follow_up: true, or "
            "name visits of the main study.",
        )
    for id in _endpoints_of(spec, analysis):
        endpoint = spec.endpoints.get(id)
        if isinstance(endpoint, SustainedEndpoint):
            reached = [v.id for v in spec.visits_of(endpoint) if v.id in late]
            if reached:
                yield (
                    where,
                    f"'{id}' reaches into the follow-up ({', '.join(reached)}); say "
                    "follow_up: true.",
                )


def _endpoints_of(spec: Study, analysis: AnyAnalysis) -> list[str]:
    if isinstance(analysis, Responders):
        return list(analysis.endpoints)
    return [endpoint_of(spec, analysis)] if isinstance(analysis, OfEndpoint) else []


def time_to_event(spec: Study, analysis: TimeToEvent, where: str) -> Found:
    """Yield what is wrong with an analysis of a time to an event."""
    days = analysis.days
    if any(day < 1 or day > 36_500 for day in days):
        yield f"{where}.days", "days since the origin are from 1 (the origin) to 36500."
    elif any(second <= first for first, second in pairwise(days)):
        yield f"{where}.days", "do not ascend; order them."
    for level in analysis.quantiles:
        if not 0 < level < 1:
            yield (
                f"{where}.quantiles",
                f"{level:g} is not between 0 and 1; the median is 0.5.",
            )
    yield from _columns(spec, analysis, where)
    yield from _selection(spec, analysis, where)


def _columns(spec: Study, analysis: TimeToEvent, where: str) -> Found:
    """Yield what is wrong with covariates, strata and clusters."""
    place = f"{where}.cox.covariates"
    for name in analysis.cox.covariates:
        if name == "BASE":
            endpoint = endpoint_of(spec, analysis)
            score = base_score(spec, endpoint, None)
            if endpoint in spec.endpoints and score == ("", ""):
                yield (
                    place,
                    f"BASE is of no score: no rule of '{endpoint}' reads an endpoint "
                    "made of one; remove it.",
                )
        else:
            yield from _column(spec, name, place)
        if name in analysis.strata:
            yield place, f"{name} is one of strata, too; remove one."
    for name in analysis.strata:
        yield from _group(spec, name, f"{where}.strata")
    cluster = analysis.cox.cluster
    if cluster is not None and cluster != "USUBJID":
        yield from _group(spec, cluster, f"{where}.cox.cluster")


def _column(spec: Study, name: str, where: str) -> Found:
    columns = adsl_columns(spec)
    if name in ARM_LIKE:
        yield where, f"{name} is the arm, which is in the model already; remove it."
    elif name in IDENTIFIERS:
        yield where, f"{name} is no covariate."
    elif name not in columns:
        offered = [one for one in columns if one not in (*IDENTIFIERS, *ARM_LIKE)]
        yield where, unknown(name, offered, "a column of ADSL")
    elif lack := lacking(spec, name):
        yield where, f"{name} is not known without {lack}; add that."
    else:
        yield from known_later(name, where)


def _group(spec: Study, name: str, where: str) -> Found:
    columns = adsl_columns(spec)
    if name in ARM_LIKE:
        yield where, f"{name} is the arm, which is compared; remove it."
    elif name in IDENTIFIERS:
        yield where, f"{name} tells single subjects; name a column of groups."
    elif name not in columns:
        yield where, unknown(name, groups(spec), "a column of text of ADSL")
    elif columns[name] != "text":
        yield where, f"{name} is a number; name a column of text."
    elif lack := lacking(spec, name):
        yield where, f"{name} is not known without {lack}; add that."
    else:
        yield from known_later(name, where)


def _selection(spec: Study, analysis: TimeToEvent, where: str) -> Found:
    """Yield what is wrong with the followed-up population and the weights of entry."""
    named, weights = analysis.followed_up, analysis.entry_weights
    if named is not None:
        place = f"{where}.followed_up"
        if spec.follow_up is None:
            yield place, "the study has no follow-up; add follow_up, or remove the key."
        elif not analysis.follow_up:
            yield (
                place,
                "who was assessed in the follow-up is counted from its visits, which "
                "the analysis does not see; say follow_up: true.",
            )
        if named not in spec.populations:
            yield place, unknown(named, spec.populations, "a population")
        elif named == _population(spec, analysis):
            yield (
                place,
                f"{named} is the population analysed; name the one that entered the "
                "follow-up, such as RANDFL == 'Y' and FUPFL == 'Y'.",
            )
    if weights is None:
        return
    place = f"{where}.entry_weights"
    if named is None:
        yield place, "needs followed_up, the population that entered the follow-up."
    if not weights.covariates and not weights.history:
        yield place, "needs covariates or history, on which entry may depend."
    for name in weights.covariates:
        yield from _column(spec, name, f"{place}.covariates")
    changes = [k for k, e in spec.endpoints.items() if isinstance(e, ChangeEndpoint)]
    for name in weights.history:
        if name not in changes:
            yield (
                f"{place}.history",
                unknown(name, changes, "an endpoint of kind change"),
            )
    if weights.not_eligible and spec.follow_up is None:
        yield (
            f"{place}.not_eligible",
            "are reasons of not entering the follow-up, and the study has none; add "
            "follow_up, or remove the key.",
        )
    if weights.truncate is not None:
        low, high = weights.truncate
        if not 0 <= low < high <= 100:
            yield (
                f"{place}.truncate",
                f"[{low:g}, {high:g}] are no two percentiles from 0 to 100 in order.",
            )


def _population(spec: Study, analysis: TimeToEvent) -> str:
    if analysis.estimand is None:
        return analysis.population or ""
    found = [e.population for e in spec.estimands if e.id == analysis.estimand]
    return found[0] if found else ""
