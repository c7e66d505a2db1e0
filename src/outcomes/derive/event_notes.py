"""What is said of the times of an endpoint: counted, and what looks like a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from outcomes.derive.notes import Note, first, plural
from outcomes.derive.occurrences import absent_names
from outcomes.study.displays import rule_label
from outcomes.study.events import AnyEventRule, Criterion, TimeToEventEndpoint

if TYPE_CHECKING:
    from outcomes.datasets.store import Frame
    from outcomes.study.spec import Study


def seen_later(ends: Frame) -> list[Note]:
    """Warn of who was assessed after the end of observation, which makes times longer.

    Nothing else tells a year that was mistyped from a visit that was late.
    """
    who = ends.index[ends["contact"] > ends["ended"]]
    if not len(who):
        return []
    return [
        Note(
            "assessment-after-end",
            f"{plural(len(who), 'subject')} assessed after the recorded end of the "
            f"study or its follow-up {first(who)}.",
            remedy="the assessments count; correct one of the dates",
            severity="warning",
            file="adtte",
            column="ADT",
        )
    ]


def unrecorded(
    spec: Study,
    tables: Mapping[str, Frame],
    endpoint: TimeToEventEndpoint,
    rule: AnyEventRule,
) -> list[Note]:
    """Say where no record at all has a name that a rule asks for: perhaps misspelt."""
    names = [] if isinstance(rule, Criterion) else absent_names(rule, tables)
    if not names:
        return []
    return [
        Note(
            "event-never-recorded",
            f"{endpoint.paramcd}: no record of anybody is what "
            f"'{rule_label(spec, rule)}' asks for ({', '.join(names)}).",
            remedy="no event by this rule; see whether the names are spelled so",
            file="adtte",
            column="EVNTDESC",
            value=endpoint.paramcd,
        )
    ]


def unconfirmed(
    spec: Study, endpoint: TimeToEventEndpoint, rule: Criterion, who: list[str]
) -> list[Note]:
    """Say whose last assessments meet a criterion that nothing confirms any more."""
    if not who:
        return []
    code, label = endpoint.paramcd, rule_label(spec, rule)
    return [
        Note(
            "event-unconfirmed",
            f"{code}: {plural(len(who), 'subject')} whose last assessments meet "
            f"'{label}' without the {rule.assessments} it needs {first(who)}.",
            remedy="no event",
            file="adtte",
            column="CNSR",
            value=code,
        )
    ]


def summary(code: str, frame: Frame) -> Note:
    """Count who is at risk of an endpoint, by how that ended."""
    count = frame["CNSR"].value_counts()
    events, censored_, competing = (int(count.get(k, 0)) for k in (0, 1, 2))
    beside = f", {plural(competing, 'competing event')}" if competing else ""
    return Note(
        "times",
        f"{code}: {plural(len(frame), 'subject')} at risk, {plural(events, 'event')}"
        f"{beside}, {censored_} censored.",
        remedy="one row each",
        file="adtte",
        column="CNSR",
        value=code,
    )
