"""What must differ between the events of two studies for a reader to be told."""

from __future__ import annotations

from collections.abc import Iterable

from outcomes.comparison.load import Member


def kind_of_event(member: Member) -> tuple[object, ...]:
    """Return what tells kinds of events apart, whatever scores they are made of."""
    endpoint = member.endpoint
    rules = {
        (
            *(rule.kind, getattr(rule, "assessments", 1)),
            *(getattr(rule, "serious", False), getattr(rule, "equals", "")),
            getattr(rule, "apart", None) or (),
        )
        for rule in endpoint.rules
    }
    ends = {rule.kind for rule in (*endpoint.competing, *endpoint.censoring)}
    return (
        endpoint.origin,
        endpoint.settled_censor,
        tuple(sorted(rules)),
        tuple(sorted(ends)),
    )


def instruments_of(members: Iterable[Member]) -> list[str]:
    """Return the instruments behind the events of studies, once each."""
    found: dict[str, None] = {}
    for member in members:
        waiting = list(member.endpoint.parts)
        while waiting:
            part = member.spec.endpoints[waiting.pop(0)]
            instrument = getattr(part, "instrument", None)
            if instrument is not None:
                found[instrument] = None
            of = getattr(part, "of", [])
            waiting += [of] if isinstance(of, str) else of
    return list(found)
