"""What an analysis must find in the other sections of a study file."""

from __future__ import annotations

from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study import check_events, check_mixed, check_model
from outcomes.study.analyses import (
    AnyAnalysis,
    BaselineCharacteristics,
    Change,
    Clustering,
    Diagnostics,
    LongitudinalResponders,
    OfEndpoint,
    PredictsOutcome,
    Responders,
    TimeToEvent,
)
from outcomes.study.check_model import Found, adsl_columns
from outcomes.study.endpoints import ChangeEndpoint, SustainedEndpoint
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.explain import unknown
from outcomes.study.model import LmmModel
from outcomes.study.spec import Study


def score_problem(spec: Study, name: str, score: str, where: str) -> Found:
    """Yield what is wrong with an instrument and a score of it."""
    known = sorted({source.instrument for source in spec.sources.qs})
    if name not in known:
        yield (
            f"{where}.instrument",
            unknown(name, known, "an instrument with a source"),
        )
    elif name in instrument_ids():
        definition = instrument(name)
        names = [*definition.scores, *definition.derived]
        if score not in names:
            yield f"{where}.score", unknown(score, names, f"a score of {name}")


def analyses(spec: Study) -> Found:
    """Yield what is wrong with the analyses of a study."""
    visits = [v.id for v in spec.visits]
    estimands = [e.id for e in spec.estimands]
    for analysis in spec.analyses:
        where = f"analyses.{analysis.id}"
        if analysis.population and analysis.population not in spec.populations:
            yield where, unknown(analysis.population, spec.populations, "a population")
        visit = getattr(analysis, "visit", None)
        if visit is not None and visit not in visits:
            yield where, unknown(visit, visits, "a visit")
        elif visit is not None and visit == spec.baseline_visit.id:
            yield where, f"{visit} is the baseline; change is analysed after it."
        if isinstance(analysis, OfEndpoint):
            yield from _of_endpoint(spec, analysis, where, estimands)
        elif isinstance(analysis, Diagnostics):
            yield from check_model.diagnostics(spec, analysis, where)
        elif analysis.population is None and not (
            isinstance(analysis, Responders) and analysis.estimands
        ):
            yield where, "needs a population."
        yield from check_events.of_follow_up(spec, analysis, where)
        yield from _models(spec, analysis, where)
        if isinstance(analysis, BaselineCharacteristics):
            columns = adsl_columns(spec)
            for name in analysis.variables:
                if name not in columns:
                    yield where, unknown(name, columns, "a column of ADSL")
            for name in analysis.scores:
                if name not in spec.endpoints:
                    yield where, unknown(name, spec.endpoints, "an endpoint")
                elif not isinstance(spec.endpoints[name], ChangeEndpoint):
                    kind = _kind(spec, name)
                    yield where, f"'{name}' is {kind}; it has no baseline."
        if isinstance(analysis, Responders):
            yield from _responders(spec, analysis, where, visits, estimands)
        if isinstance(analysis, PredictsOutcome):
            part = analysis.predictor
            yield from score_problem(
                spec, part.instrument, part.score, f"{where}.predictor"
            )
            yield from check_model.covariates(
                analysis.covariates,
                [*adsl_columns(spec), "BASE"],
                f"{where}.covariates",
            )
            if not any(
                s.instrument == part.instrument and (s.session or s.at_session)
                for s in spec.sources.qs
            ):
                yield where, f"{part.instrument} has no source with a session."


def _models(spec: Study, analysis: AnyAnalysis, where: str) -> Found:
    """Yield what is wrong with the model of an analysis that has one."""
    match analysis:
        case Change():
            if isinstance(analysis.model, LmmModel):
                yield from check_mixed.lmm(spec, analysis.model, f"{where}.model")
            else:
                yield from check_model.model(spec, analysis.model, f"{where}.model")
        case LongitudinalResponders():
            yield from check_mixed.longitudinal(spec, analysis, where)
        case TimeToEvent():
            yield from check_events.time_to_event(spec, analysis, where)
        case Clustering():
            yield from check_mixed.clustering(spec, analysis, where)


