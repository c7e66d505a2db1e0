"""Whose survival is shown: all randomised, those followed, and all weighted for entry.

What the displays of a time-to-event analysis have in common stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from outcomes.displays.context import Context
from outcomes.displays.description import Row
from outcomes.displays.event_warnings import shows_selected
from outcomes.displays.lookup import Result
from outcomes.displays.words import (
    ending_words,
    endpoint_of,
    outcome_label,
    population_of,
)
from outcomes.study.analyses import OfEndpoint, TimeToEvent
from outcomes.study.displays import decapitalised, population_words
from outcomes.study.event_words import events_words, origin_words
from outcomes.study.events import TimeToEventEndpoint

SELECTED: Final = "Selected: entered follow-up"
WEIGHTED_SHORT: Final = "Weighted for entry"
WEIGHTED: Final = (
    f"{WEIGHTED_SHORT} (valid only where entry depends on observed history)"
)
VALID_NOTE: Final = (
    "Selected: estimates among those who entered the follow-up condition on what"
    " happened after randomisation, which may differ between arms; they do not compare"
    " the arms as randomised. Weighted: from the day on which the follow-up was due,"
    " eligible subjects who entered also represent similar eligible subjects who did"
    " not; valid only where entry depends on observed history, everything that entry"
    " depends on is in the entry model, and every eligible subject had a chance to"
    " enter."
)
NOT_RANDOMISED: Final = "among responders, not randomised"
FEW: Final = 10
"""Limits at a day with fewer subjects at risk rest on few."""
FEW_NOTE: Final = (
    f"Limits on days with fewer than {FEW} at risk rest on few subjects and do not"
    " widen where no event follows."
)
KM: Final = "kaplan-meier"
_WEIGHTED: Final = "-weighted"


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the estimates that stand beside each other."""

    population: str
    ending: str
    """Of the ``method_id`` of its rows: '' or ``-weighted``."""
    label: str
    short: str
    """Where the whole label stands nearby."""

    def method(self, name: str) -> str:
        """Return the ``method_id`` of a method in this sample."""
        return f"{name}{self.ending}"


def samples_of(context: Context) -> list[Sample]:
    """Return the samples that the results have: all first, then selected, weighted."""
    analysis = context.subject
    whole = population_of(context.spec, analysis)
    name = population_words(whole, enrolled=context.single_arm)
    found = [Sample(whole, "", name, name)]
    if not isinstance(analysis, TimeToEvent):
        return found
    rows = context.results.rows
    selected = analysis.followed_up or ""
    if selected and any(row.population == selected for row in rows):
        label = f"{SELECTED} ({selected})"
        found.append(Sample(selected, "", label, label))
    if any(row.method_id.endswith(_WEIGHTED) for row in rows):
        found.append(Sample(whole, _WEIGHTED, WEIGHTED, WEIGHTED_SHORT))
    return found


def days_of(context: Context) -> list[float]:
    """Return the days at which survival is stated, in order."""
    analysis = context.subject
    return sorted(float(d) for d in analysis.days) if hasattr(analysis, "days") else []


def horizon_of(context: Context, sample: Sample) -> float:
    """Return the day to which restricted means go: that of the rows, if there are any.

    It is earlier than the one asked for where an arm is not followed so long.
    """
    for row in context.results.rows:
        own = row.method_id == sample.method("rmst") and row.time is not None
        if own and row.population == sample.population:
            return float(row.time or 0.0)
    return float(getattr(context.subject, "horizon", 0))


def on_day(
    context: Context,
    sample: Sample,
    day: float,
    statistic: str,
    arm: str,
    *,
    method: str = KM,
    term: str = "day",
    comparator: str = "",
    subgroup: str = "",
) -> Result | None:
    """Return a statistic of a declared day."""
    place = {"arm": arm, "comparator": comparator, "subgroup": subgroup}
    return at(context, sample, method, term, statistic, day=day, **place)


def at(
    context: Context,
    sample: Sample,
    method: str,
    term: str,
    statistic: str,
    *,
    arm: str = "",
    comparator: str = "",
    subgroup: str = "",
    level: str = "",
    day: float | None = None,
) -> Result | None:
    """Return a statistic, that of a day where one is given."""
    return context.results.get(
        term,
        statistic,
        time=day,
        arm=arm,
        comparator=comparator,
        subgroup=subgroup,
        level=level,
        method_id=sample.method(method),
        population=sample.population,
    )


def having(
    context: Context,
    sample: Sample,
    method: str,
    term: str,
    *,
    statistic: str | None = None,
) -> list[Result]:
    """Return the rows of a term in a sample."""
    return context.results.having(
        term,
        statistic=statistic,
        method_id=sample.method(method),
        population=sample.population,
    )


