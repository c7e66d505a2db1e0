"""What the endpoints of a study file must say."""

from __future__ import annotations

from collections.abc import Iterator

from outcomes.instruments.registry import instrument, instrument_ids
from outcomes.study.check_analyses import score_problem
from outcomes.study.check_model import Found
from outcomes.study.endpoints import (
    AllOfEndpoint,
    ChangeEndpoint,
    ResponseEndpoint,
    StatusEndpoint,
    SustainedEndpoint,
    ThresholdEndpoint,
)
from outcomes.study.events import TimeToEventEndpoint
from outcomes.study.explain import unknown
from outcomes.study.spec import Estimand, IntercurrentEvent, Study


def endpoints(spec: Study) -> Found:
    """Yield what is wrong with the endpoints of a study, each by itself."""
    for id, endpoint in spec.endpoints.items():
        where = f"endpoints.{id}"
        if isinstance(endpoint, AllOfEndpoint):
            yield from _parts(spec, endpoint, where)
            continue
        if isinstance(endpoint, SustainedEndpoint | TimeToEventEndpoint):
            continue  # of other endpoints; see `sustained` and `check_events`
        yield from score_problem(spec, endpoint.instrument, endpoint.score, where)
        if isinstance(endpoint, ResponseEndpoint) and (
            (endpoint.reduction is None) == (endpoint.points is None)
        ):
            yield where, "needs either reduction (per cent) or points."
        if isinstance(endpoint, ThresholdEndpoint) and (
            (endpoint.at_most is None) == (endpoint.at_least is None)
        ):
            yield where, "needs either at_most or at_least."
        derived = (
            instrument(endpoint.instrument).derived
            if endpoint.instrument in instrument_ids()
            else {}
        )
        if isinstance(endpoint, StatusEndpoint) != (endpoint.score in derived):
            kind = "a yes/no score" if endpoint.score in derived else "a number"
            yield (
                where,
                f"'{endpoint.score}' is {kind}; kind '{endpoint.kind}' is not for it.",
            )


def _parts(spec: Study, endpoint: AllOfEndpoint, where: str) -> Found:
    for part in endpoint.of:
        other = spec.endpoints.get(part)
        if other is None:
            yield f"{where}.of", unknown(part, spec.endpoints, "an endpoint")
        elif not isinstance(
            other, ResponseEndpoint | ThresholdEndpoint | StatusEndpoint
        ):
            yield f"{where}.of", f"'{part}' is not a yes/no endpoint of a score."


def sustained(spec: Study) -> Found:
    """Yield what is wrong with the sustained endpoints of a study."""
    for id, endpoint in spec.endpoints.items():
        if not isinstance(endpoint, SustainedEndpoint):
            continue
        where = f"endpoints.{id}"
        yield from _of(spec, endpoint, where)
        problems = list(_range(spec, endpoint, where))
        yield from problems
        if not problems:
            yield from _minimum(spec, endpoint, where)
        asked = "rescue" in endpoint.model_fields_set and endpoint.rescue != "ignore"
        if asked and spec.sources.cm is None:
            yield (
                f"{where}.rescue",
                "rescue medication is read from sources.cm, which is absent; add that, "
                "or leave out rescue.",
            )


def _of(spec: Study, endpoint: SustainedEndpoint, where: str) -> Found:
    match spec.endpoints.get(endpoint.of):
        case None:
            known = [
                id
                for id, other in spec.endpoints.items()
                if not isinstance(
                    other, ChangeEndpoint | SustainedEndpoint | TimeToEventEndpoint
                )
            ]
            yield f"{where}.of", unknown(endpoint.of, known, "a yes/no endpoint")
        case ChangeEndpoint():
            yield (
                f"{where}.of",
                f"'{endpoint.of}' is a change; only a yes/no endpoint can be "
                "sustained, such as a response or a threshold.",
            )
        case TimeToEventEndpoint():
            yield (
                f"{where}.of",
                f"'{endpoint.of}' is a time to an event; only a yes/no endpoint can be "
                "sustained.",
            )
        case SustainedEndpoint(of=of):
            yield (
                f"{where}.of",
                f"'{endpoint.of}' is itself sustained; name what it is of, '{of}'.",
            )


def _range(
    spec: Study, endpoint: SustainedEndpoint, where: str
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the visits at which an endpoint must hold."""
    start, end = endpoint.start, endpoint.end
    by_ends = start is not None and end is not None
    if by_ends == bool(endpoint.visits) or (start is None) != (end is None):
        yield where, "needs either both from and to, or visits."
        return
    ids = [visit.id for visit in spec.visits]
    named = [("from", start), ("to", end)] if by_ends else []
    named += [("visits", id) for id in endpoint.visits]
    strange = [(key, id) for key, id in named if id not in ids]
    for key, id in strange:
        yield f"{where}.{key}", unknown(str(id), ids, "a visit")
    backwards = (
        not strange
        and start is not None
        and end is not None
        and ids.index(start) > ids.index(end)
    )
    if backwards:
        yield where, f"from {start} comes after to {end}; turn them round."
        return
    visits = [visit.id for visit in spec.visits_of(endpoint)]
    if strange:
        visits = [id for _, id in named if id in ids]
    baseline = spec.baseline_visit.id
    early = [id for id in visits if ids.index(id) <= ids.index(baseline)]
    if early:
        yield (
            where,
            f"{', '.join(early)}: nothing is sustained at or before the baseline visit "
            f"({baseline}); begin after it.",
        )
    elif len(visits) == 1 and not strange:
        yield (
            where,
            f"{visits[0]} is one visit; name a range of two or more, or use "
            f"'{endpoint.of}' at that visit.",
        )


def _minimum(spec: Study, endpoint: SustainedEndpoint, where: str) -> Found:
    if endpoint.minimum is None:
        return
    count = len(spec.visits_of(endpoint))
    if endpoint.missed in ("failure", "missing"):
        yield (
            f"{where}.minimum",
            f"missed: {endpoint.missed} passes over no visit, so that all must be "
            "assessed; remove minimum, or say missed: single or ignore.",
        )
    elif endpoint.minimum > count:
        yield (
            f"{where}.minimum",
            f"{endpoint.minimum} is more than the {count} visits there are.",
        )


def strategy_problem(
    estimand: Estimand,
    event: IntercurrentEvent,
    endpoint: SustainedEndpoint,
    where: str,
) -> Found:
    """Yield where an estimand meets rescue in another way than its endpoint does."""
    if event.strategy != endpoint.strategy:
        yield (
            where,
            f"the strategy for rescue is {event.strategy}, but '{estimand.endpoint}' "
            f"says rescue: {endpoint.rescue}, which is {endpoint.strategy}; make them "
            "agree.",
        )