def _of_endpoint(
    spec: Study, analysis: OfEndpoint, where: str, estimands: list[str]
) -> Found:
    if (analysis.estimand is None) == (analysis.endpoint is None):
        yield where, "needs either an estimand, or an endpoint and a population."
        return
    if analysis.estimand is not None:
        if analysis.estimand not in estimands:
            yield where, unknown(analysis.estimand, estimands, "an estimand")
            return
        if analysis.population is not None:
            yield where, "takes its population from the estimand; remove population."
        endpoint = spec.estimand(analysis.estimand).endpoint
    else:
        endpoint = analysis.endpoint or ""
        if analysis.population is None:
            yield where, "needs a population beside its endpoint."
    if endpoint not in spec.endpoints:
        yield where, unknown(endpoint, spec.endpoints, "an endpoint")
        return
    kind = _kind(spec, endpoint)
    change = isinstance(spec.endpoints[endpoint], ChangeEndpoint)
    if isinstance(analysis, TimeToEvent):
        if not isinstance(spec.endpoints[endpoint], TimeToEventEndpoint):
            yield (
                where,
                f"'{endpoint}' is {kind}; this question needs an endpoint of kind "
                "time-to-event.",
            )
    elif isinstance(spec.endpoints[endpoint], TimeToEventEndpoint):
        yield where, f"'{endpoint}' is {kind}; ask question: time-to-event."
    elif isinstance(analysis, LongitudinalResponders):
        if change:
            yield where, f"'{endpoint}' is {kind}; this question needs yes/no."
    elif not change and not isinstance(analysis, Clustering):
        yield where, f"'{endpoint}' is {kind}; this question needs a change."


def _kind(spec: Study, id: str) -> str:
    """Say of an endpoint what it gives."""
    match spec.endpoints[id]:
        case ChangeEndpoint():
            return "a change"
        case TimeToEventEndpoint():
            return "a time to an event"
    return "a yes/no endpoint"


def _responders(
    spec: Study,
    analysis: Responders,
    where: str,
    visits: list[str],
    estimands: list[str],
) -> Found:
    for id in analysis.endpoints:
        if id not in spec.endpoints:
            yield where, unknown(id, spec.endpoints, "an endpoint")
        elif isinstance(spec.endpoints[id], ChangeEndpoint | TimeToEventEndpoint):
            kind = _kind(spec, id)
            yield where, f"'{id}' is {kind}; this question needs yes/no endpoints."
    for id in analysis.visits:
        if id not in visits:
            yield where, unknown(id, visits, "a visit")
    for id in analysis.endpoints:
        yield from _outside(spec, id, analysis.visits, where)
    for endpoint, id in analysis.estimands.items():
        if endpoint not in analysis.endpoints:
            yield (
                f"{where}.estimands",
                unknown(endpoint, analysis.endpoints, "an endpoint of this analysis"),
            )
        if id not in estimands:
            yield f"{where}.estimands", unknown(id, estimands, "an estimand")
        elif spec.estimand(id).endpoint != endpoint:
            yield f"{where}.estimands", f"'{id}' is an estimand of another endpoint."


def _outside(spec: Study, id: str, visits: list[str], where: str) -> Found:
    """Yield the visits of an analysis at which a sustained endpoint says nothing."""
    endpoint = spec.endpoints.get(id)
    if not isinstance(endpoint, SustainedEndpoint):
        return
    known = {visit.id for visit in spec.visits}
    if not known.issuperset(endpoint.visits):
        return  # the endpoint says so, and what its visits are is not known
    there = [visit.id for visit in spec.visits_of(endpoint)]
    outside = [visit for visit in visits if visit not in there]
    if there and outside:
        yield (
            f"{where}.visits",
            f"'{id}' has no value at {', '.join(outside)}; its visits are "
            f"{', '.join(there)}. Give it an analysis of its own.",
        )