def event_endpoint(context: Context) -> TimeToEventEndpoint | None:
    """Return the endpoint of the analysis."""
    analysis = context.subject
    if not isinstance(analysis, OfEndpoint):
        return None
    found = context.spec.endpoints[endpoint_of(context.spec, analysis)]
    return found if isinstance(found, TimeToEventEndpoint) else None


def event_label(context: Context) -> str:
    """Return what the endpoint of the analysis is called."""
    analysis = context.subject
    if not isinstance(analysis, OfEndpoint):
        return ""
    return outcome_label(context.spec, endpoint_of(context.spec, analysis))


def day_label(context: Context) -> str:
    """Return the title of a time axis: ``Day (day 1: first dose)``."""
    endpoint = event_endpoint(context)
    origin = origin_words(context.spec, endpoint) if endpoint is not None else "origin"
    return f"Day (day 1: {origin})"


def causes_of(context: Context) -> list[str]:
    """Return the subgroups of cumulative incidence: the event first."""
    found = {
        row.subgroup: None
        for row in context.results.rows
        if row.method_id == "aalen-johansen" and row.subgroup
    }
    return sorted(found, key=lambda cause: cause != "event")


def cause_words(cause: str) -> str:
    """Return a cause as a heading names it."""
    if cause == "event":
        return "Event of interest"
    return f"Competing event: {decapitalised(ending_words(cause))}"


def definition_notes(context: Context) -> list[str]:
    """Say what the event is, who is counted, and what numbers at risk are."""
    endpoint = event_endpoint(context)
    said = list(events_words(context.spec, endpoint)) if endpoint is not None else []
    samples = samples_of(context)
    beside = len(samples) > 1 and shows_selected(context.display.template)
    said.append(f"Population: {samples[0].label}.")
    if beside:
        words = VALID_NOTE
        if context.single_arm:
            words = words.replace("randomised", "enrolled")
            words = words.replace("after randomisation", "after enrolment")
        said.append(words)
    return said


def among_responders(context: Context) -> str:
    """Return what comparisons are of where time begins with a response; else ''."""
    endpoint = event_endpoint(context)
    late = endpoint is not None and endpoint.origin == "first-response"
    return f" ({NOT_RANDOMISED})" if late else ""


def persons_at_risk(
    context: Context,
    sample: Sample,
    day: float,
    arm: str,
    *,
    method: str = KM,
    subgroup: str = "",
) -> Result | None:
    """Return how many are at risk just before a day: subjects, not sums of weights."""
    names = ("count_risk", "n_risk") if sample.ending else ("n_risk",)
    found = (
        on_day(context, sample, day, name, arm, method=method, subgroup=subgroup)
        for name in names
    )
    return next((one for one in found if one is not None), None)


def few_note(context: Context, samples: Iterable[Sample], method: str = KM) -> str:
    """Say what limits of late days rest on, where few are at risk; else ''."""
    subgroups = causes_of(context) if method != KM else [""]
    risks = (
        persons_at_risk(context, sample, day, arm.id, method=method, subgroup=subgroup)
        for sample in samples
        for subgroup in subgroups
        for arm in context.spec.arms
        for day in days_of(context)
    )
    return FEW_NOTE if any(is_few(risk) for risk in risks) else ""


def is_few(risk: Result | None) -> bool:
    """Tell whether somebody is at risk, and fewer than `FEW`."""
    return risk is not None and risk.value is not None and 0 < risk.value < FEW


def shown(rows: list[Row]) -> tuple[Row, ...]:
    """Return the rows with a number, and the headings that have some below them."""
    out: list[Row] = []
    waiting: Row | None = None
    for row in rows:
        if any(cell.result_ids for cell in row.cells):
            if waiting is not None and row.indent > waiting.indent:
                out.append(waiting)
            out.append(row)
            waiting = None
        elif not any(cell.parts for cell in row.cells):
            waiting = row
    return tuple(out)


def method_note(context: Context, label: str, term: str, method_id: str) -> str:
    """Quote how a method was done, from the ARD; '' where it has no rows."""
    phrases = context.method_phrases(term, method_id=method_id)
    return f"{label}: {'; '.join(phrases).rstrip('.')}." if phrases else ""


def levels_in_order(rows: Iterable[Result]) -> list[str]:
    """Return the levels of rows, once each, in file order; ``any`` is none."""
    return [
        level
        for level in dict.fromkeys(row.level for row in rows)
        if level not in ("", "any")
    ]
